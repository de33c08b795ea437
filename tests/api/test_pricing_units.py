"""Custom pricing units over the API, from the unit to the invoice that turns it into money."""

import io
import uuid

import pytest
from pypdf import PdfReader

from api import billing, seed
from api.seed import at
from winkel.model.credit_type import BY_ID, USD

pytestmark = pytest.mark.anyio
CARDS = "/v1/contract-pricing/rate-cards"
TERM = {"starting_at": at(2026), "ending_before": at(2027)}
WIRE_TERM = {"starting_at": "2026-01-01T00:00:00Z", "ending_before": "2027-01-01T00:00:00Z"}
EURO = next(each.id for each in BY_ID.values() if each.name == "EUR")


async def new_unit(sdk, name: str = "AI Credits") -> str:
    return (await sdk.v1.pricing_units.create(name=name)).data.id


async def names(sdk, **query) -> list[str]:
    """Return the names of the custom units that are listed."""
    return [each.name async for each in sdk.v1.pricing_units.list(**query) if not each.is_currency]


@pytest.fixture
async def unit(sdk):
    """Return a custom pricing unit."""
    return await new_unit(sdk)


@pytest.fixture
async def card(sdk, unit):
    """Return a card on which a unit is worth ten cents, with a unit a token."""
    card = await seed.rate_card(
        sdk, credit_type_conversions=[{"custom_credit_type_id": unit, "fiat_per_custom_credit": 10}]
    )
    product = await seed.usage_product(sdk)
    await sdk.v1.contracts.rate_cards.rates.add(
        rate_card_id=card, product_id=product, entitled=True, rate_type="FLAT", price=1, starting_at=at(2026),
        credit_type_id=unit,
    )  # fmt: skip
    return card


@pytest.fixture
async def acme(sdk, card, unit, api, database_url):
    """Return a customer with 650 units prepaid for 50 dollars, five dollars free, and 1,000 tokens used."""
    fixed = await seed.fixed_product(sdk)
    customer = (await sdk.v1.customers.create(name="Acme")).data.id
    pack = {
        "product_id": fixed,
        "type": "PREPAID",
        "name": "Pack",
        "access_schedule": {"credit_type_id": unit, "schedule_items": [{"amount": 650, **TERM}]},
        "invoice_schedule": {"schedule_items": [{"timestamp": at(2026), "amount": 5000}]},
    }
    gift = {"product_id": fixed, "name": "Gift", "access_schedule": {"schedule_items": [{"amount": 500, **TERM}]}}
    await sdk.v1.contracts.create(
        customer_id=customer, starting_at=at(2026), rate_card_id=card, commits=[pack], credits=[gift]
    )
    await sdk.v1.usage.ingest(usage=[billing.event(1, customer, api.clock(), model="a", tokens=1000)])
    await billing.meter(api, database_url)
    return customer


async def test_a_unit_lives(sdk, clock):
    """It is made, listed behind the currencies and archived: then no list shows it, and its name is free."""
    first = await new_unit(sdk)
    clock.move(seconds=1)
    await new_unit(sdk, "Stars")
    assert await names(sdk) == ["AI Credits", "Stars"]
    every = [each.id async for each in sdk.v1.pricing_units.list()]
    assert len(every) == 20
    for limit in (1, 17, 18, 19, 20):
        assert [each.id async for each in sdk.v1.pricing_units.list(limit=limit)] == every
    for _ in range(2):
        assert (await sdk.v1.pricing_units.archive(id=first)).data.id == first
    assert await names(sdk) == ["Stars"]
    assert await new_unit(sdk) != first


async def test_units_that_cannot_be(sdk, app_client, make_client, unit):
    """A name that a live unit or a currency has is a conflict; no currency is archived, and no unit of others."""
    create, archive = "/v1/credit-types/create", "/v1/credit-types/archive"
    for name in ("AI Credits", "EUR", "USD", "USD (cents)"):
        await seed.refused(app_client, create, {"name": name}, name, status=409)
    await seed.refused(app_client, create, {"name": ""}, "$.name")
    await seed.refused(app_client, archive, {"id": USD.id}, "a currency cannot be archived", "$.id")
    await seed.refused(app_client, archive, {"id": str(uuid.uuid4())}, "no custom pricing unit", status=404)
    stranger = await make_client()
    await seed.refused(stranger, archive, {"id": unit}, unit, status=404)
    assert (await seed.post(stranger, create, {"name": "AI Credits"})).status_code == 200
    assert await names(sdk) == ["AI Credits"]


