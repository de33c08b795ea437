"""Edits of commits and credits: what they hold, what they ask for, and what pays for what."""

import pytest

from api import seed
from api.edits.acme import ABSENT, COMMIT, HISTORY, access, dates
from api.seed import at

pytestmark = pytest.mark.anyio


async def test_added_balances(acme):
    """A new commit is asked for on its dates, and a new credit pays at once for what was used before it was agreed."""
    await acme.edit(archive_commits=[{"id": acme.ids["commit"]}], archive_credits=[{"id": acme.ids["credit"]}])
    record = await acme.edit(
        add_commits=[acme.commit(name="More", priority=5, invoice_schedule=dates((at(2026, 3), 11)))],
        add_credits=[{"product_id": acme.ids["fixed"], "name": "Sorry", "access_schedule": access(30), "priority": 1}],
    )
    (commit,), (credit,) = record.add_commits, record.add_credits
    assert (commit.name, commit.type, credit.name, credit.type) == ("More", "PREPAID", "Sorry", "CREDIT")
    assert commit.product.name == "Prepayment"
    terms = await acme.terms(include_balance=True)
    shown = {each.id: each.balance for each in (*terms.commits, *terms.credits)}
    assert (shown[commit.id], shown[credit.id]) == (450, 0), "80 cents are 30 of the credit and 50 of the commit"
    assert await acme.asked() == [("2026-01-01", 7), ("usage", 0), ("2026-03-01", 11), ("2026-06-01", 9)]


async def test_updated_balances(acme):
    """Segments, dates of invoicing, order, purpose and names of commits and credits change."""
    terms = await acme.terms()
    first, second = terms.commits[0].invoice_schedule.schedule_items
    (segment,) = terms.commits[0].access_schedule.schedule_items
    record = await acme.edit(
        update_commits=[
            {
                "commit_id": acme.ids["commit"],
                "name": "Renamed",
                "description": "why",
                "priority": 3,
                "rate_type": "COMMIT_RATE",
                "rollover_fraction": 0.5,
                "netsuite_sales_order_id": "n-1",
                "applicable_product_tags": ["ai"],
                "access_schedule": {
                    "update_schedule_items": [{"id": segment.id, "amount": 300, "ending_before": at(2026, 7)}],
                    "add_schedule_items": [{"amount": 200, "starting_at": at(2026, 7), "ending_before": at(2027)}],
                },
                "invoice_schedule": {
                    "remove_schedule_items": [{"id": first.id}],
                    "update_schedule_items": [{"id": second.id, "quantity": 2, "unit_price": 100}],
                    "add_schedule_items": [{"timestamp": at(2026, 5), "amount": 1}],
                },
            }
        ],
        update_credits=[{"credit_id": acme.ids["credit"], "applicable_product_ids": [acme.ids["usage"]]}],
    )
    assert await acme.asked() == [
        ("2026-01-01", 7), ("usage", 40), ("2026-04-01", 200), ("2026-05-01", 1), ("2026-06-01", 9)
    ], "no product has the tag, so the commit pays for nothing"  # fmt: skip
    (commit,), (credit,) = (terms := await acme.terms()).commits, terms.credits
    assert (commit.name, commit.description, commit.priority, commit.rate_type) == ("Renamed", "why", 3, "COMMIT_RATE")
    assert (commit.rollover_fraction, commit.netsuite_sales_order_id) == (0.5, "n-1")
    assert commit.applicable_product_tags == ["ai"]
    assert [each.amount for each in commit.access_schedule.schedule_items] == [300, 200]
    assert credit.applicable_product_ids == [acme.ids["usage"]]
    (told,) = record.update_commits
    assert (told.id, told.name, told.access_schedule.update_schedule_items[0].amount) == (commit.id, "Renamed", 300)
    assert told.invoice_schedule.remove_schedule_items[0].id == first.id
    assert record.update_credits[0].applicable_product_ids == [acme.ids["usage"]]


