"""Subscriptions over the wire: rates by billing frequency, what a contract shows, invoices, and what cannot be."""

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from api import billing, seed
from api.seed import at
from winkel.api.subscriptions import subscription_view
from winkel.model.contract import Contract, StatementSchedule
from winkel.model.period import Frequency
from winkel.model.product import Product, ProductState, ProductType
from winkel.model.subscription import CollectionSchedule, QuantityChange, Subscription

pytestmark = pytest.mark.anyio

CARDS = "/v1/contract-pricing/rate-cards"
PRICES = {"MONTHLY": 3100, "ANNUAL": 30000}


@pytest.fixture
async def catalog(sdk) -> dict[str, str]:
    """Make a customer, and a card on which a seat costs 31 dollars a month or 300 a year."""
    card, seat = await seed.rate_card(sdk), await subscription_product(sdk)
    for frequency, price in PRICES.items():
        await sdk.v1.contracts.rate_cards.rates.add(
            rate_card_id=card, product_id=seat, entitled=True, rate_type="FLAT", price=price, starting_at=at(2026),
            billing_frequency=frequency,
        )  # fmt: skip
    return {"customer": await seed.customer(sdk), "card": card, "seat": seat}


async def subscription_product(sdk, name: str = "Seat") -> str:
    """Make a SUBSCRIPTION product and return its id."""
    return (await sdk.v1.contracts.products.create(name=name, type="SUBSCRIPTION")).data.id


def seats(catalog: dict[str, str], quantity: float = 5, **more: Any) -> dict[str, Any]:
    """Return a subscription of seats, monthly in advance."""
    return {
        "subscription_rate": {"product_id": catalog["seat"], "billing_frequency": "MONTHLY"},
        "collection_schedule": "ADVANCE",
        "proration": {"is_prorated": True, "invoice_behavior": "BILL_IMMEDIATELY"},
        "initial_quantity": quantity,
    } | more


async def contract(sdk, catalog, *some: dict[str, Any], **more: Any) -> str:
    """Make a contract with these subscriptions and return its id."""
    made = await sdk.v1.contracts.create(
        **{
            "customer_id": catalog["customer"], "rate_card_id": catalog["card"], "starting_at": at(2026),
            "subscriptions": list(some), **more,
        }
    )  # fmt: skip
    return made.data.contract.id


async def rates(sdk, catalog, **selector: Any) -> list[tuple[str | None, float | None]]:
    """Return (billing frequency, price) of the rates that hold, of those that are selected."""
    found = sdk.v1.contracts.rate_cards.rates.list(
        rate_card_id=catalog["card"], at=at(2026, 2), selectors=[selector] if selector else []
    )
    return [(each.billing_frequency, each.rate.price) async for each in found]


async def test_rates_of_several_frequencies_stand_beside_each_other(sdk, catalog):
    """One does not replace the other; selectors choose between them; a contract's overrides may name one."""
    assert sorted(await rates(sdk, catalog)) == [("ANNUAL", 30000), ("MONTHLY", 3100)]
    assert await rates(sdk, catalog, billing_frequency="ANNUAL") == [("ANNUAL", 30000)]
    schedule = await sdk.v1.contracts.rate_cards.retrieve_rate_schedule(
        rate_card_id=catalog["card"], starting_at=at(2026), selectors=[{"billing_frequency": "MONTHLY"}]
    )
    assert [(each.billing_frequency, each.rate.price) for each in schedule.data] == [("MONTHLY", 3100)]
    named = {"product_id": catalog["seat"], "billing_frequency": "MONTHLY"}
    half = {"starting_at": at(2026), "type": "MULTIPLIER", "multiplier": 0.5, "override_specifiers": [named]}
    keys = {"customer_id": catalog["customer"], "contract_id": await contract(sdk, catalog, overrides=[half])}
    found = await sdk.v1.contracts.retrieve_rate_schedule(**keys, at=at(2026, 2))
    assert {each.billing_frequency: each.override_rate and each.override_rate.price for each in found.data} == {
        "MONTHLY": 1550, "ANNUAL": None,
    }  # fmt: skip
    (shown,) = (await sdk.v2.contracts.retrieve(**keys)).data.overrides
    assert shown.override_specifiers[0].billing_frequency == "MONTHLY"


