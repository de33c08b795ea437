"""Commit rates, overrides that are specific to commits, and composite products over the wire."""

import pytest

from api import billing, seed
from api.seed import at

pytestmark = pytest.mark.anyio

CARDS = "/v1/contract-pricing/rate-cards"


@pytest.fixture
async def catalog(sdk) -> dict[str, str]:
    """Make a customer, and a card with a product for 100 cents a unit, 80 by commit rate."""
    product, card = await seed.usage_product(sdk, tags=["ai"]), await seed.rate_card(sdk)
    await sdk.v1.contracts.rate_cards.rates.add(
        rate_card_id=card, product_id=product, entitled=True, rate_type="FLAT", price=100, starting_at=at(2026),
        commit_rate={"rate_type": "FLAT", "price": 80},
    )  # fmt: skip
    fixed = await seed.fixed_product(sdk)
    return {"customer": await seed.customer(sdk), "card": card, "product": product, "fixed": fixed}


def credit(catalog: dict[str, str], amount: int, **more) -> dict:
    """Return a credit for all of 2026."""
    segment = {"amount": amount, "starting_at": at(2026), "ending_before": at(2027)}
    return {"product_id": catalog["fixed"], "access_schedule": {"schedule_items": [segment]}, **more}


async def lines(sdk, api, database_url: str, catalog: dict[str, str], tokens: int, now) -> list[tuple]:
    """Use some tokens; return the lines of the draft that have a quantity."""
    event = billing.event(1, catalog["customer"], now, model="a", tokens=tokens)
    await sdk.v1.usage.ingest(usage=[event])
    await billing.meter(api, database_url)
    (invoice,) = [each async for each in sdk.v1.customers.invoices.list(customer_id=catalog["customer"])]
    return [(each.name, each.quantity, each.unit_price, each.total) for each in invoice.line_items if each.quantity]


async def test_a_balance_pays_by_the_commit_rate(sdk, api, database_url, catalog, clock):
    """Units that it pays for cost the commit rate, all others the list rate; the schedules show both."""
    made = await sdk.v1.contracts.create(
        customer_id=catalog["customer"], rate_card_id=catalog["card"], starting_at=at(2026),
        credits=[credit(catalog, 400, rate_type="COMMIT_RATE")],
    )  # fmt: skip
    assert await lines(sdk, api, database_url, catalog, 8, clock()) == [("Tokens", 5, 80, 400), ("Tokens", 3, 100, 300)]
    (row,) = [each async for each in sdk.v1.contracts.rate_cards.rates.list(rate_card_id=catalog["card"], at=at(2026))]
    assert (row.rate.price, row.commit_rate.rate_type, row.commit_rate.price) == (100, "FLAT", 80)
    agreed = await sdk.v1.contracts.retrieve_rate_schedule(
        customer_id=catalog["customer"], contract_id=made.data.contract.id, at=at(2026)
    )
    assert agreed.data[0].commit_rate.price == 80


async def test_an_override_for_what_a_commit_pays(sdk, api, database_url, catalog, clock):
    """It names the commit, and changes the rate that its target names."""
    first = await sdk.v1.contracts.create(
        customer_id=catalog["customer"], rate_card_id=catalog["card"], starting_at=at(2026),
        credits=[credit(catalog, 400, rate_type="COMMIT_RATE")],
    )  # fmt: skip
    await sdk.v1.contracts.archive(
        customer_id=catalog["customer"], contract_id=first.data.contract.id, void_invoices=False
    )
    shared = await sdk.v1.customers.credits.create(
        customer_id=catalog["customer"], priority=1, rate_type="COMMIT_RATE", **credit(catalog, 400)
    )
    override = {
        "type": "MULTIPLIER", "multiplier": 0.5, "starting_at": at(2026), "is_commit_specific": True,
        "target": "COMMIT_RATE",
        "override_specifiers": [{"product_id": catalog["product"], "any_commit_or_credit_ids": [shared.data.id]}],
    }  # fmt: skip
    made = await sdk.v1.contracts.create(
        customer_id=catalog["customer"], rate_card_id=catalog["card"], starting_at=at(2026), overrides=[override]
    )
    (seen,) = made.data.contract.overrides
    assert (seen.is_commit_specific, seen.target) == (True, "COMMIT_RATE")
    assert seen.override_specifiers[0].any_commit_or_credit_ids == [shared.data.id]
    assert await lines(sdk, api, database_url, catalog, 12, clock()) == [
        ("Tokens", 10, 40, 400),
        ("Tokens", 2, 100, 200),
    ]


async def test_a_composite_product_asks_for_a_share(sdk, api, database_url, catalog, clock):
    """Of what the products cost that it names or whose tag it has."""
    support = await sdk.v1.contracts.products.create(name="Support", type="COMPOSITE", composite_tags=["ai"])
    await sdk.v1.contracts.rate_cards.rates.add(
        rate_card_id=catalog["card"], product_id=support.data.id, entitled=True, rate_type="PERCENTAGE", price=0.125,
        starting_at=at(2026),
    )  # fmt: skip
    await sdk.v1.contracts.create(customer_id=catalog["customer"], rate_card_id=catalog["card"], starting_at=at(2026))
    assert await lines(sdk, api, database_url, catalog, 8, clock()) == [
        ("Tokens", 8, 100, 800),
        ("Support", 800, 0.125, 100),
    ]
    (invoice,) = [each async for each in sdk.v1.customers.invoices.list(customer_id=catalog["customer"])]
    (share,) = [each for each in invoice.line_items if each.name == "Support"]
    assert (share.product_type, share.list_price.rate_type) == ("CompositeProductListItem", "PERCENTAGE")
    seen = (await sdk.v1.contracts.products.retrieve(id=support.data.id)).data
    assert (seen.type, seen.current.composite_tags) == ("COMPOSITE", ["ai"])


async def test_prices_that_do_not_fit_are_refused(sdk, app_client, catalog):
    """A percentage is for composite products only, at most 1; commit rates are for usage products only."""
    support = await sdk.v1.contracts.products.create(
        name="Support", type="COMPOSITE", composite_product_ids=[catalog["product"]]
    )
    body = {"rate_card_id": catalog["card"], "entitled": True, "starting_at": "2026-01-01T00:00:00Z"}

    async def refuse(product: str, *parts: str, **rate) -> None:
        await seed.refused(app_client, f"{CARDS}/addRate", {**body, "product_id": product, **rate}, *parts)

    share = {"rate_type": "PERCENTAGE", "price": 0.5}
    await refuse(catalog["product"], "COMPOSITE products", "$.rate_type", **share)
    await refuse(support.data.id, "PERCENTAGE or TIERED_PERCENTAGE", "$.rate_type", rate_type="FLAT", price=1)
    await refuse(support.data.id, "at most 1", "$.price", rate_type="PERCENTAGE", price=1.01)
    await refuse(support.data.id, "only USAGE products", "$.commit_rate", **share, commit_rate=share)
    flat = {"rate_type": "FLAT", "price": 1}
    await refuse(catalog["product"], "COMPOSITE products", "$.commit_rate", **flat, commit_rate=share)
    await refuse(catalog["product"], "negative", "$.commit_rate.price", **flat, commit_rate={**flat, "price": -1})
