"""Rates: adding them, and which hold when."""

import json
import random
import uuid
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import billing, seed
from api.seed import at
from winkel.api import rate_views
from winkel.api.prices import TIERS_MAX
from winkel.model.credit_type import BY_ID, USD
from winkel.model.price import Flat
from winkel.model.product import Product, ProductState, ProductType
from winkel.model.rate_card import Rate

CARDS = "/v1/contract-pricing/rate-cards"
NEW_YEAR = at(2026)


def rate(product, price=1.0, start=NEW_YEAR, **more):
    return {
        "product_id": product,
        "rate_type": "FLAT",
        "price": price,
        "entitled": True,
        "starting_at": start,
        **more,
    }


def wire(product, **more):
    """Return a rate as JSON."""
    return {**rate(product, start="2026-01-01T00:00:00Z"), **more}


@pytest.mark.anyio
async def test_add_flat_and_tiered(sdk):
    """A flat and a tiered rate come back as they were given, in the card's currency."""
    rates = sdk.v1.contracts.rate_cards.rates
    card, product = await seed.rate_card(sdk), await seed.usage_product(sdk)
    flat = (await rates.add(rate_card_id=card, **rate(product, 0.25))).data
    assert (flat.rate_type, flat.price, flat.credit_type.id) == ("FLAT", 0.25, USD.id)
    tiers = [{"price": 0, "size": 5}, {"price": 1.5}]
    tiered = await rates.add(
        rate_card_id=card,
        product_id=product,
        rate_type="TIERED",
        tiers=tiers,
        entitled=False,
        starting_at=at(2026, 2),
    )
    assert [(each.price, each.size) for each in tiered.data.tiers] == [(0, 5), (1.5, None)]
    schedule = (await sdk.v1.contracts.rate_cards.retrieve_rate_schedule(rate_card_id=card, starting_at=NEW_YEAR)).data
    assert [(each.rate.rate_type, each.entitled, each.starting_at, each.ending_before) for each in schedule] == [
        ("FLAT", True, NEW_YEAR, at(2026, 2)),
        ("TIERED", False, at(2026, 2), None),
    ]
    assert {(each.product_id, each.product_name) for each in schedule} == {(product, "Tokens")}


@pytest.mark.anyio
async def test_prices_keep_every_digit(sdk, app_client):
    """A price passes through the database with all its digits."""
    card, product = await seed.rate_card(sdk), await seed.usage_product(sdk)
    text = "0.12345678901234567890123456789012345678"
    body = f'{{"rate_card_id": "{card}", "product_id": "{product}", "rate_type": "flat", "price": {text},'
    body += '"entitled": true, "starting_at": "2026-01-01T05:30:00+05:30"}'
    answer = await app_client.post(f"{CARDS}/addRate", content=body, headers={"content-type": "application/json"})
    assert seed.exact(answer)["data"]["price"] == Decimal(text)
    answer = await app_client.post(f"{CARDS}/getRates", json={"rate_card_id": card, "at": "2026-01-01T00:00:00Z"})
    assert seed.exact(answer)["data"][0]["rate"]["price"] == Decimal(text)


@pytest.mark.anyio
async def test_later_rates_win(sdk):
    """At an instant the rate that starts last holds, then the one added last; when it ends the others hold again."""
    rates = sdk.v1.contracts.rate_cards.rates
    card, product = await seed.rate_card(sdk), await seed.usage_product(sdk)
    promotion = rate(product, 2, at(2026, 2), ending_before=at(2026, 3))
    added = [rate(product, 1), promotion, rate(product, 3)]
    assert (await rates.add_many(rate_card_id=card, rates=added)).data.id == card

    async def price(instant):
        return [each.rate.price async for each in rates.list(rate_card_id=card, at=instant)]

    assert await price(NEW_YEAR - timedelta(hours=1)) == []
    assert await price(NEW_YEAR) == [3]
    assert await price(at(2026, 2)) == [2]
    assert await price(at(2026, 3)) == [3]


