"""What is still to be asked for, or was asked for sooner, when terms end, are archived or edited; void or not."""

import pytest

from api import billing, seed
from api.seed import at
from api.test_extensions import seated
from api.test_pro_services import Acme
from winkel.model.credit_type import USD

pytestmark = pytest.mark.anyio

END, EDIT, ARCHIVE = "/v1/contracts/updateEndDate", "/v2/contracts/edit", "/v1/contracts/archive"
REGENERATE = "/v1/invoices/regenerate"
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


async def pack(sdk, customer: str, payer: str, invoiced_at) -> str:
    """Sell a customer a commit for 900, invoiced with one of its contracts; return its id."""
    item = {"amount": 1000, "starting_at": at(2026), "ending_before": at(2027)}
    made = await sdk.v1.customers.commits.create(
        customer_id=customer, product_id=await seed.fixed_product(sdk), type="PREPAID", priority=1,
        invoice_contract_id=payer, access_schedule={"schedule_items": [item]},
        invoice_schedule={"schedule_items": [{"timestamp": invoiced_at, "amount": 900}]},
    )  # fmt: skip
    return made.data.id


@pytest.mark.parametrize("with_invoices", [False, True])
async def test_no_contract_is_archived_with_which_a_void_date_is_still_to_be_invoiced(
    sdk, api, clock, database_url, app_client, with_invoices
):
    """A pack's invoice is void, to be made anew, or would be: it is made anew first, or stays."""
    card, _ = await billing.priced_card(sdk)
    customer = await seed.customer(sdk)
    payer = (await sdk.v1.contracts.create(customer_id=customer, starting_at=at(2026))).data.id
    await sdk.v1.contracts.create(customer_id=customer, starting_at=at(2026), rate_card_id=card)
    await pack(sdk, customer, payer, at(2026, 1, 10))
    await billing.bill(api, database_url)
    (asked,) = await billing.invoices_of(app_client, customer, status="FINALIZED", type="SCHEDULED")
    body = {"customer_id": customer, "contract_id": payer, "void_invoices": with_invoices}
    if not with_invoices:
        await sdk.v1.invoices.void(id=asked["id"])
    await seed.refused(app_client, ARCHIVE, body, "still to be invoiced with this contract", "$.contract_id")
    if not with_invoices:
        await sdk.v1.invoices.regenerate(id=asked["id"])
    assert (await seed.post(app_client, ARCHIVE, {**body, "void_invoices": False})).status_code == 200
    await billing.used(sdk, api, database_url, customer, 1, at(2026, 1, 15), 600)
    clock.at = at(2026, 2, 3)
    await billing.bill(api, database_url)
    assert await billing.asked(app_client, customer) == 900


async def test_what_an_archived_contract_asked_for_may_be_asked_for_with_another(sdk, api, database_url, app_client):
    """A pack's invoice is voided after its contract was archived: nobody can make it anew."""
    customer = await seed.customer(sdk)
    payer, other = [(await sdk.v1.contracts.create(customer_id=customer, starting_at=at(2026))).data.id for _ in "ab"]
    bought = await pack(sdk, customer, payer, at(2026, 1, 10))
    await billing.bill(api, database_url)
    await sdk.v1.contracts.archive(customer_id=customer, contract_id=payer, void_invoices=False)
    assert await billing.asked(app_client, customer) == 900
    body = {"customer_id": customer, "commit_id": bought, "invoice_contract_id": other}
    await seed.refused(app_client, "/v2/contracts/commits/edit", body, "keeps its contract", "$.invoice_contract_id")
    await sdk.v1.contracts.archive(customer_id=customer, contract_id=payer, void_invoices=True)
    assert await billing.asked(app_client, customer) == 0
    assert (await seed.post(app_client, "/v2/contracts/commits/edit", body)).status_code == 200
    await billing.bill(api, database_url)
    assert await billing.asked(app_client, customer) == 900


async def test_a_subscription_that_ended_within_a_void_period_is_still_charged(
    sdk, api, clock, database_url, app_client
):
    """January was charged (3100). Void; the seat had ended on the 11th (10 of 31 days: 1000), and so it is at once."""
    keys = await seated(sdk, 3100, "MONTHLY", collection_schedule="ARREARS")
    clock.at = at(2026, 2, 3)
    await billing.bill(api, database_url)
    (january,) = await billing.invoices_of(app_client, keys["customer_id"], status="FINALIZED")
    assert january["total"] == 3100
    (its,) = (await sdk.v2.contracts.retrieve(**keys)).data.subscriptions
    await sdk.v1.invoices.void(id=january["id"])
    change = {"subscription_id": its.id, "ending_before": at(2026, 1, 11).isoformat()}
    assert (await seed.post(app_client, EDIT, {**keys, "update_subscriptions": [change]})).status_code == 200
    await billing.bill(api, database_url)
    assert await billing.asked(app_client, keys["customer_id"]) == 0
    await sdk.v1.invoices.regenerate(id=january["id"])
    await billing.bill(api, database_url)
    assert await billing.asked(app_client, keys["customer_id"]) == 1000


