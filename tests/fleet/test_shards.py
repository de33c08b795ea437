"""A meter over two databases: the same counts as with one, and neither waits for the other."""

import asyncio
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import pytest

from meter.blocks import SECRET, event
from meter.conftest import METRICS
from meter.oracle import Oracle
from meter.test_worker import some_events
from support.running import Running
from winkel.bill.worker import Closing
from winkel.fleet import worker
from winkel.fleet.actions import repartition, undrained
from winkel.ingest.block import blocks
from winkel.log import codec
from winkel.log.log import NewRecord
from winkel.log.memory import MemoryLog
from winkel.model.event import Event
from winkel.model.metric import Aggregation
from winkel.model.routing import Routing, first, shard_of
from winkel.store import database, metrics, progress, routing, shards, tenants, usage
from winkel.store.database import Connection
from winkel.store.shards import Held

pytestmark = pytest.mark.anyio
PARTITIONS = 4


class Two:
    """Two databases, of which only the first knows the tenant and its metrics; and what must come out."""

    def __init__(self, urls: Sequence[str], databases: list[Connection], log: MemoryLog, tenant_id: int) -> None:
        self.urls = urls
        self.databases = databases
        self.log = log
        self.tenant_id = tenant_id
        self.oracle = Oracle(list(METRICS))
        self.routes = first(PARTITIONS, len(urls))

    async def send(self, events: Sequence[Event], routes: Routing | None = None) -> None:
        """Append events as a gateway does, by this routing or the newest, and tell the oracle."""
        routes = routes or self.routes
        made = blocks(self.tenant_id, events, SECRET, routes)
        await self.log.append(
            [NewRecord(self.tenant_id, to, len(each), codec.encode(each), routes.version) for to, each in made]
        )
        self.oracle.take(events)

    async def usage(self) -> dict[tuple[Any, ...], Any]:
        """Return the sums of COUNT and SUM of all databases together, in the oracle's form."""
        found: dict[tuple[Any, ...], Any] = {}
        async with shards.reading(self.databases[0], [Held(self.databases[1])], self.tenant_id) as reader:
            for each in self.oracle.metrics[:2]:
                for index in range(len(each.keys)):
                    hours = await reader.hours(["acme", "bolt", "c\td"], [each.id], {each.id: index}, 0, 2**31 - 1)
                    for row in hours[each.id]:
                        place = (each.id, index, row.customer_key, row.group_values, row.hour)
                        found[place] = found.get(place, 0) + row.value
        return found

    async def done(self) -> bool:
        """Whether everything that was sent is metered."""
        ends = [each.end for each in await self.log.bounds()]
        return await shards.positions(self.databases, "events", len(ends)) == ends

    async def check(self) -> None:
        """Assert that all was counted once, each partition in its database, and that the other needed nothing else."""
        sums = {METRICS[0].id, METRICS[1].id}
        assert await self.usage() == {place: value for place, value in self.oracle.usage.items() if place[0] in sums}
        async with shards.reading(self.databases[0], [Held(self.databases[1])], self.tenant_id) as reader:
            summary = await reader.summary()
        assert (summary.counted, summary.duplicates) == (self.oracle.counted, self.oracle.duplicates)
        for number, each in enumerate(self.databases):
            known = {row.partition for row in await progress.everything(each, "events")}
            assert known == {one for one in range(self.log.partitions) if shard_of(one, 2) == number}
            rows = await (await each.execute("SELECT count(*) AS rows FROM usage_series")).fetchone()
            assert rows is not None
            assert rows["rows"]
        for table in ("tenant", "billable_metric", "routing", "meter_status"):
            rows = await (await self.databases[1].execute(f"SELECT FROM {table}")).fetchall()
            assert not rows, table


@pytest.fixture
async def two(database_url: str, further_url: str, clock: Any) -> AsyncIterator[Two]:
    """Return an installation of two databases."""
    urls = (database_url, further_url)
    async with shards.connections(urls) as databases:
        await shards.agree(databases)
        tenant = await tenants.create_tenant(databases[0], "tenant", clock())
        for each in METRICS:
            await metrics.insert(databases[0], tenant.id, each)
        log = MemoryLog(PARTITIONS, clock, SECRET)
        await routing.begin(databases[0], log.name, first(PARTITIONS, 2))
        yield Two(urls, databases, log, tenant.id)


