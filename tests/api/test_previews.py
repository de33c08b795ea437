"""Previews over the API, by the official SDK: the invoices that events would give, and nothing is kept."""

import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from api import billing, seed

pytestmark = pytest.mark.anyio


@pytest.fixture
async def acme(sdk, api, database_url):
    """Return a customer who used 99 calls of 100 that are free; above they are a dollar."""
    product = await seed.usage_product(sdk, "Calls")
    card = await seed.rate_card(sdk)
    await sdk.v1.contracts.rate_cards.rates.add(
        rate_card_id=card,
        product_id=product,
        entitled=True,
        rate_type="TIERED",
        tiers=[{"size": 100, "price": 0}, {"price": 100}],
        starting_at=seed.at(2026),
    )
    customer = await seed.customer(sdk)
    await sdk.v1.contracts.create(customer_id=customer, starting_at=seed.at(2026), rate_card_id=card)
    await sdk.v1.usage.ingest(usage=[billing.event("used", customer, seed.at(2026, 1, 10), model="a", tokens=99)])
    await billing.meter(api, database_url)
    return customer


def call(tokens: Any = 1, **more: Any) -> dict[str, Any]:
    """Return an event to preview."""
    return {"event_type": "llm", "properties": {"region": "eu", "model": "a", "tokens": tokens}, **more}


def told(invoice: Any) -> list[tuple[Any, ...]]:
    return [(line.quantity, line.unit_price, line.total) for line in invoice.line_items]


async def test_one_is_free_and_four_are_billable(acme, sdk, app_client) -> None:
    """99 used of 100 free, 5 previewed: 1 free, 4 billable (metronome-api.md §8, example 18); and nothing is kept."""
    before = await billing.invoices_of(app_client, acme)
    (draft,) = (await sdk.v1.customers.preview_events(customer_id=acme, mode="merge", events=[call()] * 5)).data
    assert told(draft) == [(100, 0, 0), (4, 100, 400)]
    assert (draft.status, draft.total, draft.id) == ("DRAFT", 400, before[0]["id"])
    assert await billing.invoices_of(app_client, acme) == before


async def test_replace_is_the_default(acme, sdk) -> None:
    """As if there were only these events: 5 are free. Lines without quantity are left out if that is asked for."""
    (draft,) = (await sdk.v1.customers.preview_events(customer_id=acme, events=[call(5)])).data
    assert told(draft) == [(5, 0, 0)]
    other = {"event_type": "another", "properties": {"model": "a"}}
    asked = {"customer_id": acme, "events": [other], "mode": "replace"}
    (draft,) = (await sdk.v1.customers.preview_events(**asked)).data
    assert told(draft) == [(0, 0, 0)]
    (draft,) = (await sdk.v1.customers.preview_events(**asked, skip_zero_qty_line_items=True)).data
    assert told(draft) == []


async def test_a_merged_preview_is_the_draft_after_ingesting(acme, sdk, app_client, api, database_url) -> None:
    """Those that were counted already are not counted again; the answer is the draft that the events then give."""
    events = [
        call(3, transaction_id="new", timestamp="2026-01-12T05:00:00Z"),
        call(500, transaction_id="event used", timestamp="2026-01-12T05:00:00Z"),
        call("0.5", transaction_id="other", timestamp="2026-01-14T05:00:00+02:00"),
        {"event_type": "unwanted", "transaction_id": "unwanted", "timestamp": "2026-01-14T05:00:00Z"},
    ]
    asked = {"mode": "MERGE", "events": events}
    previewed = await app_client.post(f"/v1/customers/{acme}/previewEvents", json=asked)
    await sdk.v1.usage.ingest(usage=[{**each, "customer_id": acme} for each in events])
    await billing.meter(api, database_url)
    drafts = await billing.invoices_of(app_client, acme)
    assert drafts[0]["total"] == 250
    assert seed.exact(previewed)["data"] == drafts
    again = await app_client.post(f"/v1/customers/{acme}/previewEvents", json=asked)
    assert seed.exact(again)["data"] == drafts


@pytest.mark.parametrize("seed_of", range(4))
async def test_a_preview_is_the_invoice(sdk, app_client, api, database_url, seed_of) -> None:
    """Whatever the aggregation: any events, some of them repeats, are previewed as the meter counts them then."""
    chance = random.Random(seed_of)
    customer = await every_aggregation(sdk)
    numbers = iter(range(100))

    def some(count: int) -> list[dict[str, Any]]:
        return [random_event(chance, next(numbers), api.clock()) for _ in range(count)]

    first = some(8)
    await sdk.v1.usage.ingest(usage=[{**each, "customer_id": customer} for each in first])
    await billing.meter(api, database_url)
    events = [*some(8), *chance.sample(first, 2)]
    asked = {"mode": "merge", "events": events}
    previewed = await app_client.post(f"/v1/customers/{customer}/previewEvents", json=asked)
    await sdk.v1.usage.ingest(usage=[{**each, "customer_id": customer} for each in events])
    await billing.meter(api, database_url)
    drafts = await billing.invoices_of(app_client, customer)
    assert len(drafts[0]["line_items"]) >= 5
    assert seed.exact(previewed)["data"] == drafts