@pytest.mark.anyio
async def test_selectors(sdk):
    """Selectors are alternatives; the conditions of one must all hold; partial values need not name the whole key."""
    rates = sdk.v1.contracts.rate_cards.rates
    card = await seed.rate_card(sdk)
    plain = await seed.usage_product(sdk, "Plain", tags=["core"])
    keyed = await seed.usage_product(sdk, "Keyed", pricing_group_key=["model", "region"], tags=["ai", "new"])
    combinations = [{"model": model, "region": region} for model in ("big", "small") for region in ("eu", "us")]
    added = [rate(keyed, index, pricing_group_values=each) for index, each in enumerate(combinations, 1)]
    await rates.add_many(rate_card_id=card, rates=[*added, rate(plain, 9)])

    async def prices(*selectors):
        return [each.rate.price async for each in rates.list(rate_card_id=card, at=NEW_YEAR, selectors=selectors)]

    assert await prices() == [1, 2, 3, 4, 9]
    assert await prices({"product_id": plain}) == [9]
    assert await prices({"product_tags": ["new", "other"]}) == [1, 2, 3, 4]
    assert await prices({"pricing_group_values": {"model": "big", "region": "us"}}) == [2]
    assert await prices({"pricing_group_values": {"model": "big"}}) == []
    assert await prices({"partial_pricing_group_values": {"model": "big"}}) == [1, 2]
    assert await prices({"partial_pricing_group_values": {"region": "eu"}}, {"product_id": plain}) == [1, 3, 9]
    assert await prices({"product_id": plain, "product_tags": ["ai"]}) == []
    shown = [each async for each in rates.list(rate_card_id=card, at=NEW_YEAR, selectors=[{"product_id": keyed}])]
    assert shown[0].pricing_group_values == shown[0].rate.pricing_group_values == combinations[0]
    assert shown[0].product_tags == ["ai", "new"]


@pytest.mark.anyio
async def test_pages(sdk):
    """Rates come in pages that together are the whole list, in both lists."""
    rate_cards = sdk.v1.contracts.rate_cards
    card = await seed.rate_card(sdk)
    product = await seed.usage_product(sdk, pricing_group_key=["model"])
    added = [rate(product, 1, pricing_group_values={"model": f"m{index}"}) for index in range(7)]
    await rate_cards.rates.add_many(rate_card_id=card, rates=added)
    found = [each async for each in rate_cards.rates.list(rate_card_id=card, at=NEW_YEAR, limit=3)]
    assert [each.pricing_group_values["model"] for each in found] == [f"m{index}" for index in range(7)]
    first = await rate_cards.retrieve_rate_schedule(rate_card_id=card, starting_at=NEW_YEAR, limit=5)
    rest = await rate_cards.retrieve_rate_schedule(rate_card_id=card, starting_at=NEW_YEAR, next_page=first.next_page)
    assert [len(first.data), len(rest.data), rest.next_page] == [5, 2, None]


@pytest.mark.anyio
async def test_schedule_range(sdk):
    """A rate schedule has the rates that hold at some time of the range, each with its own whole time."""
    rate_cards = sdk.v1.contracts.rate_cards
    card, product = await seed.rate_card(sdk), await seed.usage_product(sdk)
    added = [rate(product, month, at(2026, month)) for month in (1, 2, 3)]
    await rate_cards.rates.add_many(rate_card_id=card, rates=added)
    found = await rate_cards.retrieve_rate_schedule(
        rate_card_id=card, starting_at=at(2026, 2, 10), ending_before=at(2026, 3)
    )
    assert [(each.rate.price, each.starting_at, each.ending_before) for each in found.data] == [
        (2, at(2026, 2), at(2026, 3))
    ]


@pytest.mark.anyio
async def test_add_rates_is_all_or_nothing(sdk, app_client):
    """One bad rate stops all of them, and the message says which it is."""
    card, product = await seed.rate_card(sdk), await seed.usage_product(sdk)
    body = {"rate_card_id": card, "rates": [wire(product), wire(product, price=-1)]}
    await seed.refused(app_client, f"{CARDS}/addRates", body, "negative", "$.rates[1].price")
    body["rates"][1] = wire(str(uuid.uuid4()))
    await seed.refused(app_client, f"{CARDS}/addRates", body, "there is no product", "$.rates[1].product_id")
    body["rates"][1] = wire(product, is_prorated=True)
    await seed.refused(app_client, f"{CARDS}/addRates", body, "a FLAT rate has no is_prorated", "$.rates[1]")
    assert [each async for each in sdk.v1.contracts.rate_cards.rates.list(rate_card_id=card, at=NEW_YEAR)] == []


