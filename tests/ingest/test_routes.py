"""A gateway appends only by a routing that is in force, and a change of it is a clean cut."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from ingest.test_actions import batch
from winkel.fleet.actions import repartition, undrained
from winkel.ingest import routes as held
from winkel.ingest import worker
from winkel.ingest.actions import Intake
from winkel.ingest.routes import Routes
from winkel.ingest.worker import LEASE_SECONDS, Keeper
from winkel.log.memory import MemoryLog
from winkel.model.errors import ConflictError, UnavailableError
from winkel.model.routing import Routing, first
from winkel.store import database, routing
from winkel.store.database import Connection

pytestmark = pytest.mark.anyio


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    """Return a connection to a database with a log of two partitions."""
    made = await database.connect(database_url)
    await routing.begin(made, "events", first(2))
    yield made
    await made.close()


async def keeper(url: str, log: MemoryLog, name: str) -> tuple[Keeper, Routes, Connection]:
    """Return a gateway's lease that moves only when it is told to look."""
    own = await database.connect(url)
    routes = Routes()
    return Keeper(own, log, routes, name), routes, own


async def test_nothing_is_appended_without_a_lease() -> None:
    """Before the first word of the database, and after the lease is over, events are refused."""
    now = [0.0]
    routes = Routes(lambda: now[0])
    routes.allow(first(2), 3.0)
    async with routes.using() as found:
        assert found == first(2)
    now[0] = 3.0
    with pytest.raises(UnavailableError, match="lost touch"):
        async with routes.using():
            pass


async def test_what_is_held_waits_for_the_next_routing_or_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests wait while the routing changes, and go on by the new one; if that takes too long they are refused."""
    routes = Routes(lambda: 0.0)
    log = MemoryLog(3)
    intake = Intake(log, routes, flush_seconds=0)
    routes.allow(first(1), 1.0)
    routes.hold()
    waiting = asyncio.create_task(intake.accept(1, batch("a"), 1))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    routes.allow(first(3), 1.0)
    await waiting
    kept = [await log.read(each, 0, events=9, wait_seconds=0) for each in range(3)]
    assert sum(record.events for some in kept for record in some) == 3
    monkeypatch.setattr(held, "HELD_SECONDS", 0.01)
    routes.hold()
    with pytest.raises(UnavailableError, match="being changed"):
        await intake.accept(1, batch("b"), 1)


async def test_gateways_give_way_together(database_url: str, connection: Connection) -> None:
    """No gateway goes on by a new routing while another may still append by the old one; then all do."""
    log = MemoryLog(2)
    made = [await keeper(database_url, log, name) for name in ("one", "two")]
    for each, _, _ in made:
        await each.look()
    assert [routes.routing for _, routes, _ in made] == [first(2)] * 2
    told: list[list[str]] = []
    changing = asyncio.create_task(repartition(connection, log, 4, waiting_for=lambda some: told.append(list(some))))
    (one, one_routes, _), (two, two_routes, _) = made
    async with two_routes.using():  # an append of the second that takes its time
        while not told:
            await asyncio.sleep(0.01)
        for _ in range(3):
            await one.look()
            await two.look()
        assert not changing.done()
        assert told[-1] == ["two"] or told[-1] == ["one", "two"]
    while not changing.done():
        await one.look()
        await two.look()
        await asyncio.sleep(0.01)
    new = await changing
    for each, routes, own in made:
        await each.look()
        assert routes.routing == new
        await own.close()
    assert (new.version, new.seals, len(new.partitions)) == (2, (0, 0, 0, 0), 4)
    assert one_routes.routing == two_routes.routing
    assert await undrained([connection], "events", new) == {}


async def test_a_change_that_is_not_finished_leaves_everything_as_it_was(
    database_url: str, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Aborted, timed out, or its maker killed: gateways go on by the version in force, and another change may begin."""
    log = MemoryLog(2)
    each, routes, own = await keeper(database_url, log, "one")
    await each.look()
    await routing.prepare(connection, "events", Routing(2, (0,), (0,)), 60)
    with pytest.raises(ConflictError, match="under way"):
        await routing.prepare(connection, "events", Routing(3, (0,), (0,)), 60)
    await each.look()
    assert [(found.gateway, found.version) for found in await routing.gateways(connection, "events")] == [("one", 2)]
    assert not await routing.abort(connection, "events", 1), "another change is not the one that failed"
    assert await routing.abort(connection, "events")
    await each.look()
    async with routes.using() as found:
        assert found == first(2)
    await routing.prepare(connection, "events", Routing(3, (0,), (0,)), -1)  # its maker was killed long ago
    await each.look()
    async with routes.using() as found:
        assert found == first(2)
    monkeypatch.setattr("winkel.fleet.actions.PREPARE_SECONDS", 0.2)
    with pytest.raises(UnavailableError, match="one did not give way"):
        await repartition(connection, log, 8)  # "one" does not look
    assert (await routing.current(connection, "events")).preparing is None
    await own.close()


async def test_a_change_that_fails_leaves_somebody_elses_alone(database_url: str, connection: Connection) -> None:
    """Its time was over and another one is being prepared: only its own is given up."""
    log = MemoryLog(2)
    each, _, own = await keeper(database_url, log, "one")
    await each.look()

    def meanwhile(_: object) -> None:
        with psycopg.connect(database_url, autocommit=True) as other:
            other.execute("UPDATE routing SET state = 'aborted' WHERE version = 2")
            other.execute(
                "INSERT INTO routing SELECT topic, 3, 'preparing', lows, partitions, seals, created_at,"
                " now() + interval '1 minute' FROM routing WHERE version = 2"
            )
        raise UnavailableError("it gives up")

    with pytest.raises(UnavailableError, match="it gives up"):
        await repartition(connection, log, 8, waiting_for=meanwhile)
    found = (await routing.current(connection, "events")).preparing
    assert found is not None
    assert found.version == 3
    await own.close()


async def test_a_gateway_that_slept_asks_before_it_goes_on(database_url: str, connection: Connection) -> None:
    """Its lease ran out and the routing changed meanwhile: it appends nothing by the old one."""
    log = MemoryLog(2)
    each, routes, own = await keeper(database_url, log, "sleeper")
    await each.look()
    await connection.execute("UPDATE gateway_lease SET expires_at = clock_timestamp()")
    new = await repartition(connection, log, 4)  # nobody is waited for
    each._renewed -= LEASE_SECONDS
    await each.look()
    async with routes.using() as found:
        assert found == new
    await own.close()


async def test_the_lease_is_kept_and_given_back(database_url: str, connection: Connection) -> None:
    """The worker takes a lease, keeps it through a lost connection, and gives it back at the end."""
    log, routes, stop = MemoryLog(2), Routes(), asyncio.Event()
    task = asyncio.create_task(worker.keep(database_url, log, routes, gateway="one", stop=stop))
    try:
        async with asyncio.timeout(20):
            while routes.routing is None:
                await asyncio.sleep(0.01)
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
            new = await repartition(connection, log, 4)
            while routes.routing != new:
                await asyncio.sleep(0.01)
    finally:
        stop.set()
        await task
    assert await routing.gateways(connection, "events") == []
