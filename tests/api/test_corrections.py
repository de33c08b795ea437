"""Void and regenerate over the API: what was invoiced wrongly is taken back and made anew, exactly and once."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import metronome
import pytest

from api import billing, seed
from winkel.bill import actions
from winkel.bill.worker import Worker
from winkel.config import Settings
from winkel.store import billing as whom_to_bill
from winkel.store import contracts, database, invoices
from winkel.store.database import Connection

pytestmark = pytest.mark.anyio

ABSENT = "00000000-0000-4000-8000-000000000000"
VOID, REGENERATE = "/v1/invoices/void", "/v1/invoices/regenerate"


@pytest.fixture
async def acme(sdk, api, clock, database_url):
    """Return a customer on 2 February, whose January was paid by 100 cents of a credit and 60 of 500 prepaid."""
    card, _ = await billing.priced_card(sdk)
    fixed = await seed.fixed_product(sdk)
    customer = (await sdk.v1.customers.create(name="Acme", ingest_aliases=["acme"])).data.id
    commit = {
        "product_id": fixed,
        "type": "PREPAID",
        "name": "Prepaid",
        "priority": 2,
        "access_schedule": {
            "schedule_items": [{"amount": 500, "starting_at": seed.at(2026), "ending_before": seed.at(2027)}]
        },
        "invoice_schedule": {"schedule_items": [{"timestamp": seed.at(2026), "amount": 450}]},
    }
    contract = await sdk.v1.contracts.create(
        customer_id=customer, starting_at=seed.at(2026), rate_card_id=card, commits=[commit]
    )
    await sdk.v1.customers.credits.create(
        customer_id=customer,
        product_id=fixed,
        name="January only",
        priority=1,
        access_schedule={
            "schedule_items": [{"amount": 100, "starting_at": seed.at(2026), "ending_before": seed.at(2026, 2)}]
        },
    )
    await sdk.v1.usage.ingest(usage=[billing.event(1, "acme", api.clock(), model="a", tokens=160)])
    await billing.meter(api, database_url)
    clock.move(days=18)
    await billing.bill(api, database_url)
    return {"customer": customer, "contract": contract.data.id, "card": card}


@pytest.fixture(autouse=True)
async def balanced_books(owner):
    """After every test, the ledger and the invoices of the whole database agree."""
    yield
    assert await invoices.unbalanced(owner) == []


async def final(client, acme, kind="USAGE") -> dict[str, Any]:
    """Return the one finalized invoice of a type."""
    (found,) = await billing.invoices_of(client, acme["customer"], type=kind, status="FINALIZED")
    return found


async def ledgers(sdk, acme) -> dict[str, list[tuple[str, float]]]:
    """Return the entries of every balance, by its name."""
    found = await sdk.v1.contracts.list_balances(
        customer_id=acme["customer"], include_ledgers=True, include_contract_balances=True, include_archived=True
    )
    return {each.name: [(entry.type, entry.amount) for entry in each.ledger] for each in found.data}


async def net(sdk, acme) -> float:
    """Return what may be used now, without drafts."""
    mode = "FINALIZED"
    return (
        await sdk.v1.contracts.get_net_balance(customer_id=acme["customer"], invoice_inclusion_mode=mode)
    ).data.balance


async def test_a_void_invoice_stays_readable_and_gives_back(acme, sdk, app_client) -> None:
    """It keeps all of its lines, and its deductions are undone by entries of their own; the period is on no draft."""
    january = await final(app_client, acme)
    assert await net(sdk, acme) == 440
    assert (await sdk.v1.invoices.void(id=january["id"])).data.id == january["id"]
    listed = await billing.invoices_of(app_client, acme["customer"], status="VOID")
    assert listed == [{**january, "status": "VOID"}]
    one = (await sdk.v1.customers.invoices.retrieve(customer_id=acme["customer"], invoice_id=january["id"])).data
    assert (one.status, len(one.line_items)) == ("VOID", len(january["line_items"]))
    drafts = await billing.invoices_of(app_client, acme["customer"], status="DRAFT")
    assert [each["start_timestamp"][:10] for each in drafts] == ["2026-02-01"]
    assert await net(sdk, acme) == 500
    assert await ledgers(sdk, acme) == {
        "January only": [
            ("CREDIT_SEGMENT_START", 100),
            ("CREDIT_AUTOMATED_INVOICE_DEDUCTION", -100),
            ("CREDIT_CREDITED", 100),
            ("CREDIT_EXPIRATION", -100),
        ],
        "Prepaid": [
            ("PREPAID_COMMIT_SEGMENT_START", 500),
            ("PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION", -60),
            ("PREPAID_COMMIT_CREDITED", 60),
        ],
    }


async def test_what_came_back_names_its_invoice(acme, sdk, app_client) -> None:
    """The entry has the fields that its type has, and the date of the deduction that it undoes."""
    january = await final(app_client, acme)
    await sdk.v1.invoices.void(id=january["id"])
    asked = {"customer_id": acme["customer"], "include_ledgers": True}
    (credit,) = seed.exact(await app_client.post("/v1/contracts/customerCredits/list", json=asked))["data"]
    taken, back = credit["ledger"][1:3]
    assert back == {**taken, "type": "CREDIT_CREDITED", "amount": 100}
    assert back["invoice_id"] == january["id"]
    assert back["timestamp"][:10] == "2026-02-01"
    assert {"segment_id", "contract_id"} < set(back)


async def test_a_true_up_is_made_anew_after_its_usage(acme, sdk, app_client, api, clock, database_url) -> None:
    """Before that it is refused: it would ask for usage that the statement made anew asks for again."""
    promise = {
        "product_id": await seed.fixed_product(sdk),
        "type": "POSTPAID",
        "access_schedule": {
            "schedule_items": [{"amount": 500, "starting_at": seed.at(2026), "ending_before": seed.at(2026, 2)}]
        },
        "invoice_schedule": {"schedule_items": [{"timestamp": seed.at(2026, 2), "amount": 500}]},
    }
    await sdk.v1.contracts.create(
        customer_id=acme["customer"],
        starting_at=seed.at(2026),
        ending_before=seed.at(2026, 2),
        rate_card_id=acme["card"],
        commits=[promise],
    )
    await billing.bill(api, database_url)
    kept = await billing.invoices_of(app_client, acme["customer"], status="FINALIZED", type="SCHEDULED")
    (true_up,) = [each for each in kept if each["line_items"][0].get("postpaid_commit")]
    kept = await billing.invoices_of(app_client, acme["customer"], status="FINALIZED", type="USAGE")
    (january,) = [each for each in kept if each["contract_id"] == true_up["contract_id"]]
    assert true_up["total"] == 340
    for each in (true_up, january):
        await sdk.v1.invoices.void(id=each["id"])
    await seed.refused(app_client, REGENERATE, {"id": true_up["id"]}, "regenerate it after that")
    await sdk.v1.invoices.regenerate(id=january["id"])
    made = (await sdk.v1.invoices.regenerate(id=true_up["id"])).data.id
    kept = await billing.invoices_of(app_client, acme["customer"], status="FINALIZED", type="SCHEDULED")
    assert [each["total"] for each in kept if each["id"] == made] == [340]


async def test_late_usage_is_billed_by_regenerating(acme, sdk, app_client, api, clock, database_url) -> None:
    """40 tokens that arrived after finalization are on the new invoice; the credit pays again, though it has ended."""
    january = await final(app_client, acme)
    await sdk.v1.usage.ingest(usage=[billing.event(2, "acme", seed.at(2026, 1, 31), model="a", tokens=40)])
    await billing.meter(api, database_url)
    await billing.bill(api, database_url)
    assert await final(app_client, acme) == january
    await sdk.v1.invoices.void(id=january["id"])
    clock.move(days=1)
    made = (await sdk.v1.invoices.regenerate(id=january["id"])).data.id
    again = await final(app_client, acme)
    assert (again["id"], again["regenerated_from_invoice_id"]) == (made, january["id"])
    assert made != january["id"]
    assert [line["total"] for line in again["line_items"]] == [100, -100, 100, -100]
    assert (again["start_timestamp"], again["end_timestamp"]) == (
        january["start_timestamp"],
        january["end_timestamp"],
    )
    assert again["issued_at"] == again["created_at"] == clock().isoformat().replace("+00:00", "Z")
    assert await net(sdk, acme) == 400
    await billing.bill(api, database_url)
    assert len(await billing.invoices_of(app_client, acme["customer"], type="USAGE", status="FINALIZED")) == 1


async def test_todays_terms_count(acme, sdk, app_client) -> None:
    """A rate that was corrected since is on the new invoice; the void one keeps what it said."""
    january = await final(app_client, acme)
    product = january["line_items"][0]["product_id"]
    await sdk.v1.contracts.rate_cards.rates.add(
        rate_card_id=acme["card"],
        product_id=product,
        entitled=True,
        rate_type="FLAT",
        price=0.5,
        starting_at=seed.at(2026),
        pricing_group_values={"model": "a"},
    )
    await sdk.v1.invoices.void(id=january["id"])
    await sdk.v1.invoices.regenerate(id=january["id"])
    again = await final(app_client, acme)
    assert [(line["total"], line.get("unit_price")) for line in again["line_items"]] == [
        (Decimal(80), Decimal("0.5")),
        (Decimal(-80), None),
    ]
    (void,) = await billing.invoices_of(app_client, acme["customer"], status="VOID")
    assert void["line_items"] == january["line_items"]


async def test_a_scheduled_invoice_asks_again(acme, sdk, app_client, api, database_url) -> None:
    """Its items are on no draft while it is void, and then on one new invoice; access to the commit stays."""
    bought = await final(app_client, acme, "SCHEDULED")
    await sdk.v1.invoices.void(id=bought["id"])
    await billing.bill(api, database_url)
    assert [each["status"] for each in await billing.invoices_of(app_client, acme["customer"], type="SCHEDULED")] == [
        "VOID"
    ]
    assert await net(sdk, acme) == 440
    made = (await sdk.v1.invoices.regenerate(id=bought["id"])).data.id
    again = await final(app_client, acme, "SCHEDULED")
    assert (again["id"], again["total"], again["regenerated_from_invoice_id"]) == (made, 450, bought["id"])
    assert again["line_items"] == bought["line_items"]


async def test_what_was_freed_goes_with_an_earlier_end(acme, sdk, app_client) -> None:
    """An earlier end drops an item whose invoice is void, like one that is still to come; it is not asked for again."""
    bought = await final(app_client, acme, "SCHEDULED")
    (commit,) = (await sdk.v1.customers.commits.list(customer_id=acme["customer"], include_contract_commits=True)).data
    keys = {"customer_id": acme["customer"], "commit_id": commit.id, "invoices_ending_before": seed.at(2026)}
    await sdk.v1.customers.commits.update_end_date(**keys)
    (seen,) = (await sdk.v1.customers.commits.list(customer_id=acme["customer"], include_contract_commits=True)).data
    assert len(seen.invoice_schedule.schedule_items) == 1, "it is invoiced"
    await sdk.v1.invoices.void(id=bought["id"])
    await sdk.v1.customers.commits.update_end_date(**keys)
    await seed.refused(app_client, REGENERATE, {"id": bought["id"]}, "agreed any more", "$.id")


async def test_steps_out_of_turn_are_refused(acme, sdk, app_client) -> None:
    """Each with a sentence that says what to do, and nothing is changed."""
    january = await final(app_client, acme)
    (draft,) = await billing.invoices_of(app_client, acme["customer"], status="DRAFT")
    its = {"id": january["id"]}
    await seed.refused(app_client, REGENERATE, its, "void it first", "$.id")
    for path in (VOID, REGENERATE):
        await seed.refused(app_client, path, {"id": draft["id"]}, "draft", status=404)
        await seed.refused(app_client, path, {"id": ABSENT}, ABSENT, status=404)
        await seed.refused(app_client, path, {"id": "x"}, "$.id")
        await seed.refused(app_client, path, {}, "id")
    await sdk.v1.invoices.void(**its)
    await seed.refused(app_client, VOID, its, "void already", "$.id")
    made = (await sdk.v1.invoices.regenerate(**its)).data.id
    await seed.refused(app_client, REGENERATE, its, made, status=409)
    with pytest.raises(metronome.ConflictError):
        await sdk.v1.invoices.regenerate(**its)
    await sdk.v1.invoices.void(id=made)
    await seed.refused(app_client, REGENERATE, its, made, status=409)
    assert (await sdk.v1.invoices.regenerate(id=made)).data.id not in {made, january["id"]}


async def charged(sdk, api, database_url, customer: str) -> str:
    """Give a customer another contract, which asks for a fee of 100 at once; return its id."""
    fee = {
        "product_id": await seed.fixed_product(sdk, "Fee"),
        "schedule": {"schedule_items": [{"timestamp": seed.at(2026), "amount": 100}]},
    }
    made = await sdk.v1.contracts.create(customer_id=customer, starting_at=seed.at(2026), scheduled_charges=[fee])
    await billing.bill(api, database_url)
    return made.data.id


async def test_archiving_leaves_other_invoices_alone(acme, sdk, app_client, api, database_url) -> None:
    """Those of the customer's other contracts stay final, and those of other customers."""
    other = await charged(sdk, api, database_url, acme["customer"])
    await sdk.v1.contracts.archive(customer_id=acme["customer"], contract_id=acme["contract"], void_invoices=True)
    kept = await billing.invoices_of(app_client, acme["customer"], status="FINALIZED")
    assert {each["contract_id"] for each in kept} == {other}
    another = await seed.customer(sdk, "Another")
    await charged(sdk, api, database_url, another)
    final_ones = await billing.invoices_of(app_client, another, status="FINALIZED")
    await sdk.v1.customers.archive(id=acme["customer"])
    assert await billing.invoices_of(app_client, acme["customer"], status="FINALIZED") == []
    assert await billing.invoices_of(app_client, another, status="FINALIZED") == final_ones != []