async def test_conversions_of_a_card(sdk, app_client, unit):
    """They are added, shown with all their digits, and never changed."""
    card = await seed.rate_card(sdk)
    stars = await new_unit(sdk, "Stars")
    for each, worth in ((unit, "10"), (stars, "0.000000000000000000000000000000000001")):
        conversion = {"custom_credit_type_id": each, "fiat_per_custom_credit": worth}
        body = {"rate_card_id": card, "add_credit_type_conversions": [conversion]}
        assert (await seed.post(app_client, f"{CARDS}/update", body)).status_code == 200
        place = "$.add_credit_type_conversions[0].custom_credit_type_id"
        await seed.refused(app_client, f"{CARDS}/update", body, "cannot be changed", place)
    shown = (await sdk.v1.contracts.rate_cards.retrieve(id=card)).data.credit_type_conversions
    assert [(each.custom_credit_type.name, each.fiat_per_custom_credit) for each in shown] == [
        ("AI Credits", "10"),
        ("Stars", "0.000000000000000000000000000000000001"),
    ]
    (listed,) = [each async for each in sdk.v1.contracts.rate_cards.list()]
    worth = [each.fiat_per_custom_credit for each in listed.credit_type_conversions]
    assert worth == [each.fiat_per_custom_credit for each in shown]


async def test_conversions_that_cannot_be(sdk, app_client, unit):
    """Worth nothing, of a currency, twice, or of an archived unit: refused with the place, and nothing is changed."""
    card = await seed.rate_card(sdk)

    async def refuse(*parts, unit=unit, worth=1, times=1):
        conversions = [{"custom_credit_type_id": unit, "fiat_per_custom_credit": worth}] * times
        made = {"name": "a", "credit_type_conversions": conversions}
        await seed.refused(app_client, f"{CARDS}/create", made, "$.credit_type_conversions", *parts)
        more = {"rate_card_id": card, "name": "a", "add_credit_type_conversions": conversions}
        await seed.refused(app_client, f"{CARDS}/update", more, "$.add_credit_type_conversions", *parts)

    await refuse("above zero", worth=0)
    await refuse("negative", worth=-1)
    await refuse("finite", worth="NaN")
    await refuse("is a currency", unit=EURO)
    await refuse("has a conversion", "[1].custom_credit_type_id", times=2)
    await sdk.v1.pricing_units.archive(id=unit)
    await refuse("'AI Credits' is archived")
    (shown,) = [each async for each in sdk.v1.contracts.rate_cards.list()]
    assert (shown.name, shown.credit_type_conversions) == ("Standard", [])


async def test_rates_in_a_unit(sdk, app_client, card, unit):
    """A rate names its unit; one that the card does not convert is refused, and so is another for the same product."""
    rates = sdk.v1.contracts.rate_cards.rates
    (held,) = [each async for each in rates.list(rate_card_id=card, at=at(2026))]
    assert (held.rate.price, held.rate.credit_type.name) == (1, "AI Credits")
    product, stars = held.product_id, await new_unit(sdk, "Stars")
    one = {
        "product_id": product,
        "entitled": True,
        "rate_type": "FLAT",
        "price": 2,
        "starting_at": "2026-02-01T00:00:00Z",
    }

    async def refuse(place, *parts, **more):
        await seed.refused(
            app_client, f"{CARDS}/addRate", {"rate_card_id": card, **one, **more}, f"`$.{place}`", *parts
        )

    await refuse("credit_type_id", "cannot change")
    await refuse("credit_type_id", "no conversion", credit_type_id=stars)
    await refuse("credit_type_id", "currency", credit_type_id=EURO)
    other = await seed.usage_product(sdk, "Other")
    both = [{**one, "product_id": other}, {**one, "product_id": other, "credit_type_id": unit}]
    body = {"rate_card_id": card, "rates": both}
    await seed.refused(app_client, f"{CARDS}/addRates", body, "cannot change", "`$.rates[1].credit_type_id`")
    await sdk.v1.pricing_units.archive(id=unit)
    await refuse("credit_type_id", "is archived", credit_type_id=unit)
    assert len([each async for each in rates.list(rate_card_id=card, at=at(2026, 3))]) == 1


