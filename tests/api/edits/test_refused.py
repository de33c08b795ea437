"""Edits that are refused: nothing changes, and the message names the place."""

import metronome
import pytest

from api import seed
from api.edits.acme import ABSENT, COMMIT, CREDIT, HISTORY, access

pytestmark = pytest.mark.anyio


async def test_what_is_not_there(acme):
    """Ids that the contract does not have, with their place; also those of another kind or of the customer."""
    for name, word in (("commits", "commit"), ("credits", "credit"), ("scheduled_charges", "scheduled charge")):
        await acme.refused({f"archive_{name}": [{"id": ABSENT}]}, f"no {word} {ABSENT}", f"$.archive_{name}[0].id")
        its = f"{name[:-1]}_id"
        body = {f"update_{name}": [{its: ABSENT}]}
        await acme.refused(body, f"no {word} {ABSENT}", f"$.update_{name}[0].{its}")
    await acme.refused({"remove_overrides": [{"id": ABSENT}]}, "no override", "$.remove_overrides[0].id")
    await acme.refused({"archive_credits": [{"id": acme.ids["commit"]}]}, "no credit", "$.archive_credits[0].id")
    twice = [{"id": acme.ids["override"]}] * 2
    await acme.refused({"remove_overrides": twice}, "no override", "$.remove_overrides[1].id")
    own = await acme.sdk.v1.customers.credits.create(
        customer_id=acme.ids["customer"], product_id=acme.ids["fixed"], priority=1, access_schedule=access(1)
    )
    await acme.refused({"archive_credits": [{"id": own.data.id}]}, "no credit", "$.archive_credits[0].id")
    item = {"remove_schedule_items": [{"id": ABSENT}]}
    place = "$.update_commits[0].access_schedule.remove_schedule_items[0]"
    body = {"update_commits": [{"commit_id": acme.ids["commit"], "access_schedule": item}]}
    await acme.refused(body, "no schedule item", place)
    await acme.refused({"contract_id": ABSENT, "update_contract_name": "B"}, "no contract", status=404)
    await acme.refused({"customer_id": ABSENT, "update_contract_name": "B"}, "no customer", status=404)
    await acme.refused({"commit_id": ABSENT, "name": "B"}, ABSENT, path=COMMIT, status=404)
    await acme.refused({"credit_id": acme.ids["commit"], "name": "B"}, "no credit", path=CREDIT, status=404)
    unknown = {**acme.keys, "contract_id": ABSENT}
    await seed.refused(acme.client, HISTORY, unknown, "no contract", status=404)


async def test_what_contradicts_itself(acme):
    """Each fault is named with its place."""
    commit = {"commit_id": acme.ids["commit"]}
    (segment,) = (await acme.terms()).commits[0].access_schedule.schedule_items
    overlap = {"add_schedule_items": access(1)["schedule_items"]}
    last = {"remove_schedule_items": [{"id": segment.id}]}
    both = {"specifiers": [{"product_id": acme.ids["usage"]}], "applicable_product_tags": ["ai"]}
    for change, message, place in (
        ({"access_schedule": overlap}, "overlaps", ".access_schedule"),
        ({"access_schedule": last}, "at least one segment", ".access_schedule"),
        ({"access_schedule": {"update_schedule_items": [{"id": segment.id, "amount": 0}]}}, "above zero", "amount"),
        ({"invoice_schedule": {"add_schedule_items": [{"timestamp": "2026-01-01T00:00:00Z"}]}}, "amount", "items[0]"),
        ({"product_id": acme.ids["usage"]}, "FIXED", ".product_id"),
        ({"product_id": ABSENT}, "no product", ".product_id"),
        ({"applicable_product_ids": [ABSENT]}, "no product", ".applicable_product_ids[0]"),
        (both, "exclude", ".specifiers"),
        ({"specifiers": [{"product_tags": ["a"]}, {"product_id": ABSENT}]}, "no product", ".specifiers[1].product_id"),
        ({"specifiers": [{"product_id": "x"}]}, "there is no product x", ".specifiers[0].product_id"),
        ({}, "asks for no change", ""),
    ):
        await acme.refused({"update_commits": [{**commit, **change}]}, message, "$.update_commits[0]", place)
        await acme.refused({**commit, **change}, message, "$", place, path=COMMIT)
    body = {"update_commits": [{**commit, "rollover_fraction": 2}]}
    await acme.refused(body, "between 0 and 1", "$.update_commits[0].rollover_fraction")
    away = {**commit, "invoice_contract_id": acme.ids["contract"]}
    await acme.refused(away, "belongs to a contract", "$.invoice_contract_id", path=COMMIT)
    away = {**commit, "applicable_contract_ids": []}
    await acme.refused(away, "of the customer", "$.applicable_contract_ids", path=COMMIT)
    for end in ("2026-01-01T00:00:00Z", "2026-05-01T00:00:01Z"):
        await acme.refused({"update_contract_end_date": end}, "$.update_contract_end_date")
    await acme.refused({"update_net_payment_terms_days": -1}, "negative", "$.update_net_payment_terms_days")
    await acme.refused({"add_overrides": [acme.override(-1)]}, "negative", "$.add_overrides[0].multiplier")
    await acme.refused({"add_commits": [acme.commit(product_id=ABSENT)]}, "no product", "$.add_commits[0].product_id")


