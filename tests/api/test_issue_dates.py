"""Scheduled invoices on another date (updateInvoiceIssueDate)."""

import uuid
from datetime import timedelta

import pytest

from api import billing, seed
from api.seed import at

pytestmark = pytest.mark.anyio
MOVE = "/v1/contracts/updateInvoiceIssueDate"


@pytest.fixture
async def acme(sdk) -> dict[str, str]:
    """Return a customer who owes a fee in March and in June, and has promised five dollars until June."""
    card, _ = await billing.priced_card(sdk)
    fixed, customer = await seed.fixed_product(sdk), await seed.customer(sdk)
    fee = {"product_id": fixed, "name": "Fee", "schedule": {"schedule_items": []}}
    fee["schedule"]["schedule_items"] = [{"timestamp": at(2026, month), "amount": 100} for month in (3, 6)]
    term = {"starting_at": at(2026), "ending_before": at(2026, 6)}
    promise = {
        "product_id": fixed,
        "type": "POSTPAID",
        "access_schedule": {"schedule_items": [{"amount": 500, **term}]},
        "invoice_schedule": {"schedule_items": [{"timestamp": at(2026, 6, 5), "amount": 500}]},
    }
    made = await sdk.v1.contracts.create(
        customer_id=customer,
        starting_at=at(2026),
        ending_before=at(2027),
        rate_card_id=card,
        scheduled_charges=[fee],
        commits=[promise],
    )
    return {"customer": customer, "contract": made.data.id}


async def scheduled(client, acme, **query) -> dict[str, str]:
    """Return the ids of scheduled invoices by their day."""
    found = await billing.invoices_of(client, acme["customer"], type="SCHEDULED", **query)
    return {each["issued_at"][:10]: each["id"] for each in found}


async def move(client, invoice_id: str, date: str) -> None:
    answer = await seed.post(client, MOVE, {"invoice_id": invoice_id, "issue_date": date})
    assert (answer.status_code, answer.json()) == (200, {"data": {"id": invoice_id}}), answer.text


async def test_an_invoice_is_issued_later_or_sooner(sdk, app_client, api, clock, database_url, acme):
    """It keeps its id; the fee of June is asked for in March when it is moved there, and the one of March later."""
    before = await scheduled(app_client, acme)
    assert set(before) == {"2026-03-01", "2026-06-01", "2026-06-05"}
    await move(app_client, before["2026-06-01"], "2026-03-02T00:00:00Z")
    await move(app_client, before["2026-03-01"], "2026-04-15T00:00:00Z")
    await move(app_client, before["2026-06-05"], "2026-12-31T00:00:00Z")
    after = {"2026-03-02": before["2026-06-01"], "2026-04-15": before["2026-03-01"], "2026-12-31": before["2026-06-05"]}
    assert await scheduled(app_client, acme) == after
    clock.move(days=(at(2026, 3, 2) - clock()).days + 1)
    await billing.bill(api, database_url)
    assert await scheduled(app_client, acme, status="FINALIZED") == {"2026-03-02": before["2026-06-01"]}
    keys = {"customer_id": acme["customer"], "contract_id": acme["contract"]}
    (fee,) = (await sdk.v2.contracts.retrieve(**keys)).data.scheduled_charges
    assert [each.timestamp for each in fee.schedule.schedule_items] == [at(2026, 3), at(2026, 6)]
    final = before["2026-06-01"]
    body = {"invoice_id": final, "issue_date": "2026-05-01T00:00:00Z"}
    await seed.refused(app_client, MOVE, body, "no open scheduled invoice", status=404)


async def test_a_date_that_is_over_is_final_at_once(app_client, api, clock, database_url, acme):
    """The worker looks at the customer without waiting for any other date."""
    await billing.bill(api, database_url)
    june = (await scheduled(app_client, acme))["2026-06-01"]
    yesterday = (clock() - timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    await move(app_client, june, yesterday.isoformat())
    await billing.bill(api, database_url)
    assert await scheduled(app_client, acme, status="FINALIZED") == {f"{yesterday:%Y-%m-%d}": june}


async def test_dates_that_cannot_be(sdk, app_client, make_client, acme):
    """Not after the contract's end, not between hours; not of usage, of nothing, or of somebody else's invoice."""
    june = (await scheduled(app_client, acme))["2026-06-01"]

    async def refuse(client, *parts, invoice_id=june, date="2026-05-01T00:00:00Z", status=400):
        await seed.refused(client, MOVE, {"invoice_id": invoice_id, "issue_date": date}, *parts, status=status)

    await refuse(app_client, "after the end of the contract", "$.issue_date", date="2027-01-01T01:00:00Z")
    await refuse(app_client, "$.issue_date", "hour", date="2026-05-01T00:30:00Z")
    (usage, *_) = await billing.invoices_of(app_client, acme["customer"], type="USAGE")
    await refuse(app_client, "only scheduled ones", "$.invoice_id", invoice_id=usage["id"])
    await refuse(app_client, "no open scheduled invoice", invoice_id=str(uuid.uuid4()), status=404)
    await refuse(await make_client(), "no open scheduled invoice", status=404)
    await move(app_client, june, "2027-01-01T00:00:00Z")
