"""The history of edits: every change is told, the past is as it was, and order matters only where it must."""

from decimal import Decimal
from typing import Any

import psycopg
import pytest

from api import seed
from api.conftest import sdk_of
from api.edits.acme import EDIT, HISTORY, Acme, access, dates
from api.seed import at

pytestmark = pytest.mark.anyio


async def test_history_tells_every_change(acme, owner):
    """Oldest first, each exactly as it was answered, whichever way it came; none can be changed."""
    answer = await seed.post(acme.client, EDIT, {**acme.keys, "update_contract_name": "B", "uniqueness_key": "k"})
    first = seed.exact(answer)["data"]
    assert first["id"] == first["edit"]["id"]
    customer = acme.ids["customer"]
    await acme.sdk.v1.contracts.update_end_date(**acme.keys, ending_before=at(2026, 12))
    await acme.sdk.v2.contracts.edit_commit(customer_id=customer, commit_id=acme.ids["commit"], name="C")
    await acme.sdk.v2.contracts.edit_credit(customer_id=customer, credit_id=acme.ids["credit"], priority=7)
    await acme.sdk.v1.contracts.update_end_date(**acme.keys)
    told = await acme.history()
    assert [(each.update_contract_name, each.update_contract_end_date) for each in told] == [
        ("B", None), (None, at(2026, 12)), (None, None), (None, None), (None, None)
    ]  # fmt: skip
    assert (told[2].update_commits[0].id, told[2].update_commits[0].name) == (acme.ids["commit"], "C")
    assert (told[3].update_credits[0].id, told[3].update_credits[0].priority) == (acme.ids["credit"], 7)
    found = seed.exact(await seed.post(acme.client, HISTORY, acme.keys))["data"]
    assert found[0] == first["edit"] == {
        "id": first["id"], "timestamp": acme.api.clock().isoformat().replace("+00:00", "Z"),
        "update_contract_name": "B", "uniqueness_key": "k",
    }  # fmt: skip
    assert found[4]["update_contract_end_date"] is None, "an end that was taken away is told as null"
    for statement in ("UPDATE contract_edit SET made_by = ''", "DELETE FROM contract_edit"):
        with pytest.raises(psycopg.errors.RaiseException, match="contract_edit are never changed"):
            await owner.execute(statement)


async def test_an_earlier_end_of_a_commit_is_an_edit(acme):
    """UpdateEndDate of a contract's commit or credit is told as the edit that it is."""
    await acme.sdk.v1.customers.commits.update_end_date(
        customer_id=acme.ids["customer"],
        commit_id=acme.ids["commit"],
        access_ending_before=at(2026, 9),
        invoices_ending_before=at(2026, 4),
    )
    await acme.sdk.v1.customers.credits.update_end_date(
        customer_id=acme.ids["customer"], credit_id=acme.ids["credit"], access_ending_before=at(2026, 8)
    )
    ((commit,), (credit,)) = [each.update_commits or each.update_credits for each in await acme.history()]
    assert (commit.id, credit.id) == (acme.ids["commit"], acme.ids["credit"])
    (until,) = [each.ending_before for each in commit.access_schedule.update_schedule_items]
    (dropped,) = commit.invoice_schedule.remove_schedule_items
    assert until == at(2026, 9)
    assert dropped.id not in str((await acme.terms()).commits)
    assert credit.access_schedule.update_schedule_items[0].ending_before == at(2026, 8)


