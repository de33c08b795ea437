"""Breakdowns over the API, by the official SDK: what the windows of an invoice have of its lines."""

from decimal import Decimal
from typing import Any

import pytest

from api import billing, seed

pytestmark = pytest.mark.anyio

JANUARY = {"starting_on": seed.at(2026), "ending_before": seed.at(2026, 2)}


@pytest.fixture
async def acme(sdk, api, database_url):
    """Return a customer with 500 cents prepaid, 100 tokens of a on 10 January, 300 of b on 14 and on 15 January."""
    card, _ = await billing.priced_card(sdk)
    fixed = await seed.fixed_product(sdk)
    customer = await seed.customer(sdk)
    commit = {
        "product_id": fixed,
        "type": "PREPAID",
        "name": "Prepaid",
        "access_schedule": {
            "schedule_items": [{"amount": 500, "starting_at": seed.at(2026), "ending_before": seed.at(2027)}]
        },
        "invoice_schedule": {"schedule_items": [{"timestamp": seed.at(2026), "amount": 450}]},
    }
    await sdk.v1.contracts.create(customer_id=customer, starting_at=seed.at(2026), rate_card_id=card, commits=[commit])
    used = [
        billing.event(1, customer, seed.at(2026, 1, 10, 3), model="a", tokens=100),
        billing.event(2, customer, seed.at(2026, 1, 14, 23), model="b", tokens=300),
        billing.event(3, customer, seed.at(2026, 1, 15, 2), model="b", tokens=300),
    ]
    await sdk.v1.usage.ingest(usage=used)
    await billing.meter(api, database_url)
    return customer


async def windows(client: Any, customer: str, **query: Any) -> list[dict[str, Any]]:
    """Return all rows, page by page, with exact numbers."""
    rows: list[dict[str, Any]] = []
    cursor = None
    while True:
        more = {"next_page": cursor} if cursor else {}
        answer = await client.get(
            f"/v1/customers/{customer}/invoices/breakdowns",
            params={name: getattr(each, "isoformat", lambda each=each: each)() for name, each in query.items()} | more,
        )
        assert answer.status_code == 200, answer.text
        page = seed.exact(answer)
        rows += page["data"]
        cursor = page["next_page"]
        if cursor is None:
            return rows


def told(row: Any) -> list[tuple[Any, ...]]:
    return [(line.name, line.quantity, line.total) for line in row.line_items]


async def test_days_show_when_a_balance_paid(acme, sdk) -> None:
    """The first units of a line are those that the commit pays: 14 January is paid in part, the 15th by nobody."""
    found = await sdk.v1.customers.invoices.list_breakdowns(
        customer_id=acme, **JANUARY, window_size="DAY", skip_zero_qty_line_items=True
    )
    assert [row.breakdown_start_timestamp.day for row in found.data] == [10, 14, 15]
    assert [told(row) for row in found.data] == [
        [("Tokens", 100, 100)],
        [("Tokens", 200, 500), ("Prepaid applied", None, -500), ("Tokens", 100, 250)],
        [("Tokens", 300, 750)],
    ]
    row = found.data[1]
    assert (row.breakdown_start_timestamp, row.breakdown_end_timestamp) == (seed.at(2026, 1, 14), seed.at(2026, 1, 15))
    assert (row.start_timestamp, row.end_timestamp, row.status) == (seed.at(2026), seed.at(2026, 2), "DRAFT")
    (draft,) = (await sdk.v1.customers.invoices.list(customer_id=acme, type="USAGE")).data
    assert row.id == draft.id
    assert sum(each.total for each in found.data) == draft.total == 1100