async def test_what_is_left_is_asked_for_in_money(acme, sdk, unit, app_client, api, database_url, clock):
    """Prepaid units pay for units; 350 are left at ten cents (§8, example 21), of which the free dollars pay five."""
    *_, draft = (await sdk.v1.customers.invoices.list(customer_id=acme, status="DRAFT")).data
    told = [(line.type, line.name, line.credit_type.name, line.quantity, line.total) for line in draft.line_items]
    assert told == [
        ("usage", "Tokens", "AI Credits", 650, 650),
        ("applied_commit_or_credit", "Pack applied", "AI Credits", None, -650),
        ("usage", "Tokens", "AI Credits", 350, 350),
        ("cpu_conversion", "AI Credits conversion", "USD (cents)", 50, 500),
        ("applied_commit_or_credit", "Gift applied", "USD (cents)", None, -500),
        ("cpu_conversion", "AI Credits conversion", "USD (cents)", 300, 3000),
    ]
    assert (draft.total, draft.credit_type.name) == (3000, "USD (cents)")
    assert draft.line_items[0].list_price.credit_type.id == unit
    conversion = draft.line_items[3]
    assert (conversion.unit_price, conversion.product_id) == (10, None)
    assert conversion.applied_commit_or_credit.type == "CREDIT"
    preview = await sdk.v1.customers.preview_events(
        customer_id=acme,
        mode="merge",
        events=[{"event_type": "llm", "properties": {"tokens": 7, "model": "a", "region": "eu"}}],
    )
    assert [each.total for each in preview.data] == [3070]
    for left, currency in ((0, unit), (0, USD.id)):
        net = await sdk.v1.contracts.get_net_balance(customer_id=acme, credit_type_id=currency)
        assert (net.data.balance, net.data.credit_type_id) == (left, currency)
    clock.move(days=30)
    await billing.bill(api, database_url)
    *_, final = (await sdk.v1.customers.invoices.list(customer_id=acme, status="FINALIZED")).data
    assert (final.id, final.line_items, final.total) == (draft.id, draft.line_items, 3000)


async def test_windows_and_paper_keep_units_apart(acme, sdk, app_client):
    """Each day has its units, the last one the conversion; on paper the units are named and the total is money."""
    found = (
        await sdk.v1.customers.invoices.list_breakdowns(
            customer_id=acme, starting_on=at(2026), ending_before=at(2026, 2)
        )
    ).data
    totals = {each.breakdown_start_timestamp.day: each.total for each in found}
    assert {day: total for day, total in totals.items() if total} == {31: 3000}
    (used,) = [each for each in found if any(line.quantity for line in each.line_items) and not each.total]
    assert [line.total for line in used.line_items] == [650, -650, 350]
    draft = found[-1].id
    answer = await app_client.get(f"/v1/customers/{acme}/invoices/{draft}/pdf")
    (paper,) = PdfReader(io.BytesIO(answer.content)).pages
    text = " ".join(paper.extract_text().split())
    for part in ("350 AI Credits", "−650 AI Credits", "AI Credits conversion", "30.00"):
        assert part in text


async def test_void_and_regenerate(acme, sdk, api, database_url, clock, unit):
    """Units and money come back to where they came from, and are drawn again."""
    clock.move(days=30)
    await billing.bill(api, database_url)
    *_, final = (await sdk.v1.customers.invoices.list(customer_id=acme, type="USAGE", status="FINALIZED")).data
    await sdk.v1.invoices.void(id=final.id)
    net = [
        (await sdk.v1.contracts.get_net_balance(customer_id=acme, credit_type_id=each)).data.balance
        for each in (unit, USD.id)
    ]
    assert net == [650, 500]
    again = (await sdk.v1.invoices.regenerate(id=final.id)).data.id
    made = (await sdk.v1.customers.invoices.retrieve(customer_id=acme, invoice_id=again)).data
    assert (made.total, made.line_items) == (3000, final.line_items)