async def test_the_past_is_as_it_was(acme):
    """as_of_date tells what held at any instant, and V1 what was agreed at first, after any number of edits."""
    seen = [(acme.api.clock(), await acme.terms())]
    for change in (
        {"update_contract_name": "B", "remove_overrides": [{"id": acme.ids["override"]}]},
        {"add_credits": [{"product_id": acme.ids["fixed"], "access_schedule": access(1)}]},
        {"archive_scheduled_charges": [{"id": acme.ids["charge"]}], "update_contract_end_date": at(2026, 11)},
        {"archive_commits": [{"id": acme.ids["commit"]}], "add_overrides": [acme.override(3)]},
    ):
        await acme.edit(**change)
        seen.append((acme.api.clock(), await acme.terms()))
    cut = {"commits", "credits"}
    for instant, then in seen:
        now = await acme.terms(as_of_date=instant)
        assert now.model_dump(exclude=cut) == then.model_dump(exclude=cut)
        for name in cut:
            said = [[(each.id, each.archived_at) for each in getattr(told, name)] for told in (now, then)]
            assert said[0] == said[1], name
    nested = (await acme.sdk.v1.contracts.retrieve(**acme.keys)).data
    first, last = seen[0][1], seen[-1][1]
    for told, held in ((nested.initial, first), (nested.current, last)):
        assert [each.id for each in told.overrides] == [each.id for each in held.overrides]
        assert [each.id for each in told.credits] == [each.id for each in held.credits]
        assert (told.name, told.ending_before) == (held.name, held.ending_before)


async def test_history_of_one_contract(acme):
    """Another contract's edits are not in it, nor are those of the customer's own commits."""
    other = await acme.sdk.v1.contracts.create(customer_id=acme.ids["customer"], starting_at=at(2026))
    own = await acme.sdk.v1.customers.credits.create(
        customer_id=acme.ids["customer"], product_id=acme.ids["fixed"], priority=1, access_schedule=access(1)
    )
    await acme.edit(update_contract_name="B")
    edit = {"customer_id": acme.ids["customer"], "credit_id": own.data.id, "applicable_contract_ids": [other.data.id]}
    await acme.sdk.v2.contracts.edit_credit(**edit)
    keys = {**acme.keys, "contract_id": other.data.id}
    assert (await acme.sdk.v2.contracts.get_edit_history(**keys)).data == []
    assert len(await acme.history()) == 1
    found = [each async for each in acme.sdk.v1.customers.credits.list(customer_id=acme.ids["customer"])]
    assert [each.applicable_contract_ids for each in found] == [[other.data.id]]


def independent(acme) -> list[dict[str, Any]]:
    """Return edits none of which is about what another is about."""
    return [
        {"add_overrides": [acme.override(0.25)]},
        {"remove_overrides": [{"id": acme.ids["override"]}]},
        {"update_commits": [{"commit_id": acme.ids["commit"], "priority": 1, "name": "Renamed"}]},
        {"archive_credits": [{"id": acme.ids["credit"]}]},
        {"add_credits": [{"product_id": acme.ids["fixed"], "name": "New", "access_schedule": access(3)}]},
        {"add_scheduled_charges": [acme.charge(name="Setup", schedule=dates((at(2026, 8), 6)))]},
        {"archive_scheduled_charges": [{"id": acme.ids["charge"]}]},
        {"update_net_payment_terms_days": 5},
    ]


async def test_the_order_of_independent_edits_does_not_matter(acme, make_client):
    """One by one, the other way round (so each pair in both orders), or all as one: the drafts are the same."""
    found = []
    for way in ("forth", "back", "at once"):
        client = await make_client()
        async with sdk_of(client) as sdk:
            other = await Acme(sdk, client, acme.api, acme.url).build()
            steps = independent(other)
            if way == "at once":
                steps = [{name: value for each in steps for name, value in each.items()}]
            for each in reversed(steps) if way == "back" else steps:
                await other.edit(**each)
            drafts = await other.invoices(status="DRAFT")
            found.append([(each["total"], each.get("due_date"), told(each["line_items"])) for each in drafts])
    assert found[0] == found[1] == found[2]
    assert [each[0] for each in found[0]] == [200, 0, 250, 6]
    assert found[0][1][2] == [("Tokens", 40), ("Renamed applied", -40)]


def told(lines: list[dict[str, Any]]) -> list[tuple[str, Decimal]]:
    """Return the names and totals of lines."""
    return [(line["name"], line["total"]) for line in lines]