async def test_archiving_a_contract_voids_if_asked(acme, sdk, app_client) -> None:
    """All of its final invoices at once; what came back expires with its commits, and nothing can be regenerated."""
    keys = {"customer_id": acme["customer"], "contract_id": acme["contract"]}
    await sdk.v1.contracts.archive(**keys, void_invoices=False)
    found = await billing.invoices_of(app_client, acme["customer"])
    assert [each["status"] for each in found] == ["FINALIZED", "FINALIZED"]
    await sdk.v1.contracts.archive(**keys, void_invoices=True)
    found = await billing.invoices_of(app_client, acme["customer"])
    assert [each["status"] for each in found] == ["VOID", "VOID"]
    await seed.refused(app_client, REGENERATE, {"id": found[0]["id"]}, "archived", "$.id")
    assert (await ledgers(sdk, acme))["Prepaid"] == [
        ("PREPAID_COMMIT_SEGMENT_START", 500),
        ("PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION", -60),
        ("PREPAID_COMMIT_CREDITED", 60),
        ("PREPAID_COMMIT_EXPIRATION", -500),
    ]
    (commit,) = (
        await sdk.v1.customers.commits.list(
            customer_id=acme["customer"], include_contract_commits=True, include_archived=True, include_balance=True
        )
    ).data
    assert commit.balance == 0


