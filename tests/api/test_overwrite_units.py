"""Overwrites in another pricing unit than the rate's (`overwrite_rate.credit_type_id`)."""

import uuid

import pytest

from api import billing, seed
from api.seed import at
from winkel.model.credit_type import BY_ID, USD

pytestmark = pytest.mark.anyio
CREATE, EDIT = "/v1/contracts/create", "/v2/contracts/edit"
EURO = next(each.id for each in BY_ID.values() if each.name == "EUR")
START = "2026-01-01T00:00:00Z"


@pytest.fixture
async def catalog(sdk) -> dict[str, str]:
    """Make a card with tokens for a unit each, worth ten cents, and seats for 30 dollars."""
    unit = (await sdk.v1.pricing_units.create(name="AI Credits")).data.id
    card = await seed.rate_card(
        sdk, credit_type_conversions=[{"custom_credit_type_id": unit, "fiat_per_custom_credit": 10}]
    )
    tokens = await seed.usage_product(sdk)
    seat = (await sdk.v1.contracts.products.create(name="Seat", type="SUBSCRIPTION")).data.id
    for product, price, more in (
        (tokens, 1, {"credit_type_id": unit}),
        (seat, 3000, {"billing_frequency": "MONTHLY"}),
    ):
        await sdk.v1.contracts.rate_cards.rates.add(
            rate_card_id=card, product_id=product, entitled=True, rate_type="FLAT", price=price, starting_at=at(2026),
            **more,
        )  # fmt: skip
    return {"card": card, "tokens": tokens, "seat": seat, "unit": unit, "customer": await seed.customer(sdk)}


def overwrite(product: str, price: float, unit: str | None, **more) -> dict:
    """Return an overwrite of a product for good."""
    rate = {"rate_type": "FLAT", "price": price, "credit_type_id": unit}
    return {"type": "OVERWRITE", "product_id": product, "starting_at": START, "overwrite_rate": rate, **more}


async def test_usage_and_seats_in_other_units(sdk, app_client, api, database_url, catalog, clock):
    """Tokens are asked for in dollars, seats in units; views name both units, and the line its list price's."""
    seats = {
        "subscription_rate": {"product_id": catalog["seat"], "billing_frequency": "MONTHLY"},
        "collection_schedule": "ADVANCE",
        "proration": {},
        "initial_quantity": 2,
        "billing_cycle_config": {"invoice_placement": "ON_SCHEDULED_INVOICE"},
    }
    made = await sdk.v1.contracts.create(
        customer_id=catalog["customer"],
        starting_at=at(2026),
        rate_card_id=catalog["card"],
        overrides=[overwrite(catalog["tokens"], 7, USD.id), overwrite(catalog["seat"], 200, catalog["unit"])],
        subscriptions=[seats],
    )
    shown = made.data.contract.overrides
    assert [each.overwrite_rate.credit_type.name for each in shown] == ["USD (cents)", "AI Credits"]
    await sdk.v1.usage.ingest(usage=[billing.event(1, catalog["customer"], clock(), model="a", tokens=100)])
    await billing.meter(api, database_url)
    (usage,) = await billing.invoices_of(app_client, catalog["customer"], type="USAGE")
    (line,) = usage["line_items"]
    assert (line["total"], line["credit_type"]["name"], usage["total"]) == (700, "USD (cents)", 700)
    assert (line["list_price"]["price"], line["list_price"]["credit_type"]["name"]) == (1, "AI Credits")
    first = (await billing.invoices_of(app_client, catalog["customer"], type="SCHEDULED"))[-1]
    assert [(each["type"], each["total"]) for each in first["line_items"]] == [
        ("subscription", 400),
        ("cpu_conversion", 4000),
    ]
    assert first["line_items"][0]["list_price"]["credit_type"]["name"] == "USD (cents)"
    keys = {"customer_id": catalog["customer"], "contract_id": made.data.id}
    rows = (await sdk.v1.contracts.retrieve_rate_schedule(**keys, at=at(2026, 1, 10))).data
    agreed = {each.product_id: (each.override_rate.price, each.override_rate.credit_type.name) for each in rows}
    assert agreed == {catalog["tokens"]: (7, "USD (cents)"), catalog["seat"]: (200, "AI Credits")}
    clock.move(days=40)
    await billing.bill(api, database_url)
    final = await billing.invoices_of(app_client, catalog["customer"], type="USAGE", status="FINALIZED")
    assert [each["line_items"] for each in final] == [[line]]