async def test_a_contract_shows_its_subscriptions(sdk, catalog):
    """In both versions, with its quantity and the billing periods around an instant."""
    asked = seats(
        catalog, 5.5, name="Seats", description="All of them", custom_fields={"a": "b"}, starting_at=at(2026, 1, 20),
        ending_before=at(2026, 4, 5), billing_cycle_config={"anchor_date": at(2026, 1, 10)},
        proration={"is_prorated": True, "rounding": {"decimal_places": -2, "rounding_method": "FLOOR"}},
    )  # fmt: skip
    keys = {"customer_id": catalog["customer"], "contract_id": await contract(sdk, catalog, asked)}
    (nested,) = (await sdk.v1.contracts.retrieve(**keys)).data.subscriptions
    (flat,) = (await sdk.v2.contracts.retrieve(**keys)).data.subscriptions
    for shown in (nested, flat):
        assert (shown.name, shown.description, shown.custom_fields) == ("Seats", "All of them", {"a": "b"})
        rate = shown.subscription_rate
        assert (rate.product.id, rate.product.name, rate.billing_frequency) == (catalog["seat"], "Seat", "MONTHLY")
        assert (shown.collection_schedule, shown.quantity_management_mode) == ("ADVANCE", "QUANTITY_ONLY")
        assert (shown.starting_at, shown.ending_before) == (at(2026, 1, 20), at(2026, 4, 5))
        cycle = shown.billing_cycle_config
        assert (cycle.anchor_date, cycle.invoice_placement) == (at(2026, 1, 10), "ON_USAGE_INVOICE")
        proration = shown.proration
        assert (proration.is_prorated, proration.invoice_behavior) == (True, "BILL_ON_NEXT_COLLECTION_DATE")
        assert (proration.rounding.decimal_places, proration.rounding.rounding_method) == (-2, "FLOOR")
        (quantity,) = shown.quantity_schedule
        assert (quantity.quantity, quantity.starting_at, quantity.ending_before) == (
            5.5, at(2026, 1, 20), at(2026, 4, 5),
        )  # fmt: skip


async def test_billing_periods_are_those_around_now(sdk, api, catalog):
    """The first is cut where the subscription begins; before it there is none."""
    now = api.clock()
    start = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    keys = {"customer_id": catalog["customer"]}
    keys["contract_id"] = await contract(sdk, catalog, seats(catalog), starting_at=start)
    (shown,) = (await sdk.v2.contracts.retrieve(**keys)).data.subscriptions
    periods = shown.billing_periods
    assert periods.previous is None
    assert (periods.current.starting_at, periods.current.ending_before) == (start, periods.next.starting_at)
    assert periods.next.starting_at.day == 1


def test_a_quantity_is_shown_with_those_to_come():
    """What was before the one that holds is left out, and so is what would come after the end."""
    changes = [(1, 5), (2, 7), (3, 4), (5, 9)]
    made = Subscription(
        id="one", product_id="seat", billing_frequency=Frequency.MONTHLY, starting_at=at(2026), anchor=at(2026),
        created_at=at(2026), collection_schedule=CollectionSchedule.ADVANCE, ending_before=at(2026, 4, 10),
        changes=tuple(QuantityChange(starting_at=at(2026, month), quantity=Decimal(each)) for month, each in changes),
    )  # fmt: skip
    agreed = Contract(
        id="contract", customer_id="customer", starting_at=at(2025), created_at=at(2025), created_by="test",
        usage_statement_schedule=StatementSchedule(Frequency.MONTHLY, at(2025)),
    )  # fmt: skip
    state = ProductState(name="Seat", created_at=at(2025), created_by="test")
    known = {"seat": Product(id="seat", type=ProductType.SUBSCRIPTION, initial=state)}

    def shown(now: datetime) -> tuple[list[tuple[int, int, int]], list[int | None]]:
        view = subscription_view(agreed, made, known, now)
        around = view.billing_periods.previous, view.billing_periods.current, view.billing_periods.next
        some = [(each.quantity, each.starting_at.month, each.ending_before.month) for each in view.quantity_schedule]
        return some, [each and each.starting_at.month for each in around]

    assert shown(at(2025, 12)) == ([(5, 1, 2), (7, 2, 3), (4, 3, 4)], [None, None, 1])
    assert shown(at(2026, 2)) == ([(7, 2, 3), (4, 3, 4)], [1, 2, 3])
    assert shown(at(2026, 4, 9)) == ([(4, 3, 4)], [3, 4, None])
    assert shown(at(2026, 4, 10)) == ([], [4, None, None])


