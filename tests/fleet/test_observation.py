"""What is seen of a fleet: lag and rates by offsets and counters, and where they come from."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from msgspec.structs import replace

from winkel.config import Settings
from winkel.fleet.actions import Scaling, observe
from winkel.fleet.observation import Observation, Standing, rates
from winkel.log.log import Log, NewRecord
from winkel.log.memory import MemoryLog
from winkel.log.postgres import PostgresLog
from winkel.meter.worker import Tally
from winkel.model import routing as plan
from winkel.model.meter import MeterStatus
from winkel.store import autoscale, database, meters, progress, routing
from winkel.store.database import Connection

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
METER = MeterStatus(
    meter="host:1:ab", started_at=NOON, seen_at=NOON, silent_seconds=0.0, partitions=(0, 1), records=100, events=1000,
    duplicates=0, dead_letters=0, forwarded=0, batches=10, busy_seconds=2.0, commit_seconds=0.5, age_seconds=0.1,
)  # fmt: skip


def looked(at: float, ends: list[int], metered: list[int], *known: MeterStatus) -> Observation:
    """Return a look at partitions that the first meter owns."""
    standings = (
        Standing(partition, routed=True, next_offset=end, metered_offset=done, owner=METER.meter, updated_at=NOON)
        for partition, (end, done) in enumerate(zip(ends, metered, strict=True))
    )
    return Observation(at, "events", tuple(standings), known, events_per_record=10.0)


def later(meter: MeterStatus, seconds: float, **more: float) -> MeterStatus:
    """Return what a meter tells so many seconds later."""
    changes = {name: getattr(meter, name) + value for name, value in more.items()}
    return replace(meter, seen_at=meter.seen_at + timedelta(seconds=seconds), **changes)


def test_rates_come_from_offsets_and_from_ratios_of_counters() -> None:
    """Arrivals and progress by the offsets of both looks; what a meter can do, by its own counters alone."""
    before = looked(5.0, [100, 50], [90, 50], METER)
    worked = later(METER, 2, records=20, events=400, busy_seconds=1.0, commit_seconds=0.2)
    seen = rates(before, looked(9.0, [140, 50], [120, 50], worked))
    assert seen is not None
    assert seen.seconds == 4.0
    assert seen.events_per_record == 20.0
    assert seen.arriving == 40 * 20 / 4
    assert seen.metered == 30 * 20 / 4
    assert seen.speed == 400.0
    assert seen.commit_seconds == pytest.approx(0.0005)
    assert seen.busy == 0.5


def test_a_meter_that_only_one_look_saw_does_not_count() -> None:
    """One that started anew counts from 0 again: the difference would be nonsense."""
    before = looked(0.0, [100], [90], METER)
    anew = replace(later(METER, 2), started_at=NOON + timedelta(seconds=1), events=5)
    seen = rates(before, looked(2.0, [120], [100], anew, replace(METER, meter="host:2:cd")))
    assert seen is not None
    assert (seen.speed, seen.commit_seconds, seen.busy) == (None, None, 0.0)
    assert seen.arriving == 20 * 10 / 2
    assert rates(before, before) is None


def test_processes_orphans_and_how_many_meters_are_of_use() -> None:
    """A process may have a meter for each database; what nobody alive owns is an orphan."""
    there = looked(0.0, [100, 50, 7], [90, 50, 7], METER, replace(METER, meter="host:1:cd", partitions=(2,)))
    assert there.processes == {"host:1": (0, 1, 2)}
    assert (there.records, there.events, there.orphans, there.useful_meters) == (10, 100, [], 3)
    left = (*there.partitions[:2], replace(there.partitions[2], routed=False, owner="dead"))
    after = replace(there, partitions=left)
    assert (after.orphans, after.useful_meters) == ([2], 2)
    waiting = replace(after, partitions=(*left[:2], replace(left[2], next_offset=9)))
    assert waiting.useful_meters == 3, "an old partition has something left"


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    connection = await database.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture(params=["memory", "postgres"])
async def events(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[Log]:
    log = MemoryLog(3) if request.param == "memory" else await PostgresLog.open(database_url, 3)
    yield log
    await log.close()


def record(partition: int, events: int = 10) -> NewRecord:
    return NewRecord(1, partition, events, b"some")


async def test_a_look_at_a_real_log(connection: Connection, events: Log) -> None:
    """Any log: where partitions end, how far they are metered, by whom; routed or not; events by the average."""
    await routing.begin(connection, events.name, plan.first(2))
    await events.append([record(0), record(0), record(0), record(1)])
    nothing = await observe([connection], events)
    assert [each.records for each in nothing.partitions] == [3, 1, 0]
    assert (nothing.events_per_record, nothing.events) == (1.0, 4)
    assert [each.routed for each in nothing.partitions] == [True, True, False]
    taken = await progress.take(connection, events.name, 0, "host:1:ab", start=0)
    await connection.execute("UPDATE log_progress SET next_offset = 1 WHERE partition = 0")
    await meters.put(connection, events.name, "host:1:ab", NOON, [0], Tally(records=4, events=100))
    seen = await observe([connection], events)
    first = seen.partitions[0]
    assert (first.next_offset, first.metered_offset, first.owner, first.records) == (3, 1, "host:1:ab", 2)
    assert first.updated_at is not None
    assert taken.updated_at is not None
    assert (seen.events_per_record, seen.events_of(first), seen.events) == (25.0, 50, 75)
    assert [each.meter for each in seen.meters] == ["host:1:ab"]
    assert seen.orphans == [1, 2]


async def test_accounts_of_meters(connection: Connection) -> None:
    """A new account replaces the old; who is silent is not alive; who ended is gone, the dead after an hour."""
    await meters.put(connection, "events", "a", NOON, [1], Tally(events=1))
    await meters.put(connection, "events", "a", NOON, [1, 2], Tally(events=7, busy_seconds=1.5))
    await meters.put(connection, "events", "b", NOON, [], Tally())
    await meters.put(connection, "other", "c", NOON, [], Tally())
    found = await meters.alive(connection, "events", 5)
    assert [(each.meter, each.partitions, each.events) for each in found] == [("a", (1, 2), 7), ("b", (), 0)]
    assert found[0].busy_seconds == 1.5
    assert found[0].silent_seconds < 5
    await connection.execute("UPDATE meter_status SET seen_at = seen_at - interval '10 s' WHERE meter = 'a'")
    assert [each.meter for each in await meters.alive(connection, "events", 5)] == ["b"]
    await meters.remove(connection, "events", "b")
    assert [each.meter for each in await meters.alive(connection, "events", 60)] == ["a"]
    await connection.execute("UPDATE meter_status SET seen_at = seen_at - interval '1 hour' WHERE meter = 'a'")
    await meters.forget(connection, "events")
    assert await meters.alive(connection, "events", 1e6) == []


async def test_one_of_several_decides_and_the_next_goes_on(connection: Connection, database_url: str) -> None:
    """Two look, one has the lock; when its connection ends, the other takes over and keeps to what was decided."""
    events, other = MemoryLog(8), await database.connect(database_url)
    one, two = Scaling(events, Settings(meters_max=6)), Scaling(events, Settings(meters_max=6))
    await meters.put(connection, "events", "host:1:ab", NOON, list(range(8)), Tally())
    for _ in range(2):
        await one.look(other)
        await two.look(connection)
    decided = await autoscale.last(connection, "events")
    assert decided is not None
    assert (decided.desired, decided.valid) == (1, True)
    await autoscale.keep(connection, "events", 4, "3 → 4: as decided by the one before")
    await other.close()
    with pytest.raises(psycopg.OperationalError):
        await one.look(other)
    async with asyncio.timeout(20):
        while (after := await autoscale.newest(connection)) is None or "as decided" in after.reason:
            await two.look(connection)  # the lock is free as soon as the server has noticed
            await asyncio.sleep(0.02)
    assert (after.topic, after.desired) == ("events", 4)
    await connection.execute("UPDATE autoscale SET at = at - interval '1 minute'")
    old = await autoscale.newest(connection)
    assert old is not None
    assert not old.valid
