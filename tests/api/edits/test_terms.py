"""Edits of what a contract says: overrides, charges, what recurs, its name and its end."""

import pytest

from api.edits.acme import BEFORE, dates
from api.seed import at

pytestmark = pytest.mark.anyio


async def test_where_every_test_begins(acme):
    """The drafts before any edit, and an empty history."""
    assert await acme.asked() == BEFORE
    assert await acme.history() == []


async def test_overrides(acme):
    """A removed override counts no more and a new one counts at once; the record has the whole new one."""
    await acme.edit(archive_commits=[{"id": acme.ids["commit"]}], archive_credits=[{"id": acme.ids["credit"]}])
    assert ("usage", 80) in await acme.asked()
    record = await acme.edit(remove_overrides=[{"id": acme.ids["override"]}], add_overrides=[acme.override(0.75)])
    assert ("usage", 120) in await acme.asked()
    (added,) = record.add_overrides
    assert (added.multiplier, added.product.name, record.remove_overrides[0].id) == (
        0.75,
        "Tokens",
        acme.ids["override"],
    )
    assert [each.id for each in (await acme.terms()).overrides] == [added.id]


async def test_archived_terms(acme):
    """What is archived pays and asks for nothing any more, and stays readable; in the past it was there."""
    before = acme.api.clock()
    record = await acme.edit(
        archive_commits=[{"id": acme.ids["commit"]}],
        archive_credits=[{"id": acme.ids["credit"]}],
        archive_scheduled_charges=[{"id": acme.ids["charge"]}],
    )
    assert await acme.asked() == [("usage", 80)]
    terms = await acme.terms()
    for (each,) in (terms.commits, terms.credits, terms.scheduled_charges):
        assert each.archived_at == acme.api.clock()
    assert record.archive_scheduled_charges[0].id == acme.ids["charge"]
    then = await acme.terms(as_of_date=before)
    for (each,) in (then.commits, then.credits, then.scheduled_charges):
        assert each.archived_at is None


async def test_scheduled_charges(acme):
    """A new charge is asked for on its dates, and a changed one on its new ones."""
    (charge,) = (await acme.terms()).scheduled_charges
    record = await acme.edit(
        add_scheduled_charges=[acme.charge(name="Setup", schedule=dates((at(2026, 2), 5)))],
        update_scheduled_charges=[
            {
                "scheduled_charge_id": charge.id,
                "netsuite_sales_order_id": "n-1",
                "invoice_schedule": {
                    "update_schedule_items": [{"id": charge.schedule.schedule_items[1].id, "timestamp": at(2026, 7)}],
                    "add_schedule_items": [{"timestamp": at(2026, 8), "amount": 1}],
                },
            }
        ],
    )
    assert await acme.asked() == [
        ("2026-01-01", 207), ("2026-02-01", 5), ("usage", 0), ("2026-04-01", 250), ("2026-07-01", 9), ("2026-08-01", 1),
    ]  # fmt: skip
    (told,), (added,) = record.update_scheduled_charges, record.add_scheduled_charges
    assert (told.id, told.netsuite_sales_order_id, added.name) == (charge.id, "n-1", "Setup")


async def test_recurring_balances(acme):
    """What recurs from a date on gives children from then on, as if it had been agreed at first."""
    amount = {"unit_price": 10, "quantity": 1, "credit_type_id": "2714e483-4ff1-48e4-9e25-ac732e8f24f2"}
    terms = {"access_amount": amount, "commit_duration": {"value": 1}, "product_id": acme.ids["fixed"]}
    record = await acme.edit(
        add_recurring_commits=[{**terms, "invoice_amount": amount, "priority": 1, "starting_at": at(2026, 2)}],
        add_recurring_credits=[{**terms, "priority": 0, "starting_at": at(2026)}],
    )
    ((commit,), (credit,)) = record.add_recurring_commits, record.add_recurring_credits
    seen = await acme.terms()
    given = {(each.recurring_commit_id, each.access_schedule.schedule_items[0].starting_at) for each in seen.commits}
    assert given == {(None, at(2026)), (commit.id, at(2026, 2))}
    assert sorted(str(each.recurring_credit_id) for each in seen.credits) == sorted(["None", credit.id, credit.id])
    first = (await acme.sdk.v1.contracts.retrieve(**acme.keys)).data.initial
    assert (len(first.commits), len(first.credits), first.recurring_credits) == (1, 1, [])
    bad = {**terms, "priority": 1, "starting_at": "2025-12-01T00:00:00Z"}
    await acme.refused(
        {"add_recurring_credits": [bad]}, "term of the contract", "$.add_recurring_credits[0].starting_at"
    )


