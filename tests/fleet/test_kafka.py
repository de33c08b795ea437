"""Meters on Kafka: exact with foreign messages in the way, across a change of the log, and when one of them dies."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from functools import partial
from time import monotonic
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from meter.blocks import NOON, event
from winkel.config import Settings
from winkel.fleet import actions, worker
from winkel.ingest.block import blocks
from winkel.log import codec
from winkel.log.log import Log, NewRecord
from winkel.log.postgres import PostgresLog
from winkel.model.errors import ConflictError, ReplacedError
from winkel.model.event import Event
from winkel.model.log_in_use import TABLE, LogInUse
from winkel.store import database, logs, routing, shards, tenants
from winkel.store.database import Connection, Database

pytestmark = pytest.mark.anyio


class World:
    """A database with one tenant, a log in Kafka, and the log in PostgreSQL that was there before."""

    def __init__(self, url: str, settings: Settings, connection: Connection, tenant_id: int, logs: list[Log]) -> None:
        self.url = url
        self.settings = settings
        self.connection = connection
        self.tenant_id = tenant_id
        self.before, self.log = logs
        self.topic = settings.log.rpartition("/")[2]

    async def send(self, log: Log, events: list[Event]) -> None:
        """Append events as a gateway would."""
        found = (await routing.current(self.connection, log.name)).active
        made = blocks(self.tenant_id, events, log.secret, found)
        await log.append([NewRecord(self.tenant_id, *_record(each), found.version) for each in made])

    async def counts(self) -> tuple[int, int, int]:
        """Return how many events were counted, repeated, and set aside, of all tenants."""
        query = "SELECT sum(counted)::int AS a, sum(duplicates)::int AS b, sum(dead_letters)::int AS c FROM event_count"
        row = await (await self.connection.execute(query)).fetchone()
        assert row is not None
        return row["a"] or 0, row["b"] or 0, row["c"] or 0

    async def wait_for(self, counted: int, duplicates: int, letters: int, seconds: float = 60) -> None:
        """Wait until the books say this; fail at once when they say more."""
        async with asyncio.timeout(seconds):
            while (found := await self.counts()) != (counted, duplicates, letters):
                assert found[0] <= counted, "nothing is counted twice"
                await asyncio.sleep(0.05)


def _record(made: tuple[int, Any]) -> tuple[int, int, bytes]:
    partition, block = made
    return partition, len(block), codec.encode(block)


@pytest.fixture
async def world(database_url: str, kafka_url: str) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        connection = await database.connect(database_url)
        stack.push_async_callback(connection.close)
        tenant = await tenants.create_tenant(connection, "tenant", NOON)
        settings = Settings(log=kafka_url, partitions=4)
        before = await actions.open_log(database_url, Settings(partitions=2))
        stack.push_async_callback(before.close)
        log = await actions.open_log(database_url, settings)
        stack.push_async_callback(log.close)
        yield World(database_url, settings, connection, tenant.id, [before, log])


async def test_what_is_no_event_is_the_operators_to_see_and_stops_nothing(world: World) -> None:
    """Foreign messages become dead letters of nobody: no tenant sees them; offsets without a record are passed."""
    await world.send(world.log, [event(number) for number in range(20)])
    servers = world.settings.log.removeprefix("kafka://").partition("/")[0]
    producer = Producer({"bootstrap.servers": servers, "transactional.id": world.topic})
    producer.init_transactions(20)
    producer.begin_transaction()
    for partition in range(4):
        producer.produce(world.topic, b"\x00no event", partition=partition)
    producer.commit_transaction(20)
    stop = asyncio.Event()
    meter = asyncio.create_task(worker.run(world.url, world.log, owner="test", stop=stop))
    await world.wait_for(20, 0, 4)
    await world.send(world.log, [event(number) for number in range(10, 30)])
    await world.wait_for(30, 10, 4)
    ends = [each.end for each in await world.log.bounds()]
    async with asyncio.timeout(20):
        while await shards.positions([world.connection], world.log.name, 4) != ends:
            await asyncio.sleep(0.05)
    stop.set()
    await meter
    rows = await (await world.connection.execute("SELECT tenant_id, payload FROM dead_letter")).fetchall()
    assert [(row["tenant_id"], row["payload"]) for row in rows] == [(0, b"\x00no event")] * 4
    api = Database(world.url)
    await api.open()
    async with api.transaction(world.tenant_id) as tx:
        assert await (await tx.execute("SELECT FROM dead_letter")).fetchall() == []
    await api.close()


async def test_the_log_that_was_in_use_before_comes_first(world: World) -> None:
    """An event that came by both logs is counted once, and the first one counts."""
    await world.send(world.before, [event(number) for number in range(100)])
    await world.send(world.log, [event(number) for number in range(50, 150)])
    stop = asyncio.Event()
    before = await actions.open_before(world.url, world.settings)
    assert isinstance(before, PostgresLog)
    assert "records are to be metered" in await actions.unfinished([world.connection], before)
    await worker.finish(world.url, before, owner="test", cache=None, stop=stop)
    assert await actions.unfinished([world.connection], before) == ""
    assert await world.counts() == (100, 0, 0)
    await worker.finish(world.url, before, owner="test", cache=None, stop=stop)
    await before.close()
    meter = asyncio.create_task(worker.run(world.url, world.log, owner="test", stop=stop))
    await world.wait_for(150, 50, 0)
    stop.set()
    await meter


async def test_a_gateway_that_still_uses_the_log_before_is_waited_for(world: World) -> None:
    """What it appends would otherwise never be metered."""
    await routing.renew(world.connection, world.before.name, "old gateway", 1, 1.5)
    assert "old gateway" in await actions.unfinished([world.connection], world.before)
    async with asyncio.timeout(20):
        await actions.settled([world.url], world.before, asyncio.Event())
    assert await actions.unfinished([world.connection], world.before) == ""
    assert await actions.open_before(world.url, Settings()) is None


async def test_events_move_to_a_topic_once_and_every_other_log_is_refused(world: World) -> None:
    """What looks at another log than the one in use finds nothing in it, and would take that for "all is metered"."""
    assert await logs.in_use(world.connection) == LogInUse(world.log.name, world.settings.log)
    for settings in (Settings(), Settings(log=f"{world.settings.log}-2"), Settings(log="kafka://127.0.0.1:1/another")):
        for moving in (True, False):
            with pytest.raises(ConflictError, match=f"set WINKEL_LOG={world.settings.log} "):
                await actions.open_log(world.url, settings, moving=moving)
    with pytest.raises(ConflictError, match="set WINKEL_LOG="):
        await actions.may_open(world.connection, Settings())
    again = await actions.open_log(world.url, world.settings, moving=False)
    await again.close()


async def test_a_command_never_moves_events(database_url: str, kafka_url: str) -> None:
    """Somebody who tries an address out must not have every process refused that is started next."""
    settings = Settings(log=kafka_url)
    for moving, noted in ((False, None), (True, LogInUse(TABLE))):
        events = await actions.open_log(database_url, Settings(), moving=moving)
        await events.close()
        async with shards.connections([database_url]) as (home,):
            assert await logs.in_use(home) == noted
    with pytest.raises(ConflictError, match="unset WINKEL_LOG"):
        await actions.open_log(database_url, settings, moving=False)
    with pytest.raises(ConflictError, match="unset WINKEL_LOG"):
        await actions.open_before(database_url, settings, moving=False)
    events = await actions.open_log(database_url, settings)
    await events.close()


async def test_of_processes_that_are_started_at_once_those_on_the_table_give_way(
    database_url: str, kafka_url: str
) -> None:
    """Whoever is quicker, events go to the topic in the end, and nobody who was let in believes otherwise."""
    wanted = [Settings(), Settings(log=kafka_url)] * 3
    found = await asyncio.gather(*[actions.open_log(database_url, each) for each in wanted], return_exceptions=True)
    assert not [each for each, one in zip(found, wanted, strict=True) if one.log and isinstance(each, BaseException)]
    assert all(isinstance(each, ConflictError) for each in found if isinstance(each, BaseException))
    async with shards.connections([database_url]) as (home,):
        in_use = await logs.in_use(home)
    assert in_use is not None
    assert in_use.address == kafka_url
    for each in found:
        if not isinstance(each, BaseException):
            await each.close()


async def test_an_installation_that_is_older_than_the_note_uses_what_a_gateway_used(world: World) -> None:
    """Also when the lease has ended long ago: an upgrade with a setting forgotten is refused as any other start."""
    await world.connection.execute("DELETE FROM setting WHERE name = 'log'")
    await routing.renew(world.connection, world.before.name, "of the past", 1, 0.0)
    await routing.renew(world.connection, world.log.name, "of the past", 1, 0.001)
    await asyncio.sleep(0.01)
    with pytest.raises(ConflictError, match=f"kafka://host:port/{world.topic}, with the brokers that have it"):
        await actions.open_log(world.url, Settings())
    again = await actions.open_log(world.url, world.settings)
    assert await logs.in_use(world.connection) == LogInUse(world.log.name, world.settings.log)
    await again.close()


async def test_a_topic_of_the_same_name_is_refused_and_never_made_until_the_lost_one_is_left(world: World) -> None:
    """Brokers of another installation, say. What was not metered is given up by a decision, not in silence."""
    admin = AdminClient({"bootstrap.servers": world.settings.log.removeprefix("kafka://").partition("/")[0]})
    admin.delete_topics([world.topic])[world.topic].result(10)
    async with asyncio.timeout(20):
        while world.topic in admin.list_topics(timeout=10).topics:
            await asyncio.sleep(0.1)
    with pytest.raises(ReplacedError, match="leave-log"):
        await actions.open_log(world.url, world.settings)
    assert world.topic not in admin.list_topics(timeout=10).topics
    await logs.leave(world.connection)
    new = await actions.open_log(world.url, world.settings)
    assert new.name != world.log.name
    assert await logs.in_use(world.connection) == LogInUse(new.name, world.settings.log)
    await new.close()
    await world.connection.execute("UPDATE setting SET value = %s WHERE name = 'log'", (world.log.name.encode(),))
    with pytest.raises(ReplacedError, match="leave-log"):
        await actions.open_log(world.url, world.settings)


async def test_a_second_installation_may_not_use_the_topic_of_the_first(world: World, further_url: str) -> None:
    """Production and staging have a database each, and by mistake one topic. (Here it is a copy, with the same key.)"""
    await world.send(world.log, [event(number) for number in range(20)])
    for moving in (False, True):
        with pytest.raises(ConflictError, match="log of another installation"):
            await actions.open_log(further_url, world.settings, moving=moving)
    async with shards.connections([further_url]) as (staging,):
        assert await logs.owner(staging) != await logs.owner(world.connection)
        assert await logs.in_use(staging) is None
    again = await actions.open_log(world.url, world.settings)
    await again.close()


METER = """
import asyncio, sys
from winkel.config import Settings
from winkel.fleet import actions, worker
async def main():
    log = await actions.open_log(sys.argv[1], Settings(log=sys.argv[2]))
    await worker.run(sys.argv[1], log, owner=sys.argv[3], stop=asyncio.Event())
