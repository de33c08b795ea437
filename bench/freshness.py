"""Freshness: from the 200 of a probe event until it shows in usage, and in the draft invoice, under load."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np

from bench import catalog, events
from bench.bench import GOAL_RATE, Bench, folder
from bench.generator import Drive, Generator
from bench.load import Load, cost
from bench.sustained import BATCH, CONNECTIONS
from bench.system import System
from bench.wire import Connection

EVERY_SECONDS = 0.1
POLL_SECONDS = 0.05
"""A delay is measured too long by up to this, never too short."""
GIVE_UP_SECONDS = 8.0
"""Less than the time after which a probe customer has its next turn."""


def run(bench: Bench) -> None:
    """Measure at half of the promised rate, and at half of what the machine can do."""
    with folder() as place, System(place / "data") as system, Generator() as generator:
        with bench.step("making 1,100 customers"):
            load = Load(system, catalog.make(system), generator)
        with bench.step("finding the highest rate"):
            load.prepare(count=2_500_000, per_second=100_000, batch=BATCH)
            most = load.run(Drive(connections=CONNECTIONS, seconds=bench.seconds(15, 5))).queryable_rate
        probes = Probes(system, load.things)
        _at(bench, load, probes, "freshness at half of the goal", GOAL_RATE / 2)
        _at(bench, load, probes, "freshness at half of the highest rate", most / 2)
        wrong = load.differences()
        bench.detail("freshness at half of the goal", **{"wrong cells of 17,000": wrong})
        if wrong:
            raise RuntimeError(f"freshness: {wrong} sums differ from what was sent")


def _at(bench: Bench, load: Load, probes: "Probes", name: str, rate: float) -> None:
    seconds = bench.seconds(60, 15)
    with bench.step(f"{name}: making events"):
        load.prepare(count=int(rate * seconds), per_second=rate, batch=BATCH)
    with bench.step(f"{name}: {rate:,.0f} events/s for {seconds:.0f} s"), probes.running() as seen:
        outcome = load.run(Drive(connections=2 * CONNECTIONS, seconds=seconds, rate=rate))
    for place, delays in (("usage", seen.usage), ("draft invoice", seen.invoice)):
        p50, p95, p99, worst = np.percentile(np.array(delays) * 1000, [50, 95, 99, 100])
        commit = bench.baselines.commit
        bench.figure(name, f"200 → {place}, p50", float(p50), "ms", commit)
        bench.figure(name, f"200 → {place}, p99", float(p99), "ms", commit, most=1000)
        bench.detail(name, **{f"{place}, ms p95 max": f"{p95:.0f} {worst:.0f}", f"{place}, probes": len(delays)})
    bench.detail(name, **{"delays until usage, ms": [round(each * 1000) for each in seen.usage]})
    if seen.lost:
        raise RuntimeError(f"{name}: {seen.lost} probes were not visible after {GIVE_UP_SECONDS} s")
    bench.detail(name, rate=round(rate), **cost(outcome))


class Seen:
    """Delays in seconds, as they come in."""

    def __init__(self) -> None:
        self.usage: list[float] = []
        self.invoice: list[float] = []
        self.lost = 0


class Probes:
    """Every 100 ms one event of the next probe customer, watched until it shows."""

    def __init__(self, system: System, things: catalog.Catalog) -> None:
        self._port = system.port
        self._head = f"HTTP/1.1\r\nhost: winkel\r\nauthorization: Bearer {system.token}\r\n"
        self._own = threading.local()
        self._things = things
        self._turns = [0] * len(things.probes)
        self._next = 0
        self._stop = threading.Event()
        self._seen = Seen()
        self._pool = ThreadPoolExecutor(64)
        self._thread: threading.Thread | None = None

    def running(self) -> "Probes":
        """Probe for the length of a with block."""
        return self

    def __enter__(self) -> Seen:
        self._seen = Seen()
        self._stop.clear()
        self._thread = threading.Thread(target=self._send_all, daemon=True)
        self._thread.start()
        return self._seen

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        assert self._thread is not None
        self._thread.join()

    def _send_all(self) -> None:
        began = time.perf_counter()
        waiting = []
        number = 0
        while not self._stop.wait(max(0.0, began + number * EVERY_SECONDS - time.perf_counter())):
            waiting.append(self._pool.submit(self._one, self._turn()))
            number += 1
        for each in waiting:
            each.result()

    def _turn(self) -> tuple[int, int]:
        """Return the customer whose turn it is, and how many events it will have had."""
        index = self._next % len(self._turns)
        self._next += 1
        self._turns[index] += 1
        return index, self._turns[index]

    def _one(self, turn: tuple[int, int]) -> None:
        index, wanted = turn
        self._ingest(index, wanted)
        accepted = time.perf_counter()
        for look, delays in ((self._usage, self._seen.usage), (self._invoice, self._seen.invoice)):
            while look(index) < wanted:
                if time.perf_counter() - accepted > GIVE_UP_SECONDS:
                    self._seen.lost += 1
                    return
                time.sleep(POLL_SECONDS)
            delays.append(time.perf_counter() - accepted)

    def _ingest(self, index: int, turn: int) -> None:
        event = {
            "transaction_id": f"probe-{index}-{turn}-{time.time_ns()}", "customer_id": catalog.probe(index),
            "event_type": events.EVENT_TYPE, "timestamp": datetime.now(UTC).isoformat(),
            "properties": {"model": events.MODELS[0], "input_tokens": 1, "output_tokens": 1},
        }  # fmt: skip
        self._ask("POST", "/v1/ingest", [event])

    def _usage(self, index: int) -> int:
        body = catalog.period() | {
            "customer_ids": [self._things.probes[index]], "billable_metrics": [{"id": self._things.calls}]
        }  # fmt: skip
        rows = self._ask("POST", "/v1/usage", body)["data"]
        return sum(int(row["value"] or 0) for row in rows)

    def _invoice(self, index: int) -> int:
        customer = self._things.probes[index]
        rows = self._ask("GET", f"/v1/customers/{customer}/invoices?status=DRAFT")["data"]
        lines = [line for invoice in rows for line in invoice["line_items"]]
        return sum(int(line.get("quantity") or 0) for line in lines if line.get("product_id"))

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        """Return the answer, over the connection of this thread."""
        if not hasattr(self._own, "connection"):
            self._own.connection = Connection("127.0.0.1", self._port)
        connection: Connection = self._own.connection
        text = b"" if body is None else msgspec.json.encode(body)
        kind = "content-type: application/json\r\n" if text else ""
        request = f"{method} {path} {self._head}{kind}content-length: {len(text)}\r\n\r\n".encode() + text
        status = connection.send(request)
        if status != 200:
            raise RuntimeError(f"{method} {path}: status {status}: {connection.last[:500]!r}")
        return msgspec.json.decode(connection.last) if connection.last else None