async def test_balances_name_their_unit(acme, sdk, app_client, unit):
    """Lists and contracts show the unit of access and the currency of invoicing; new ones may be in live units only."""
    held = [each async for each in sdk.v1.contracts.list_balances(customer_id=acme, include_contract_balances=True)]
    units = {each.name: each.access_schedule.credit_type.name for each in held}
    assert units == {"Pack": "AI Credits", "Gift": "USD (cents)"}
    (contract,) = (await sdk.v2.contracts.list(customer_id=acme)).data
    (pack,) = contract.commits
    assert pack.access_schedule.credit_type.id == unit
    assert pack.invoice_schedule.credit_type.id == USD.id
    await sdk.v2.contracts.edit(
        customer_id=acme,
        contract_id=contract.id,
        add_credits=[
            {
                "product_id": pack.product.id,
                "access_schedule": {"credit_type_id": unit, "schedule_items": [{"amount": 100, **TERM}]},
            }
        ],
    )
    (edit,) = (await sdk.v2.contracts.get_edit_history(customer_id=acme, contract_id=contract.id)).data
    assert edit.add_credits[0].access_schedule.credit_type.name == "AI Credits"
    access = {"credit_type_id": unit, "schedule_items": [{"amount": 1, **WIRE_TERM}]}
    body = {"customer_id": acme, "product_id": pack.product.id, "priority": 1, "access_schedule": access}
    assert (await seed.post(app_client, "/v1/contracts/customerCredits/create", body)).status_code == 200
    dated = [{"timestamp": "2026-01-01T00:00:00Z", "amount": 1}]
    bought = {**body, "type": "PREPAID", "invoice_contract_id": contract.id}
    bought["invoice_schedule"] = {"credit_type_id": unit, "schedule_items": dated}
    commits = "/v1/contracts/customerCommits/create"
    await seed.refused(app_client, commits, bought, "must be a currency", "`$.invoice_schedule.credit_type_id`")
    promised = {**bought, "type": "POSTPAID", "invoice_schedule": {"schedule_items": dated}}
    await seed.refused(app_client, commits, promised, "`$.invoice_schedule.credit_type_id`")
    await sdk.v1.pricing_units.archive(id=unit)
    place = "`$.access_schedule.credit_type_id`"
    await seed.refused(app_client, "/v1/contracts/customerCredits/create", body, "is archived", place)
    still = (await sdk.v1.customers.invoices.list(customer_id=acme, type="USAGE")).data
    assert still[0].line_items[0].credit_type.name == "AI Credits"


async def test_a_package_may_give_units(acme, sdk, app_client, unit):
    """Its contracts have commits in the unit, as by hand; without the unit there is no such package."""
    (contract,) = (await sdk.v2.contracts.list(customer_id=acme)).data
    item = {"amount": 5, "duration": {"unit": "MONTHS", "value": 1}, "starting_at_offset": {"unit": "DAYS", "value": 0}}
    access = {"credit_type_id": unit, "schedule_items": [item]}
    body = {"name": "Starter", "rate_card_id": contract.rate_card_id}
    body["credits"] = [{"product_id": contract.commits[0].product.id, "access_schedule": access}]
    made = (await seed.post(app_client, "/v1/packages/create", body)).json()["data"]["id"]
    shown = (await sdk.v1.packages.retrieve(package_id=made)).data
    assert shown.credits[0].access_schedule.credit_type.name == "AI Credits"
    await sdk.v1.contracts.create(customer_id=acme, starting_at=at(2026), package_id=made)
    net = await sdk.v1.contracts.get_net_balance(
        customer_id=acme, credit_type_id=unit, invoice_inclusion_mode="FINALIZED"
    )
    assert net.data.balance == 655
    body["credits"][0]["access_schedule"] = {**access, "credit_type_id": str(uuid.uuid4())}
    await seed.refused(app_client, "/v1/packages/create", body, "there is no pricing unit", ".credit_type_id")


async def test_money_for_units_has_a_currency(acme, sdk, app_client, unit):
    """A commit in units that asked for nothing cannot begin to ask by an edit, which names no currency."""
    (contract,) = (await sdk.v2.contracts.list(customer_id=acme)).data
    free = {
        "product_id": contract.commits[0].product.id,
        "type": "PREPAID",
        "access_schedule": {"credit_type_id": unit, "schedule_items": [{"amount": 1, **WIRE_TERM}]},
    }
    key = {"customer_id": acme, "contract_id": contract.id}
    recurring = {
        "product_id": contract.commits[0].product.id,
        "access_amount": {"credit_type_id": unit, "unit_price": 1, "quantity": 1},
        "commit_duration": {"value": 1, "unit": "PERIODS"},
        "priority": 1,
        "starting_at": "2026-01-01T00:00:00Z",
    }
    body = {**key, "add_commits": [free], "add_recurring_commits": [recurring]}
    made = (await seed.post(app_client, "/v2/contracts/edit", body)).json()["data"]["edit"]
    asked = {"add_schedule_items": [{"timestamp": "2026-03-01T00:00:00Z", "amount": 1}]}
    update = {"commit_id": made["add_commits"][0]["id"], "invoice_schedule": asked}
    await seed.refused(app_client, "/v2/contracts/edit", {**key, "update_commits": [update]}, "says no currency")
    update = {"recurring_commit_id": made["add_recurring_commits"][0]["id"], "invoice_amount": {"unit_price": 1}}
    await seed.refused(app_client, "/v2/contracts/edit", {**key, "update_recurring_commits": [update]}, "no currency")