async def test_archiving_a_customer_voids_everything(acme, sdk, app_client) -> None:
    """As the API says (metronome-api.md §4.4); once more changes nothing."""
    for _ in range(2):
        await sdk.v1.customers.archive(id=acme["customer"])
        found = await billing.invoices_of(app_client, acme["customer"])
        assert [each["status"] for each in found] == ["VOID", "VOID"]
    assert all(sum(amount for _, amount in each) == 0 for each in (await ledgers(sdk, acme)).values())


# ── At the same time ────────────────────────────────────────────────────────────────────────────────────────────────


Job = Callable[[Connection], Awaitable[Any]]


async def together(url: str, tenant_id: int, customer_id: str, *jobs: Job) -> list[Any]:
    """Run jobs on connections of their own that all wait for the customer, until all do; return results or errors."""
    owner, gate = await database.connect(url), await database.connect(url)
    connections = [await database.connect(url) for _ in jobs]
    tasks: list[asyncio.Task[Any]] = []
    async with gate.transaction():
        await whom_to_bill.lock_customer(gate, tenant_id, customer_id)
        for connection, job in zip(connections, jobs, strict=True):
            tasks.append(asyncio.ensure_future(job(connection)))
            while await waiting(owner) < len(tasks):
                assert not any(task.done() for task in tasks), "each job takes the customer before it does anything"
    found = await asyncio.gather(*tasks, return_exceptions=True)
    for connection in (owner, gate, *connections):
        await connection.close()
    return found


