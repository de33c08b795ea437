"""Seats over the wire: who has one when, what they cost, the pool of credits that they give, and what cannot be."""

import uuid
from decimal import Decimal
from typing import Any

import pytest

from api import billing, seated, seed
from api.seed import at

pytestmark = pytest.mark.anyio

CREATE, EDIT = "/v1/contracts/create", "/v2/contracts/edit"
HISTORY = "/v1/contracts/getSubscriptionSeatsHistory"


@pytest.fixture
async def catalog(sdk) -> dict[str, str]:
    """Make usage by user, a seat for 30 dollars, and a customer."""
    return await seated.catalog(sdk)


async def asked(app_client, catalog, **query: Any) -> list[tuple[str, list[tuple[Decimal, Decimal]]]]:
    """Return (date, quantities and totals of subscription lines) of invoices, by date."""
    found = await billing.invoices_of(app_client, catalog["customer"], **query)
    lines = [[line for line in each["line_items"] if line["type"] == "subscription"] for each in found]
    return [
        (each["issued_at"][:10], [(line["quantity"], line["total"]) for line in its])
        for each, its in zip(found, lines, strict=True)
        if its
    ]


async def test_seats_come_and_go_and_are_charged(sdk, api, app_client, database_url, catalog, clock):
    """An id takes an unassigned seat first; who goes is paid for until the period ends; the history tells it all."""
    keys, made = await seated.contract(sdk, catalog, seated.seats(catalog, "ann", "bob", unassigned=1))
    (team,) = made.subscriptions
    assert (team.quantity_management_mode, team.seat_config.seat_group_key) == ("SEAT_BASED", "user")
    assert [each.quantity for each in team.quantity_schedule] == [3]
    await billing.bill(api, database_url)
    await seated.reseat(
        sdk, keys, team.id,
        add_seat_ids=[{"seat_ids": ["carl", "dora"], "starting_at": at(2026, 1, 17)}],
        remove_seat_ids=[{"seat_ids": ["ann", "nobody"], "starting_at": at(2026, 1, 20)}],
    )  # fmt: skip
    await seated.reseat(
        sdk, keys, team.id, add_unassigned_seats=[{"quantity": 2, "starting_at": at(2026, 2, 5)}],
        remove_unassigned_seats=[{"quantity": 1, "starting_at": at(2026, 2, 6)}],
    )  # fmt: skip
    clock.at = at(2026, 2, 10)
    await billing.bill(api, database_url)
    assert await asked(app_client, catalog, status="FINALIZED") == [
        ("2026-01-01", [(3, 9000)]),
        ("2026-01-17", [(1, Decimal("1451.6129032258064516129"))]),
        ("2026-02-02", [(3, 9000)]),
        ("2026-02-05", [(2, 2 * Decimal("2571.42857142857142857143"))]),
    ]
    named = {**keys, "subscription_id": team.id}
    page = await sdk.v1.contracts.get_subscription_seats_history(**named)
    spans = [(each.starting_at, each.ending_before, each.total_quantity, each.assigned_seat_ids) for each in page.data]
    assert page.next_page is None
    assert spans == [
        (at(2026), at(2026, 1, 17), 3, ["ann", "bob"]),
        (at(2026, 1, 17), at(2026, 1, 20), 4, ["ann", "bob", "carl", "dora"]),
        (at(2026, 1, 20), at(2026, 2, 5), 3, ["bob", "carl", "dora"]),
        (at(2026, 2, 5), at(2026, 2, 6), 5, ["bob", "carl", "dora"]),
        (at(2026, 2, 6), None, 4, ["bob", "carl", "dora"]),
    ]
    seen, cursor = [], None
    while cursor is not None or not seen:
        part = await sdk.v1.contracts.get_subscription_seats_history(
            **named, limit=2, **({"cursor": cursor} if cursor else {})
        )
        seen += [each.starting_at for each in part.data]
        cursor = part.next_page
    assert seen == [start for start, *_ in spans]
    covering = await sdk.v1.contracts.get_subscription_seats_history(**named, covering_date=at(2026, 1, 17))
    assert [each.starting_at for each in covering.data] == [at(2026, 1, 17)]
    between = await sdk.v1.contracts.get_subscription_seats_history(
        **named, starting_at=at(2026, 1, 18), ending_before=at(2026, 1, 30)
    )
    assert [each.starting_at for each in between.data] == [at(2026, 1, 17), at(2026, 1, 20)]
    edits = (await sdk.v2.contracts.get_edit_history(**keys)).data
    assert edits[1].update_subscriptions[0].seat_updates.add_unassigned_seats[0].quantity == 2


