"""The meter: from records of the log to usage, every event exactly once.

The protocol (streaming.md §3.2). `log_progress` has a row for each partition, in the same database as the usage:

1. *Assign* raises the row's epoch, which only the new owner knows, and reads from where to go on. The row lock waits
   for a batch that the previous owner has open; if it has one, its connection is ended first. A migration raises the
   epochs as well, and who takes a partition afterwards looks whether the schema is still the one that it knows.
2. *Read* records from `next_offset` on, of one arrival day. A record that cannot be decoded becomes a dead letter.
3. *Ask* the memory of keys which events are new. Within the batch the first of a key wins. When another worker has
   merged some of that memory, it is read again first.
4. *Decide*, with the metrics as they are now, what the batch adds. Pure; nothing was written yet.
5. *Begin* a transaction.
6. *Claim*: `next_offset` moves from o1 to o2, if epoch and o1 are what we believe. Otherwise this worker is a zombie,
   or the batch was counted before: roll back, change nothing, drop the partition (`FencedError`).
7. *Write* the run of new keys, new series, deltas, dead letters, the books, samples of conflicts.
8. *Commit*. Effects and position are one atomic change, so every crash leaves either all of it or none.
   Under the lock of that row, look whether the routing is still the one that was assumed (see below).
9. *An unknown outcome* (the connection broke while COMMIT was under way) is never retried: connect again and assign,
   which reads `next_offset`. It says o1 or o2, and the work goes on from there; step 1 has ended the old connection.

When the routing changes, a partition may take over buckets of others (streaming.md §2.4). Each version begins at a
known offset of each partition. A partition meters nothing behind that offset until those that had its buckets come to
theirs; then it loads what they remember. It looks at their rows with a lock: a batch of theirs that is open either
shows its result here, or finds in step 6 that the routing has changed and begins again. A record that was routed by an
old version and arrived behind the offset (its gateway slept) is appended anew, to where it belongs now.

A record may kill the process that decodes it. Step 1 notices that the owner before died, and from then on batches are
noted before they are touched, get smaller, and at last the record is set aside unread (meter/caution.py).

Why a replay is harmless: step 6 hits no row. Why a zombie is: its epoch is old, and the row lock makes its commit come
either before the new owner's read of `next_offset`, or never.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Protocol

import psycopg
import structlog
from msgspec import Struct, structs

from winkel.figures import meter as figures
from winkel.ingest.block import Keying, split
from winkel.log import codec
from winkel.log.log import Log, NewRecord, Record
from winkel.meter import actions, dedupe, runs
from winkel.meter.actions import Failpoint, Memory, Shelf
from winkel.meter.caution import Caution, after_death, apart
from winkel.meter.decide import CRASHED, UNCOUNTABLE, Decision, Judged, decide
from winkel.meter.group import SeriesIds
from winkel.meter.match import Plan, plan
from winkel.meter.read import Reading, decode, halved, one_day, refuse
from winkel.meter.runs import NewRun
from winkel.model.errors import FencedError, OutdatedError, WinkelError
from winkel.model.progress import Move, Progress
from winkel.model.routing import Routing, in_force, sources
from winkel.model.usage import NOBODY
from winkel.store import metering, metrics, migrate, progress, routing, tenants
from winkel.store.database import Connection

EVENTS_MAX = 100_000
"""Events of a batch: each series gets a row of each batch, so more events make fewer rows (measured: 200,000 would save
another tenth); few enough that a batch takes a fraction of a lease even on a machine that is busy."""
log = structlog.get_logger(__name__)

_BAD_DATA = (psycopg.DataError, psycopg.IntegrityError, ValueError, TypeError, ArithmeticError)
"""What a record of ours can never cause, but somebody else's might: it must not stop the partition."""


class LostPartitionsError(FencedError):
    """These partitions have another owner now."""

    def __init__(self, partitions: Sequence[int]) -> None:
        super().__init__(f"another worker owns partitions {', '.join(map(str, partitions))}")
        self.partitions = partitions


class Take(Protocol):
    """How to become the owner of a partition: `progress.take` or `progress.claim`."""

    async def __call__(
        self, connection: Connection, topic: str, partition: int, owner: str, *, start: int
    ) -> Progress | None:
        """Return where it stands; None: it has an owner."""