async def test_periods_are_invoiced_once(sdk, api, app_client, clock, database_url, catalog):
    """The first on a scheduled invoice, those that follow on usage statements; whoever bills again finds nothing."""
    its_id = await contract(sdk, catalog, seats(catalog), ending_before=at(2026, 3, 11))
    for now in (at(2026, 1, 20), at(2026, 2, 2), at(2026, 3, 12), at(2026, 3, 13)):
        clock.at = now
        await billing.bill(api, database_url)
    found = await billing.invoices_of(app_client, catalog["customer"], status="FINALIZED")
    shown = [(each["type"], each["issued_at"][:10], each["total"]) for each in found]
    assert shown == [
        ("SCHEDULED", "2026-01-01", 5 * 3100), ("USAGE", "2026-02-02", 5 * 3100),
        ("USAGE", "2026-03-02", 5 * 1000), ("USAGE", "2026-03-12", 0),
    ]  # fmt: skip
    assert await billing.invoices_of(app_client, catalog["customer"], status="DRAFT") == []
    (line,) = found[2]["line_items"]
    (agreed,) = (
        await sdk.v2.contracts.retrieve(customer_id=catalog["customer"], contract_id=its_id)
    ).data.subscriptions
    assert (line["type"], line["product_type"], line["name"]) == (
        "subscription", "SubscriptionProductListItem", "Seat",
    )  # fmt: skip
    assert (line["subscription_id"], line["is_prorated"]) == (agreed.id, True)
    assert (line["quantity"], line["unit_price"]) == (5, 1000)
    assert line["list_price"]["price"] == 3100
    assert (line["starting_at"][:10], line["ending_before"][:10]) == ("2026-03-01", "2026-03-11")
    assert found[1]["line_items"][0]["is_prorated"] is False


async def test_credits_pay_for_scheduled_subscriptions(sdk, api, app_client, database_url, catalog):
    """A balance is drawn down on the date, with a ledger entry of the scheduled invoice."""
    prepayment = await seed.fixed_product(sdk)
    credit = {
        "product_id": prepayment,
        "priority": 1,
        "access_schedule": {
            "schedule_items": [{"amount": 5000, "starting_at": at(2026), "ending_before": at(2026, 2)}]
        },
    }
    its_id = await contract(sdk, catalog, seats(catalog), credits=[credit], ending_before=at(2026, 1, 2))
    await billing.bill(api, database_url)
    first, last = await billing.invoices_of(app_client, catalog["customer"], status="FINALIZED")
    assert (first["type"], first["total"], last["total"]) == ("SCHEDULED", Decimal(0), Decimal(0))
    got = await sdk.v2.contracts.retrieve(
        customer_id=catalog["customer"], contract_id=its_id, include_ledgers=True, include_balance=True
    )
    (entry,) = [each for each in got.data.credits[0].ledger if each.type == "CREDIT_AUTOMATED_INVOICE_DEDUCTION"]
    assert (entry.amount, entry.invoice_id, entry.timestamp) == (-500, first["id"], at(2026))


async def test_a_later_end_extends_only_what_is_charged_in_arrears(sdk, app_client, catalog):
    """In advance it ends when it did; an earlier end cuts both (§4.7, updateEndDate)."""
    year = at(2026).year + 40
    later = {"starting_at": at(year), "ending_before": at(year, 4)}
    arrears = {"collection_schedule": "ARREARS", "proration": {}, "name": "After"}
    its_id = await contract(sdk, catalog, seats(catalog), seats(catalog, **arrears), **later)
    keys = {"customer_id": catalog["customer"], "contract_id": its_id}
    for month, advance_end in ((3, None), (6, at(year, 3)), (2, at(year, 3)), (5, at(year, 2))):
        await sdk.v1.contracts.update_end_date(**keys, ending_before=at(year, month))
        advance, after = (await sdk.v2.contracts.retrieve(**keys)).data.subscriptions
        assert (advance.ending_before, after.ending_before) == (advance_end, None)


