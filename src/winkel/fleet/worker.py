"""Which partitions this process meters, and when: shares, leases, batches, and the tidying beside them."""

import asyncio
import gc
import secrets
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from zlib import crc32

import psycopg
import structlog
from msgspec import Struct

from winkel.figures import meter as figures
from winkel.fleet.actions import settled, unfinished
from winkel.fleet.ahead import Ahead
from winkel.log.log import Log
from winkel.log.membership import Membership, Unled
from winkel.meter import actions
from winkel.meter.worker import LostPartitionsError, Meter
from winkel.model.errors import FencedError, OutdatedError, ReplacedError, UnavailableError
from winkel.model.routing import shard_of
from winkel.store import meters, migrate, progress
from winkel.store.database import Connection, connect
from winkel.store.shards import connections
from winkel.waiting import wait

TICK_SECONDS = 1.0
"""How often a worker gives a sign, and looks for partitions without an owner."""
PAUSE_SECONDS = (0.1, 1.0)
"""How long a worker that lost the database waits until it connects again: at first, and at most."""
GATED_SECONDS = 0.02
"""How often to look whether a partition may go on under a new routing."""
TAKE_SECONDS = 0.25
"""How long partitions are taken at one go: what is held already is to be metered meanwhile."""
SILENT_SECONDS = 30.0
"""A meter whose database did not answer for so long connects again: its partitions are free by then anyway."""
COLLECT_SECONDS = 60.0
"""How often Python's cycle collector runs: it is the largest single cost of a worker that it may interrupt."""
log = structlog.get_logger(__name__)


async def run(
    database_url: str,
    events: Log,
    *,
    owner: str,
    partitions: Sequence[int] | None = None,
    shards: Sequence[str] = (),
    cache: Path | None = None,
    stop: asyncio.Event,
) -> None:
    """Meter until `stop` is set: the given partitions, or a fair share of all.

    Workers of one log share its partitions: each takes those that nobody alive owns, up to its share, and gives up
    what is beyond it; a log with a consumer group says whose they are, and what is left alone all the same is taken by
    those that have less than their share. When the database is lost, it connects again and again. `shards` are the
    addresses of further databases that usage is spread over: each is served beside the others, and none waits for one
    that is lost. `cache` is a folder for files that vanish with the process: large runs of keys, mapped instead of
    fetched. Raises `LookupError` when the log no longer has what was not metered yet, and `SchemaError` (in a
    group) when the schema is not this version's any more: somebody must know.
    """
    urls = (database_url, *shards)
    member = events.join() if partitions is None else Unled()
    collecting = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        async with asyncio.TaskGroup() as group:
            for number in range(len(urls)):
                name = f"{owner}:{secrets.token_hex(4)}"  # two of one name must not take each other for themselves
                part = Part(number, len(urls), member, partitions)
                group.create_task(_serve(urls, events, name, part, cache, stop))
    finally:
        await member.leave()
        gc.unfreeze()
        if collecting:
            gc.enable()


async def finish(
    database_url: str, before: Log, *, owner: str, shards: Sequence[str] = (), cache: Path | None, stop: asyncio.Event
) -> None:
    """Meter what is left in a log that is not used any more; return when that is all, or when `stop` is set."""
    urls = (database_url, *shards)
    async with connections(urls) as databases:
        if not await unfinished(databases, before):
            return
    done = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(run(database_url, before, owner=owner, shards=shards, cache=cache, stop=done))
        await settled(urls, before, stop)
        done.set()


class Part(Struct, frozen=True):
    """The partitions that live in one of so many databases; of them the chosen ones, or (None) a fair share."""

    shard: int
    shards: int
    member: Membership
    """Whose turn it is, if the log has a group that says so."""
    chosen: Sequence[int] | None = None

    def of(self, partitions: int) -> list[int]:
        """Return which partitions of a log with so many may be metered here."""
        wanted = range(partitions) if self.chosen is None else self.chosen
        return [each for each in wanted if shard_of(each, self.shards) == self.shard]