@pytest.mark.anyio
async def test_a_custom_rate_is_kept_and_shown(sdk, app_client, api, database_url):
    """With every digit, on the card, in the contract and on the line of what is counted; it asks for nothing itself."""
    custom = {"formula": "night", "steps": [0.1, {"at": "EXACT"}]}
    card, product = await seed.rate_card(sdk), await seed.usage_product(sdk)
    body = {"rate_card_id": card, **wire(product), "rate_type": "CUSTOM", "custom_rate": custom}
    del body["price"]
    text = json.dumps(body).replace('"EXACT"', "12345678901234567.123")
    answer = await app_client.post(f"{CARDS}/addRate", content=text, headers={"content-type": "application/json"})
    assert answer.status_code == 200, answer.text
    assert "12345678901234567.123" in answer.text
    exact = {"formula": "night", "steps": [Decimal("0.1"), {"at": Decimal("12345678901234567.123")}]}
    shown = seed.exact(answer)["data"]
    assert (shown["rate_type"], shown["custom_rate"], "price" in shown) == ("CUSTOM", exact, False)
    (row,) = [each async for each in sdk.v1.contracts.rate_cards.rates.list(rate_card_id=card, at=NEW_YEAR)]
    assert (row.rate.rate_type, row.rate.custom_rate["formula"]) == ("CUSTOM", "night")
    customer = (await sdk.v1.customers.create(name="Acme", ingest_aliases=["acme"])).data.id
    plan = {"rate_type": "CUSTOM", "custom_rate": {"formula": "day"}}
    override = {"product_id": product, "type": "OVERWRITE", "overwrite_rate": plan, "starting_at": seed.at(2026, 2)}
    contract = (
        await sdk.v1.contracts.create(
            customer_id=customer, starting_at=NEW_YEAR, rate_card_id=card, overrides=[override]
        )
    ).data
    assert contract.contract.overrides[0].overwrite_rate.custom_rate == {"formula": "day"}
    (held,) = (
        await sdk.v1.contracts.retrieve_rate_schedule(
            customer_id=customer, contract_id=contract.id, at=seed.at(2026, 2)
        )
    ).data
    assert (held.list_rate.custom_rate["formula"], held.override_rate.custom_rate) == ("night", {"formula": "day"})
    await sdk.v1.usage.ingest(usage=[billing.event(1, "acme", api.clock(), model="a", tokens=160)])
    await billing.meter(api, database_url)
    for status in ("DRAFT", "FINALIZED"):
        (invoice, *_) = await billing.invoices_of(app_client, customer, status=status)
        (line,) = invoice["line_items"]
        assert (line["quantity"], line["unit_price"], line["total"], invoice["total"]) == (160, 0, 0, 0)
        assert line["list_price"]["custom_rate"] == exact
        api.clock.move(days=18)
        await billing.bill(api, database_url)


