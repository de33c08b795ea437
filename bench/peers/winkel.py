"""Runs Winkel on the topic: its meters read it as it is, and keep the answer in a PostgreSQL of their own."""

import asyncio
import os
import subprocess
import sys
import time
import uuid
from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import psycopg
from msgspec import Struct

from bench.broker import Broker
from bench.peers.outcome import LIMIT_SECONDS, LOOK_SECONDS, Outcome, compare, cpu, private_mib
from bench.peers.topic import CUSTOMERS, Answer, Topic, customer
from winkel.bill.worker import COMPACT_ROWS
from winkel.model.metric import Aggregation, BillableMetric
from winkel.model.period import EPOCH
from winkel.store import database, embedded, metrics, migrate, tenants, usage
from winkel.store.database import Connection

METERS = 2
"""Processes, on as many cores; each takes half of the partitions."""
NAME = "Winkel, 2 meters"
HOUR = timedelta(hours=1)
TENANT = "bench"
_STATE = "SELECT count(owner), coalesce(sum(next_offset), 0)::bigint FROM log_progress"


class Merged(Struct, frozen=True):
    """What it took to merge all open usage after a run; it is queryable before as well."""

    seconds: float
    cpu_seconds: float


def run(broker: Broker, topic: Topic, folder: Path) -> tuple[Outcome, Merged]:
    """Let it read the whole topic once, on an empty database, and check its answer before and after merging."""
    server = embedded.start(folder / "postgres")
    meters: list[subprocess.Popen[bytes]] = []
    try:
        wanted = asyncio.run(_prepare(server.url))
        log = (folder / "meters.log").open("ab")
        command = [sys.executable, "-m", "winkel", "meter", "--tenant", TENANT]
        command += ["--source", f"kafka://{broker.servers}/{topic.name}"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("WINKEL_")}
        environment["WINKEL_DATABASE_URL"] = server.url
        meters += [subprocess.Popen(command, env=environment, stdout=log, stderr=log) for _ in range(METERS)]
        log.close()
        outcome = _timed(server, meters, broker, topic, folder)
        compare(NAME, asyncio.run(_answer(server.url, wanted)), topic.answer)
        _stop(meters)
        merged = asyncio.run(_merge(server))
        compare(f"{NAME}, merged", asyncio.run(_answer(server.url, wanted)), topic.answer)
    finally:
        _stop(meters)
        server.stop()
    return outcome, merged


async def _prepare(url: str) -> tuple[str, str]:
    """Make the database; return the ids of the two metrics: events, and tokens."""
    connection = await database.connect(url)
    await migrate.migrate(connection)
    tenant = await tenants.create_tenant(connection, TENANT, datetime.now(UTC))
    made = [_metric("events", Aggregation.COUNT, None), _metric("tokens", Aggregation.SUM, "tokens")]
    for each in made:
        await metrics.insert(connection, tenant.id, each)
    await connection.close()
    return made[0].id, made[1].id


def _metric(name: str, kind: Aggregation, key: str | None) -> BillableMetric:
    return BillableMetric(
        id=str(uuid.uuid4()), name=name, aggregation_type=kind, aggregation_key=key, group_keys=(("model",),),
        created_at=datetime.now(UTC),
    )  # fmt: skip


def _timed(
    server: embedded.Server, meters: list[subprocess.Popen[bytes]], broker: Broker, topic: Topic, folder: Path
) -> Outcome:
    """Watch the committed offsets, from the first partition that was taken until all records are behind them."""
    assert server.pid is not None, "it was started"
    pids = [server.pid, *(each.pid for each in meters)]
    began, before = 0.0, (0.0, 0.0)
    progress: list[tuple[float, int]] = []
    memory, until = 0, time.time() + LIMIT_SECONDS
    with psycopg.connect(server.url, autocommit=True) as connection:
        while not progress or progress[-1][1] < topic.records:
            taken, done = connection.execute(_STATE).fetchone() or (0, 0)
            now = time.time()
            if not began and taken:
                began, before = now, (cpu(pids), cpu([broker.pid]))
            if began:
                progress.append((round(now - began, 2), done))
                memory = max(memory, private_mib(pids))
            if now > until or any(each.poll() is not None for each in meters):
                said = (folder / "meters.log").read_text(encoding="utf-8", errors="replace")
                raise RuntimeError(f"{NAME} was not done: {progress[-1:]}; {said[-2000:]}")
            time.sleep(LOOK_SECONDS if began else 0.01)
        return Outcome(
            system=NAME,
            records=topic.records,
            seconds=now - began,
            cpu_seconds=cpu(pids) - before[0],
            broker_cpu_seconds=cpu([broker.pid]) - before[1],
            memory_mib=memory,
            progress=progress,
        )


async def _answer(url: str, wanted: tuple[str, str]) -> Answer:
    """Return usage as the API's own query reads it."""
    connection = await database.connect(url)
    try:
        tenant = await tenants.find_tenant(connection, TENANT)
        keys = [customer(number) for number in range(CUSTOMERS)]
        found = await usage.hours(connection, tenant.id, keys, wanted, {}, 0, 2**31 - 1)
    finally:
        await connection.close()
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for index, metric in enumerate(wanted):
        for row in found[metric]:
            hour = f"{EPOCH + row.hour * HOUR:%Y-%m-%dT%H}"
            totals[f"{row.customer_key}|{row.group_values[0]}|{hour}"][index] = int(row.value or 0)
    return {key: (events, tokens) for key, (events, tokens) in totals.items()}


async def _merge(server: embedded.Server) -> Merged:
    connection: Connection = await database.connect(server.url)
    assert server.pid is not None, "it runs"
    began, before = time.time(), cpu([server.pid])
    while await usage.compact(connection, COMPACT_ROWS):
        pass
    took = Merged(time.time() - began, cpu([server.pid]) - before)
    await connection.close()
    return took


def _stop(meters: list[subprocess.Popen[bytes]]) -> None:
    for each in meters:
        with suppress(psutil.Error):
            each.terminate()
    for each in meters:
        try:
            each.wait(30)
        except subprocess.TimeoutExpired:
            each.kill()
            each.wait()
    meters.clear()