@asynccontextmanager
async def metering(two: Two, processes: int = 1) -> AsyncIterator[None]:
    """Run meters as `winkel meter` does; they must end in peace."""
    stop = asyncio.Event()
    tasks = [
        asyncio.create_task(worker.run(two.urls[0], two.log, owner=f"meter {each}", shards=two.urls[1:], stop=stop))
        for each in range(processes)
    ]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def eventually(condition: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    """Wait until the condition holds."""
    for _ in range(int(seconds / 0.02)):
        if await condition():
            return
        await asyncio.sleep(0.02)
    raise TimeoutError(f"not within {seconds} s")


async def test_two_databases_count_what_one_would(two: Two, clock: Any) -> None:
    """Duplicates too, whichever of two processes meters them; and compaction needs nothing from the first database."""
    async with metering(two, 2):
        for seed in range(4):
            await two.send(some_events(random.Random(seed), 200))
            await eventually(two.done)
            for each in two.databases:
                await usage.compact(each, 1000)
    await two.check()
    assert await Closing(two.log).until(two.databases, clock()) == clock()
    assert await shards.everything(two.databases[:1], "events") != await shards.everything(two.databases, "events")


async def test_one_database_that_is_lost_does_not_stop_the_other(two: Two) -> None:
    """Its partitions wait, the others go on; when it is back, everything is counted, once."""
    admin = psycopg.conninfo.make_conninfo(two.urls[1], dbname="postgres")
    name = psycopg.conninfo.conninfo_to_dict(two.urls[1])["dbname"]

    async def first_half() -> bool:
        stand = await progress.positions(two.databases[0], "events", PARTITIONS)
        ends = [each.end for each in await two.log.bounds()]
        return (stand[0], stand[2]) == (ends[0], ends[2])

    async with metering(two):
        await two.send(some_events(random.Random(1), 200))
        await eventually(two.done)
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
            for seed in range(2, 5):
                await two.send(some_events(random.Random(seed), 200))
                await eventually(first_half)
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        two.databases[1] = await database.connect(two.urls[1])
        await eventually(two.done)
    await two.check()
    await two.databases[1].close()


async def test_a_zombie_in_one_database_changes_nothing(two: Two) -> None:
    """Whoever takes a partition there stops its owner from counting; the other database's owner never notices."""
    async with metering(two):
        await two.send(some_events(random.Random(1), 200))
        await eventually(two.done)
        before = await progress.everything(two.databases[0], "events")
        thief = await database.connect(two.urls[1])
        taken = await progress.take(thief, "events", 1, "thief", start=0)
        await two.send([event(f"new {number}") for number in range(200)])
        await eventually(lambda: _passed(two, before))
        await thief.close()  # it is dead: its partition is taken back
        await eventually(two.done)
        after = {each.partition: each for each in await shards.everything(two.databases, "events")}
        assert [each.epoch for each in before] == [after[each.partition].epoch for each in before]
        assert after[1].epoch > taken.epoch
    await two.check()


async def _passed(two: Two, before: Sequence[Any]) -> bool:
    now = {each.partition: each.next_offset for each in await progress.everything(two.databases[0], "events")}
    return all(now[each.partition] > each.next_offset for each in before)


async def test_another_number_of_partitions_moves_nothing_between_databases(two: Two) -> None:
    """4 → 8 → 2: each event is known as a duplicate afterwards, also one that was routed by the old version."""
    async with metering(two):
        await two.send(some_events(random.Random(1), 300))
        for partitions in (8, 2):
            old = two.routes
            two.routes = await repartition(two.databases[0], two.log, partitions)
            await two.send(some_events(random.Random(partitions), 300), old)
            await two.send(some_events(random.Random(1), 300))
            assert {shard_of(each, 2) for each in two.routes.partitions} == {0, 1}
            for bucket in range(4096):
                assert shard_of(two.routes.partition_of(bucket), 2) == shard_of(old.partition_of(bucket), 2)
        await eventually(two.done)
        assert await undrained(two.databases, "events", two.routes) == {}
    two.oracle.duplicates = (await _summary(two)).duplicates  # what was sent on may have come twice
    await two.check()


async def _summary(two: Two) -> Any:
    async with shards.reading(two.databases[0], [Held(two.databases[1])], two.tenant_id) as reader:
        return await reader.summary()


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder that PostgreSQL's user may enter."""
    with tempfile.TemporaryDirectory(prefix="winkel-shards-") as path:
        yield Path(path)


def test_winkel_up_over_two_databases(folder: Path, further_url: str) -> None:
    """The whole of it: usage from both, a doctor who looks at both, and a refusal to go on with one."""
    known = psycopg.conninfo.conninfo_to_dict(further_url)
    shard = f"postgresql://{known['user']}@/{known['dbname']}?host={quote(str(known['host']), safe='')}"
    variables = {"WINKEL_SHARDS": shard}
    with Running(folder / "data", environment=variables) as winkel:
        with httpx.Client(base_url=winkel.url, headers=winkel.headers, timeout=30) as client:
            metric = {"name": "Calls", "aggregation_type": "COUNT", "event_type_filter": {"in_values": ["call"]}}
            assert client.post("/v1/billable-metrics/create", json=metric).is_success
            assert client.post("/v1/customers", json={"name": "acme", "ingest_aliases": ["acme"]}).is_success
            midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
            sent = [
                {
                    "transaction_id": str(number),
                    "customer_id": "acme",
                    "event_type": "call",
                    "timestamp": midnight.isoformat(),
                    "properties": {},
                }
                for number in range(500)
            ]
            assert client.post("/winkel/v1/events", json=sent).json()["accepted"] == 500
            span = {"starting_on": midnight.isoformat(), "ending_before": (midnight + timedelta(days=1)).isoformat()}

            def value() -> object:
                answer = client.post("/v1/usage", json={**span, "window_size": "NONE"})
                return answer.json()["data"][0]["value"] if answer.is_success else None

            Running.wait_until(lambda: value() == 500, 60)
        for url in (winkel.database_url, further_url):
            with psycopg.connect(url) as connection:
                row = connection.execute("SELECT sum(counted) FROM event_count").fetchone()
                assert row is not None
                assert 0 < row[0] < 500
        looked = _winkel("doctor", "--data", str(winkel.folder), **variables)
        assert "usage is spread over 2 databases" in looked.stdout
        alone = _winkel("migrate", "--database-url", winkel.database_url)
        assert "keeps usage in 2 database(s), but is started with 1" in alone.stderr
        assert alone.returncode == 1


def _winkel(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "winkel", *arguments]
    environment = {**os.environ, "COLUMNS": "200", **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_the_test_compares_sums() -> None:
    """COUNT and SUM are the first two; tests/sim compares all kinds, and invoices."""
    assert [each.aggregation_type for each in METRICS[:2]] == [Aggregation.COUNT, Aggregation.SUM]