async def test_a_pool_grows_with_the_seats(sdk, api, app_client, database_url, catalog, clock):
    """Each seat gives 31 dollars a month, prorated for one that comes; what is told late counts from when it came."""
    keys, made = await seated.contract(
        sdk, catalog, seated.seats(catalog, "ann", unassigned=1), recurring_credits=[seated.credit(catalog, "POOLED")]
    )
    (team,), (free,) = made.subscriptions, made.recurring_credits
    config = free.subscription_config
    assert (config.subscription_id, config.allocation, config.apply_seat_increase_config.is_prorated) == (
        team.id, "POOLED", True,
    )  # fmt: skip
    assert (free.access_amount.unit_price, free.access_amount.quantity) == (3100, None)
    await billing.bill(api, database_url)
    come = {"add_seat_ids": [{"seat_ids": ["bob", "carl"], "starting_at": at(2026, 1, 11)}]}
    await seated.reseat(sdk, keys, team.id, **come)
    await sdk.v1.usage.ingest(usage=[billing.event(1, catalog["customer"], clock(), tokens=8000, user="ann")])
    await billing.meter(api, database_url)
    (draft,) = await billing.invoices_of(app_client, catalog["customer"], status="DRAFT", type="USAGE")
    windows = await sdk.v1.customers.invoices.list_breakdowns(
        customer_id=catalog["customer"], starting_on=at(2026), ending_before=at(2026, 2), window_size="DAY"
    )
    assert draft["total"] == 3 * 3000, "the pool pays for all usage"
    assert sum(each.total for each in windows.data) == draft["total"]
    clock.at = at(2026, 2, 2)
    await billing.bill(api, database_url)
    after = (await sdk.v2.contracts.retrieve(**keys, include_ledgers=True, include_balance=True)).data.credits
    assert [(each.type, each.amount, each.timestamp) for each in after[0].ledger] == [
        ("CREDIT_SEGMENT_START", 6200, at(2026)),
        ("CREDIT_SEAT_BASED_ADJUSTMENT", 2100, at(2026, 1, 11)),
        ("CREDIT_AUTOMATED_INVOICE_DEDUCTION", -8000, at(2026, 2)),
        ("CREDIT_EXPIRATION", -300, at(2026, 2)),
    ]
    assert after[0].subscription_config.allocation == "POOLED"
    assert [each.balance for each in after] == [0, 9300, 0]
    await sdk.v1.contracts.archive(**keys, void_invoices=False)
    archived = (await sdk.v2.contracts.retrieve(**keys, include_ledgers=True)).data.credits
    assert archived[0].ledger == after[0].ledger, "whoever archives changes no history"


async def test_what_final_invoices_took_stays_given(sdk, api, app_client, database_url, catalog, clock):
    """Seats that a final invoice has drawn on cannot be taken back; others can."""
    arrears = {"collection_schedule": "ARREARS", "proration": {}}
    schedule = {"frequency": "WEEKLY", "day": "CONTRACT_START"}
    keys, made = await seated.contract(
        sdk, catalog, seated.seats(catalog, "ann", "bob", "carl", **arrears), usage_statement_schedule=schedule,
        recurring_credits=[seated.credit(catalog, "POOLED", recurrence_frequency="MONTHLY")],
    )  # fmt: skip
    await sdk.v1.usage.ingest(usage=[billing.event(1, catalog["customer"], at(2026, 1, 2), tokens=5000, user="ann")])
    await billing.meter(api, database_url)
    await billing.bill(api, database_url)

    def without(*ids: str) -> dict[str, Any]:
        gone = [{"seat_ids": list(ids), "starting_at": "2026-01-01T00:00:00Z"}]
        return {
            **keys,
            "update_subscriptions": [
                {"subscription_id": made.subscriptions[0].id, "seat_updates": {"remove_seat_ids": gone}}
            ],
        }

    await seed.refused(app_client, EDIT, without("bob", "carl"), "void them first", "$.update_subscriptions[0]")
    assert (await seed.post(app_client, EDIT, without("carl"))).status_code == 200
    (credit, *_) = (await sdk.v2.contracts.retrieve(**keys, include_ledgers=True)).data.credits
    assert [each.amount for each in credit.ledger] == [9300, -3100, -5000]


