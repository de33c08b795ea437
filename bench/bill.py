"""Billing: drafts, final invoices, a run over many customers, and one draft over HTTP. Every amount is checked."""

import asyncio
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from typing import Any

import numpy as np
import psycopg

from bench import catalog, due, events
from bench.bench import Bench, folder
from bench.due import Catalog, Customers
from bench.system import System
from bench.watch import Sample, Watch
from bench.wire import Connection
from winkel.bill.draft import Draft, drafts
from winkel.bill.worker import Worker
from winkel.cli import logs
from winkel.clock import now
from winkel.config import Settings
from winkel.log.memory import MemoryLog
from winkel.model.money import total
from winkel.store import database, embedded, migrate

CORES = 2
DRAFTS, FINALIZED = 20_000.0, 10_000.0
"""Invoices a second: recomputed on both cores; made final and stored."""
HTTP_MILLISECONDS = 20.0
SOME = 500
"""Different customers whose drafts are computed in turn."""
CUSTOMERS = 1_000_000
"""Of the run."""
ALONE = 2_000
"""Customers that one worker bills by itself."""
REQUESTS = 1_000
GROWTH = 1.25
"""Memory is flat when the last quarter of a run needs at most so many times what the second one does."""


def run(bench: Bench) -> None:
    """Measure all four."""
    _drafts(bench)
    _billing(bench)
    _http(bench)


def _drafts(bench: Bench) -> None:
    """Recompute drafts on both cores; check each against a plain computation."""
    seconds = bench.seconds(10, 3)
    for rows, goal in ((1, DRAFTS), (30, None)):
        with bench.step(f"drafts of {len(due.PRICES)} lines"), ProcessPoolExecutor(CORES) as pool:
            rates = list(pool.map(recompute, [rows] * CORES, [seconds] * CORES))
        name = f"drafts of 5 lines, {rows} {'rows' if rows > 1 else 'row'} of usage each, {CORES} processes"
        bench.figure("bill", name, sum(rates), "drafts/s", bench.baselines.copy, least=goal)


def recompute(rows: int, seconds: float) -> float:
    """Return drafts a second of this process. Raises `AssertionError` when one differs from the plain computation."""
    made = Customers(Catalog.make(), rows)
    customers = [(number, made.account(number), made.usage(number)) for number in range(SOME)]
    at = now()
    for number, account, usage in customers:
        check(number, drafts(account, usage, at))
    count, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < seconds:
        for _, account, usage in customers:
            drafts(account, usage, at)
        count += len(customers)
    return count / took


def check(number: int, found: list[Draft]) -> None:
    """Compare the one draft of a customer with what it must be."""
    (draft,) = found
    asked, *paid = due.expected(number)
    taken = sorted(-Fraction(each.amount) for each in draft.entries)
    assert Fraction(draft.invoice.total) == asked, f"customer {number}: {draft.invoice.total}, not {asked}"
    assert Fraction(total([line.total for line in draft.invoice.line_items])) == asked
    assert taken == sorted(each for each in paid if each), f"customer {number}: balances paid {taken}, not {paid}"


def _billing(bench: Bench) -> None:
    """Bill some customers by one worker, then many by two runs side by side."""
    count = 20_000 if bench.quick else CUSTOMERS
    with folder() as place:
        server = embedded.start(place / "postgres")
        try:
            with bench.step(f"making {count:,} customers"):
                asyncio.run(_fill(server.url, count))
            with bench.step(f"one worker bills {ALONE:,} customers"):
                rate = asyncio.run(_alone(server.url))
            bench.figure("bill", "final and stored, one worker", rate, "invoices/s", bench.baselines.copy)
            with bench.step(f"two runs bill {count - ALONE:,} customers"):
                rate, samples = _side_by_side(server.url, count - ALONE)
            bench.figure(
                "bill", "final and stored, two runs", rate, "invoices/s", bench.baselines.copy, least=FINALIZED
            )
            _memory(bench, samples)
            wrong = _wrong(server.url, count)
            bench.detail("bill", customers=count, **{"invoices that differ from a plain computation": wrong})
            if wrong:
                raise RuntimeError(f"bill: {wrong} invoices differ from what they must be")
        finally:
            server.stop()