async def every_aggregation(sdk) -> str:
    """Make a customer who pays for a metric of each aggregation, by model, in tiers and rounded."""
    card = await seed.rate_card(sdk)
    for number, kind in enumerate(("COUNT", "SUM", "MAX", "LATEST", "UNIQUE")):
        metric = await sdk.v1.billable_metrics.create(
            name=kind,
            aggregation_type=kind,
            **({} if kind == "COUNT" else {"aggregation_key": "amount"}),
            property_filters=[{"name": name, "exists": True} for name in ("amount", "model")],
            group_keys=[["model"]],
        )
        product = await sdk.v1.contracts.products.create(
            name=kind,
            type="USAGE",
            billable_metric_id=metric.data.id,
            quantity_rounding={"rounding_method": "ROUND_UP", "decimal_places": number % 2},
            **({"presentation_group_key": ["model"]} if number % 2 else {}),
        )
        await sdk.v1.contracts.rate_cards.rates.add(
            rate_card_id=card,
            product_id=product.data.id,
            entitled=True,
            rate_type="TIERED",
            tiers=[{"size": 10, "price": 3}, {"price": 2}],
            starting_at=seed.at(2026),
        )
    customer = await seed.customer(sdk)
    await sdk.v1.contracts.create(customer_id=customer, starting_at=seed.at(2026), rate_card_id=card)
    return customer


def random_event(chance: random.Random, number: int, at: datetime) -> dict[str, Any]:
    """Return an event of the last days; many of one instant, one hour or one value."""
    when = at - timedelta(hours=chance.randrange(40), minutes=30 * chance.randrange(2))
    amount = chance.choice([chance.randrange(-5, 30), f"{chance.randrange(3000)}.25", 7])
    properties = {"amount": amount, "model": chance.choice("ab")} if chance.randrange(8) else {"model": "a"}
    return {
        "transaction_id": f"{number}",
        "event_type": "llm",
        "timestamp": when.isoformat(),
        "properties": properties,
    }


async def test_what_was_counted_is_forgotten_after_34_days(acme, sdk, clock) -> None:
    """As when it is ingested: then the same id is a new event."""
    repeated = {"customer_id": acme, "mode": "merge", "events": [call(7, transaction_id="event used")]}
    clock.move(days=34)
    (february,) = (await sdk.v1.customers.preview_events(**repeated)).data
    assert told(february) == [(0, 0, 0)]
    clock.move(days=1)
    (february,) = (await sdk.v1.customers.preview_events(**repeated)).data
    assert told(february) == [(7, 0, 0)]


async def test_each_contract_has_a_draft_of_its_current_period(acme, sdk, clock) -> None:
    """One for each active contract; the draft of January, which waits for late events, is not among them."""
    card, _ = await billing.priced_card(sdk)
    await sdk.v1.contracts.create(customer_id=acme, starting_at=seed.at(2026, 1, 5), rate_card_id=card)
    await sdk.v1.contracts.create(customer_id=acme, starting_at=seed.at(2026, 3), rate_card_id=card)
    clock.move(days=17)
    found = (await sdk.v1.customers.preview_events(customer_id=acme, events=[call(2)])).data
    assert [(each.start_timestamp, each.type) for each in found] == [(seed.at(2026, 2), "USAGE")] * 2
    assert sorted(each.total for each in found) == [0, 2]


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({"events": []}, "$.events"),
        ({"events": [call()] * 101}, "$.events"),
        ({"events": [call()], "mode": "add"}, "$.mode"),
        ({"events": [call() | {"customer_id": "x"}]}, "customer_id"),
        ({"events": [{"properties": {}}]}, "event_type"),
        ({"events": [call(transaction_id="x"), call(), call(transaction_id="x")]}, "$.events[0].transaction_id"),
        ({"events": [call(), call(timestamp="2025-01-01T00:00:00Z")]}, "event 1: 2025-01-01T00:00:00+00:00 is more"),
        ({"events": [call(timestamp="noon")]}, "event 0"),
        ({"events": [call() | {"properties": 5}]}, "event 0"),
        ({"events": [call(), call("lots")]}, "event 1: the billable metric 'Calls' cannot use it, not_a_number"),
    ],
)
async def test_what_makes_no_sense_is_refused(acme, app_client, body, part) -> None:
    """What ingest would refuse, or would set aside as a dead letter, is said, with its place."""
    await seed.refused(app_client, f"/v1/customers/{acme}/previewEvents", body, part)


async def test_nobody_has_no_preview(app_client) -> None:
    """An unknown customer is 404."""
    path = "/v1/customers/00000000-0000-4000-8000-000000000000/previewEvents"
    assert (await app_client.post(path, json={"events": [call()]})).status_code == 404