async def beside(url: str, first: Job, second: Job, then: Job | None = None) -> Any:
    """Run a job in a transaction, and while it is open another, until that waits or is done; return its result.

    `then` is what the first transaction does after that.
    """
    owner, one, other = [await database.connect(url) for _ in range(3)]
    async with one.transaction():
        await first(one)
        task = asyncio.ensure_future(second(other))
        while not task.done() and not await waiting(owner):
            pass
        if then is not None:
            await then(one)
    found = await task
    for connection in (owner, one, other):
        await connection.close()
    return found


async def alone(url: str, job: Job) -> None:
    """Run a job on a connection of its own."""
    connection = await database.connect(url)
    await job(connection)
    await connection.close()


def in_transaction(job: Job) -> Job:
    """Return the job as one transaction."""

    async def run(connection: Connection) -> Any:
        async with connection.transaction():
            return await job(connection)

    return run


async def waiting(owner) -> int:
    """Return how many sessions of this database wait for a lock."""
    rows = await owner.execute(
        "SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    return (await rows.fetchone())["n"]


async def test_two_who_regenerate_at_once_get_one_invoice(acme, sdk, app_client, clock, database_url) -> None:
    """The second is told that it was done."""
    january, tenant = await final(app_client, acme), app_client.tenant.id
    await sdk.v1.invoices.void(id=january["id"])
    job = in_transaction(lambda tx: actions.regenerate(tx, (), tenant, january["id"], clock()))
    found = await together(database_url, tenant, acme["customer"], job, job, job)
    assert [type(each).__name__ for each in found] == ["Invoice", "ConflictError", "ConflictError"]
    again = await final(app_client, acme)
    assert (again["id"], again["line_items"]) == (found[0].id, january["line_items"])
    assert await net(sdk, acme) == 440


async def test_two_who_void_at_once_give_back_once(acme, sdk, app_client, clock, database_url) -> None:
    """The second is told that it was done."""
    january, tenant = await final(app_client, acme), app_client.tenant.id
    job = in_transaction(lambda tx: actions.void(tx, tenant, january["id"], clock()))
    found = await together(database_url, tenant, acme["customer"], job, job, job)
    assert [type(each).__name__ for each in found] == ["NoneType", "InvalidError", "InvalidError"]
    assert await net(sdk, acme) == 500


@pytest.fixture
async def february(acme, sdk, api, clock, database_url):
    """Use 700 in February, and let it be over: return the worker's job, which finalizes it."""
    await sdk.v1.usage.ingest(usage=[billing.event(3, "acme", api.clock(), model="a", tokens=700)])
    await billing.meter(api, database_url)
    clock.move(days=35)
    return Worker(database_url, api.log, Settings(), clock).bill


async def test_a_void_before_the_worker(acme, february, sdk, app_client, clock, database_url) -> None:
    """The worker leaves a customer alone whose January is being voided; then February finds 500 in the commit."""
    january, tenant = await final(app_client, acme), app_client.tenant.id
    await beside(database_url, lambda tx: actions.void(tx, tenant, january["id"], clock()), february)
    assert await billing.invoices_of(app_client, acme["customer"], type="USAGE", status="FINALIZED") == []
    await alone(database_url, february)
    assert (await final(app_client, acme))["total"] == 200
    assert await net(sdk, acme) == 0


async def test_a_void_after_the_worker(acme, february, sdk, app_client, clock, database_url) -> None:
    """Who voids January waits until February is final, which found 440; then 60 come back."""
    january, tenant = await final(app_client, acme), app_client.tenant.id
    await beside(database_url, february, in_transaction(lambda tx: actions.void(tx, tenant, january["id"], clock())))
    assert (await final(app_client, acme))["total"] == 260
    assert await net(sdk, acme) == 60


async def test_regenerating_after_the_worker(acme, february, sdk, app_client, clock, database_url) -> None:
    """January is made anew while February becomes final: it waits, and finds that February took what had come back."""
    january, tenant = await final(app_client, acme), app_client.tenant.id
    await sdk.v1.invoices.void(id=january["id"])
    job = in_transaction(lambda tx: actions.regenerate(tx, (), tenant, january["id"], clock()))
    made = await beside(database_url, february, job)
    kept = await billing.invoices_of(app_client, acme["customer"], type="USAGE", status="FINALIZED")
    totals = {each["start_timestamp"][:7]: each["total"] for each in kept}
    assert totals == {"2026-01": made.total, "2026-02": 200} == {"2026-01": 60, "2026-02": 200}
    assert await net(sdk, acme) == 0


async def test_archiving_beside_the_worker(acme, february, app_client, clock, database_url) -> None:
    """Neither waits for what the other has: the worker leaves the customer alone, and there is no February any more."""
    tenant, customer, contract = app_client.tenant.id, acme["customer"], acme["contract"]

    async def archive(tx: Connection) -> None:
        await actions.void_all(tx, tenant, customer, clock(), contract)
        await contracts.archive(tx, tenant, contract, clock())

    await beside(
        database_url, lambda tx: whom_to_bill.lock_customer(tx, tenant, customer), second=february, then=archive
    )
    await alone(database_url, february)
    kept = await billing.invoices_of(app_client, customer)
    assert [each["status"] for each in kept] == ["VOID", "VOID"]