async def test_what_cannot_be_is_refused(sdk, app_client, catalog):
    """With the place of the fault, and nothing is kept."""

    async def refuse(*parts: str, **changes: Any) -> None:
        asked = {**seats(catalog), **changes}
        body = {
            "customer_id": catalog["customer"], "rate_card_id": catalog["card"], "starting_at": "2026-01-01T00:00:00Z",
            "ending_before": "2027-01-01T00:00:00Z",
            "subscriptions": [{key: value for key, value in asked.items() if value is not ...}],
        }  # fmt: skip
        await seed.refused(app_client, "/v1/contracts/create", body, *parts)

    def rate(product: str, frequency: str = "MONTHLY") -> dict[str, str]:
        return {"product_id": product, "billing_frequency": frequency}

    place = "$.subscriptions[0]"
    usage, unrated = await seed.usage_product(sdk), await subscription_product(sdk, "Other")
    await refuse("no product", f"{place}.subscription_rate.product_id", subscription_rate=rate(str(uuid.uuid4())))
    await refuse("SUBSCRIPTION", f"{place}.subscription_rate.product_id", subscription_rate=rate(usage))
    no_rate = f"{place}.subscription_rate.billing_frequency"
    await refuse("no MONTHLY rate", no_rate, subscription_rate=rate(unrated))
    await refuse("no WEEKLY rate", no_rate, subscription_rate=rate(catalog["seat"], "WEEKLY"))
    await refuse("billing_frequency", subscription_rate=rate(catalog["seat"], "DAILY"))
    await refuse("is needed", f"{place}.initial_quantity", initial_quantity=...)
    await refuse("negative", f"{place}.initial_quantity", initial_quantity=-1)
    await refuse("proration", proration=...)
    await refuse("`payment_gate_config` is not supported yet", place, payment_gate_config={})
    await refuse("unknown field `discount`", discount=1)
    await refuse("BILL_IMMEDIATELY is for", f"{place}.proration", collection_schedule="ARREARS")
    for places in (6, -6, 1.5):
        rounding = {"decimal_places": places, "rounding_method": "HALF_UP"}
        await refuse("decimal_places", place, proration={"rounding": rounding})
    anchor = f"{place}.billing_cycle_config.anchor_date"
    early, late, crooked = "2025-12-10T00:00:00Z", "2026-01-01T01:00:00Z", "2025-12-10T00:30:00Z"
    in_arrears = {"collection_schedule": "ARREARS", "proration": {}}
    await refuse("ADVANCE", anchor, billing_cycle_config={"anchor_date": early}, **in_arrears)
    await refuse("after the start", anchor, billing_cycle_config={"anchor_date": late})
    await refuse("hour", anchor, billing_cycle_config={"anchor_date": crooked})
    await refuse("before the start of the contract", f"{place}.starting_at", starting_at=early)
    await refuse("before the end", f"{place}.starting_at", starting_at="2027-01-01T00:00:00Z")
    await refuse("after the end", f"{place}.ending_before", ending_before="2027-01-02T00:00:00Z")
    await refuse("after starting_at", f"{place}.ending_before", ending_before="2026-01-01T00:00:00Z")
    await refuse("hour", f"{place}.starting_at", starting_at="2026-01-01T00:30:00Z")
    await sdk.v1.contracts.products.archive(product_id=catalog["seat"])
    await refuse("archived", f"{place}.subscription_rate.product_id")
    found = await sdk.v2.contracts.list(customer_id=catalog["customer"])
    assert found.data == []