async def _fill(url: str, count: int) -> None:
    async with await database.connect(url) as connection:
        await migrate.migrate(connection)
        await due.fill(connection, count)


async def _alone(url: str) -> float:
    """Return invoices a second of one worker, over its first customers."""
    logs.configure("error", "bench")
    worker = Worker(url, MemoryLog(1, now), Settings(), now)
    async with await database.connect(url) as connection:
        began, made, billed = time.perf_counter(), 0, 0
        async for came_to in worker.billed(connection, [], now()):
            billed += 1
            made += len(came_to.invoices)
            if billed == ALONE:
                break
        return made / (time.perf_counter() - began)


def _side_by_side(url: str, count: int) -> tuple[float, list[Sample]]:
    """Return invoices a second of two `winkel bill run`, and what memory they used."""
    command = [sys.executable, "-m", "winkel", "bill", "run"]
    environment = {**os.environ, "WINKEL_DATABASE_URL": url}
    began = time.perf_counter()
    runs = [subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) for _ in range(CORES)]
    watch = Watch({f"run {number}": each.pid for number, each in enumerate(runs, 1)})
    codes = [each.wait() for each in runs]
    took = time.perf_counter() - began
    if any(codes):
        raise RuntimeError(f"winkel bill run ended with {codes}")
    return count / took, watch.stop()["run 1"]