async def test_hours_of_a_day_come_in_any_case_of_the_word(acme, app_client) -> None:
    """`hour` gives 24 windows, those without usage too, for the month that is one page for each day."""
    day = {"starting_on": seed.at(2026, 1, 14), "ending_before": seed.at(2026, 1, 15), "window_size": "hour"}
    rows = await windows(app_client, acme, **day)
    assert [len(rows), sum(row["total"] for row in rows)] == [24, 250]
    assert rows[23]["breakdown_start_timestamp"] == "2026-01-14T23:00:00Z"
    month = await windows(app_client, acme, **JANUARY, window_size="Hour")
    assert [len(month), sum(row["total"] for row in month)] == [744, 1100]


@pytest.mark.parametrize("query", [{}, {"sort": "date_desc"}, {"limit": 3}, {"limit": 1, "sort": "DATE_DESC"}])
async def test_pages_put_together_are_the_list(acme, sdk, app_client, query) -> None:
    """Two contracts, three months: whatever the pages, each window of each invoice comes once, in order of time."""
    card, _ = await billing.priced_card(sdk)
    await sdk.v1.contracts.create(customer_id=acme, starting_at=seed.at(2026, 1, 5), rate_card_id=card)
    every = {"starting_on": "2025-12-31T05:00:00Z", "ending_before": "2027-05-01T00:00:00Z"}
    rows = await windows(app_client, acme, **every, **query)
    places = [(row["breakdown_start_timestamp"], row["id"]) for row in rows]
    assert len(places) == len(set(places)) == 31 + 27
    assert places == sorted(places, reverse="sort" in query)


async def test_windows_lie_within_what_is_asked_for(acme, app_client) -> None:
    """A window that begins before, or ends after it, is not shown; nor is one of another currency or status."""
    times = {"starting_on": "2026-01-13T00:00:01Z", "ending_before": "2026-01-15T23:59:59Z"}
    (row,) = await windows(app_client, acme, **times)
    assert row["breakdown_start_timestamp"] == "2026-01-14T00:00:00Z"
    assert await windows(app_client, acme, **times, status="FINALIZED") == []
    assert len(await windows(app_client, acme, **times, status="draft")) == 1
    assert await windows(app_client, acme, **times, credit_type_id=acme) == []
    assert await windows(app_client, acme, starting_on=seed.at(2024), ending_before=seed.at(2025)) == []


async def test_late_usage_of_a_final_invoice(acme, sdk, app_client, api, clock, database_url) -> None:
    """It is in its window, on a line that says so; the other lines sum to the invoice, which stays what it is."""
    clock.move(days=18)
    await billing.bill(api, database_url)
    before = await windows(app_client, acme, **JANUARY)
    assert [sum(row["total"] for row in before), before[0]["status"]] == [1100, "FINALIZED"]
    await sdk.v1.usage.ingest(usage=[billing.event(9, acme, seed.at(2026, 1, 12), model="b", tokens=40)])
    await billing.meter(api, database_url)
    rows = await windows(app_client, acme, **JANUARY, skip_zero_qty_line_items="true")
    lines = [
        (int(row["breakdown_start_timestamp"][8:10]), line["name"], line["quantity"], line["total"])
        for row in rows
        for line in row["line_items"]
        if line["type"] == "usage"
    ]
    assert lines == [
        (10, "Tokens", 100, 100),
        (12, "Tokens", 40, 100),
        (14, "Tokens", 160, 400),
        (14, "Tokens", 140, 350),
        (15, "Tokens", 260, 650),
        (15, "Tokens (not on the invoice)", 40, 100),
    ]
    assert sum(row["total"] for row in rows) == 1200
    (final,) = await billing.invoices_of(app_client, acme, type="USAGE", status="FINALIZED")
    assert final["total"] == 1100


async def test_an_archived_contract_keeps_its_breakdown(acme, sdk, app_client, api, clock, database_url) -> None:
    """Its final invoice stays, and so do the days of it."""
    clock.move(days=18)
    await billing.bill(api, database_url)
    (final,) = await billing.invoices_of(app_client, acme, type="USAGE", status="FINALIZED")
    await sdk.v1.contracts.archive(customer_id=acme, contract_id=final["contract_id"], void_invoices=False)
    rows = await windows(app_client, acme, **JANUARY)
    assert sum((row["total"] for row in rows), Decimal(0)) == final["total"]