async def test_rates_that_cannot_be_are_refused(sdk, app_client, catalog):
    """A rate of a subscription is flat and for a billing frequency; an overwrite of it is flat too."""
    body = {
        "rate_card_id": catalog["card"], "product_id": catalog["seat"], "entitled": True, "rate_type": "FLAT",
        "price": 1, "starting_at": "2026-01-01T00:00:00Z", "billing_frequency": "WEEKLY",
    }  # fmt: skip

    async def refuse(*parts: str, **changes: Any) -> None:
        asked = {key: value for key, value in {**body, **changes}.items() if value is not ...}
        await seed.refused(app_client, f"{CARDS}/addRate", asked, *parts)

    tiered = {"rate_type": "TIERED", "tiers": [{"price": 1}]}
    await refuse("needs a billing_frequency", "$.billing_frequency", billing_frequency=...)
    await refuse("FLAT", "$.rate_type", price=..., **tiered)
    await refuse("percentages are for", "$.rate_type", rate_type="PERCENTAGE")
    await refuse("commit rates", "$.commit_rate", commit_rate={"rate_type": "FLAT", "price": 1})
    override = {
        "starting_at": "2026-01-01T00:00:00Z", "type": "OVERWRITE", "product_id": catalog["seat"],
        "overwrite_rate": tiered,
    }  # fmt: skip
    asked = {
        "customer_id": catalog["customer"], "rate_card_id": catalog["card"], "starting_at": "2026-01-01T00:00:00Z",
        "overrides": [override],
    }  # fmt: skip
    await seed.refused(app_client, "/v1/contracts/create", asked, "FLAT", "$.overrides[0].overwrite_rate")


async def test_a_stranger_sees_and_names_nothing(make_client, catalog):
    """Products and cards of another tenant do not exist."""
    stranger = await make_client()
    made = (await seed.post(stranger, "/v1/customers", {"name": "Eve"})).json()["data"]["id"]
    body = {"customer_id": made, "starting_at": "2026-01-01T00:00:00Z", "subscriptions": [seats(catalog)]}
    await seed.refused(stranger, "/v1/contracts/create", body, "there is no product")


EDIT = "/v2/contracts/edit"


async def asked(app_client, catalog: dict[str, str]) -> list[tuple[str, str, list[tuple[Decimal, Decimal]]]]:
    """Return (date, status, quantities and totals of lines) of the scheduled invoices, by date."""
    found = await billing.invoices_of(app_client, catalog["customer"], type="SCHEDULED")
    return [
        (each["issued_at"][:10], each["status"], [(line["quantity"], line["total"]) for line in each["line_items"]])
        for each in found
    ]


async def test_edits_change_quantities_and_add_subscriptions(sdk, api, app_client, database_url, catalog, clock):
    """From an instant on that is not charged; an increase is asked for at once, a new subscription from its start."""
    its_id = await contract(sdk, catalog, seats(catalog, name="Old"))
    keys = {"customer_id": catalog["customer"], "contract_id": its_id}
    await billing.bill(api, database_url)
    (old,) = (await sdk.v2.contracts.retrieve(**keys)).data.subscriptions
    edit = await sdk.v2.contracts.edit(
        **keys,
        update_subscriptions=[
            {"subscription_id": old.id, "name": "New", "quantity_updates": [{"starting_at": at(2026, 1, 17),
                                                                            "quantity_delta": 2}]},
        ],
        add_subscriptions=[seats(catalog, 1, name="Guests", starting_at=at(2026, 1, 20))],
    )  # fmt: skip
    assert await asked(app_client, catalog) == [
        ("2026-01-01", "FINALIZED", [(5, 15500)]),
        ("2026-01-17", "DRAFT", [(2, 3000)]),
        ("2026-01-20", "DRAFT", [(1, 1200)]),
    ]
    shown = (await sdk.v2.contracts.retrieve(**keys)).data.subscriptions
    assert [(each.name, each.quantity_schedule[-1].quantity) for each in shown] == [("New", 7), ("Guests", 1)]
    record = edit.data.edit
    assert [each.name for each in record.add_subscriptions] == ["Guests"]
    assert (record.update_subscriptions[0].id, record.update_subscriptions[0].name) == (old.id, "New")
    history = await sdk.v2.contracts.get_edit_history(**keys)
    assert [each.id for each in history.data] == [record.id]


