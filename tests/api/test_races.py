"""What happens at once, late or slowly: nothing is lost by it, and nobody waits for somebody else's rating."""

import asyncio
import json
import time

import pytest

from api import billing, seed
from api.family import begun
from api.seed import at
from api.test_family_renewals import bill as bill_family
from api.test_family_renewals import family, renew_all, rest, usage_of  # noqa: F401
from api.test_subscriptions import subscription_product
from winkel.api import edits
from winkel.bill import actions, correct
from winkel.bill import worker as bill_worker
from winkel.bill.worker import Worker
from winkel.config import Settings
from winkel.letters import actions as letters
from winkel.store import database

pytestmark = pytest.mark.anyio
USAGE = {"starting_on": "2026-01-14T00:00:00Z", "ending_before": "2026-01-15T00:00:00Z", "window_size": "DAY"}


# 1 ─ the end of a hierarchy's link takes the parent out of the lock and out of the account of a void


@pytest.mark.parametrize("archived", [False, True])
async def test_what_comes_back_while_a_commit_is_retired_can_be_used(
    sdk, api, app_client, clock, database_url, monkeypatch, archived
) -> None:
    """Void and retire at once, whichever comes first: the commit takes part in billing, with what came back."""
    made = await begun(sdk, api, clock, database_url)
    await made.use(ESPN=500)
    clock.at = at(2026, 2, 3)
    await billing.bill(api, database_url)
    (january,) = await billing.invoices_of(app_client, made.customers["ESPN"], type="USAGE", status="FINALIZED")
    if archived:
        await sdk.v1.contracts.archive(**made.ref("ESPN"), void_invoices=False)
    (pool,) = (await sdk.v2.contracts.retrieve(**made.ref("Disney"))).data.commits
    original, voiding = edits.settled, []

    async def settled(*args):
        found = await original(*args)
        voiding.append(asyncio.create_task(sdk.v1.invoices.void(id=january["id"])))
        await asyncio.wait(voiding, timeout=2)  # unless it waits for us
        return found

    monkeypatch.setattr(edits, "settled", settled)
    body = {**made.ref("Disney"), "commit_ids": [pool.id]}
    answer = await app_client.post("/v2/contracts/commits/retire", json=body)
    assert answer.json()["data"]["retired_count"] == 1, answer.text
    await asyncio.gather(*voiding)
    net = await sdk.v1.contracts.get_net_balance(customer_id=made.customers["Disney"])
    assert net.data.balance == 500


@pytest.mark.parametrize("how", ["void first", "contract archived", "customer archived"])
async def test_what_a_childs_void_gives_back_rolls_over(family, app_client, how) -> None:  # noqa: F811
    """Whether its contract is archived before or after."""
    await family.use(Disney=500, Hulu=250)
    await renew_all(family)
    await bill_family(family, at(2026, 2, 2))
    assert await rest(family) == 150
    january = await usage_of(family, app_client, "Hulu")
    await family.sdk.v1.invoices.void(id=(await usage_of(family, app_client, "Disney", "USAGE_CONSOLIDATED"))["id"])
    if how == "customer archived":
        await family.sdk.v1.customers.archive(id=family.customers["Hulu"])
    else:
        if how == "contract archived":
            await family.sdk.v1.contracts.archive(**family.ref("Hulu-2"), void_invoices=True)
            await family.sdk.v1.contracts.archive(**family.ref("Hulu"), void_invoices=False)
        await family.sdk.v1.invoices.void(id=january["id"])
    assert await rest(family) == 200


# 2 ─ one customer who takes too long stops all billing


@pytest.fixture
def impatient(monkeypatch) -> None:
    """PostgreSQL ends a transaction that is idle for a second, not for ten."""
    monkeypatch.setitem(database._SESSION, "idle_in_transaction_session_timeout", "1s")


def slower(monkeypatch, module, name: str, customer: str) -> None:
    """Let a function take 1.5 seconds for the account of a customer."""
    original = getattr(module, name)

    def late(account, *args):
        if account.customer.id == customer:
            time.sleep(1.5)
        return original(account, *args)

    monkeypatch.setattr(module, name, late)


async def test_a_slow_customer_stops_no_other(
    impatient, sdk, api, app_client, clock, database_url, monkeypatch
) -> None:
    """Others are billed, and so is the slow one."""
    card, _ = await billing.priced_card(sdk)
    slow, quick = sorted([await seed.customer(sdk), await seed.customer(sdk)])
    for each in (slow, quick):
        await sdk.v1.contracts.create(customer_id=each, rate_card_id=card, starting_at=at(2026))
    await billing.bill(api, database_url)
    clock.at = at(2026, 2, 3)
    slower(monkeypatch, actions, "drafted", slow)
    worker, stop = Worker(database_url, api.log, Settings(), clock), asyncio.Event()
    task = asyncio.create_task(bill_worker._repeat(worker.bill, 0.1, [database_url], stop))
    async with asyncio.timeout(60):
        while not all(
            [await billing.invoices_of(app_client, each, type="USAGE", status="FINALIZED") for each in (slow, quick)]
        ):
            await asyncio.sleep(0.2)
    stop.set()
    await task


