"""What is still to be asked for, or was asked for sooner, when a contract ends, is archived or is edited."""

import pytest

from api import billing, seed
from api.seed import at
from api.test_pro_services import Acme
from winkel.model.credit_type import USD

pytestmark = pytest.mark.anyio

END, EDIT = "/v1/contracts/updateEndDate", "/v2/contracts/edit"
MOVE, SCHEDULE = "/v1/contracts/updateInvoiceIssueDate", "/v1/contracts/scheduleProServicesInvoice"


async def test_an_edited_child_does_not_outlive_its_term(sdk, api, clock, database_url, app_client):
    """The next child of a recurring commit is described; then the term ends before it begins."""
    customer, fixed = await seed.customer(sdk), await seed.fixed_product(sdk)
    amount = {"credit_type_id": USD.id, "unit_price": 100, "quantity": 1}
    monthly = {
        "product_id": fixed, "priority": 1, "starting_at": at(2026),
        "commit_duration": {"value": 1, "unit": "PERIODS"}, "access_amount": amount, "invoice_amount": amount,
    }  # fmt: skip
    made = await sdk.v1.contracts.create(customer_id=customer, starting_at=at(2026), recurring_commits=[monthly])
    keys = {"customer_id": customer, "contract_id": made.data.id}
    (term,) = (await sdk.v2.contracts.retrieve(**keys)).data.recurring_commits
    found = await sdk.v1.contracts.list_balances(customer_id=customer, include_contract_balances=True)
    (february,) = [each for each in found.data if each.access_schedule.schedule_items[0].starting_at == at(2026, 2)]
    body = {"customer_id": customer, "commit_id": february.id, "description": "February"}
    assert (await seed.post(app_client, "/v2/contracts/commits/edit", body)).status_code == 200
    change = {"update_recurring_commits": [{"recurring_commit_id": term.id, "ending_before": at(2026, 2).isoformat()}]}
    answer = await seed.post(app_client, EDIT, {**keys, **change})
    clock.at = at(2026, 2, 3)
    await billing.bill(api, database_url)
    assert answer.status_code == 400 or await billing.asked(app_client, customer) == 100


async def test_no_contract_is_archived_that_a_commit_is_still_invoiced_with(sdk, api, clock, database_url, app_client):
    """A pack of the customer is invoiced with one contract in February and used by another."""
    card, _ = await billing.priced_card(sdk)
    customer, fixed = await seed.customer(sdk), await seed.fixed_product(sdk)
    payer = (await sdk.v1.contracts.create(customer_id=customer, starting_at=at(2026))).data.id
    await sdk.v1.contracts.create(customer_id=customer, starting_at=at(2026), rate_card_id=card)
    item = {"amount": 1000, "starting_at": at(2026), "ending_before": at(2027)}
    await sdk.v1.customers.commits.create(
        customer_id=customer, product_id=fixed, type="PREPAID", priority=1, invoice_contract_id=payer,
        access_schedule={"schedule_items": [item]},
        invoice_schedule={"schedule_items": [{"timestamp": at(2026, 2), "amount": 900}]},
    )  # fmt: skip
    body = {"customer_id": customer, "contract_id": payer, "void_invoices": False}
    await seed.post(app_client, "/v1/contracts/archive", body)
    await billing.used(sdk, api, database_url, customer, 1, at(2026, 1, 15), 600)
    clock.at = at(2026, 2, 3)
    await billing.bill(api, database_url)
    assert await billing.asked(app_client, customer) == 900


async def test_services_that_were_asked_for_sooner_still_count(sdk, api, clock, database_url, app_client):
    """What stands on a final invoice counts towards the most, also when the contract ends before its own date."""
    acme = await Acme(sdk, app_client, api, database_url).build()
    invoice = await acme.schedule(at(2026, 6), {"quantity": 40})
    body = {"invoice_id": invoice.id, "issue_date": at(2026, 1, 15).isoformat()}
    assert (await seed.post(app_client, MOVE, body)).status_code == 200
    await acme.bill()
    assert await acme.invoices() == [("2026-01-15", 8000, "FINALIZED")]
    body = {**acme.keys, "ending_before": at(2026, 5).isoformat()}
    assert (await seed.post(app_client, END, body)).status_code == 200
    line = {"professional_service_id": await acme.training(), "quantity": 40}
    body = {**acme.keys, "issued_at": at(2026, 4).isoformat(), "line_items": [line]}
    await seed.refused(app_client, SCHEDULE, body, "only 1000 of its max_amount are left")


async def test_a_date_on_a_final_invoice_stays_when_the_contract_ends(sdk, api, clock, database_url, app_client):
    """Also when that invoice was issued sooner: it can be made anew."""
    customer, fixed = await seed.customer(sdk), await seed.fixed_product(sdk)
    schedule = {"schedule_items": [{"timestamp": at(2026, 6), "amount": 100}]}
    made = await sdk.v1.contracts.create(
        customer_id=customer, starting_at=at(2026), scheduled_charges=[{"product_id": fixed, "schedule": schedule}]
    )
    keys = {"customer_id": customer, "contract_id": made.data.id}
    (invoice,) = await billing.invoices_of(app_client, customer, type="SCHEDULED")
    await seed.post(app_client, MOVE, {"invoice_id": invoice["id"], "issue_date": at(2026, 1, 15).isoformat()})
    await billing.bill(api, database_url)
    await seed.post(app_client, END, {**keys, "ending_before": at(2026, 5).isoformat()})
    (charge,) = (await sdk.v2.contracts.retrieve(**keys)).data.scheduled_charges
    assert [each.amount for each in charge.schedule.schedule_items] == [100]
    await sdk.v1.invoices.void(id=invoice["id"])
    assert (await sdk.v1.invoices.regenerate(id=invoice["id"])).data.id != invoice["id"]


async def test_no_line_with_an_amount_is_left_out(sdk, api, clock, database_url, app_client):
    """500 cents buy less than 10⁻²⁰ units: the quantity of their line is zero, and its total is not."""
    product, card = await seed.usage_product(sdk), await seed.rate_card(sdk)
    rate = {"rate_card_id": card, "product_id": product, "entitled": True, "rate_type": "FLAT", "price": 10**24}
    await seed.post(
        app_client, "/v1/contract-pricing/rate-cards/addRate", {**rate, "starting_at": at(2026).isoformat()}
    )
    customer, fixed = await seed.customer(sdk), await seed.fixed_product(sdk)
    item = {"amount": 500, "starting_at": at(2026), "ending_before": at(2027)}
    commit = {"product_id": fixed, "type": "PREPAID", "access_schedule": {"schedule_items": [item]}}
    await sdk.v1.contracts.create(customer_id=customer, starting_at=at(2026), rate_card_id=card, commits=[commit])
    await billing.used(sdk, api, database_url, customer, 1, at(2026, 1, 10), 1)
    (shown,) = await billing.invoices_of(app_client, customer, skip_zero_qty_line_items="true")
    assert sum(each["total"] for each in shown["line_items"]) == shown["total"] == 10**24 - 500