async def _serve(
    urls: Sequence[str], events: Log, owner: str, part: Part, cache: Path | None, stop: asyncio.Event
) -> None:
    """Meter the partitions of one database until `stop` is set, however often that is lost."""
    pause = PAUSE_SECONDS[0]
    while not stop.is_set():
        began = monotonic()
        try:
            await _session(urls, events, owner, part, cache, stop)
        except* (psycopg.OperationalError, UnavailableError) as lost:
            log.warning("database or log lost; connecting again", shard=part.shard, error=str(lost.exceptions[0]))
            pause = PAUSE_SECONDS[0] if monotonic() - began > TICK_SECONDS else min(2 * pause, PAUSE_SECONDS[1])
            await wait(stop, pause)


async def _session(
    urls: Sequence[str], events: Log, owner: str, part: Part, cache: Path | None, stop: asyncio.Event
) -> None:
    """Meter over one pair of connections until `stop` is set or one of them breaks.

    Metrics and routing are in the first database: another one needs a third connection, to there.
    """
    async with AsyncExitStack() as stack:

        async def open_(number: int) -> Connection:
            connection = await connect(urls[number])
            stack.push_async_callback(connection.close)
            return connection

        connection, beside = await open_(part.shard), await open_(part.shard)
        home = await open_(0) if part.shard else None
        meter = Meter(connection, events, owner=owner, home=home, cache=cache)
        async with asyncio.TaskGroup() as group:
            group.create_task(_drive(meter, part, stop))
            group.create_task(_tidy(meter, beside, stop))
            group.create_task(_follow(events, stop))
            group.create_task(_listen(meter, stop))


async def _drive(meter: Meter, part: Part, stop: asyncio.Event) -> None:
    """Meter what comes, and tick; at the end, give the partitions up so that others need not wait for the lease."""
    await progress.introduce(meter.connection, meter.topic)
    ahead, started_at = Ahead(meter), datetime.now(UTC)
    ticked = collected = monotonic()
    await meters.forget(meter.home, meter.topic)
    due = await _tick(meter, part)
    await _take(meter, due)
    await _report(meter, started_at)
    try:
        while not stop.is_set():
            meter.drop_stale()
            records = await ahead.next(stop)
            if records:
                try:
                    if not await meter.process(records):
                        await wait(stop, GATED_SECONDS)
                except LostPartitionsError as error:
                    log.info("partitions lost", reason=str(error))
            if monotonic() - ticked >= TICK_SECONDS:
                due = await _tick(meter, part)
                await _report(meter, started_at)
                ticked = monotonic()
            await _take(meter, due)
            if monotonic() - collected >= COLLECT_SECONDS:
                gc.collect()
                collected = monotonic()
        for holding in meter.holdings.values():
            await progress.release(meter.connection, meter.topic, holding.partition, holding.epoch)
        await meters.remove(meter.home, meter.topic, meter.owner)
    finally:
        figures.PARTITIONS.labels(part.shard).set(0)
        await ahead.close()


class Due(Struct):
    """What a meter is to take now."""

    given: list[int]
    """A group gave them to it: whoever meters them still goes on until they are taken from it, so nothing pauses."""
    free: list[int]
    """It may have these if nobody alive owns them."""
    most: int
    """How many partitions it may hold."""


async def _tick(meter: Meter, part: Part) -> Due:
    """Give a sign, notice what was lost, give up what is beyond a fair share, and say what to take.

    Raises `SchemaError` when a newer version has changed the database.
    """
    connection, topic = meter.connection, meter.topic
    await migrate.check(connection)
    epochs = {each.partition: each.epoch for each in meter.holdings.values()}
    alive = await progress.heartbeat(connection, topic, epochs)
    meter.drop([partition for partition in epochs if partition not in alive])
    meter.heard_at = monotonic()
    due = await _due(meter, part)
    for holding in list(meter.holdings.values())[due.most :]:
        await progress.release(connection, topic, holding.partition, holding.epoch)
        meter.drop([holding.partition])
    part.member.show({each.partition: each.next_offset for each in meter.holdings.values()})
    figures.PARTITIONS.labels(part.shard).set(len(meter.holdings))
    figures.HEARTBEAT.give()
    return due


