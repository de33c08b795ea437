"""The meter: from records of the log to usage, every event exactly once.

The protocol (streaming.md §3.2). `log_progress` has a row for each partition, in the same database as the usage:

1. *Assign* raises the row's epoch, which only the new owner knows, and reads from where to go on. The row lock waits
   for a batch that the previous owner has open; if it has one, its connection is ended first.
2. *Read* records from `next_offset` on, of one arrival day. A record that cannot be decoded becomes a dead letter.
3. *Ask* the memory of keys which events are new. Within the batch the first of a key wins.
4. *Decide*, with the metrics as they are now, what the batch adds. Pure; nothing was written yet.
5. *Begin* a transaction.
6. *Claim*: `next_offset` moves from o1 to o2, if epoch and o1 are what we believe. Otherwise this worker is a zombie,
   or the batch was counted before: roll back, change nothing, drop the partition (`FencedError`).
7. *Write* the run of new keys, new series, deltas, dead letters, the books, samples of conflicts.
8. *Commit*. Effects and position are one atomic change, so every crash leaves either all of it or none.
9. *An unknown outcome* (the connection broke while COMMIT was under way) is never retried: connect again and assign,
   which reads `next_offset`. It says o1 or o2, and the work goes on from there; step 1 has ended the old connection.

Why a replay is harmless: step 6 hits no row. Why a zombie is: its epoch is old, and the row lock makes its commit come
either before the new owner's read of `next_offset`, or never.
"""

import asyncio
import gc
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from time import monotonic

import psycopg
import structlog
from msgspec import Struct

from winkel.log.log import Log, Record
from winkel.meter import actions, dedupe, runs
from winkel.meter.actions import Failpoint, Memory, Shelf
from winkel.meter.decide import Decision, Judged, decide
from winkel.meter.group import SeriesIds
from winkel.meter.match import Plan, plan
from winkel.meter.read import Reading, decode, one_day, refuse
from winkel.meter.runs import NewRun
from winkel.model.batch import bucket_range
from winkel.model.errors import FencedError, UnavailableError
from winkel.model.progress import Move
from winkel.store import metering, metrics, progress
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
COLLECT_SECONDS = 60.0
"""How often Python's cycle collector runs: it is the largest single cost of a worker that it may interrupt."""
log = structlog.get_logger(__name__)

_BAD_DATA = (psycopg.DataError, psycopg.IntegrityError, ValueError, TypeError, ArithmeticError)
"""What a record of ours can never cause, but somebody else's might: it must not stop the partition."""


class LostPartitionsError(FencedError):
    """These partitions have another owner now."""

    def __init__(self, partitions: Sequence[int]) -> None:
        super().__init__(f"another worker owns partitions {', '.join(map(str, partitions))}")
        self.partitions = partitions


class Holding(Struct):
    """A partition that this worker owns, and what it remembers of it."""

    partition: int
    epoch: int
    next_offset: int
    memory: Memory


