"""What a gateway learns of the world behind it: how far metering is behind, the room on disk, the quotas."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from conftest import at_database
from winkel import clock
from winkel.ingest import worker
from winkel.ingest.pressure import Ages, Pressure
from winkel.ingest.quota import Quotas
from winkel.ingest.worker import Watcher, watch
from winkel.log.log import NewRecord
from winkel.log.memory import MemoryLog
from winkel.log.postgres import PostgresLog
from winkel.model.errors import UnavailableError
from winkel.model.routing import first
from winkel.store import database, progress, routing, tenants, vitals
from winkel.store.database import Connection

pytestmark = pytest.mark.anyio
DAY = timedelta(days=1)


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[Connection]:
    """Return a connection to a database with a log of two partitions."""
    made = await database.connect(database_url)
    await routing.begin(made, "events", first(2))
    yield made
    await made.close()


class Past:
    """A clock that goes right, but was set back."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self):
        return clock.now() - timedelta(seconds=self.seconds)


def watcher(owner: Connection, log: MemoryLog | PostgresLog, limit: float = 100, reserve: int = 0) -> Watcher:
    return Watcher([owner], log, Pressure(limit, reserve), Quotas(0), Ages(0.0))


def record(partition: int = 0) -> NewRecord:
    return NewRecord(1, partition, 10, b"x")


async def meter(owner: Connection, partition: int, until: int) -> None:
    """Let a partition be metered up to an offset."""
    await progress.take(owner, "events", partition, "m", start=0)
    await owner.execute(
        "UPDATE log_progress SET next_offset = %s WHERE topic = 'events' AND partition = %s", (until, partition)
    )


async def test_metering_that_keeps_up_is_not_late(owner: Connection) -> None:
    """An empty log and one that is metered to its end are zero seconds behind, whatever their age."""
    past = Past()
    log = MemoryLog(2, past)
    looking = watcher(owner, log)
    await looking.look()
    assert looking._pressure.lag_seconds == 0
    past.seconds = 1000
    await log.append([record(), record(1)])
    await meter(owner, 0, 1)
    await meter(owner, 1, 1)
    await looking.look()
    assert looking._pressure.lag_seconds == 0
    assert looking._pressure.refusal() is None


async def test_records_that_nobody_meters_grow_old(owner: Connection) -> None:
    """A gateway that just started asks the oldest record for its age; the gate closes, and opens when it is metered."""
    past = Past()
    log = MemoryLog(2, past)
    past.seconds = 150
    await log.append([record(), record()])
    past.seconds = 60
    await log.append([record(), record(1)])
    looking = watcher(owner, log, limit=200)
    await looking.look()
    assert looking._pressure.lag_seconds == pytest.approx(150, abs=20)
    assert looking._pressure.refusal() is None
    looking = watcher(owner, log, limit=100)
    await looking.look()
    assert looking._pressure.late
    await meter(owner, 0, 2)
    await looking.look()
    assert looking._pressure.lag_seconds == pytest.approx(60, abs=20)
    assert looking._pressure.late, "it does not flap"
    await meter(owner, 0, 3)
    await meter(owner, 1, 1)
    await looking.look()
    assert not looking._pressure.late


async def test_offsets_without_a_record_are_no_lag(owner: Connection) -> None:
    """A log may end with an offset that is no record: nobody will ever meter it, and nothing is refused for it."""

    class Hollow(MemoryLog):
        async def bounds(self):
            return [type(each)(each.start, each.end + 1) for each in await super().bounds()]

    looking = watcher(owner, Hollow(2), limit=0.02)
    for _ in range(5):
        await looking.look()
        await asyncio.sleep(0.02)
    assert looking._pressure.lag_seconds == 0
    assert looking._pressure.refusal() is None


async def test_what_was_dropped_is_not_late(owner: Connection) -> None:
    """A partition that begins behind where it was metered is looked at from its beginning on."""
    past = Past()
    log = MemoryLog(2, past)
    past.seconds = 1000
    await log.append([record(), record()])
    assert await log.trim(clock.now() + DAY, [2, 0]) == 2
    looking = watcher(owner, log)
    await looking.look()
    assert looking._pressure.lag_seconds == 0


async def test_the_postgres_log_is_watched(owner: Connection, database_url: str) -> None:
    """The same over the real log: its clock, its positions."""
    log = await PostgresLog.open(database_url, 2)
    try:
        await log.append([record(), record(1)])
        await owner.execute("SELECT make_log_day((now() AT TIME ZONE 'UTC')::date - 1)")  # it may be just past midnight
        await owner.execute("UPDATE log_record SET appended_at = appended_at - interval '30 minutes'")
        looking = watcher(owner, log, limit=600)
        await looking.look()
        assert looking._pressure.late
        assert looking._pressure.lag_seconds == pytest.approx(1800, abs=30)
        await meter(owner, 0, 1)
        await meter(owner, 1, 1)
        await looking.look()
        assert not looking._pressure.late
    finally:
        await log.close()