@pytest.mark.anyio
async def test_refused(sdk, app_client, make_client):
    """What a rate cannot be is refused with its place."""
    card = await seed.rate_card(sdk)
    keyed = await seed.usage_product(sdk, pricing_group_key=["model", "region"])
    plain, fixed = await seed.usage_product(sdk, "Plain"), await seed.fixed_product(sdk)
    euro = next(each for each, unit in BY_ID.items() if unit.name == "EUR")

    async def refuse(*parts, product=keyed, **more):
        named = {"pricing_group_values": {"model": "a", "region": "eu"}} if product == keyed else {}
        body = {"rate_card_id": card, **wire(product), **named, **more}
        await seed.refused(app_client, f"{CARDS}/addRate", {k: v for k, v in body.items() if v != ...}, *parts)

    await refuse("FIXED", "$.product_id", product=fixed)
    await refuse("hour", "$.starting_at", starting_at="2026-01-01T00:30:00Z")
    await refuse("hour", "$.starting_at", starting_at="2026-01-01T00:00:00+05:30")
    await refuse("$.ending_before", ending_before="2026-01-01T00:00:00Z")
    await refuse("year", "$.starting_at", starting_at="0001-01-01T00:00:00+05:00")
    await refuse("finite", "$.price", price="NaN")
    await refuse("finite", "$.price", price=1e300)
    await refuse("needs a price", price=...)
    await refuse("no tiers", tiers=[{"price": 1}])
    await refuse("tiers must not be empty", rate_type="TIERED", price=...)
    await refuse("last tier", "$.tiers", rate_type="tiered", price=..., tiers=[{"price": 1, "size": 1}])
    await refuse("$.tiers[0].price", rate_type="TIERED", price=..., tiers=[{"price": -1}])
    await refuse("price of its own", rate_type="TIERED", tiers=[{"price": 1}])
    await refuse("exactly model, region", "$.pricing_group_values", pricing_group_values={"model": "a"})
    await refuse("exactly model, region", "$.pricing_group_values", pricing_group_values=...)  # it could never count
    await refuse("left out", product=plain, pricing_group_values={"model": "a"})
    await refuse("card's", "$.credit_type_id", credit_type_id=euro)
    await refuse("there is no pricing unit", "$.credit_type_id", credit_type_id=str(uuid.uuid4()))
    await refuse("needs a price and a quantity", rate_type="subscription")
    await refuse("FLAT rate has no custom_rate", "$.custom_rate", custom_rate={"a": 1})
    for custom_rate in (..., None):
        await refuse("needs a custom_rate", "$.custom_rate", rate_type="CUSTOM", price=..., custom_rate=custom_rate)
    await refuse("object", "$.custom_rate", rate_type="CUSTOM", price=..., custom_rate=[1])
    await refuse("no price", "$.price", rate_type="CUSTOM", custom_rate={"a": 1})
    await refuse("no tiers", "$.tiers", rate_type="CUSTOM", price=..., custom_rate={}, tiers=[{"price": 1}])
    custom = {"rate_type": "CUSTOM", "custom_rate": {}}
    await refuse("known here", "$.commit_rate.rate_type", product=plain, commit_rate=custom)
    composite = await sdk.v1.contracts.products.create(name="Share", type="COMPOSITE", composite_tags=["ai"])
    await refuse("COMPOSITE", "$.rate_type", product=composite.data.id, price=..., **custom)
    seat = (await sdk.v1.contracts.products.create(name="Seat", type="SUBSCRIPTION")).data.id
    await refuse("FLAT", "$.rate_type", product=seat, price=..., billing_frequency="MONTHLY", **custom)
    await refuse("only rates of SUBSCRIPTION", "$.billing_frequency", billing_frequency="MONTHLY")
    await refuse("unknown field `discount`", discount=1)
    await refuse("$.rate_type", rate_type="FREE")
    await sdk.v1.contracts.products.archive(product_id=plain)
    await refuse("archived", product=plain)
    stranger = await make_client()
    body = {"rate_card_id": card, **wire(keyed)}
    await seed.refused(stranger, f"{CARDS}/addRate", body, "there is no rate card", status=404)
    await sdk.v1.contracts.rate_cards.archive(id=card)
    await refuse("archived", "$.rate_card_id")


@pytest.mark.anyio
async def test_contract_rate_schedule(sdk, app_client):
    """A contract shows the list rates of its card that hold at an instant and are entitled; without a card none."""
    card, customer = await seed.rate_card(sdk), await seed.customer(sdk)
    shown, hidden = await seed.usage_product(sdk, "Shown"), await seed.usage_product(sdk, "Hidden")
    later = rate(shown, 2, at(2026, 2))
    added = [rate(shown, 1), {**rate(hidden, 1), "entitled": False}, later]
    await sdk.v1.contracts.rate_cards.rates.add_many(rate_card_id=card, rates=added)
    made = await sdk.v1.contracts.create(customer_id=customer, starting_at=NEW_YEAR, rate_card_id=card)
    contract = made.data.id
    keys = {"customer_id": customer, "contract_id": contract}
    (now,) = (await sdk.v1.contracts.retrieve_rate_schedule(**keys)).data
    assert (now.product_id, now.list_rate.price, now.entitled, now.rate_card_id) == (shown, 1, True, card)
    assert (now.override_rate, now.starting_at, now.ending_before) == (None, NEW_YEAR, at(2026, 2))
    (then,) = (await sdk.v1.contracts.retrieve_rate_schedule(**keys, at=at(2026, 2))).data
    assert then.list_rate.price == 2
    none = await sdk.v1.contracts.retrieve_rate_schedule(**keys, selectors=[{"product_id": hidden}])
    assert none.data == []
    bare = await sdk.v1.contracts.create(customer_id=customer, starting_at=NEW_YEAR)
    assert (await sdk.v1.contracts.retrieve_rate_schedule(customer_id=customer, contract_id=bare.data.id)).data == []
    keys["contract_id"] = str(uuid.uuid4())
    await seed.refused(app_client, "/v1/contracts/getContractRateSchedule", keys, "no contract", status=404)