async def test_what_cannot_be_is_refused(sdk, app_client, catalog):
    """With the place of the fault, and nothing is kept."""

    async def refuse(*parts: str, changes: dict[str, Any] | None = None, **more: Any) -> None:
        body = {
            "customer_id": catalog["customer"], "rate_card_id": catalog["card"], "starting_at": "2026-01-01T00:00:00Z",
            "subscriptions": [seated.seats(catalog, "ann") | (changes or {})], **more,
        }  # fmt: skip
        await seed.refused(app_client, CREATE, body, *parts)

    def config(**changes: Any) -> dict[str, Any]:
        return {"seat_config": {"seat_group_key": "user", "initial_seat_ids": ["ann"]} | changes}

    def gives(**changes: Any) -> dict[str, Any]:
        credit = seated.credit(catalog, starting_at="2026-01-01T00:00:00Z")
        return {"recurring_credits": [{**credit, **changes}]}

    def linked(**changes: Any) -> dict[str, Any]:
        return gives(subscription_config=seated.credit(catalog)["subscription_config"] | changes)

    place = "$.subscriptions[0]"
    await refuse("leave it out", f"{place}.initial_quantity", changes={"initial_quantity": 1})
    await refuse("is needed", f"{place}.seat_config", changes={"seat_config": None})
    only = {"quantity_management_mode": "QUANTITY_ONLY", "initial_quantity": 1}
    await refuse("SEAT_BASED", f"{place}.seat_config", changes=only)
    await refuse("group keys", f"{place}.seat_config.seat_group_key", changes=config(seat_group_key="seat"))
    await refuse("twice", f"{place}.seat_config.initial_seat_ids[1]", changes=config(initial_seat_ids=["a", "a"]))
    for wrong in (-1, 1.5, 1001):
        where = f"{place}.seat_config.initial_unassigned_seats"
        await refuse("whole number", where, changes=config(initial_unassigned_seats=wrong))
    await refuse("at most 1000", f"{place}.seat_config", changes=config(initial_unassigned_seats=1000))
    place = "$.recurring_credits[0]"
    await refuse("no subscription", f"{place}.subscription_config.subscription_id", **linked(subscription_id="other"))
    await refuse("DAILY", f"{place}.recurrence_frequency", **gives(recurrence_frequency="DAILY"))
    await refuse("does not roll over", f"{place}.rollover_fraction", **gives(rollover_fraction=0.5))
    amount = {"unit_price": 1, "quantity": 2}
    await refuse("leave it out", f"{place}.access_amount.quantity", **gives(access_amount=amount))
    await refuse(
        "SEAT_BASED", f"{place}.subscription_config.allocation", changes={**only, "seat_config": None}, **linked()
    )
    assert (await sdk.v2.contracts.list(customer_id=catalog["customer"])).data == []


