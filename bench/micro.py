"""The parts of the hot path alone, each in one thread, for whoever works on them."""

import asyncio
import gc
import statistics
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bench import events
from bench.bench import Bench, folder
from winkel.ingest.block import blocks
from winkel.ingest.check import LINES, check
from winkel.log import codec
from winkel.log.log import NewRecord
from winkel.log.postgres import PostgresLog
from winkel.meter.worker import Meter
from winkel.model.event import Event
from winkel.model.metric import Aggregation, BillableMetric, EventTypeFilter, PropertyFilter
from winkel.model.routing import first
from winkel.store import database, embedded, metrics, migrate, routing, tenants

BATCH = 50_000
EVENTS_MAX = 10_000
METER_RATE = 200_000.0
"""Events a second that one meter must count from a backlog."""
REQUEST = 1000
"""Events that arrive together."""
PARTITIONS = 4
TOKENS = ("input_tokens", "output_tokens")
REPEATS = 7
SECRET = bytes(16)


def run(bench: Bench) -> None:
    """Measure each part on batches of 50,000 events."""
    copy = bench.baselines.copy
    bodies = _bodies(REQUEST)
    with bench.step("gateway: check and encode"):
        bench.figure(
            "micro", "gateway: decode and check a body", speed(lambda: _check(bodies), BATCH), "events/s", copy
        )
        found = [each for body in bodies for each in _check([body])]
        rate = speed(lambda: _encode(found), BATCH)
        bench.figure("micro", "gateway: hash, columns, compress", rate, "events/s", copy)
        rate = speed(lambda: [_encode(_check([body])) for body in bodies], BATCH)
        bench.figure("micro", f"gateway: all of it, {REQUEST} events at a time", rate, "events/s", copy)
    with bench.step("meter: from a backlog"), folder() as place:
        rate = asyncio.run(_backlog(place, 500_000 if bench.quick else 2_000_000))
        bench.figure("micro", "meter: backlog → usage, committed", rate, "events/s", copy, least=METER_RATE)


def speed(work: Callable[[], object], count: int) -> float:
    """Return how many a second: the median of some repeats, without the cyclic collector, as the workers run."""
    took = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(REPEATS):
            began = time.perf_counter()
            work()
            took.append(time.perf_counter() - began)
    finally:
        gc.enable()
    return count / statistics.median(took)


def _bodies(batch: int, count: int = BATCH) -> list[bytes]:
    now = int(time.time() * 1e6)
    work = events.make(count, seed=3, first_microsecond=now, per_second=50_000)
    return ["\n".join(events.lines(work, low, low + batch)).encode() for low in range(0, count, batch)]


def _check(bodies: list[bytes]) -> list[Event]:
    now = datetime.now(UTC)
    return [event for body in bodies for event in check(body, LINES, now, EVENTS_MAX).events]


def _encode(some: list[Event]) -> list[NewRecord]:
    return [
        NewRecord(1, partition, len(block), codec.encode(block))
        for partition, block in blocks(1, some, SECRET, first(PARTITIONS))
    ]


def _metrics() -> list[BillableMetric]:
    """Return the metrics that `catalog.make` makes."""
    return [_metric("calls", Aggregation.COUNT), *(_metric(name, Aggregation.SUM) for name in TOKENS)]


def _metric(name: str, aggregation: Aggregation) -> BillableMetric:
    summed = aggregation is Aggregation.SUM
    return BillableMetric(
        id=str(uuid.uuid4()),
        name=name,
        aggregation_type=aggregation,
        aggregation_key=name if summed else None,
        event_type_filter=EventTypeFilter(in_values=(events.EVENT_TYPE,)),
        property_filters=(PropertyFilter(name, exists=True), PropertyFilter("model", exists=True)) if summed else (),
        group_keys=(("model",),) if summed else (),
        created_at=datetime.now(UTC),
    )


async def _backlog(place: Path, count: int) -> float:
    """Return events/s of one meter that finds everything in the log already: read, decode, judge, decide, commit."""
    server = embedded.start(place / "postgres")
    try:
        connection = await database.connect(server.url)
        await migrate.migrate(connection)
        tenant = await tenants.create_tenant(connection, "bench", datetime.now(UTC))
        for metric in _metrics():
            await metrics.insert(connection, tenant.id, metric)
        log = await PostgresLog.open(server.url, PARTITIONS)
        for body in _bodies(5_000, count):
            await log.append(_encode(_check([body])))
        await routing.begin(connection, log.name, first(PARTITIONS))
        meter = Meter(connection, log, owner="bench")
        for partition in range(PARTITIONS):
            await meter.assign(partition)
        gc.collect()
        gc.disable()  # as the worker does
        began = time.perf_counter()
        while await meter.step():
            pass
        took = time.perf_counter() - began
        gc.enable()
        await log.close()
        await connection.close()
    finally:
        server.stop()
    return count / took