async def test_what_recurs_changes_for_children_to_come(acme):
    """A child that has begun stays as it is; the next one gives, asks for and counts as agreed now, until a new end."""
    amount = {"unit_price": 10, "quantity": 2, "credit_type_id": "2714e483-4ff1-48e4-9e25-ac732e8f24f2"}
    terms = {"access_amount": amount, "commit_duration": {"value": 1}, "product_id": acme.ids["fixed"], "priority": 9}
    added = await acme.edit(
        add_recurring_commits=[{**terms, "invoice_amount": amount, "starting_at": at(2026)}],
        add_recurring_credits=[{**terms, "starting_at": at(2026)}],
    )
    (commit,), (credit,) = added.add_recurring_commits, added.add_recurring_credits

    async def given(its_id):
        found = await acme.terms()
        some = [each for each in (*found.commits, *found.credits) if its_id in str(each)]
        return [each.access_schedule.schedule_items[0].amount for each in some]

    assert (await given(commit.id), await given(credit.id)) == ([20, 20], [20, 20])
    change = {"recurring_commit_id": commit.id, "rate_type": "COMMIT_RATE"}
    change |= {"access_amount": {"unit_price": 15}, "invoice_amount": {"quantity": 3}}
    record = await acme.edit(
        update_recurring_commits=[change],
        update_recurring_credits=[{"recurring_credit_id": credit.id, "ending_before": at(2026, 2)}],
    )
    assert (await given(commit.id), await given(credit.id)) == ([20, 30], [20])
    assert [each for each in await acme.asked() if each[0] in {"2026-01-01", "2026-02-01"}] == [
        ("2026-01-01", 227), ("2026-02-01", 30),
    ]  # fmt: skip
    assert record.update_recurring_commits[0].access_amount.unit_price == 15
    assert record.update_recurring_credits[0].ending_before == at(2026, 2)
    place = "$.update_recurring_commits[0]"
    for bad, message, where in (
        ({"recurring_commit_id": credit.id, "rate_type": "LIST_RATE"}, "no recurring commit", ".recurring_commit_id"),
        ({"recurring_commit_id": commit.id}, "asks for no change", ""),
        ({**change, "access_amount": {"quantity": 0}}, "above zero", ".access_amount"),
        ({**change, "ending_before": "2026-01-01T00:00:00Z"}, "after starting_at", ".ending_before"),
        ({**change, "proration_rounding": None}, "not supported yet", ""),
    ):
        await acme.refused({"update_recurring_commits": [bad]}, message, f"{place}{where}")


async def test_name_terms_and_end(acme):
    """They change; an earlier end cuts what is agreed, also what the same edit adds; null takes each of them away."""
    record = await acme.edit(
        update_contract_name="Second",
        update_net_payment_terms_days=10,
        update_contract_end_date=at(2026, 5),
        add_scheduled_charges=[acme.charge(name="Late", schedule=dates((at(2026, 3), 1), (at(2026, 9), 2)))],
    )
    assert (record.update_contract_name, record.update_contract_end_date) == ("Second", at(2026, 5))
    terms = await acme.terms()
    assert (terms.name, terms.net_payment_terms_days, terms.ending_before) == ("Second", 10, at(2026, 5))
    assert terms.commits[0].access_schedule.schedule_items[0].ending_before == at(2026, 5)
    assert await acme.asked() == [("2026-01-01", 207), ("usage", 0), ("2026-03-01", 1), ("2026-04-01", 250)]
    await acme.edit(update_contract_name=None, update_net_payment_terms_days=None, update_contract_end_date=None)
    terms = await acme.terms()
    assert (terms.name, terms.net_payment_terms_days, terms.ending_before) == (None, None, None)
