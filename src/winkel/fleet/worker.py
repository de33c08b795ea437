"""Which partitions this process meters, and when: shares, leases, batches, and the tidying beside them."""

import asyncio
import gc
import secrets
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from time import monotonic

import psycopg
import structlog

from winkel.log.log import Log, Record
from winkel.meter import actions
from winkel.meter.worker import LostPartitionsError, Meter
from winkel.model.errors import FencedError, UnavailableError
from winkel.store import progress
from winkel.store.database import Connection, connect

EVENTS_MAX = 50_000
"""Events of a batch: enough to make everything vectorised worthwhile, few enough for the processor's caches."""
WAIT_SECONDS = 0.25
"""The longest that a read waits for a first record."""
REST = 4
"""A batch begins, if it is not full, at the earliest this many times the length of the last one after that began."""
REST_SECONDS = 0.25
"""And at the latest so long after it. Larger batches touch each series less often, for a little freshness."""
LEASE_SECONDS = 5.0
"""An owner that gave no sign for so long may be replaced."""
TICK_SECONDS = 1.0
"""How often a worker gives a sign, and looks for partitions without an owner."""
GATED_SECONDS = 0.02
"""How often to look whether a partition may go on under a new routing."""
COLLECT_SECONDS = 60.0
"""How often Python's cycle collector runs: it is the largest single cost of a worker that it may interrupt."""
log = structlog.get_logger(__name__)


async def run(
    database_url: str,
    events: Log,
    *,
    owner: str,
    partitions: Sequence[int] | None = None,
    cache: Path | None = None,
    stop: asyncio.Event,
) -> None:
    """Meter until `stop` is set: the given partitions, or a fair share of all.

    Workers of one log share its partitions: each takes those that nobody alive owns, up to its share, and gives up
    what is beyond it. When the database is lost, it connects again and again. `cache` is a folder for files that vanish
    with the process: large runs of keys, mapped instead of fetched. Raises `LookupError` when the log no longer has
    what was not metered yet: somebody must know.
    """
    name = f"{owner}:{secrets.token_hex(4)}"  # two processes of one name must not take each other for themselves
    pause = 0.1
    collecting = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        while not stop.is_set():
            began = monotonic()
            try:
                await _session(database_url, events, name, partitions, cache, stop)
            except* (psycopg.OperationalError, UnavailableError) as lost:
                log.warning("database or log lost; connecting again", error=str(lost.exceptions[0]))
                pause = 0.1 if monotonic() - began > 10 else min(2 * pause, 5.0)
                await _wait(stop, pause)
    finally:
        gc.unfreeze()
        if collecting:
            gc.enable()


async def _session(
    database_url: str,
    events: Log,
    owner: str,
    partitions: Sequence[int] | None,
    cache: Path | None,
    stop: asyncio.Event,
) -> None:
    """Meter over one pair of connections until `stop` is set or one of them breaks."""
    async with AsyncExitStack() as stack:
        connection, beside = await connect(database_url), await connect(database_url)
        stack.push_async_callback(connection.close)
        stack.push_async_callback(beside.close)
        meter = Meter(connection, events, owner=owner, cache=cache)
        async with asyncio.TaskGroup() as group:
            group.create_task(_drive(meter, partitions, stop))
            group.create_task(_tidy(meter, beside, stop))


async def _drive(meter: Meter, partitions: Sequence[int] | None, stop: asyncio.Event) -> None:
    """Meter what comes, and tick; at the end, give the partitions up so that others need not wait for the lease."""
    await progress.introduce(meter.connection, meter.topic)
    ahead = _Ahead(meter)
    ticked = collected = monotonic()
    await _tick(meter, partitions)
    try:
        while not stop.is_set():
            records = await ahead.next(stop)
            if records:
                try:
                    if not await meter.process(records):
                        await _wait(stop, GATED_SECONDS)
                except FencedError as error:
                    log.warning("partitions lost", reason=str(error))
                    if not isinstance(error, LostPartitionsError):
                        meter.drop(list(meter.holdings))  # what it remembers is not what there is: start again
            if monotonic() - ticked >= TICK_SECONDS:
                await _tick(meter, partitions)
                ticked = monotonic()
            if monotonic() - collected >= COLLECT_SECONDS:
                gc.collect()
                collected = monotonic()
        for holding in meter.holdings.values():
            await progress.release(meter.connection, meter.topic, holding.partition, holding.epoch)
    finally:
        await ahead.close()