async def test_what_is_charged_stays_until_its_invoice_is_void(sdk, api, app_client, database_url, catalog):
    """A quantity cannot change at an instant that a final invoice has charged; void, it can, and is asked for anew."""
    its_id = await contract(sdk, catalog, seats(catalog))
    keys = {"customer_id": catalog["customer"], "contract_id": its_id}
    await billing.bill(api, database_url)
    (old,) = (await sdk.v2.contracts.retrieve(**keys)).data.subscriptions

    def body(**update: Any) -> dict[str, Any]:
        return {**keys, "update_subscriptions": [{"subscription_id": old.id, **update}]}

    def change(**more: Any) -> dict[str, Any]:
        return body(quantity_updates=[{"starting_at": "2026-01-01T00:00:00Z", **more}])

    place = "$.update_subscriptions[0].quantity_updates[0]"
    await seed.refused(app_client, EDIT, change(quantity=8), "void that invoice", f"{place}.starting_at")
    later = {"starting_at": "2026-01-17T00:00:00Z"}
    await seed.refused(app_client, EDIT, change(**later), "either a quantity or a quantity_delta", place)
    await seed.refused(app_client, EDIT, change(**later, quantity_delta=0), "zero", f"{place}.quantity_delta")
    await seed.refused(app_client, EDIT, change(**later, quantity_delta=-6), "negative", place)
    early = {"starting_at": "2025-12-01T00:00:00Z", "quantity": 1}
    await seed.refused(app_client, EDIT, change(**early), "within the subscription's time", f"{place}.starting_at")
    await seed.refused(app_client, EDIT, body(), "asks for no change", "$.update_subscriptions[0]")
    unknown = {**keys, "update_subscriptions": [{"subscription_id": str(uuid.uuid4()), "name": "x"}]}
    await seed.refused(app_client, EDIT, unknown, "no subscription", "$.update_subscriptions[0].subscription_id")

    (final,) = await billing.invoices_of(app_client, catalog["customer"], status="FINALIZED")
    await sdk.v1.invoices.void(id=final["id"])
    answer = await app_client.post(EDIT, json=change(quantity=8))
    assert answer.status_code == 200, answer.text
    new = await sdk.v1.invoices.regenerate(id=final["id"])
    made = (await sdk.v1.customers.invoices.retrieve(customer_id=catalog["customer"], invoice_id=new.data.id)).data
    assert [(line.quantity, line.total) for line in made.line_items] == [(8, 24800)]


async def test_the_history_tells_quantities_and_prices_until_now(sdk, app_client, catalog, clock, make_client):
    """Each change of the quantity, and of the price from the next period on; nothing of what is to come."""
    made = await contract(sdk, catalog, seats(catalog, 5))
    (its,) = (await sdk.v2.contracts.retrieve(customer_id=catalog["customer"], contract_id=made)).data.subscriptions
    key = {"customer_id": catalog["customer"], "contract_id": made}
    changes = [{"starting_at": at(2026, 1, 10), "quantity": 8}, {"starting_at": at(2026, 12), "quantity": 1}]
    update = [{"subscription_id": its.id, "quantity_updates": changes}]
    await sdk.v2.contracts.edit(**key, update_subscriptions=update)
    await sdk.v1.contracts.rate_cards.rates.add(
        rate_card_id=catalog["card"], product_id=catalog["seat"], entitled=True, rate_type="FLAT", price=3000,
        starting_at=at(2026, 2), billing_frequency="MONTHLY",
    )  # fmt: skip
    clock.move(days=90)
    ask = sdk.v1.contracts.retrieve_subscription_quantity_history
    found = (await ask(**key, subscription_id=its.id)).data
    assert found.subscription_id == its.id
    assert [
        (each.starting_at, [(part.quantity, part.unit_price, part.total) for part in each.data])
        for each in found.history
    ] == [
        (at(2026), [(5, 3100, 15500)]),
        (at(2026, 1, 10), [(8, 3100, 24800)]),
        (at(2026, 2), [(8, 3000, 24000)]),
    ]
    path, body = "/v1/contracts/getSubscriptionQuantityHistory", key | {"subscription_id": str(uuid.uuid4())}
    await seed.refused(app_client, path, body, "no subscription", status=404)
    await seed.refused(await make_client(), path, key | {"subscription_id": its.id}, status=404)
