"""Edits of what is on final invoices: they stay until they are made anew."""

import pytest

from api import billing
from api.edits.acme import COMMIT, CREDIT, access, dates
from api.seed import at

pytestmark = pytest.mark.anyio


async def test_final_invoices_stay_until_they_are_made_anew(acme):
    """An edit changes no finalized invoice; what is voided and regenerated follows it."""
    await acme.january()
    final = await acme.invoices(status="FINALIZED")
    (january,) = [each for each in final if each["type"] == "USAGE"]
    assert [line["total"] for line in january["line_items"]] == [40, -40, 40, -40]
    await acme.edit(remove_overrides=[{"id": acme.ids["override"]}], add_overrides=[acme.override(2)])
    assert await acme.invoices(status="FINALIZED") == final
    await acme.sdk.v1.invoices.void(id=january["id"])
    await acme.sdk.v1.invoices.regenerate(id=january["id"])
    (again,) = [each for each in await acme.invoices(status="FINALIZED") if each["type"] == "USAGE"]
    charged = [line["total"] for line in again["line_items"] if line["type"] == "usage"]
    assert (sum(charged), again["total"]) == (320, 0), "160 tokens at two cents, paid by 40 and 280"


async def test_dates_on_final_invoices_stay(acme):
    """A date that was asked for can be changed, removed or archived only when its invoice is void."""
    await acme.january()
    terms = await acme.terms()
    paid = terms.commits[0].invoice_schedule.schedule_items[0].id
    fee = terms.scheduled_charges[0].schedule.schedule_items[0].id
    commit, charge = {"commit_id": acme.ids["commit"]}, {"scheduled_charge_id": acme.ids["charge"]}
    for change, place in (
        ({"update_schedule_items": [{"id": paid, "amount": 1}]}, "update_schedule_items[0]"),
        ({"remove_schedule_items": [{"id": paid}]}, "remove_schedule_items[0]"),
    ):
        body = {"update_commits": [{**commit, "invoice_schedule": change}]}
        await acme.refused(body, "finalized", f"$.update_commits[0].invoice_schedule.{place}")
        await acme.refused(
            {**commit, "invoice_schedule": change}, "finalized", f"$.invoice_schedule.{place}", path=COMMIT
        )
    change = {"remove_schedule_items": [{"id": fee}]}
    body = {"update_scheduled_charges": [{**charge, "invoice_schedule": change}]}
    await acme.refused(body, "finalized", "$.update_scheduled_charges[0].invoice_schedule.remove_schedule_items[0]")
    for name in ("commits", "credits", "scheduled_charges"):
        its_id = acme.ids[{"scheduled_charges": "charge"}.get(name, name[:-1])]
        await acme.refused({f"archive_{name}": [{"id": its_id}]}, "void them first", f"$.archive_{name}[0].id")
    for each in await acme.invoices(status="FINALIZED"):
        await acme.sdk.v1.invoices.void(id=each["id"])
    await acme.edit(**body)
    await acme.edit(
        archive_commits=[{"id": acme.ids["commit"]}],
        archive_credits=[{"id": acme.ids["credit"]}],
        archive_scheduled_charges=[{"id": acme.ids["charge"]}],
    )
    assert [each for each in await acme.asked() if each[0] != "usage"] == []


async def test_a_new_date_on_a_final_day_makes_a_second_invoice(acme):
    """The first one stays as it is."""
    await acme.january()
    final = await acme.invoices(status="FINALIZED")
    await acme.edit(add_scheduled_charges=[acme.charge(schedule=dates((at(2026), 3)))])
    await billing.bill(acme.api, acme.url)
    now = await acme.invoices(status="FINALIZED")
    assert [each for each in now if each in final] == final
    assert [each["total"] for each in now if each not in final] == [3]


async def test_segments_that_final_invoices_draw_on_stay(acme):
    """They can neither be removed nor begin later nor become less than what was taken; void, they can."""
    await acme.january()
    (credit,) = (await acme.terms()).credits
    (segment,) = credit.access_schedule.schedule_items
    its = {"credit_id": credit.id}

    def of(**change):
        return {**its, "access_schedule": change}

    new = access(1, 2027)["schedule_items"]
    gone = of(remove_schedule_items=[{"id": segment.id}], add_schedule_items=new)
    late = of(update_schedule_items=[{"id": segment.id, "starting_at": "2026-01-02T00:00:00Z"}])
    less = of(update_schedule_items=[{"id": segment.id, "amount": 39}])
    for body, message, place in (
        (gone, "void it first", "remove_schedule_items[0]"),
        (late, "cannot begin later", "update_schedule_items[0].starting_at"),
        (less, "less than what was taken", "update_schedule_items[0].amount"),
    ):
        await acme.refused({"update_credits": [body]}, message, f"$.update_credits[0].access_schedule.{place}")
        await acme.refused(body, message, f"$.access_schedule.{place}", path=CREDIT)
    await acme.edit(update_credits=[of(update_schedule_items=[{"id": segment.id, "amount": 41}])])
    (january,) = [each for each in await acme.invoices(status="FINALIZED") if each["type"] == "USAGE"]
    await acme.sdk.v1.invoices.void(id=january["id"])
    await acme.edit(update_credits=[gone])
    (credit,) = (await acme.terms()).credits
    assert [each.starting_at for each in credit.access_schedule.schedule_items] == [at(2027)]


async def test_a_manual_entry_holds_its_segment(acme):
    """A segment with one cannot be removed, or the ledger would speak of nothing; other changes are allowed."""
    (credit,) = (await acme.terms()).credits
    (segment,) = credit.access_schedule.schedule_items
    await acme.sdk.v1.contracts.add_manual_balance_entry(
        customer_id=acme.ids["customer"], id=credit.id, segment_id=segment.id, amount=-50, reason="Slip"
    )
    new = access(1, 2027)["schedule_items"]
    change = {"remove_schedule_items": [{"id": segment.id}], "add_schedule_items": new}
    body = {"credit_id": credit.id, "access_schedule": change}
    await acme.refused(body, "manual", "$.access_schedule.remove_schedule_items[0]", path=CREDIT)
    keep = {"update_schedule_items": [{"id": segment.id, "ending_before": at(2026, 9)}]}
    await acme.edit(update_credits=[{"credit_id": credit.id, "access_schedule": keep}])


async def test_an_end_before_final_usage(acme):
    """It is allowed unless the edit says otherwise."""
    await acme.january()
    strict = {"allow_contract_ending_before_finalized_invoice": False}
    body = {"update_contract_end_date": "2026-01-20T00:00:00Z", **strict}
    await acme.refused(body, "2026-02-01", "$.update_contract_end_date")
    await acme.edit(update_contract_end_date=at(2026, 1, 20))
    assert (await acme.terms()).ending_before == at(2026, 1, 20)
