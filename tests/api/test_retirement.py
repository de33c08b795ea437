"""Retiring commits: used up for good, out of billing, and back when an invoice is voided."""

import uuid

import pytest

from api import billing, seed
from api.seed import at
from winkel.store import accounts, balances, invoices

pytestmark = pytest.mark.anyio

RETIRE = "/v2/contracts/commits/retire"
YEAR = {"starting_at": at(2026).isoformat(), "ending_before": at(2027).isoformat()}


@pytest.fixture
async def ids(sdk, api, database_url, clock):
    """Return a contract whose January is final: 160 cents used up the pack of 150, and 10 of the reserve's 500."""
    card, _ = await billing.priced_card(sdk)
    found = {"fixed": await seed.fixed_product(sdk), "customer": await seed.customer(sdk)}

    def commit(name, amount, **more):
        access = {"schedule_items": [{"amount": amount, **YEAR}]}
        return {"product_id": found["fixed"], "type": "PREPAID", "name": name, "access_schedule": access, **more}

    asked = {"schedule_items": [{"timestamp": at(2026).isoformat(), "amount": 120}]}
    later = {"schedule_items": [{"timestamp": at(2026, 6).isoformat(), "amount": 4}]}
    made = await sdk.v1.contracts.create(
        customer_id=found["customer"],
        starting_at=at(2026),
        rate_card_id=card,
        commits=[
            commit("pack", 145, priority=1, invoice_schedule=asked),
            commit("drop", 5, priority=1, invoice_schedule=later),
            commit("reserve", 500, priority=2),
        ],
    )
    found["contract"] = made.data.id
    contract = (await sdk.v2.contracts.retrieve(customer_id=found["customer"], contract_id=made.data.id)).data
    found |= {each.name: each.id for each in contract.commits}
    await sdk.v1.usage.ingest(usage=[billing.event(1, found["customer"], clock(), model="a", tokens=160)])
    await billing.meter(api, database_url)
    clock.move(days=40)
    await billing.bill(api, database_url)
    return found