hours = st.integers(0, 12)
terms = st.lists(st.tuples(hours, st.none() | st.integers(1, 6), st.sampled_from(["a", "b"])), max_size=8)


@given(terms)
def test_schedule_is_what_holds_at_each_instant(terms):
    """The schedule says for every hour what the rule for overlapping rates says for that hour."""
    rates = [
        Rate(
            id=str(number),
            rate_card_id="card",
            product_id="product",
            price=Flat(Decimal(number)),
            entitled=True,
            starting_at=NEW_YEAR + timedelta(hours=start),
            ending_before=None if length is None else NEW_YEAR + timedelta(hours=start + length),
            number=number,
            credit_type_id=USD.id,
            pricing_group_values={"model": model},
        )
        for number, (start, length, model) in enumerate(terms)
    ]
    state = ProductState(name="P", created_at=NEW_YEAR, created_by="t", pricing_group_key=("model",))
    by_model = Product(id="product", type=ProductType.USAGE, initial=state)
    shuffled = random.Random(1).sample(rates, len(rates))
    for hour in range(20):
        instant = NEW_YEAR + timedelta(hours=hour)
        expected = {}
        for each in sorted(rates, key=lambda each: (each.starting_at, each.number)):
            if each.starting_at <= instant and (each.ending_before is None or instant < each.ending_before):
                expected[each.pricing_group_values["model"]] = each.id
        found = rate_views.at_instant(rate_views.schedule(shuffled, {"product": by_model}), instant)
        assert {held.rate.pricing_group_values["model"]: held.rate.id for held in found} == expected


@pytest.mark.anyio
async def test_what_a_product_change_ends_is_not_listed(sdk):
    """From the 10th on the product is priced by model: a rate that names none prices nothing any more."""
    card, product = await seed.rate_card(sdk), await seed.usage_product(sdk)
    rate_cards = sdk.v1.contracts.rate_cards
    await rate_cards.rates.add_many(rate_card_id=card, rates=[rate(product, 2)])
    changed, back = at(2026, 1, 10), at(2026, 1, 20)
    for instant, key in ((changed, ["model"]), (back, [])):
        await sdk.v1.contracts.products.update(product_id=product, pricing_group_key=key, starting_at=instant)
    listed = (await rate_cards.retrieve_rate_schedule(rate_card_id=card, starting_at=NEW_YEAR)).data
    assert [(each.starting_at, each.ending_before) for each in listed] == [(NEW_YEAR, changed), (back, None)]
    for instant, prices in ((NEW_YEAR, [2]), (at(2026, 1, 15), []), (back, [2])):
        assert [each.rate.price async for each in rate_cards.rates.list(rate_card_id=card, at=instant)] == prices


@pytest.mark.anyio
async def test_an_agreed_price_is_listed_as_long_as_it_holds(sdk):
    """Half the price in February: its row ends with it, and those before and after do not reach into it."""
    card, product = await seed.rate_card(sdk), await seed.usage_product(sdk)
    customer = await seed.customer(sdk)
    await sdk.v1.contracts.rate_cards.rates.add_many(rate_card_id=card, rates=[rate(product, 2)])
    half = {"type": "MULTIPLIER", "multiplier": 0.5, "starting_at": at(2026, 2), "ending_before": at(2026, 3)}
    contract = await sdk.v1.contracts.create(
        customer_id=customer, rate_card_id=card, starting_at=NEW_YEAR, overrides=[half]
    )
    keys = {"customer_id": customer, "contract_id": contract.data.contract.id}
    found = []
    for month in (1, 2, 3):
        (row,) = (await sdk.v1.contracts.retrieve_rate_schedule(**keys, at=at(2026, month, 15))).data
        found.append((row.override_rate and row.override_rate.price, row.starting_at, row.ending_before))
    assert found == [(None, NEW_YEAR, at(2026, 2)), (1, at(2026, 2), at(2026, 3)), (None, at(2026, 3), None)]