async def test_edits_that_cannot_be_are_refused(sdk, api, app_client, database_url, catalog):
    """Seats that are there, or are not, or are charged; quantities of seats; and what a child gives."""
    keys, made = await seated.contract(
        sdk, catalog, seated.seats(catalog, "ann", unassigned=2), recurring_credits=[seated.credit(catalog)]
    )
    await billing.bill(api, database_url)
    its_id, later = made.subscriptions[0].id, "2026-01-17T00:00:00Z"
    place = "$.update_subscriptions[0]"

    async def refuse(*parts: str, **update: Any) -> None:
        body = {**keys, "update_subscriptions": [{"subscription_id": its_id, **update}]}
        await seed.refused(app_client, EDIT, body, *parts)

    def come(*ids: str, on: str = later) -> dict[str, Any]:
        return {"seat_updates": {"add_seat_ids": [{"seat_ids": list(ids), "starting_at": on}]}}

    await refuse("seat_updates", f"{place}.quantity_updates", quantity_updates=[{"quantity": 1, "starting_at": later}])
    await refuse("asks for no change", f"{place}.seat_updates", seat_updates={})
    await refuse("has a seat", f"{place}.seat_updates", **come("ann"))
    await refuse("twice", f"{place}.seat_updates.add_seat_ids[0].seat_ids[1]", **come("bob", "bob"))
    await refuse(
        "charged", f"{place}.seat_updates.add_seat_ids[0].starting_at", **come("bob", on="2026-01-01T00:00:00Z")
    )
    await refuse("hour", f"{place}.seat_updates.add_seat_ids[0].starting_at", **come("bob", on="2026-01-17T00:30:00Z"))
    await refuse(
        "lie within", f"{place}.seat_updates.add_seat_ids[0].starting_at", **come("b", on="2025-12-01T00:00:00Z")
    )
    fewer = {"remove_unassigned_seats": [{"quantity": 3, "starting_at": later}]}
    await refuse("only 2 unassigned", f"{place}.seat_updates", seat_updates=fewer)
    more = {"add_unassigned_seats": [{"quantity": 998, "starting_at": later}]}
    await refuse("at most 1000", f"{place}.seat_updates", seat_updates=more)
    (child, *_), (free,) = made.credits, made.recurring_credits
    access = {"add_schedule_items": [{"amount": 1, "starting_at": later, "ending_before": "2026-01-18T00:00:00Z"}]}
    edited = {**keys, "update_credits": [{"credit_id": child.id, "access_schedule": access}]}
    await seed.refused(app_client, EDIT, edited, "seats", "$.update_credits[0].access_schedule")
    amount = {"recurring_credit_id": free.id, "access_amount": {"quantity": 2}}
    edited = {**keys, "update_recurring_credits": [amount]}
    await seed.refused(app_client, EDIT, edited, "leave it out", "$.update_recurring_credits[0].access_amount.quantity")
    unknown = {**keys, "subscription_id": str(uuid.uuid4())}
    await seed.refused(app_client, HISTORY, unknown, "no subscription", status=404)
    dates = {**keys, "subscription_id": its_id, "covering_date": later, "starting_at": later}
    await seed.refused(app_client, HISTORY, dates, "$.covering_date")


async def test_edits_add_seats_and_what_follows_them(sdk, catalog):
    """A subscription and its credit in one edit, and a credit for a subscription that is there."""
    keys, _ = await seated.contract(sdk, catalog)
    await sdk.v2.contracts.edit(
        **keys, add_subscriptions=[seated.seats(catalog, "ann")], add_recurring_credits=[seated.credit(catalog)]
    )
    made = (await sdk.v2.contracts.retrieve(**keys)).data
    (team,), (free,) = made.subscriptions, made.recurring_credits
    assert free.subscription_config.subscription_id == team.id
    config = seated.credit(catalog, "POOLED")["subscription_config"] | {"subscription_id": team.id}
    await sdk.v2.contracts.edit(**keys, add_recurring_credits=[seated.credit(catalog, subscription_config=config)])
    _, pool = (await sdk.v2.contracts.retrieve(**keys)).data.recurring_credits
    assert (pool.subscription_config.subscription_id, pool.subscription_config.allocation) == (team.id, "POOLED")


async def test_packages_hold_seats_and_what_follows_them(sdk, catalog):
    """A package names the key and unassigned seats; each contract of it has seats of its own."""
    start = {"unit": "DAYS", "value": 0}
    team = seated.seats(catalog, unassigned=2)
    del team["seat_config"]["initial_seat_ids"]
    credit = seated.credit(catalog, starting_at_offset=start)
    del credit["starting_at"]
    made = await sdk.v1.packages.create(
        name="Team", rate_card_id=catalog["card"], subscriptions=[team], recurring_credits=[credit]
    )
    package = (await sdk.v1.packages.retrieve(package_id=made.data.id)).data
    (shown,), (free,) = package.subscriptions, package.recurring_credits
    assert (shown.quantity_management_mode, shown.seat_config.seat_group_key) == ("SEAT_BASED", "user")
    config = free.subscription_config
    assert (config.subscription_template_id, config.allocation) == (shown.id, "INDIVIDUAL")
    contract = await sdk.v1.contracts.create(
        customer_id=catalog["customer"], package_id=made.data.id, starting_at=at(2026)
    )
    keys = {"customer_id": catalog["customer"], "contract_id": contract.data.contract.id}
    agreed = (await sdk.v2.contracts.retrieve(**keys)).data
    (its,) = agreed.subscriptions
    assert agreed.recurring_credits[0].subscription_config.subscription_id == its.id
    await seated.reseat(sdk, keys, its.id, add_seat_ids=[{"seat_ids": ["ann"], "starting_at": at(2026)}])
    found = await sdk.v1.contracts.list_seat_balances(**keys)
    assert [(each.seat_id, each.balances[0].balance) for each in found.data] == [("ann", 3100)]