async def test_a_slow_customer_is_seen_and_corrected(
    impatient, sdk, api, app_client, clock, database_url, monkeypatch
) -> None:
    """Its drafts are shown, and its void invoice is made anew."""
    card, _ = await billing.priced_card(sdk)
    slow = await seed.customer(sdk, "Slow")
    await sdk.v1.contracts.create(customer_id=slow, rate_card_id=card, starting_at=at(2026))
    clock.at = at(2026, 2, 3)
    await billing.bill(api, database_url)
    (january,) = await billing.invoices_of(app_client, slow, status="FINALIZED")
    await sdk.v1.invoices.void(id=january["id"])
    slower(monkeypatch, actions, "drafted", slow)
    slower(monkeypatch, correct, "regenerated", slow)
    shown = await app_client.get(f"/v1/customers/{slow}/invoices")
    made = await app_client.post("/v1/invoices/regenerate", json={"id": january["id"]})
    assert (shown.status_code, made.status_code) == (200, 200)


# 3 ─ nobody is woken by a rate


async def test_a_rate_that_comes_late(sdk, api, app_client, clock, database_url) -> None:
    """What a late rate makes a subscription cost is invoiced."""
    card, seat = await seed.rate_card(sdk), await subscription_product(sdk)
    rate = {
        "rate_card_id": card,
        "product_id": seat,
        "entitled": True,
        "rate_type": "FLAT",
        "billing_frequency": "MONTHLY",
    }
    rates, customer = sdk.v1.contracts.rate_cards.rates, await seed.customer(sdk)
    await rates.add(**rate, price=100, starting_at=at(2026), ending_before=at(2026, 2))
    subscription = {
        "subscription_rate": {"product_id": seat, "billing_frequency": "MONTHLY"},
        "collection_schedule": "ADVANCE",
        "proration": {"is_prorated": True, "invoice_behavior": "BILL_IMMEDIATELY"},
        "initial_quantity": 5,
    }
    term = {"starting_at": at(2026), "ending_before": at(2026, 3)}
    await sdk.v1.contracts.create(customer_id=customer, rate_card_id=card, subscriptions=[subscription], **term)
    clock.at = at(2026, 3, 5)
    await billing.bill(api, database_url)
    await rates.add(**rate, price=200, starting_at=at(2026, 2))
    (draft,) = await billing.invoices_of(app_client, customer, status="DRAFT")
    assert (draft["total"], draft["issued_at"]) == (1000, "2026-02-01T00:00:00Z")
    clock.at = at(2028)
    await billing.bill(api, database_url)
    assert await billing.invoices_of(app_client, customer, status="DRAFT") == []


# 4 ─ keyed requests


async def test_a_retry_beside_the_worker(sdk, api, app_client, clock, database_url, monkeypatch) -> None:
    """Usage that a retried letter adds while the period becomes final is on the invoice, or whoever retries is told."""
    card, _ = await billing.priced_card(sdk)
    customer = await seed.customer(sdk)
    await sdk.v1.contracts.create(customer_id=customer, rate_card_id=card, starting_at=at(2026))
    await sdk.v1.usage.ingest(usage=[billing.event(1, customer, clock(), model="a", tokens="lots")])
    await billing.meter(api, database_url)
    (letter,) = (await app_client.get("/winkel/v1/dead-letters")).json()["data"]
    clock.at = at(2026, 2, 3)
    original, runs = letters.dead_letters.invoiced, []

    async def invoiced(*args):
        found = await original(*args)
        runs.append(asyncio.create_task(billing.bill(api, database_url)))
        await asyncio.wait(runs, timeout=3)  # the worker finalizes January now, unless it is kept from it
        return found

    monkeypatch.setattr(letters.dead_letters, "invoiced", invoiced)
    payload = json.loads(letter["payload"])
    body = {"id": letter["id"], "correction": {**payload, "properties": {**payload["properties"], "tokens": 12}}}
    told = (await app_client.post("/winkel/v1/dead-letters/retry", json=body)).json()["data"]
    await asyncio.gather(*runs)
    await billing.bill(api, database_url)
    (january,) = await billing.invoices_of(app_client, customer, type="USAGE", status="FINALIZED")
    assert january["total"] == 12 or told["warning"], (january["total"], told)