async def _due(meter: Meter, part: Part) -> Due:
    """Return what this meter is to take: what its group gives to it, and up to a fair share what nobody meters.

    A group misses a dead member only after its session timeout, 45 seconds unless the brokers say otherwise. The
    database knows at once.
    """
    every, given = part.of(meter.events.partitions), await part.member.assigned()
    others = [each for each in every if each not in meter.holdings]
    own = [each for each in others if given is not None and each in given]
    share = len(every)
    if part.chosen is None:
        share = -(-share // max(1, await progress.meters(meter.connection, meter.topic)))
    most = share if given is None else max(share, len(meter.holdings) + len(own))
    if len(meter.holdings) + len(own) >= most:
        return Due(own, [], most)
    free = await progress.unowned(meter.connection, meter.topic, [each for each in others if each not in own])
    begin = crc32(meter.owner.encode()) % max(1, len(free))  # meters that look at once should not ask for the same
    return Due(own, free[begin:] + free[:begin], most)


async def _take(meter: Meter, due: Due) -> None:
    """Take partitions that are due, at least one of them, until some time is over; the others stay due."""
    until = monotonic() + TAKE_SECONDS
    while (due.given or due.free) and len(meter.holdings) < due.most and monotonic() < until:
        if due.given:
            partition = due.given.pop(0)
            await meter.assign(partition)
        elif not await meter.claim(partition := due.free.pop(0)):
            continue
        log.info("partition taken", partition=partition, epoch=meter.holdings[partition].epoch)


async def _report(meter: Meter, started_at: datetime) -> None:
    """Say what this meter did. Its work goes on when that fails: a lost connection shows there soon enough."""
    held = sorted(meter.holdings)
    try:
        await meters.put(meter.home, meter.topic, meter.owner, started_at, held, meter.tally)
    except psycopg.Error as error:
        log.warning("the account of this meter could not be written", error=str(error))


async def _follow(events: Log, stop: asyncio.Event) -> None:
    """Learn of new partitions beside the metering: while brokers are lost that takes long, and what is held goes on.

    Raises `ReplacedError` when this is not the log any more that it was.
    """
    reachable = True
    while not stop.is_set():
        try:
            await events.refresh()
            reachable = True
        except ReplacedError:
            raise
        except UnavailableError as error:
            if reachable:
                log.warning("the log does not say which partitions it has; asking on", error=str(error))
            reachable = False
        await wait(stop, TICK_SECONDS)


async def _listen(meter: Meter, stop: asyncio.Event) -> None:
    """Raise `UnavailableError` when the database has said nothing for long: a machine that is lost sends no goodbye."""
    meter.heard_at = monotonic()
    while not stop.is_set():
        if monotonic() - meter.heard_at > SILENT_SECONDS:
            raise UnavailableError("the database says nothing any more")
        await wait(stop, TICK_SECONDS)


async def _tidy(meter: Meter, connection: Connection, stop: asyncio.Event) -> None:
    """Merge and expire runs of keys beside the metering, on a connection of its own."""
    while not stop.is_set():
        for holding in list(meter.holdings.values()):
            memory = holding.memory
            if memory is None:
                continue
            try:
                while not stop.is_set() and await actions.merge(
                    connection, memory, holding.partition, holding.epoch, meter.failpoint
                ):
                    pass
                await actions.expire(connection, memory, holding.partition, holding.epoch)
                await memory.warm(connection)
            except OutdatedError:
                meter.outdated.append(holding)
            except FencedError as error:
                log.warning("partition lost while merging", partition=holding.partition, reason=str(error))
                meter.stale.append(holding)
        await wait(stop, TICK_SECONDS)