class Meter:
    """A worker that meters some partitions over one connection, one step at a time.

    `run` drives it; tests and simulations drive it too, with a `failpoint` that is called before each step of the
    protocol and may raise.
    """

    def __init__(
        self,
        connection: Connection,
        events: Log,
        *,
        owner: str,
        topic: str = "events",
        cache: Path | None = None,
        failpoint: Failpoint = lambda _: None,
    ) -> None:
        self.connection = connection
        self.events = events
        self.owner = owner
        self.topic = topic
        self.holdings: dict[int, Holding] = {}
        self.failpoint = failpoint
        self._shelf = Shelf(cache)
        self._ids = SeriesIds()
        self._version = -1
        self._plans: dict[int, Plan] = {}

    async def assign(self, partition: int) -> Holding:
        """Become the owner of a partition, whoever owned it before, and go on where its results end."""
        self.failpoint("assign")
        await progress.introduce(self.connection, self.topic)
        start = await self.events.start(partition)
        taken = await progress.take(self.connection, self.topic, partition, self.owner, start=start)
        self.failpoint("assigned")
        low, high = bucket_range(partition, self.events.partitions)
        memory = await Memory.load(self.connection, self.topic, low, high, self._shelf)
        self.holdings[partition] = Holding(partition, taken.epoch, taken.next_offset, memory)
        return self.holdings[partition]

    def drop(self, partitions: Sequence[int]) -> None:
        """Forget partitions that another worker owns now."""
        for partition in partitions:
            holding = self.holdings.pop(partition, None)
            for gone in holding.memory.runs if holding is not None else ():
                self._shelf.drop(gone.id)

    async def step(self, *, events: int = EVENTS_MAX) -> int:
        """Meter what is there now, at most about so many events; return how many events that were."""
        records = {}
        for partition, holding in self.holdings.items():
            self.failpoint("read")
            share = max(1, events // len(self.holdings))
            found = await self.events.read(partition, holding.next_offset, events=share, wait_seconds=0)
            if found:
                records[partition] = found
        return await self.process(records) if records else 0

    async def process(self, records: Mapping[int, Sequence[Record]]) -> int:
        """Meter records that follow each held partition's position, in one transaction; return how many events.

        Only the first arrival day of a partition's records is taken: deduplication is by day. What is left, the caller
        reads again. Raises `LostPartitionsError`, after dropping them, when another worker owns some partitions; then
        nothing of the batch was counted.
        """
        taken = {partition: one_day(some) for partition, some in records.items()}
        readings = [decode(partition, some) for partition, some in taken.items()]
        judged = [await self._judge(each) for each in readings]
        await self.refresh()
        try:
            await self._apply(readings, judged)
        except _BAD_DATA as error:
            return await self._isolate([(partition, each) for partition, some in taken.items() for each in some], error)
        return sum(each.events for some in taken.values() for each in some)

    async def _isolate(self, records: Sequence[tuple[int, Record]], error: Exception) -> int:
        """Go on with the first half of records of which one cannot be counted; set aside the one that is left."""
        if len(records) > 1:
            half: dict[int, list[Record]] = {}
            for partition, record in records[: len(records) // 2]:
                half.setdefault(partition, []).append(record)
            return await self.process(half)
        ((partition, record),) = records
        log.error("record set aside", partition=partition, offset=record.offset, exc_info=error)
        await self._apply([refuse(partition, record, f"{type(error).__name__}: {error}")], [])
        return record.events

    async def refresh(self) -> None:
        """Load the metrics if they changed.

        Called after reading and before deciding: an event that was accepted after a metric was made always finds it.
        """
        version = await metering.metrics_version(self.connection)
        if version != self._version:
            loaded = await metrics.all_by_tenant(self.connection)
            self._plans = {tenant_id: plan(some) for tenant_id, some in loaded.items()}
            self._version = version

    async def _judge(self, reading: Reading) -> tuple[list[Judged], NewRun]:
        """Ask which events of a partition are new."""
        memory = self.holdings[reading.partition].memory
        blocks = [each.block for each in reading.arrived]
        keys = dedupe.from_block(b"".join(each.keys for each in blocks), b"".join(each.fingerprints for each in blocks))
        batch = dedupe.sort(keys)
        known, prints = await memory.ask(self.connection, batch.distinct, reading.day)
        verdict = dedupe.judge(batch, known, prints)
        judged, start = [], 0
        for arrived in reading.arrived:
            rows = slice(start, start := start + len(arrived.block))
            judged.append(Judged(arrived, verdict.fresh[rows], verdict.conflicting[rows]))
        return judged, runs.new_run(memory.bucket_low, memory.bucket_high, reading.day, 0, verdict.new)

    async def _apply(self, readings: Sequence[Reading], judged: Sequence[tuple[list[Judged], NewRun]]) -> None:
        """Decide and write; only after the commit does this worker believe it itself."""
        refused = [each for reading in readings for each in reading.refused]
        try:
            decision = decide([each for some, _ in judged for each in some], refused, self._plans, self._ids)
            self.failpoint("decided")
            new = [(each.partition, run) for each, (_, run) in zip(readings, judged, strict=False) if len(run.keys)]
            run_ids = await self._write(readings, [run for _, run in new], decision)
            self.failpoint("after_commit")
        except BaseException:
            self._ids.forget()
            raise
        self._ids.stored()
        for reading in readings:
            self.holdings[reading.partition].next_offset = reading.end
        for run_id, (partition, run) in zip(run_ids, new, strict=True):
            self.holdings[partition].memory.add(run_id, run)

    async def _write(self, readings: Sequence[Reading], new: Sequence[NewRun], decision: Decision) -> list[int]:
        """Make steps 5 to 8; return the ids of the new runs."""
        tx = self.connection
        moves = [Move(each.partition, self.holdings[each.partition].epoch, each.start, each.end) for each in readings]
        async with tx.transaction():
            self.failpoint("begun")
            if not await progress.advance(tx, self.topic, moves):
                raise await self._lost(moves)
            self.failpoint("claimed")
            run_ids = [await actions.insert(tx, self.topic, run) for run in new]
            self.failpoint("run")
            if series := self._ids.new():
                await metering.insert_series(tx, series)
            self.failpoint("series")
            if decision.deltas:
                await metering.copy_deltas(tx, decision.deltas)
            self.failpoint("deltas")
            if decision.letters:
                await metering.copy_dead_letters(tx, self.topic, decision.letters)
            if decision.conflicts:
                await metering.keep_conflicts(tx, self.topic, decision.conflicts)
            await metering.count_events(tx, self.topic, decision.counts)
            self.failpoint("counted")
            self.failpoint("before_commit")
        return run_ids

    async def _lost(self, moves: Sequence[Move]) -> LostPartitionsError:
        """Find out which partitions did not move, and drop them. This transaction sees those that it moved itself."""
        now = {each.partition: each for each in await progress.everything(self.connection, self.topic)}
        stand = [(each, now.get(each.partition)) for each in moves]
        lost = [a.partition for a, b in stand if b is None or (b.epoch, b.next_offset) != (a.epoch, a.end)]
        self.drop(lost)
        return LostPartitionsError(lost)


async def run(
    database_url: str,
    events: Log,
    *,
    topic: str = "events",
    owner: str,
    partitions: Sequence[int] | None = None,
    cache: Path | None = None,
    stop: asyncio.Event,
) -> None:
    """Meter until `stop` is set: the given partitions, or a fair share of all.

    Workers of one topic share its partitions: each takes those that nobody alive owns, up to its share, and gives up
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
                await _session(database_url, events, topic, name, partitions, cache, stop)
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
    topic: str,
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
        meter = Meter(connection, events, owner=owner, topic=topic, cache=cache)
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
                    await meter.process(records)
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
                self._start(partition, found[-1].offset + 1)
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
        return [*found, *await self._meter.events.read(partition, found[-1].offset + 1, events=left, wait_seconds=0)]

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
            try:
                while not stop.is_set() and await actions.merge(
                    connection, holding.memory, holding.partition, holding.epoch, meter.failpoint
                ):
                    pass
                await actions.expire(connection, holding.memory, holding.partition, holding.epoch)
                await holding.memory.warm(connection)
            except FencedError as error:
                log.warning("partition lost while merging", partition=holding.partition, reason=str(error))
                if meter.holdings.get(holding.partition) is holding:
                    meter.drop([holding.partition])
        await _wait(stop, TICK_SECONDS)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    """Wait for `stop`, at most so long."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