async def test_an_edit_changes_the_unit(sdk, app_client, catalog):
    """The history tells the unit; an overwrite without one, added later, is in the rate's unit again."""
    made = await sdk.v1.contracts.create(
        customer_id=catalog["customer"], starting_at=at(2026), rate_card_id=catalog["card"]
    )
    keys = {"customer_id": catalog["customer"], "contract_id": made.data.id}
    for unit, expected in ((USD.id, (7, "USD (cents)")), (None, (7, "AI Credits"))):
        asked = overwrite(catalog["tokens"], 7, unit)
        if unit is None:
            del asked["overwrite_rate"]["credit_type_id"]
        await sdk.v2.contracts.edit(**keys, add_overrides=[asked])
        rows = (await sdk.v1.contracts.retrieve_rate_schedule(**keys, at=at(2026, 1, 10))).data
        (row,) = [each for each in rows if each.product_id == catalog["tokens"]]
        assert (row.override_rate.price, row.override_rate.credit_type.name) == expected
    record = (await sdk.v2.contracts.get_edit_history(**keys)).data[0].add_overrides[0]
    assert record.overwrite_rate.credit_type.id == USD.id


async def test_a_package_names_units(sdk, catalog):
    """Units of overwrites in packages are shown by name."""
    asked = overwrite(catalog["tokens"], 7, USD.id)
    del asked["starting_at"]
    asked["starting_at_offset"] = {"unit": "DAYS", "value": 0}
    made = await sdk.v1.packages.create(name="Dollars", rate_card_id=catalog["card"], overrides=[asked])
    (shown,) = (await sdk.v1.packages.retrieve(package_id=made.data.id)).data.overrides
    assert shown.overwrite_rate.credit_type.id == USD.id
    contract = await sdk.v1.contracts.create(
        customer_id=catalog["customer"], starting_at=at(2026), package_id=made.data.id
    )
    (kept,) = contract.data.contract.overrides
    assert kept.overwrite_rate.credit_type.id == USD.id


async def test_units_that_cannot_be(sdk, app_client, catalog):
    """Units that the card does not convert, of composite products, or specific to commits: refused with the place."""
    stars = (await sdk.v1.pricing_units.create(name="Stars")).data.id
    share = await sdk.v1.contracts.products.create(
        name="Support", type="COMPOSITE", composite_product_ids=[catalog["tokens"]]
    )
    body = {"customer_id": catalog["customer"], "starting_at": START, "rate_card_id": catalog["card"]}

    async def refuse(part: str, **asked) -> None:
        place = "$.overrides[0].overwrite_rate.credit_type_id"
        await seed.refused(app_client, CREATE, {**body, "overrides": [asked]}, part, place)

    tokens = catalog["tokens"]
    await refuse("no conversion", **overwrite(tokens, 1, stars))
    await refuse("must be the rate card's currency", **overwrite(tokens, 1, EURO))
    await refuse("there is no pricing unit", **overwrite(tokens, 1, str(uuid.uuid4())))
    await refuse("specific to commits", **overwrite(tokens, 1, USD.id, is_commit_specific=True))
    percentage = overwrite(share.data.id, 0.1, USD.id)
    percentage["overwrite_rate"]["rate_type"] = "PERCENTAGE"
    await refuse("COMPOSITE", **percentage)
    made = await sdk.v1.contracts.create(
        customer_id=catalog["customer"], starting_at=at(2026), rate_card_id=catalog["card"]
    )
    edit = {"customer_id": catalog["customer"], "contract_id": made.data.id}
    place = "$.add_overrides[0].overwrite_rate.credit_type_id"
    await seed.refused(app_client, EDIT, {**edit, "add_overrides": [overwrite(tokens, 1, stars)]}, place)