async def _tick(meter: Meter, partitions: Sequence[int] | None) -> None:
    """Give a sign, notice what was lost, and take what nobody alive owns, up to a fair share."""
    connection, topic = meter.connection, meter.topic
    epochs = {each.partition: each.epoch for each in meter.holdings.values()}
    alive = await progress.heartbeat(connection, topic, epochs)
    meter.drop([partition for partition in epochs if partition not in alive])
    await meter.events.refresh()
    wanted = range(meter.events.partitions) if partitions is None else partitions
    share = len(wanted)
    if partitions is None:
        share = -(-share // max(1, await progress.meters(connection, topic)))
    for holding in list(meter.holdings.values())[share:]:
        await progress.release(connection, topic, holding.partition, holding.epoch)
        meter.drop([holding.partition])
    for partition in wanted:
        if len(meter.holdings) >= share:
            break
        if partition in meter.holdings:
            continue
        if await progress.free(connection, topic, partition, meter.owner, lease=LEASE_SECONDS):
            await meter.assign(partition)
            log.info("partition taken", partition=partition, epoch=meter.holdings[partition].epoch)


class _Ahead:
    """Reads of every held partition, under way while the batch before is metered."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._reads: dict[int, tuple[int, asyncio.Task[Sequence[Record]]]] = {}
        self._began = self._due = 0.0

    async def next(self, stop: asyncio.Event) -> dict[int, Sequence[Record]]:
        """Return the records that are there, waiting a moment for the first, and read on behind them."""
        self._due = self._began + min(REST * (monotonic() - self._began), REST_SECONDS)
        holdings = self._meter.holdings
        for partition, (offset, read) in list(self._reads.items()):
            if partition not in holdings or holdings[partition].next_offset != offset:
                read.cancel()
                await asyncio.gather(read, return_exceptions=True)
                del self._reads[partition]
        for holding in holdings.values():
            if holding.partition not in self._reads:
                self._start(holding.partition, holding.next_offset)
        if not self._reads:
            await _wait(stop, WAIT_SECONDS)
            return {}
        await asyncio.wait([read for _, read in self._reads.values()], return_when=asyncio.FIRST_COMPLETED)
        if not self._full():
            await _wait(stop, self._due - monotonic())
        self._began = monotonic()
        records = {}
        for partition in [partition for partition, (_, read) in self._reads.items() if read.done()]:
            found = await self._more(partition, self._reads.pop(partition)[1].result())
            if found:
                records[partition] = found
                self._start(partition, found[-1].next_offset)
        return records

    def _full(self) -> bool:
        """Whether what was read is a batch of the full size."""
        done = [read.result() for _, read in self._reads.values() if read.done()]
        return sum(record.events for found in done for record in found) >= EVENTS_MAX

    async def _more(self, partition: int, found: Sequence[Record]) -> Sequence[Record]:
        """Add what came after a read ended: it had gone on as soon as there was one record."""
        left = self._share() - sum(record.events for record in found)
        if not found or left <= 0:
            return found
        return [*found, *await self._meter.events.read(partition, found[-1].next_offset, events=left, wait_seconds=0)]

    def _share(self) -> int:
        return max(1, EVENTS_MAX // len(self._meter.holdings))

    def _start(self, partition: int, offset: int) -> None:
        read = self._meter.events.read(partition, offset, events=self._share(), wait_seconds=WAIT_SECONDS)
        self._reads[partition] = offset, asyncio.ensure_future(read)

    async def close(self) -> None:
        """End the reads that are under way."""
        reads = [read for _, read in self._reads.values()]
        for read in reads:
            read.cancel()
        await asyncio.gather(*reads, return_exceptions=True)


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
            except FencedError as error:
                log.warning("partition lost while merging", partition=holding.partition, reason=str(error))
                if meter.holdings.get(holding.partition) is holding:
                    meter.drop([holding.partition])
        await _wait(stop, TICK_SECONDS)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    """Wait for `stop`, at most so long."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