async def test_a_stranger_sees_nothing(sdk, make_client, catalog):
    """The seats of another tenant do not exist."""
    keys, made = await seated.contract(sdk, catalog, seated.seats(catalog, "ann"))
    stranger = await make_client()
    await seed.refused(stranger, HISTORY, {**keys, "subscription_id": made.subscriptions[0].id}, status=404)
    await seed.refused(stranger, "/v1/contracts/seatBalances/list", keys, status=404)


async def test_a_quantity_becomes_seats(sdk, api, app_client, database_url, catalog, clock):
    """What was charged stays and nothing else is asked for; then ids take the seats that nobody has."""
    counted = seated.seats(catalog, quantity_management_mode="QUANTITY_ONLY", initial_quantity=3)
    del counted["seat_config"]
    keys, made = await seated.contract(sdk, catalog, counted, recurring_credits=[seated.credit(catalog, "POOLED")])
    (team,) = made.subscriptions
    later = {"quantity_delta": 2, "starting_at": at(2026, 3)}
    await sdk.v2.contracts.edit(
        **keys, update_subscriptions=[{"subscription_id": team.id, "quantity_updates": [later]}]
    )
    await billing.bill(api, database_url)
    before = await billing.invoices_of(app_client, catalog["customer"])
    update = {"quantity_management_mode": "SEAT_BASED", "seat_config": {"seat_group_key": "user"}}
    come = {"add_seat_ids": [{"seat_ids": ["ann", "bob"], "starting_at": at(2026, 2, 10).isoformat()}]}
    change = {"subscription_id": team.id, "quantity_management_mode_update": update, "seat_updates": come}
    text = {name: str(each) for name, each in keys.items()}
    answer = await seed.post(app_client, EDIT, {**text, "update_subscriptions": [change]})
    assert answer.status_code == 200, answer.text
    assert await billing.invoices_of(app_client, catalog["customer"]) == before
    (shown,) = (await sdk.v2.contracts.retrieve(**keys)).data.subscriptions
    assert (shown.quantity_management_mode, shown.seat_config.seat_group_key) == ("SEAT_BASED", "user")
    history = await sdk.v1.contracts.get_subscription_seats_history(**keys, subscription_id=team.id)
    assert [(each.starting_at, each.total_quantity, each.assigned_seat_ids) for each in history.data] == [
        (at(2026), 3, []),
        (at(2026, 2, 10), 3, ["ann", "bob"]),
        (at(2026, 3), 5, ["ann", "bob"]),
    ]
    record = (await sdk.v2.contracts.get_edit_history(**keys)).data[-1].update_subscriptions[0]
    assert record.quantity_management_mode_update == update

    async def refuse(*parts: str, **wrong: Any) -> None:
        body = {**text, "update_subscriptions": [{"subscription_id": team.id, **wrong}]}
        await seed.refused(app_client, EDIT, body, *parts)

    mode = "quantity_management_mode_update"
    await refuse("has seats already", f".{mode}", quantity_management_mode_update=update)
    quantity = {"quantity": 4, "starting_at": at(2026, 4).isoformat()}
    await refuse("by seat_updates", quantity_updates=[quantity])
    other = {**update, "seat_config": {"seat_group_key": "colour"}}
    await refuse("no usage product", f".{mode}.seat_config.seat_group_key", quantity_management_mode_update=other)
    await refuse(
        "QUANTITY_ONLY", quantity_management_mode_update={**update, "quantity_management_mode": "QUANTITY_ONLY"}
    )
    half = {**counted, "initial_quantity": 2.5, "temporary_id": "half"}
    others, made = await seated.contract(sdk, catalog, half)
    text, (team,) = {name: str(each) for name, each in others.items()}, made.subscriptions
    await refuse("2.5", "whole", f"$.update_subscriptions[0].{mode}", quantity_management_mode_update=update)