async def retire(client, ids, *names, **more) -> dict:
    """Retire commits of the contract; return the answer."""
    body = {"customer_id": ids["customer"], "contract_id": ids["contract"], "commit_ids": [ids[each] for each in names]}
    answer = await seed.post(client, RETIRE, {**body, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def listed(sdk, ids, **more) -> dict[str, float]:
    """Return what is left of the commits of the contract, by name."""
    found = sdk.v1.customers.commits.list(
        customer_id=ids["customer"], include_contract_commits=True, include_balance=True, **more
    )
    return {each.name: each.balance async for each in found}


async def in_billing(api, client, ids) -> set[str]:
    """Return the names of the balances that drafts depend on, those whose entries are read among them."""
    async with api.database.transaction(client.tenant.id) as tx:
        account = await accounts.load(tx, client.tenant.id, ids["customer"])
    assert {each.balance_id for each in account.entries} <= {each.id for each in account.balances}
    return {each.name for each in account.balances}


async def test_what_is_used_up_is_retired(sdk, app_client, api, ids):
    """One is used up; of another a date is not invoiced yet, and of the third something is left."""
    names = ("pack", "drop", "reserve", "pack")
    drafts = await billing.invoices_of(app_client, ids["customer"], status="DRAFT")
    for dry_run in (True, True, False):
        told = await retire(app_client, ids, *names, dry_run=dry_run)
        assert (told["retired_count"], told["retired_commit_ids"], told["skipped_count"]) == (1, [ids["pack"]], 2)
        assert [(each["commit_id"], each["reason"]) for each in told["skipped_reasons"]] == [
            (ids["drop"], "a date of its invoice_schedule is on no finalized invoice"),
            (ids["reserve"], "finalized invoices have not used up all of it"),
        ]
        kept = {"drop", "reserve"} if not dry_run else {"pack", "drop", "reserve"}
        assert await in_billing(api, app_client, ids) == kept == set(await listed(sdk, ids))
    assert await billing.invoices_of(app_client, ids["customer"], status="DRAFT") == drafts
    (again,) = (await retire(app_client, ids, "pack"))["skipped_reasons"]
    assert again["reason"] == "it is retired"


async def test_a_retired_commit_can_be_read_and_not_changed(sdk, app_client, ids):
    """Its ledger is where archived ones are, and in its contract; edits, entries and archiving are refused."""
    await retire(app_client, ids, "pack")
    assert await listed(sdk, ids, include_archived=True) == {"pack": 0, "drop": 0, "reserve": 490}
    keys = {"customer_id": ids["customer"], "contract_id": ids["contract"]}
    contract = (await sdk.v2.contracts.retrieve(**keys, include_ledgers=True)).data
    ledgers = {each.name: [entry.amount for entry in each.ledger] for each in contract.commits}
    assert ledgers["pack"] == [145, -145]
    (segment,) = next(each for each in contract.commits if each.name == "pack").access_schedule.schedule_items
    commit = {"customer_id": ids["customer"], "commit_id": ids["pack"]}
    await seed.refused(app_client, "/v2/contracts/commits/edit", {**commit, "name": "x"}, "is retired")
    await seed.refused(app_client, "/v2/contracts/commits/archive", commit, "is retired")
    update = {"commit_id": ids["pack"], "name": "x"}
    await seed.refused(app_client, "/v2/contracts/edit", {**keys, "update_commits": [update]}, "archived or retired")
    entry = {"id": ids["pack"], "customer_id": ids["customer"], "segment_id": segment.id, "amount": 5, "reason": "x"}
    await seed.refused(app_client, "/v1/contracts/addManualBalanceLedgerEntry", entry, "is retired")


async def test_voiding_brings_it_back(sdk, app_client, api, owner, ids):
    """What an invoice took from a retired commit can be used again; regenerating draws on it as before."""
    await retire(app_client, ids, "pack")
    (usage,) = await billing.invoices_of(app_client, ids["customer"], type="USAGE", status="FINALIZED")
    await sdk.v1.invoices.void(id=usage["id"])
    assert await listed(sdk, ids) == {"pack": 145, "drop": 5, "reserve": 500}
    assert await in_billing(api, app_client, ids) == {"pack", "drop", "reserve"}
    told = await retire(app_client, ids, "pack")
    assert told["skipped_reasons"][0]["reason"] == "finalized invoices have not used up all of it"
    await sdk.v1.invoices.regenerate(id=usage["id"])
    assert await listed(sdk, ids) == {"pack": 0, "drop": 0, "reserve": 490}
    (asked,) = await billing.invoices_of(app_client, ids["customer"], type="SCHEDULED", status="FINALIZED")
    await retire(app_client, ids, "pack")
    await sdk.v1.invoices.void(id=asked["id"])
    await sdk.v1.invoices.regenerate(id=asked["id"])
    assert (await retire(app_client, ids, "pack"))["retired_count"] == 1
    assert await invoices.unbalanced(owner) == await balances.unbalanced(owner) == []


async def test_only_commits_of_the_contract(app_client, ids):
    """Another contract, or another's commit, is not found and nothing is retired; no commits are no request."""
    keys = {"customer_id": ids["customer"], "contract_id": str(uuid.uuid4()), "commit_ids": [ids["pack"]]}
    await seed.refused(app_client, RETIRE, keys, "contract", status=404)
    keys["contract_id"] = ids["contract"]
    await seed.refused(app_client, RETIRE, {**keys, "commit_ids": []}, "commit_ids")
    unknown = str(uuid.uuid4())
    await seed.refused(app_client, RETIRE, {**keys, "commit_ids": [ids["pack"], unknown]}, unknown, status=404)
    assert (await retire(app_client, ids, "pack"))["retired_count"] == 1