async def test_a_postpaid_commit_promises_what_it_asks_for(acme):
    """Its amount changes in both schedules or in neither; once an end has cut it, what it is called still changes."""
    terms = {"type": "POSTPAID", "access_schedule": access(900), "invoice_schedule": dates((at(2027), 900))}
    (made,) = (await acme.edit(add_commits=[acme.commit(name="Promise", **terms)])).add_commits
    (segment,), (item,) = made.access_schedule.schedule_items, made.invoice_schedule.schedule_items
    both = {
        "access_schedule": {"update_schedule_items": [{"id": segment.id, "amount": 800}]},
        "invoice_schedule": {"update_schedule_items": [{"id": item.id, "amount": 800}]},
    }
    for name, change in both.items():
        body = {"update_commits": [{"commit_id": made.id, name: change}]}
        await acme.refused(body, "must be equal", "$.update_commits[0].invoice_schedule")
    await acme.edit(update_commits=[{"commit_id": made.id, **both}])
    await acme.edit(update_contract_end_date=at(2026, 6))
    await acme.edit(update_commits=[{"commit_id": made.id, "name": "Kept"}])
    assert [each.name for each in (await acme.terms()).commits] == ["Prepaid", "Kept"]
    last = seed.exact(await seed.post(acme.client, HISTORY, acme.keys))["data"][-1]
    assert last["update_commits"] == [{"id": made.id, "name": "Kept"}]


async def test_specifiers_take_the_place_of_products(acme):
    """They exclude each other, so naming one kind takes the other away; null takes away without a replacement."""
    keys = {"customer_id": acme.ids["customer"], "commit_id": acme.ids["commit"]}

    async def after(**changes):
        await acme.sdk.v2.contracts.edit_commit(**keys, **changes)
        (commit,) = (await acme.terms()).commits
        return (
            commit.applicable_product_ids,
            commit.applicable_product_tags,
            commit.specifiers and len(commit.specifiers),
        )

    usage = acme.ids["usage"]
    assert await after(applicable_product_ids=[usage]) == ([usage], None, None)
    assert await after(specifiers=[{"product_id": usage}]) == (None, None, 1)
    assert await after(applicable_product_tags=["ai"]) == (None, ["ai"], None)
    assert await after(applicable_product_tags=None) == (None, None, None)


async def test_a_commit_of_the_customer_keeps_its_payer_once_it_was_asked_for(acme):
    """An invoice belongs to one contract, void or not; before the first one the payer may change."""
    other = (await acme.sdk.v1.contracts.create(customer_id=acme.ids["customer"], starting_at=at(2026))).data.id
    terms = acme.commit(priority=1, invoice_schedule=dates((at(2026, 2), 3)))
    made = await acme.sdk.v1.customers.commits.create(
        **terms, customer_id=acme.ids["customer"], invoice_contract_id=acme.ids["contract"]
    )
    keys = {"customer_id": acme.ids["customer"], "commit_id": made.data.id}
    await acme.sdk.v2.contracts.edit_commit(**keys, invoice_contract_id=other)
    (found,) = await acme.invoices(contract_id=other, type="SCHEDULED")
    assert (found["total"], found["status"]) == (3, "DRAFT")
    await acme.refused({**keys, "invoice_contract_id": ABSENT}, "no contract", "$.invoice_contract_id", path=COMMIT)
    await acme.january()
    back = {**keys, "invoice_contract_id": acme.ids["contract"]}
    await acme.refused(back, "keeps its contract", "$.invoice_contract_id", path=COMMIT)
    (found,) = await acme.invoices(contract_id=other, type="SCHEDULED")
    await acme.sdk.v1.invoices.void(id=found["id"])
    await acme.refused(back, "keeps its contract", "$.invoice_contract_id", path=COMMIT)


async def test_a_commit_of_the_customer_needs_a_payer_to_be_asked_for(acme):
    """Dates for a free commit need the contract with which they are invoiced."""
    terms = acme.commit(priority=1)
    del terms["invoice_schedule"]
    made = await acme.sdk.v1.customers.commits.create(**terms, customer_id=acme.ids["customer"])
    add = {
        "commit_id": made.data.id,
        "invoice_schedule": {"add_schedule_items": dates((at(2026, 2), 3))["schedule_items"]},
    }
    await acme.refused(add, "is needed", "$.invoice_contract_id", path=COMMIT)
    await acme.sdk.v2.contracts.edit_commit(
        customer_id=acme.ids["customer"], invoice_contract_id=acme.ids["contract"], **add
    )
    assert ("2026-02-01", 3) in await acme.asked()
