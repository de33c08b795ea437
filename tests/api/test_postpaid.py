"""Postpaid commits over the wire: what is promised, counted and asked for in the end."""

from datetime import timedelta

import pytest

from api import billing, seed
from api.seed import at

pytestmark = pytest.mark.anyio


@pytest.fixture
async def catalog(sdk) -> dict[str, str]:
    """Make a customer and a card: 1 cent for model a."""
    card, product = await billing.priced_card(sdk)
    fixed = await seed.fixed_product(sdk, "Promise")
    return {"customer": await seed.customer(sdk), "card": card, "product": product, "fixed": fixed}


def promise(catalog: dict[str, str], amount: int, start, end, **more) -> dict:
    """Return a postpaid commit that is trued up at its end."""
    segment = {"amount": amount, "starting_at": start.isoformat(), "ending_before": end.isoformat()}
    return {
        "type": "POSTPAID",
        "product_id": catalog["fixed"],
        "access_schedule": {"schedule_items": [segment]},
        "invoice_schedule": {"schedule_items": [{"timestamp": end.isoformat(), "amount": amount}]},
        **more,
    }


async def test_the_true_up_asks_for_what_was_not_used(sdk, api, app_client, database_url, catalog, clock):
    """It waits until the last statement whose usage counts is final; then the ledger sums to zero."""
    start = clock().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    end = (start + timedelta(days=32)).replace(day=1)
    made = await sdk.v1.contracts.create(
        customer_id=catalog["customer"], rate_card_id=catalog["card"], starting_at=start, ending_before=end,
        commits=[promise(catalog, 1000, start, end)],
    )  # fmt: skip
    await sdk.v1.usage.ingest(usage=[billing.event(1, catalog["customer"], clock(), model="a", tokens=700)])
    await billing.meter(api, database_url)
    (draft,) = await billing.invoices_of(app_client, catalog["customer"], type="USAGE")
    (true_up,) = await billing.invoices_of(app_client, catalog["customer"], type="SCHEDULED")
    assert (draft["total"], true_up["total"]) == (700, 300)
    used, applied = [each for each in draft["line_items"] if each["total"]]
    assert (used["commit_type"], used["applied_commit_or_credit"]["type"]) == ("PostpaidCommit", "POSTPAID")
    assert (applied["type"], applied["total"]) == ("applied_commit_or_credit", -700)
    (line,) = true_up["line_items"]
    assert (line["name"], line["postpaid_commit"]["id"]) == ("Promise true-up", used["commit_id"])

    clock.at = end + timedelta(hours=23)
    await billing.bill(api, database_url)
    assert {each["status"] for each in await billing.invoices_of(app_client, catalog["customer"])} == {"DRAFT"}
    clock.at = end + timedelta(hours=24)
    await billing.bill(api, database_url)
    assert {each["status"] for each in await billing.invoices_of(app_client, catalog["customer"])} == {"FINALIZED"}
    seen = await sdk.v2.contracts.retrieve(
        customer_id=catalog["customer"], contract_id=made.data.contract.id, include_ledgers=True
    )
    (commit,) = seen.data.commits
    assert [(each.type, each.amount) for each in commit.ledger] == [
        ("POSTPAID_COMMIT_INITIAL_BALANCE", 1000),
        ("POSTPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION", -700),
        ("POSTPAID_COMMIT_TRUEUP", -300),
    ]
    assert commit.ledger[2].invoice_id == true_up["id"]
    listed = await sdk.v1.customers.commits.list(customer_id=catalog["customer"], include_contract_commits=True)
    assert [(each.type, each.cost_basis) for each in listed.data] == [("POSTPAID", 1)]


async def test_what_a_promise_cannot_be_is_refused(app_client, catalog):
    """One amount, one date, equal sums in one currency."""
    fine = promise(catalog, 100, at(2026), at(2027))
    (segment,) = fine["access_schedule"]["schedule_items"]
    (item,) = fine["invoice_schedule"]["schedule_items"]

    async def refuse(*parts: str, **more) -> None:
        body = {
            "customer_id": catalog["customer"],
            "starting_at": "2026-01-01T00:00:00Z",
            "commits": [{**fine, **more}],
        }
        await seed.refused(app_client, "/v1/contracts/create", body, *parts)

    later = {**segment, "starting_at": segment["ending_before"], "ending_before": "2028-01-01T00:00:00Z"}
    two = {"schedule_items": [segment, later]}
    await refuse("exactly one item", "$.commits[0].access_schedule.schedule_items", access_schedule=two)
    await refuse("exactly one item", "$.commits[0].invoice_schedule", invoice_schedule=None)
    twice = {"schedule_items": [item, {**item, "timestamp": "2026-06-01T00:00:00Z"}]}
    await refuse("exactly one item", "$.commits[0].invoice_schedule", invoice_schedule=twice)
    less = {"schedule_items": [{**item, "amount": 99}]}
    await refuse("they must be equal", "$.commits[0].invoice_schedule", invoice_schedule=less)
