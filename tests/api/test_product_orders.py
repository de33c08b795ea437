"""The order of a card's products on invoices, set and moved over the wire."""

import uuid

import pytest

from api import billing, seed
from api.seed import at

pytestmark = pytest.mark.anyio
CARDS = "/v1/contract-pricing/rate-cards"
NAMES = ("Apples", "Bread", "Cheese", "Dates")


@pytest.fixture
async def card(sdk) -> tuple[str, dict[str, str]]:
    """Make a customer's card with four products, A to Z; return its id and theirs."""
    made = await seed.rate_card(sdk)
    sold = {name: await seed.usage_product(sdk, name) for name in NAMES}
    for each in sold.values():
        await sdk.v1.contracts.rate_cards.rates.add(
            rate_card_id=made, product_id=each, entitled=True, rate_type="FLAT", price=1, starting_at=at(2026)
        )
    return made, sold


async def lines(sdk, card: str) -> list[str]:
    """Return the names on the draft of a new customer with that card."""
    customer = await seed.customer(sdk)
    await sdk.v1.contracts.create(customer_id=customer, rate_card_id=card, starting_at=at(2026))
    (draft,) = [each async for each in sdk.v1.customers.invoices.list(customer_id=customer, status="DRAFT")]
    return [each.name for each in draft.line_items]


async def test_products_stand_as_they_were_put(sdk, card, clock):
    """First those that were named, then the others by their first rates; moves count from 0, one after the other."""
    made, sold = card
    orders = sdk.v1.contracts.rate_cards.product_orders
    assert await lines(sdk, made) == list(NAMES)
    wanted = [sold["Dates"], sold["Bread"]]
    assert (await orders.set(rate_card_id=made, product_order=wanted)).data.id == made
    assert await lines(sdk, made) == ["Dates", "Bread", "Apples", "Cheese"]
    moves = [{"product_id": sold["Cheese"], "position": 0}, {"product_id": sold["Dates"], "position": 3}]
    assert (await orders.update(rate_card_id=made, product_moves=moves)).data.id == made
    assert await lines(sdk, made) == ["Cheese", "Bread", "Apples", "Dates"]
    moves = [{"product_id": sold["Dates"], "position": 1.0}, {"product_id": sold["Apples"], "position": 0.0}]
    assert (await orders.update(rate_card_id=made, product_moves=moves)).data.id == made
    assert await lines(sdk, made) == ["Apples", "Cheese", "Dates", "Bread"]
    await orders.set(rate_card_id=made, product_order=[])
    assert await lines(sdk, made) == list(NAMES)


async def test_what_the_card_does_not_sell_has_no_place(app_client, sdk, card, make_client):
    """A foreign product, a place beyond the last, a product twice, another tenant's card: refused, nothing moved."""
    made, sold = card
    other = await seed.usage_product(sdk, "Elsewhere")
    order, move = f"{CARDS}/setRateCardProductsOrder", f"{CARDS}/moveRateCardProducts"
    body = {"rate_card_id": made, "product_order": [sold["Dates"], other]}
    await seed.refused(app_client, order, body, "no rate of this product", "$.product_order[1]")
    body = {"rate_card_id": made, "product_order": [sold["Dates"], sold["Dates"]]}
    await seed.refused(app_client, order, body, "named twice", "$.product_order[1]")
    body = {
        "rate_card_id": made,
        "product_moves": [{"product_id": sold["Dates"], "position": 0}, {"product_id": sold["Bread"], "position": 4}],
    }
    await seed.refused(app_client, move, body, "from 0 to 3", "$.product_moves[1].position")
    body["product_moves"][1]["position"] = 0.5
    await seed.refused(app_client, move, body, "whole number", "$.product_moves[1].position")
    body = {"rate_card_id": str(uuid.uuid4()), "product_order": []}
    await seed.refused(app_client, order, body, status=404)
    stranger = await make_client()
    await seed.refused(stranger, order, {"rate_card_id": made, "product_order": []}, status=404)
    assert await lines(sdk, made) == list(NAMES)


@pytest.fixture
async def shares(sdk, api, clock, database_url):
    """Make 1,000 cents of calls, shares of 10 % (Alpha) and 5 % (Beta), and 50 for both before 50 for Beta alone.

    Return the card, the customer and the ids of the products. `counting`: Beta asks for a share of Alpha as well.
    """

    async def make(*, counting: bool) -> tuple[str, str, dict[str, str]]:
        calls = await seed.usage_product(sdk)
        alpha = await sdk.v1.contracts.products.create(name="Alpha", type="COMPOSITE", composite_product_ids=[calls])
        of = {"composite_product_ids": [calls, alpha.data.id], "include_composite_spend": counting}
        beta = await sdk.v1.contracts.products.create(name="Beta", type="COMPOSITE", **of)
        made, customer = await seed.rate_card(sdk), await seed.customer(sdk)
        prices = {calls: ("FLAT", 1000), alpha.data.id: ("PERCENTAGE", 0.1), beta.data.id: ("PERCENTAGE", 0.05)}
        for each, (kind, price) in prices.items():
            await sdk.v1.contracts.rate_cards.rates.add(
                rate_card_id=made, product_id=each, entitled=True, rate_type=kind, price=price, starting_at=at(2026)
            )
        access = {"schedule_items": [{"amount": 50, "starting_at": at(2026), "ending_before": at(2026, 2)}]}
        given = {"product_id": await seed.fixed_product(sdk), "access_schedule": access}
        both = {"priority": 1, "applicable_product_ids": [alpha.data.id, beta.data.id], **given}
        own = {"priority": 2, "applicable_product_ids": [beta.data.id], **given}
        await sdk.v1.contracts.create(
            customer_id=customer, rate_card_id=made, starting_at=at(2026), credits=[both, own]
        )
        await billing.used(sdk, api, database_url, customer, 1, clock(), 1)
        return made, customer, {"Alpha": alpha.data.id, "Beta": beta.data.id}

    return make


@pytest.mark.parametrize(("counting", "asked"), [(False, 1050), (True, 1055)])
async def test_the_order_of_shares_changes_no_amount(sdk, shares, app_client, counting, asked):
    """50 for both pay half of Alpha's 100, and Beta's own 50 pay all of Beta, or all but 5 of its 55."""
    card, customer, sold = await shares(counting=counting)
    for order in ([], [sold["Beta"], sold["Alpha"]]):
        await sdk.v1.contracts.rate_cards.product_orders.set(rate_card_id=card, product_order=order)
        (draft,) = await billing.invoices_of(app_client, customer)
        names = [each["name"] for each in draft["line_items"] if each["type"] == "usage"]
        assert draft["total"] == asked
        assert [name for name in dict.fromkeys(names) if name in sold] == (["Beta", "Alpha"] if order else list(sold))