async def test_a_quarter_is_charged_when_its_contract_ended_before_the_void_statement(
    sdk, api, clock, database_url, app_client
):
    """A quarter in arrears stands on March's statement. The contract had ended on 15 February: half of it is due."""
    keys = await seated(sdk, 9000, "QUARTERLY", collection_schedule="ARREARS")
    clock.at = at(2026, 4, 3)
    await billing.bill(api, database_url)
    final = await billing.invoices_of(app_client, keys["customer_id"], status="FINALIZED")
    assert [each["total"] for each in final] == [0, 0, 9000]
    _, february, march = final
    for each in (march, february):
        await sdk.v1.invoices.void(id=each["id"])
    assert (await seed.post(app_client, END, {**keys, "ending_before": at(2026, 2, 15).isoformat()})).status_code == 200
    await sdk.v1.invoices.regenerate(id=february["id"])
    await seed.refused(app_client, REGENERATE, {"id": march["id"]}, "is on other invoices")
    await billing.bill(api, database_url)
    assert await billing.asked(app_client, keys["customer_id"]) == 4500


async def test_a_pack_is_paid_for_once_when_its_void_statement_has_no_period_any_more(
    sdk, api, clock, database_url, app_client
):
    """900 for a pack stood on March's statement, for 1 April. The contract had ended, and goes on after all."""
    card, _ = await billing.priced_card(sdk)
    customer = await seed.customer(sdk)
    body = {"customer_id": customer, "starting_at": at(2026).isoformat(), "rate_card_id": card,
            "scheduled_charges_on_usage_invoices": "ALL"}  # fmt: skip
    contract = (await seed.post(app_client, "/v1/contracts/create", body)).json()["data"]["id"]
    keys = {"customer_id": customer, "contract_id": contract}
    await pack(sdk, customer, contract, at(2026, 4))
    clock.at = at(2026, 4, 3)
    await billing.bill(api, database_url)
    (march,) = [each for each in await billing.invoices_of(app_client, customer) if each["total"] == 900]
    await sdk.v1.invoices.void(id=march["id"])
    assert (await seed.post(app_client, END, {**keys, "ending_before": at(2026, 3).isoformat()})).status_code == 200
    await seed.refused(app_client, REGENERATE, {"id": march["id"]}, "ends before its period")
    await billing.bill(api, database_url)
    (alone,) = await billing.invoices_of(app_client, customer, status="FINALIZED", type="SCHEDULED")
    assert (alone["total"], alone["issued_at"][:10]) == (900, "2026-04-01")
    assert (await seed.post(app_client, END, {**keys, "ending_before": None})).status_code == 200
    await sdk.v1.invoices.regenerate(id=march["id"])
    await billing.bill(api, database_url)
    assert await billing.asked(app_client, customer) == 900


async def test_a_week_that_ended_with_the_contract_is_charged_when_that_is_extended(
    sdk, api, clock, database_url, app_client
):
    """Weeks of 700. The contract ends on 15 January with the second week, and goes on after all as we say how."""
    keys = await seated(sdk, 700, "WEEKLY", collection_schedule="ARREARS")
    assert (await seed.post(app_client, END, {**keys, "ending_before": at(2026, 1, 15).isoformat()})).status_code == 200
    clock.at = at(2026, 1, 16, 12)
    await billing.bill(api, database_url)
    assert await billing.asked(app_client, keys["customer_id"]) == 1400
    body = {**keys, "ending_before": at(2026, 2).isoformat()}
    await seed.refused(app_client, END, body, "void it first, and regenerate it then", "$.ending_before")
    (part,) = await billing.invoices_of(app_client, keys["customer_id"], status="FINALIZED", type="USAGE")
    await sdk.v1.invoices.void(id=part["id"])
    assert (await seed.post(app_client, END, body)).status_code == 200
    clock.at = at(2026, 2, 3)
    await sdk.v1.invoices.regenerate(id=part["id"])
    await billing.bill(api, database_url)
    # four whole weeks until 29 January, three days of the fifth
    assert await billing.asked(app_client, keys["customer_id"]) == 4 * 700 + 300


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