async def test_what_asks_for_nothing_or_is_not_known(acme):
    """An edit without a change is a mistake; fields that Winkel does not know yet are named."""
    await acme.refused({}, "asks for no change", "`$`")
    await acme.refused({"uniqueness_key": "k", "add_commits": []}, "asks for no change")
    for name in ("add_spend_trackers", "add_reseller_royalties"):
        await acme.refused({name: []}, f"`{name}` is not supported yet")
    await acme.refused({"add_everything": []}, "unknown field `add_everything`")


async def test_archived_objects_are_not_edited(acme):
    """Neither an archived commit or charge, nor anything of an archived contract or customer."""
    await acme.edit(
        archive_commits=[{"id": acme.ids["commit"]}], archive_scheduled_charges=[{"id": acme.ids["charge"]}]
    )
    commit = {"commit_id": acme.ids["commit"], "name": "B"}
    await acme.refused({"update_commits": [commit]}, "archived", "$.update_commits[0]")
    await acme.refused(commit, "archived", path=COMMIT)
    await acme.refused({"archive_commits": [{"id": acme.ids["commit"]}]}, "archived", "$.archive_commits[0].id")
    place = "$.archive_scheduled_charges[0].id"
    await acme.refused({"archive_scheduled_charges": [{"id": acme.ids["charge"]}]}, "archived", place)
    await acme.sdk.v1.contracts.archive(**acme.keys, void_invoices=False)
    await acme.refused({"update_contract_name": "B"}, "archived", "$.contract_id")
    await acme.sdk.v1.customers.archive(id=acme.ids["customer"])
    await acme.refused({"update_contract_name": "B"}, "customer is archived", "$.customer_id")


async def test_nothing_is_half_applied(acme):
    """One bad part, wherever it stands in the order, and none of the good ones holds; its key is not used up."""
    good = {
        "remove_overrides": [{"id": acme.ids["override"]}],
        "archive_commits": [{"id": acme.ids["commit"]}],
        "add_credits": [{"product_id": acme.ids["fixed"], "access_schedule": access(1)}],
        "update_contract_name": "B",
        "uniqueness_key": "once",
    }
    for bad in (
        {"archive_credits": [{"id": ABSENT}]},
        {"update_credits": [{"credit_id": acme.ids["credit"], "product_id": ABSENT}]},
        {"add_scheduled_charges": [acme.charge(product_id=ABSENT)]},
        {"update_contract_end_date": "2025-01-01T00:00:00Z"},
        {"update_net_payment_terms_days": -1},
    ):
        await acme.refused({**good, **bad})
    await acme.edit(**good)
    again = {"update_contract_name": "C", "uniqueness_key": "once"}
    words = "This uniqueness key has already been used."
    await acme.refused(again, words, status=409)
    with pytest.raises(metronome.ConflictError):
        await acme.edit(**again)