async def test_quotas_follow_the_database(owner: Connection) -> None:
    """A tenant's own quota is known at the next look, and shared with the gateways that live."""
    made = await tenants.create_tenant(owner, "one", clock.now())
    looking = watcher(owner, MemoryLog(2))
    await tenants.set_quota(owner, "one", 60)
    for gateway in ("a", "b", "c"):
        await routing.renew(owner, "events", gateway, 1, 30)
    await looking.look()
    assert looking._quotas.of(made.id) == 60
    looking._quotas.take(made.id, 30, 0)
    assert looking._quotas.wait(made.id, 0) == 1
    assert looking._quotas.wait(made.id, 0.51) == 0
    assert (await tenants.set_quota(owner, "one", None)).events_per_second is None
    await looking.look()
    assert looking._quotas.of(made.id) == 0


async def test_the_disk_of_a_database_on_this_machine_is_seen(owner: Connection) -> None:
    """By a socket in the file system, where data and write-ahead log are."""
    folders = await vitals.folders(owner)
    assert [each.name for each in folders] == ["postgres", "pg_wal"]
    free = vitals.free_bytes(folders)
    assert free
    assert free > 0
    looking = watcher(owner, MemoryLog(2), reserve=2**62)
    await looking.begin()
    await looking.look()
    assert looking._pressure.full
    looking._pressure.disk_reserve_bytes = 1
    await looking.look()
    assert not looking._pressure.full
    assert vitals.free_bytes([Path("/nowhere/at/all")]) is None


async def test_who_may_not_ask_sees_no_disk(owner: Connection, database_url: str) -> None:
    """The owner of the tables need not be a superuser."""
    async with owner.transaction(force_rollback=True):
        await owner.execute("SET LOCAL ROLE winkel_app")
        assert await vitals.folders(owner) == []


async def test_watching_goes_on_when_the_connection_is_lost(
    owner: Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was known holds meanwhile; what changed then is known soon after."""
    monkeypatch.setattr(worker, "WATCH_SECONDS", 0.02)
    made = await tenants.create_tenant(owner, "one", clock.now())
    quotas, stop = Quotas(0), asyncio.Event()
    watching = asyncio.create_task(watch([database_url], MemoryLog(2), Pressure(100), quotas, stop=stop))
    try:
        async with asyncio.timeout(30):
            for quota in (10, 20, 30):
                await tenants.set_quota(owner, "one", quota)
                while quotas.of(made.id) != quota:
                    await asyncio.sleep(0.01)
                with suppress(psycopg.Error):
                    await owner.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
    finally:
        stop.set()
        async with asyncio.timeout(30):
            await watching


async def test_a_database_without_room_refuses_and_recovers(owner: Connection, database_url: str) -> None:
    """A full disk of PostgreSQL's becomes a 503; nothing of the append is there, and the next goes on."""
    log = await PostgresLog.open(database_url, 2)
    try:
        await owner.execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF (SELECT count(*) FROM log_record) >= 2 THEN RAISE EXCEPTION 'could not extend file'"
            " USING ERRCODE = '53100'; END IF; RETURN NEW; END $$"
        )
        await owner.execute(
            "CREATE TRIGGER full_disk BEFORE INSERT ON log_record FOR EACH ROW EXECUTE FUNCTION full_disk()"
        )
        await log.append([record()])
        with pytest.raises(UnavailableError, match="no room left"):
            await log.append([record(), record(1), record(1)])
        assert [each.end for each in await log.bounds()] == [1, 0]
        await owner.execute("DROP TRIGGER full_disk ON log_record")
        await log.append([record(), record(1), record(1)])
        assert [each.end for each in await log.bounds()] == [2, 2]
        assert [each.offset for each in await log.read(1, 0, events=99, wait_seconds=0)] == [0, 1]
    finally:
        await log.close()


async def test_further_databases_count(owner: Connection, database_url: str, postgres: str, template: str) -> None:
    """A partition may be metered in another database: its position is looked for in all."""
    name = f"{owner.info.dbname}_further"
    await owner.execute(f'CREATE DATABASE "{name}" TEMPLATE {template}'.encode())
    try:
        further = await database.connect(at_database(postgres, name))
        past = Past()
        log = MemoryLog(2, past)
        past.seconds = 1000
        await log.append([record(), record(1)])
        await meter(owner, 0, 1)
        looking = Watcher([owner, further], log, Pressure(100), Quotas(0), Ages(0.0))
        await looking.look()
        assert looking._pressure.late
        await meter(further, 1, 1)
        await looking.look()
        assert not looking._pressure.late
        await further.close()
    finally:
        await owner.execute(f'DROP DATABASE "{name}"'.encode())