def _memory(bench: Bench, samples: list[Sample]) -> None:
    """Tell whether memory is flat: the last quarter beside the second one, after what every start costs."""
    curve = np.array([each.private_bytes for each in samples if each.private_bytes]) / 2**20
    quarter = max(1, len(curve) // 4)
    before, last = float(np.median(curve[quarter : 2 * quarter])), float(np.median(curve[-quarter:]))
    bench.detail("bill", **{"memory of a run, MiB, second and last quarter": f"{before:.0f} {last:.0f}"})
    bench.detail("bill", **{"memory of a run, MiB, each second": [round(float(each), 1) for each in curve]})
    against = type(bench.baselines.copy)("memory in its second quarter", before, "MiB")
    bench.figure("bill", "memory of a run, last quarter", last, "MiB", against, most=round(before * GROWTH))


def _wrong(url: str, count: int) -> int:
    """Return how many customers have another invoice or other deductions than they must."""
    query = """
        SELECT customer.name, invoice.totals, entry.amounts
        FROM customer
        LEFT JOIN (SELECT customer_id, array_agg(total) AS totals FROM invoice GROUP BY 1) AS invoice
          ON invoice.customer_id = customer.id
        LEFT JOIN (SELECT balance.customer_id, array_agg(-amount) AS amounts
                   FROM ledger_entry JOIN balance ON balance.id = ledger_entry.balance_id GROUP BY 1) AS entry
          ON entry.customer_id = customer.id
    """
    wrong = seen = 0
    with psycopg.connect(url) as connection, connection.cursor("invoices") as cursor:
        cursor.execute(query)
        for name, totals, taken in cursor:
            asked, *paid = due.expected(int(name.removeprefix("c ")))
            right = list(map(Fraction, totals or [])) == [asked]
            right &= sorted(map(Fraction, taken or [])) == sorted(each for each in paid if each)
            wrong += not right
            seen += 1
    return wrong + abs(count - seen)


def _http(bench: Bench) -> None:
    """Ask a running Winkel for one draft, again and again, over one connection."""
    with folder() as place, System(place / "data") as system:
        path = _customer(system)
        connection = Connection("127.0.0.1", system.port)
        head = f"GET {path} HTTP/1.1\r\nhost: winkel\r\nauthorization: Bearer {system.token}\r\n\r\n".encode()
        took = []
        with bench.step("one draft over HTTP"):
            for _ in range(REQUESTS):
                began = time.perf_counter()
                status = connection.send(head)
                took.append((time.perf_counter() - began) * 1000)
                if status != 200:
                    raise RuntimeError(f"GET {path}: status {status}")
        p50, p99 = np.percentile(np.array(took[REQUESTS // 10 :]), [50, 99])
        commit = bench.baselines.commit
        bench.figure("bill", "one draft of 5 lines over HTTP, p50", float(p50), "ms", commit)
        bench.figure("bill", "one draft of 5 lines over HTTP, p99", float(p99), "ms", commit, most=HTTP_MILLISECONDS)


def _customer(system: System) -> str:
    """Make a customer with usage of five products, a credit and a commit; return the path of its draft."""
    month = now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    card = system.post("/v1/contract-pricing/rate-cards/create", {"name": "Bench", "fiat_credit_type_id": catalog.USD})
    for number, price in enumerate(due.PRICES):
        _priced(system, card["data"]["id"], number, float(price), month.isoformat())
    fixed = system.post("/v1/contract-pricing/products/create", {"name": "Prepaid", "type": "FIXED"})["data"]["id"]
    customer = system.post("/v1/customers", {"name": "Bench", "ingest_aliases": ["bench"]})["data"]["id"]
    term = {"starting_at": month.isoformat(), "ending_before": month.replace(year=month.year + 1).isoformat()}
    balance = {"product_id": fixed, "priority": 1}
    commit = balance | {
        "type": "PREPAID",
        "access_schedule": {"schedule_items": [{"amount": int(due.COMMIT), **term}]},
        "invoice_schedule": {"schedule_items": [{"timestamp": month.isoformat(), "amount": 0}]},
    }
    agreed = {"customer_id": customer, "rate_card_id": card["data"]["id"], "starting_at": month.isoformat()}
    system.post("/v1/contracts/create", agreed | {"commits": [commit]})
    access = {"schedule_items": [{"amount": int(due.CREDIT), **term}]}
    system.post("/v1/contracts/customerCredits/create", balance | {"customer_id": customer, "access_schedule": access})
    used: dict[str, Any] = {
        "customer_id": "bench", "event_type": events.EVENT_TYPE, "timestamp": now().isoformat(),
        "properties": {f"m{number}": due.quantity(1, number) for number in range(len(due.PRICES))},
    }  # fmt: skip
    system.post("/v1/ingest", [used | {"transaction_id": "one"}])
    path = f"/v1/customers/{customer}/invoices"
    end = time.monotonic() + 30
    while time.monotonic() < end:
        found = [each for each in system.get(path)["data"] if each["type"] == "USAGE" and each["status"] == "DRAFT"]
        if found and len(found[-1]["line_items"]) > len(due.PRICES):
            return f"{path}/{found[-1]['id']}"
        time.sleep(0.1)
    raise RuntimeError("bill: the event is on no draft")


def _priced(system: System, card: str, number: int, price: float, at: str) -> None:
    """Make a metric and a product, and a rate for it."""
    metric = {
        "name": f"m{number}", "aggregation_type": "SUM", "aggregation_key": f"m{number}",
        "event_type_filter": {"in_values": [events.EVENT_TYPE]},
        "property_filters": [{"name": f"m{number}", "exists": True}],
    }  # fmt: skip
    metric_id = system.post("/v1/billable-metrics/create", metric)["data"]["id"]
    product = {"name": f"Product {number}", "type": "USAGE", "billable_metric_id": metric_id}
    product_id = system.post("/v1/contract-pricing/products/create", product)["data"]["id"]
    rate = {"product_id": product_id, "rate_type": "FLAT", "price": price, "entitled": True, "starting_at": at}
    system.post("/v1/contract-pricing/rate-cards/addRate", rate | {"rate_card_id": card})
