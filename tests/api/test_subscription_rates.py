"""SUBSCRIPTION rates over the wire: shown, overwritten, charged by every statement, and what cannot be."""

import pytest

from api import billing, seed
from api.seed import at

pytestmark = pytest.mark.anyio

CARDS = "/v1/contract-pricing/rate-cards"


@pytest.fixture
async def catalog(sdk) -> dict[str, str]:
    """Make a customer, and a card on which everybody is charged for 3 units of support at 31 dollars."""
    card = await seed.rate_card(sdk)
    support = (await sdk.v1.contracts.products.create(name="Support", type="SUBSCRIPTION")).data.id
    added = await sdk.v1.contracts.rate_cards.rates.add(rate_card_id=card, **rate(support))
    assert (added.data.rate_type, added.data.price, added.data.quantity, added.data.is_prorated) == (
        "SUBSCRIPTION", 3100, 3, True,
    )  # fmt: skip
    return {"customer": await seed.customer(sdk), "card": card, "support": support}


def rate(product: str, **more) -> dict:
    """Return the terms of the rate."""
    return {
        "product_id": product,
        "entitled": True,
        "rate_type": "SUBSCRIPTION",
        "price": 3100,
        "quantity": 3,
        "is_prorated": True,
        "starting_at": at(2026),
        **more,
    }


async def test_a_rate_is_shown(sdk, catalog):
    """On its card, and for a contract, with what an override makes of it."""
    (row,) = [each async for each in sdk.v1.contracts.rate_cards.rates.list(rate_card_id=catalog["card"], at=at(2026))]
    assert (row.rate.rate_type, row.rate.price, row.rate.quantity) == ("SUBSCRIPTION", 3100, 3)
    assert (row.rate.is_prorated, row.billing_frequency) == (True, None)
    overwrite = {"rate_type": "SUBSCRIPTION", "price": 10.5, "quantity": 2}
    override = {
        "type": "OVERWRITE", "product_id": catalog["support"], "starting_at": at(2026), "overwrite_rate": overwrite,
    }  # fmt: skip
    made = await sdk.v1.contracts.create(
        customer_id=catalog["customer"], rate_card_id=catalog["card"], starting_at=at(2026), overrides=[override]
    )
    shown = made.data.contract.overrides[0].overwrite_rate
    assert (shown.rate_type, shown.price, shown.quantity, shown.is_prorated) == ("SUBSCRIPTION", 10.5, 2, True)
    (held,) = (
        await sdk.v1.contracts.retrieve_rate_schedule(
            customer_id=catalog["customer"], contract_id=made.data.id, at=at(2026)
        )
    ).data
    assert (held.list_rate.quantity, held.override_rate.quantity, held.override_rate.price) == (3, 2, 10.5)


async def test_every_statement_charges_it(sdk, app_client, api, database_url, catalog):
    """The first one prorated; it is final, void and made anew as all others are."""
    made = await sdk.v1.contracts.create(
        customer_id=catalog["customer"], rate_card_id=catalog["card"], starting_at=at(2026, 1, 11)
    )
    api.clock.move(days=45)
    await billing.bill(api, database_url)
    key = {"customer_id": catalog["customer"]}
    found = [each async for each in sdk.v1.customers.invoices.list(**key, contract_id=made.data.id)]
    assert [(each.status, each.type, each.total) for each in found][:2] == [
        ("FINALIZED", "USAGE", 3 * 2100), ("DRAFT", "USAGE", 3 * 3100),
    ]  # fmt: skip
    (line,) = found[0].line_items
    assert (line.type, line.product_type, line.name) == ("subscription", "SubscriptionProductListItem", "Support")
    assert (line.quantity, line.unit_price, line.is_prorated, line.subscription_id) == (3, 2100, True, None)
    assert (line.list_price.rate_type, line.list_price.quantity) == ("SUBSCRIPTION", 3)
    await sdk.v1.invoices.void(id=found[0].id)
    await sdk.v1.contracts.rate_cards.rates.add(
        rate_card_id=catalog["card"], **rate(catalog["support"], price=6200, quantity=1)
    )
    again = (await sdk.v1.invoices.regenerate(id=found[0].id)).data.id
    anew = (await sdk.v1.customers.invoices.retrieve(**key, invoice_id=again)).data
    assert [(each.quantity, each.unit_price, each.total) for each in anew.line_items] == [(1, 4200, 4200)]
    found = [each async for each in sdk.v1.customers.invoices.list(**key, status="DRAFT")]
    assert [each.total for each in found] == [6200, 6200], "February, whose grace lasts, and March"


async def test_who_is_not_entitled_is_not_charged(sdk, app_client, catalog):
    """Unless an override entitles the customer, and at its price."""
    await sdk.v1.contracts.rate_cards.rates.add(
        rate_card_id=catalog["card"], **rate(catalog["support"], entitled=False)
    )
    base = {"customer_id": catalog["customer"], "rate_card_id": catalog["card"], "starting_at": at(2026)}
    await sdk.v1.contracts.create(**base)
    named = {"product_id": catalog["support"], "starting_at": at(2026)}
    entitle = {**named, "entitled": True}
    flat = {**named, "type": "OVERWRITE", "overwrite_rate": {"rate_type": "FLAT", "price": 100}}
    await sdk.v1.contracts.create(**base, overrides=[entitle, flat])
    found = await billing.invoices_of(app_client, catalog["customer"])
    lines = [[(each["quantity"], each["total"]) for each in invoice["line_items"]] for invoice in found]
    assert sorted(lines) == [[], [(3, 300)]]


async def test_what_a_rate_must_say(sdk, app_client, catalog):
    """A price, a quantity, and nothing that only others have; and only of a SUBSCRIPTION product."""
    usage = await seed.usage_product(sdk)

    async def refused(*parts, **change):
        body = rate(catalog["support"], starting_at=at(2026).isoformat(), rate_card_id=catalog["card"]) | change
        body = {name: value for name, value in body.items() if value is not ...}
        await seed.refused(app_client, f"{CARDS}/addRate", body, *parts)

    await refused("needs a price and a quantity", price=...)
    await refused("needs a price and a quantity", quantity=...)
    await refused("negative", "$.price", price=-1)
    await refused("negative", "$.quantity", quantity=-1)
    await refused("must be true", "$.is_prorated", is_prorated=False)
    await refused("no tiers", "$.tiers", tiers=[{"price": 1}])
    await refused("billing periods of each contract", "$.billing_frequency", billing_frequency="MONTHLY")
    await refused("this one is USAGE", "$.rate_type", product_id=usage)
    flat = {"rate_type": "FLAT", "billing_frequency": "MONTHLY"}
    await refused("a FLAT rate has no quantity", "$.quantity", **flat)
    await refused("a FLAT rate has no is_prorated", "$.is_prorated", quantity=..., **flat)
    price = {"rate_type": "SUBSCRIPTION", "price": 1, "quantity": 1}
    await refused(
        "this one is USAGE",
        "$.commit_rate.rate_type",
        product_id=usage,
        commit_rate=price,
        rate_type="FLAT",
        quantity=...,
        is_prorated=...,
    )