asyncio.run(main())
"""


@pytest.fixture
def meters(world: World) -> Iterator["list[subprocess.Popen[bytes]]"]:
    """Return two meters in processes of their own."""
    command = [sys.executable, "-c", METER, world.url, world.settings.log]
    made = [subprocess.Popen([*command, f"meter {number}"], stdout=subprocess.DEVNULL) for number in (1, 2)]
    yield made
    for each in made:
        each.kill()
        each.wait(10)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_partitions_of_a_dead_or_hanging_meter_are_taken_over(
    world: World, meters: "list[subprocess.Popen[bytes]]", number: signal.Signals
) -> None:
    """Two meters share; one ends or hangs, and the other has all within ten seconds, exact whatever came meanwhile."""
    async with asyncio.timeout(60):
        while set(await owners(world)) != {"meter 1", "meter 2"} or len(await owners(world)) < 4:
            await asyncio.sleep(0.1)
    await world.send(world.log, [event(each) for each in range(1000)])
    await world.wait_for(1000, 0, 0)
    os.kill(meters[0].pid, number)
    began = monotonic()
    await world.send(world.log, [event(each) for each in range(500, 2000)])
    async with asyncio.timeout(30):
        while set(await owners(world)) != {"meter 2"}:
            await asyncio.sleep(0.1)
    taken_over = monotonic() - began
    await world.wait_for(2000, 500, 0)
    if number is signal.SIGSTOP:
        os.kill(meters[0].pid, signal.SIGCONT)
        await world.send(world.log, [event(each) for each in range(1500, 3000)])
        await world.wait_for(3000, 1000, 0)
    assert taken_over < 10


async def test_a_partition_changes_hands_without_a_pause(world: World) -> None:
    """Whoever is given it takes it from a meter that goes on until then: at no time has it no owner."""
    stops = asyncio.Event(), asyncio.Event()
    run = partial(worker.run, world.url, world.log)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(run(owner="first", stop=stops[0]))
        while await owners(world) != ["first"] * 4:
            await asyncio.sleep(0.01)
        group.create_task(run(owner="second", stop=stops[1]))
        while len(set(found := await owners(world))) < 2:
            assert len(found) == 4
            await asyncio.sleep(0.01)
        await world.send(world.log, [event(number) for number in range(1000)])
        await world.wait_for(1000, 0, 0)
        for each in stops:
            each.set()


async def owners(world: World) -> list[str]:
    """Return the owner of each partition that has one, without the number that tells its sessions apart."""
    query = "SELECT owner FROM log_progress WHERE topic = %s AND owner IS NOT NULL"
    rows = await (await world.connection.execute(query, (world.log.name,))).fetchall()
    return [row["owner"].rpartition(":")[0] for row in rows]