@pytest.mark.anyio
async def test_add_rate_answers_with_the_commit_rate(sdk, app_client):
    """The answer is what was added."""
    card, product = await seed.rate_card(sdk), await seed.usage_product(sdk)
    body = {"rate_card_id": card, **wire(product), "commit_rate": {"rate_type": "FLAT", "price": 1}}
    answer = await app_client.post(f"{CARDS}/addRate", json=body)
    assert answer.json()["data"]["commit_rate"] == {"rate_type": "FLAT", "price": 1}


@pytest.mark.anyio
async def test_a_price_has_a_bounded_number_of_tiers(sdk, app_client):
    """As many as anybody needs are taken, with multipliers by tier; of more the first place is named."""
    card, product = await seed.rate_card(sdk), await seed.usage_product(sdk)
    tiers = [{"price": 1, "size": 1}] * (TIERS_MAX - 1) + [{"price": 1}]
    body = {"rate_card_id": card, **wire(product), "rate_type": "TIERED", "tiers": tiers}
    del body["price"]
    assert (await app_client.post(f"{CARDS}/addRate", json=body)).status_code == 200
    body["tiers"] = [tiers[0], *tiers]
    await seed.refused(app_client, f"{CARDS}/addRate", body, "at most 1,000 tiers", "$.tiers")
    override = {"type": "TIERED", "priority": 1, "starting_at": "2026-01-01T00:00:00Z"}
    override["tiers"] = [{"multiplier": 0.5, "size": 1}] * TIERS_MAX + [{"multiplier": 0.5}]
    agreed = {"customer_id": await seed.customer(sdk), "rate_card_id": card, "starting_at": "2026-01-01T00:00:00Z"}
    agreed |= {"multiplier_override_prioritization": "EXPLICIT", "overrides": [override]}
    await seed.refused(app_client, "/v1/contracts/create", agreed, "at most 1,000 tiers", "$.overrides[0].tiers")


@pytest.mark.anyio
async def test_the_longest_numbers_are_billed_exactly(sdk, api, app_client, database_url):
    """A quantity, a conversion, a price, a share of that, and a multiplier for both: of 38 digits each."""
    long = "1.2345678901234567890123456789012345678"
    conversion = {"conversion_factor": long, "operation": "MULTIPLY"}
    product = await seed.usage_product(sdk, quantity_conversion=conversion)
    share = await sdk.v1.contracts.products.create(name="S", type="COMPOSITE", composite_product_ids=[product])
    card, customer = await seed.rate_card(sdk), await seed.customer(sdk)
    for each in (
        wire(product) | {"price": long},
        wire(share.data.id) | {"rate_type": "PERCENTAGE", "price": f"0.{long[2:]}"},
    ):
        answer = await app_client.post(f"{CARDS}/addRate", json={"rate_card_id": card, **each})
        assert answer.status_code == 200, answer.text
    factor = {"type": "MULTIPLIER", "multiplier": f"0.{long[2:]}", "starting_at": "2026-01-01T00:00:00Z"}
    agreed = {"customer_id": customer, "rate_card_id": card, "starting_at": "2026-01-01T00:00:00Z"}
    assert (await app_client.post("/v1/contracts/create", json=agreed | {"overrides": [factor]})).status_code == 200
    await sdk.v1.usage.ingest(usage=[billing.event(1, customer, api.clock(), model="a", tokens=long)])
    await billing.meter(api, database_url)
    answer = await app_client.get(f"/v1/customers/{customer}/invoices")
    (draft,) = json.loads(answer.content, parse_float=Fraction)["data"]
    of, part = Fraction(long), Fraction(long) - 1
    assert draft["total"] == of**3 * part + of**3 * part * part * part