class RoutingChangedError(WinkelError):
    """The routing is not the one that this batch was made by: nothing was written, begin again."""


class Holding(Struct):
    """A partition that this worker owns, and what it remembers of it."""

    partition: int
    epoch: int
    next_offset: int
    memory: Memory | None = None
    """None: the partitions that had its buckets before are not done yet."""
    routing: int = 0
    """The version by which the memory was loaded."""
    caution: Caution = Caution()
    """What is known of the deaths of its owners before."""


def _no_earlier(records: Sequence[Record], holding: Holding) -> list[Record]:
    """Return records that arrived on no day before the newest that is remembered: by that, others were forgotten.

    The clock of a log goes on, but the timestamps of somebody else's messages may be their producers' own.
    """
    newest = max((run.day for run in holding.memory.runs), default=None) if holding.memory is not None else None
    if newest is None or not records or records[0].appended_at.date() >= newest:
        return list(records)
    begin = datetime(newest.year, newest.month, newest.day, tzinfo=UTC)
    return [structs.replace(each, appended_at=begin) for each in records]


class Tally(Struct):
    """What a meter did since it started."""

    records: int = 0
    events: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    forwarded: int = 0
    batches: int = 0
    busy_seconds: float = 0.0
    """Spent on batches; waiting for records does not count."""
    commit_seconds: float = 0.0
    """Of these, from the beginning of a transaction to its end."""
    age_seconds: float = 0.0
    """How old the oldest record of the last batch was when it was committed."""


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
        home: Connection | None = None,
        cache: Path | None = None,
        failpoint: Failpoint = lambda _: None,
    ) -> None:
        self.connection = connection
        self.home = home or connection
        """Where metrics and routing are kept; the same database, unless usage is spread over several."""
        self.events = events
        self.owner = owner
        self.topic = events.name
        self.history: list[Routing] = []
        self.tally = Tally()
        self.holdings: dict[int, Holding] = {}
        self.stale: list[Holding] = []
        """What the tidying beside us found to be lost; to be dropped between two batches, never within one."""
        self.outdated: list[Holding] = []
        """Of what it found that others have changed the memory; to be read again, between two batches too."""
        self.heard_at = 0.0
        """When the database took our last sign of life, on a monotonic clock."""
        self.failpoint = failpoint
        self._shelf = Shelf(cache)
        self._ids = SeriesIds()
        self._tenants: set[int] = set()
        self._version = -1
        self._plans: dict[int, Plan] = {}
        self._starts: list[int] = []
        """Where partitions began, of those that there were when somebody asked."""

    async def assign(self, partition: int) -> Holding:
        """Become the owner of a partition, whoever owned it before, and go on where its results end."""
        holding = await self._own(partition, progress.take)
        assert holding is not None, "it was taken from whoever had it"
        return holding

    async def claim(self, partition: int) -> bool:
        """Do what `assign` does if nobody alive owns the partition; False: somebody does."""
        return await self._own(partition, progress.claim) is not None

    async def _own(self, partition: int, take: Take) -> Holding | None:
        self.failpoint("assign")
        if not self.history:
            await progress.introduce(self.connection, self.topic)
        await self.look_at_routing()
        died = await progress.orphaned(self.connection, self.topic, partition)
        start = await self._start(partition) if died is None else 0
        taken = await take(self.connection, self.topic, partition, self.owner, start=start)
        if taken is None:
            return None
        await migrate.check(self.connection)  # now, so that one that comes after this look takes the partition away
        self.failpoint("assigned")
        self.drop([partition])
        holding = self.holdings[partition] = Holding(partition, taken.epoch, taken.next_offset)
        holding.caution = await self._suspect(taken, died=bool(died))
        await self._remember(holding, taken.next_offset)
        return holding

    async def _start(self, partition: int) -> int:
        """Return where a partition begins that nobody metered yet. Nothing of it is dropped before somebody does."""
        if partition >= len(self._starts):  # the log tells of all at once, and many are new together
            self._starts = [each.start for each in await self.events.bounds()]
        return self._starts[partition]

    async def _suspect(self, taken: Progress, *, died: bool) -> Caution:
        """Draw a conclusion from the death of the owner before, if it died, and keep it."""
        known = Caution(taken.tries, taken.suspect_until)
        if not died:
            return known
        caution = after_death(known, taken.trying_until)
        await progress.suspect(
            self.connection,
            self.topic,
            taken.partition,
            taken.epoch,
            tries=caution.tries,
            suspect_until=caution.suspect_until,
        )
        if caution.tries > 1:
            log.warning(
                "meters die here",
                partition=taken.partition,
                offset=taken.next_offset,
                tries=caution.tries,
                suspect_until=caution.suspect_until,
            )
        return caution

    async def look_at_routing(self) -> None:
        """Learn of versions of the routing that came into force."""
        self.history = await routing.history(self.home, self.topic)

    async def _remember(self, holding: Holding, offset: int) -> Routing | None:
        """Have at hand what the routing in force at an offset needs remembered, and return that; None: not yet."""
        index = in_force(self.history, holding.partition, offset)
        found = self.history[index]
        if holding.memory is not None and holding.routing == found.version:
            return found
        self.failpoint("crossing")
        before = {each: found.seal(each) for each in sources(self.history, index, holding.partition)}
        if before and not await progress.passed(self.connection, self.topic, before):
            return None
        low, high = found.range_of(holding.partition)
        self._let_go(holding)
        holding.memory = await Memory.load(self.connection, self.topic, self.events.space, low, high, self._shelf)
        holding.routing = found.version
        return found

    def _let_go(self, holding: Holding) -> None:
        for gone in holding.memory.runs if holding.memory is not None else ():
            self._shelf.drop(gone.id)

    def _forget(self, holding: Holding) -> None:
        """Let go of what is remembered of a partition: it is read again before the next batch (`_remember`)."""
        self._let_go(holding)
        holding.memory = None

    def drop(self, partitions: Sequence[int]) -> None:
        """Forget partitions that another worker owns now."""
        for partition in partitions:
            holding = self.holdings.pop(partition, None)
            if holding is not None:
                self._let_go(holding)

    def drop_stale(self) -> None:
        """Drop what was found to be lost or outdated since the last batch, unless we took it anew meanwhile."""
        self.drop([each.partition for each in self.stale if self.holdings.get(each.partition) is each])
        self.stale.clear()
        for each in self.outdated:
            self._forget(each)
        self.outdated.clear()

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

        Of a partition's records only those of one arrival day and one version of the routing are taken, and none while
        the partition waits for others. Partitions whose meters died have transactions of their own, and smaller ones.
        What is left, the caller reads again. Raises `LostPartitionsError`, after dropping them, when another worker
        owns some partitions; then nothing of the batch was counted.
        """
        events = 0
        for partitions in apart({partition: self.holdings[partition].caution for partition in records}):
            events += await self._together({partition: records[partition] for partition in partitions})
        return events

    async def _together(self, records: Mapping[int, Sequence[Record]]) -> int:
        """Meter records of these partitions in one transaction; return how many events."""
        began = monotonic()
        due = {partition: await self._ready(partition, some) for partition, some in records.items()}
        taken = {partition: some for partition, some in due.items() if some}
        if not taken:
            return 0
        for partition, some in taken.items():
            if self.holdings[partition].caution.tries and await self._beware(partition, some):
                return some[0].events
        at_home = {partition: await self._forward(partition, some) for partition, some in taken.items()}
        await self._look_for_tenants(each for some in taken.values() for each in some)
        readings = [
            decode(partition, some, at_home[partition], self._tenants, self._keying(partition))
            for partition, some in taken.items()
        ]
        try:
            judged = [await self._judge(each) for each in readings]
        except OutdatedError:
            return await self._together(taken)
        await self.refresh()
        try:
            decision = await self._apply(readings, judged)
        except RoutingChangedError:
            await self.look_at_routing()
            return await self._together(taken)
        except _BAD_DATA as error:
            return await self._isolate([(partition, each) for partition, some in taken.items() for each in some], error)
        self._count([each for some in taken.values() for each in some], decision, monotonic() - began)
        return sum(each.events for some in taken.values() for each in some)

    async def _ready(self, partition: int, records: Sequence[Record]) -> list[Record]:
        """Return those that one transaction may take: of one day and one version of the routing, and due now."""
        holding = self.holdings[partition]
        if max(record.routing for record in records) > self.history[-1].version:
            await self.look_at_routing()
        now = await self._remember(holding, records[0].offset)
        if now is None:
            return []
        index = self.history.index(now)
        later = [each.seal(partition) for each in self.history[index + 1 :]]
        due = [each for each in one_day(records) if not later or each.offset < min(later)]
        return _no_earlier(holding.caution.chosen(due), holding)

    async def _beware(self, partition: int, records: Sequence[Record]) -> bool:
        """Before touching records that may kill, note which; set the first aside if it is proven, and say so."""
        holding = self.holdings[partition]
        if holding.caution.guilty(records[0]):
            await self._set_aside(partition, records[0], CRASHED, f"{holding.caution.tries} meters in a row died of it")
            return True
        end = records[-1].next_offset
        if not await progress.try_until(self.connection, self.topic, partition, holding.epoch, end):
            self.drop([partition])
            raise LostPartitionsError([partition])
        return False

    async def _forward(self, partition: int, records: Sequence[Record]) -> list[Record]:
        """Append those anew that were routed by another version than the one in force; return the others.

        This can happen twice, when we die before the batch is committed: it is a repeat then, like any other.
        """
        here = [each for each in records if each.routing == self.holdings[partition].routing]
        newest = self.history[-1]
        new: list[NewRecord] = []
        for record in records:
            if record.routing == self.holdings[partition].routing:
                continue
            try:
                block = codec.decode(record.data)
            except codec.CorruptBlockError:
                here.append(record)  # nobody knows where it belongs: it becomes a dead letter here
                continue
            for target, part in split(block, newest):
                new.append(NewRecord(record.tenant_id, target, len(part), codec.encode(part), newest.version))
        if new:
            self.failpoint("forward")
            log.warning("records of an old routing sent on", partition=partition, records=len(new))
            await self.events.append(new)
            self.failpoint("forwarded")
            self.tally.forwarded += len(new)
            figures.FORWARDED.inc(len(new))
        return sorted(here, key=lambda each: each.offset)

    def _count(self, records: Sequence[Record], decision: Decision, seconds: float) -> None:
        tally = self.tally
        tally.records += len(records)
        events = sum(each.events for each in records)
        tally.events += events
        tally.duplicates += sum(each.duplicates for each in decision.counts)
        tally.dead_letters += len(decision.letters)
        tally.batches += 1
        tally.busy_seconds += seconds
        oldest = min(each.appended_at for each in records)
        tally.age_seconds = (datetime.now(UTC) - oldest).total_seconds()
        figures.RECORDS.inc(len(records))
        figures.EVENTS.inc(events)
        figures.DUPLICATES.inc(sum(each.duplicates for each in decision.counts))
        figures.CONFLICTS.inc(sum(each.conflicts for each in decision.counts))
        figures.DEAD_LETTERS.inc(len(decision.letters))
        figures.BUSY_SECONDS.inc(seconds)
        figures.BATCH_EVENTS.observe(events)
        figures.FRESHNESS_SECONDS.observe(max(0.0, tally.age_seconds))

    async def _isolate(self, records: Sequence[tuple[int, Record]], error: Exception) -> int:
        """Go on with the first half of records of which one cannot be counted; set aside the one that is left."""
        if len(records) > 1:
            half: dict[int, list[Record]] = {}
            for partition, record in records[: len(records) // 2]:
                half.setdefault(partition, []).append(record)
            return await self._together(half)
        ((partition, record),) = records
        if (first := halved(record)) is not None:
            return await self._together({partition: [first]})
        log.error("record cannot be counted", partition=partition, offset=record.offset, exc_info=error)
        await self._set_aside(partition, record, UNCOUNTABLE, f"{type(error).__name__}: {error}")
        return record.events

    async def _set_aside(self, partition: int, record: Record, reason: str, detail: str) -> None:
        """Make a dead letter of a record, as it is, and go on behind it."""
        log.error("record set aside", partition=partition, offset=record.offset, reason=reason, detail=detail)
        await self._look_for_tenants([record])
        reading = refuse(partition, record, self._tenants, reason, detail)
        while True:
            try:
                decision = await self._apply([reading], [])
            except RoutingChangedError:
                await self.look_at_routing()
            else:
                break
        self._count([record], decision, 0.0)

    async def _look_for_tenants(self, records: Iterable[Record]) -> None:
        """Learn of tenants that were made since the last look, if records are of ones that are not known."""
        if not {each.tenant_id for each in records} <= self._tenants | {NOBODY}:
            self._tenants = {each.id for each in await tenants.list_tenants(self.home)}

    async def refresh(self) -> None:
        """Load the metrics if they changed.

        Called after reading and before deciding: an event that was accepted after a metric was made always finds it.
        """
        version = await metering.metrics_version(self.home)
        if version != self._version:
            loaded = await metrics.all_by_tenant(self.home)
            self._plans = {tenant_id: plan(some) for tenant_id, some in loaded.items()}
            self._version = version

    async def _judge(self, reading: Reading) -> tuple[list[Judged], NewRun]:
        """Ask which events of a partition are new. Raises `OutdatedError`, after forgetting what others changed."""
        memory = self._memory(reading.partition)
        blocks = [each.block for each in reading.arrived]
        keys = dedupe.from_block(b"".join(each.keys for each in blocks), b"".join(each.fingerprints for each in blocks))
        batch = dedupe.sort(keys)
        try:
            known, prints = await memory.ask(self.connection, batch.distinct, reading.day)
        except OutdatedError:
            self._forget(self.holdings[reading.partition])
            raise
        verdict = dedupe.judge(batch, known, prints)
        judged, start = [], 0
        for arrived in reading.arrived:
            rows = slice(start, start := start + len(arrived.block))
            judged.append(Judged(arrived, verdict.fresh[rows], verdict.conflicting[rows]))
        return judged, runs.new_run(memory.bucket_low, memory.bucket_high, reading.day, 0, verdict.new)

    def _keying(self, partition: int) -> Keying:
        memory = self._memory(partition)
        return Keying(self.events.secret, memory.bucket_low, memory.bucket_high)

    def _memory(self, partition: int) -> Memory:
        memory = self.holdings[partition].memory
        assert memory is not None, "a partition that is not ready is not read"
        return memory

    async def _apply(self, readings: Sequence[Reading], judged: Sequence[tuple[list[Judged], NewRun]]) -> Decision:
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
            holding = self.holdings[reading.partition]
            holding.next_offset = reading.end
            holding.caution = holding.caution.passed(reading.end)
        for run_id, (partition, run) in zip(run_ids, new, strict=True):
            self._memory(partition).add(run_id, run)
        return decision

    async def _write(self, readings: Sequence[Reading], new: Sequence[NewRun], decision: Decision) -> list[int]:
        """Make steps 5 to 8; return the ids of the new runs."""
        tx = self.connection
        moves = [Move(each.partition, self.holdings[each.partition].epoch, each.start, each.end) for each in readings]
        began = monotonic()
        async with tx.transaction():
            self.failpoint("begun")
            if not await progress.advance(tx, self.topic, moves):
                raise await self._lost(moves)
            self.failpoint("claimed")
            if await routing.newest(self.home, self.topic) != self.history[-1].version:
                raise RoutingChangedError("the routing has changed")
            run_ids = await actions.insert(tx, self.events.space, new)
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
        took = monotonic() - began
        self.tally.commit_seconds += took
        figures.COMMIT_SECONDS.observe(took)
        return run_ids

    async def _lost(self, moves: Sequence[Move]) -> LostPartitionsError:
        """Find out which partitions did not move, and drop them. This transaction sees those that it moved itself."""
        now = {each.partition: each for each in await progress.everything(self.connection, self.topic)}
        stand = [(each, now.get(each.partition)) for each in moves]
        lost = [a.partition for a, b in stand if b is None or (b.epoch, b.next_offset) != (a.epoch, a.end)]
        self.drop(lost)
        return LostPartitionsError(lost)