async def test_windows_of_a_draft_are_paid_by_those_who_pay_the_draft(sdk, api, database_url, app_client) -> None:
    """Who pays first depends on how many products carry a tag: those on cards of live contracts, in both."""
    card, product = await billing.priced_card(sdk)
    await sdk.v1.contracts.products.update(product_id=product, starting_at=seed.at(2025), tags=["ai"])
    other = await seed.rate_card(sdk, "Other")
    for name in ("B", "C", "D"):
        rate = {"product_id": await seed.usage_product(sdk, name, tags=["ai"]), "entitled": True, "rate_type": "FLAT"}
        await sdk.v1.contracts.rate_cards.rates.add(**rate, rate_card_id=other, price=1, starting_at=seed.at(2026))
    customer, fixed = await seed.customer(sdk), await seed.fixed_product(sdk)
    gone = await sdk.v1.contracts.create(customer_id=customer, starting_at=seed.at(2026), rate_card_id=other)
    await sdk.v1.contracts.archive(customer_id=customer, contract_id=gone.data.id, void_invoices=False)
    item = {"amount": 50, "starting_at": seed.at(2026), "ending_before": seed.at(2027)}
    credit = {"product_id": fixed, "priority": 1, "access_schedule": {"schedule_items": [item]}}
    by_id = {"name": "by id", "applicable_product_ids": [product, await seed.usage_product(sdk, "Unused")]}
    by_tag = {"name": "by tag", "applicable_product_tags": ["ai"]}
    terms = {"starting_at": seed.at(2026), "rate_card_id": card, "credits": [{**credit, **by_tag}, {**credit, **by_id}]}
    await sdk.v1.contracts.create(customer_id=customer, **terms)
    await billing.used(sdk, api, database_url, customer, 1, seed.at(2026, 1, 10), 50)
    (draft,) = await billing.invoices_of(app_client, customer)
    rows = await windows(app_client, customer, **JANUARY)
    paid, shown = [
        {line["name"]: line["total"] for each in some for line in each["line_items"] if line["total"] < 0}
        for some in ([draft], rows)
    ]
    assert paid == shown == {"by tag applied": -50}


@pytest.mark.parametrize(
    ("query", "part"),
    [
        ({"ending_before": "2026-01-01T00:00:00Z"}, "ending_before must lie after starting_on"),
        ({"window_size": "NONE"}, "window_size must be HOUR or DAY"),
        ({"window_size": "WEEK"}, "window_size"),
        ({"status": "VOID"}, "a void invoice has no breakdown"),
        ({"limit": "101"}, "limit"),
        ({"next_page": "nonsense"}, "next_page"),
        ({"type": "USAGE"}, "there is no query parameter `type`"),
        ({"starting_on": "9999-01-01T00:00:00Z"}, "year"),
    ],
)
async def test_what_makes_no_sense_is_refused(acme, app_client, query, part) -> None:
    """With the name of what is wrong."""
    asked = {"starting_on": "2026-01-01T00:00:00Z", "ending_before": "2026-02-01T00:00:00Z"} | query
    answer = await app_client.get(f"/v1/customers/{acme}/invoices/breakdowns", params=asked)
    assert answer.status_code == 400, answer.text
    assert part in answer.json()["message"]


async def test_nobody_has_no_breakdown(app_client) -> None:
    """An unknown customer is 404; both times must be given."""
    path = "/v1/customers/00000000-0000-4000-8000-000000000000/invoices/breakdowns"
    times = {"starting_on": "2026-01-01T00:00:00Z", "ending_before": "2026-02-01T00:00:00Z"}
    assert (await app_client.get(path, params=times)).status_code == 404
    assert (await app_client.get(path)).status_code == 400
