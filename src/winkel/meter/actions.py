"""The memory of keys: asking it, adding to it, merging and expiring its runs. Keys live in the database."""

import asyncio
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from winkel.meter import dedupe, runs
from winkel.meter.dedupe import KEY_BYTES, Keys, Sieve
from winkel.meter.numbers import Bools, Ints
from winkel.meter.runs import BLOCK, NewRun, Run
from winkel.model.errors import FencedError, OutdatedError
from winkel.store import metering, progress
from winkel.store.database import Connection, Row

Failpoint: TypeAlias = Callable[[str], None]
"""Called with the name of each step that is about to be made; a test can end the worker there."""

SHELF_BYTES = 64 * 1024 * 1024
"""Memory for whole runs; with a cache folder large ones are mapped from there instead."""
SMALL = 262_144
"""A run of at most so many keys (5 MB) is kept in memory, never in the cache folder."""
WHOLE = 8
"""A run is read as a whole when more than every 8th of its blocks is asked for, or it has at most 8 blocks."""


class Shelf:
    """Whole runs that were read or made lately, so that their keys need not be fetched.

    Bounded: the least recently used leave. Large ones are kept in the folder, if there is one, as files without a name
    that vanish with the process; the system's page cache decides how much memory they get.
    """

    def __init__(self, folder: Path | None = None, limit: int = SHELF_BYTES) -> None:
        self.folder = folder
        self._limit = limit
        self._size = 0
        self._held: OrderedDict[int, Keys] = OrderedDict()
        self._mapped: dict[int, Keys] = {}

    def get(self, run_id: int) -> Keys | None:
        """Return the keys of a run, or None when they must be fetched."""
        if run_id in self._held:
            self._held.move_to_end(run_id)
            return self._held[run_id]
        return self._mapped.get(run_id)

    def put(self, run_id: int, keys: Keys) -> Keys:
        """Hold the keys of a run; return them."""
        if self.folder is not None and len(keys) > SMALL:
            self._mapped[run_id] = _mapped(self.folder, keys)
            return self._mapped[run_id]
        if run_id not in self._held:
            self._size += KEY_BYTES * len(keys)
        self._held[run_id] = keys
        while self._size > self._limit and len(self._held) > 1:
            _, gone = self._held.popitem(last=False)
            self._size -= KEY_BYTES * len(gone)
        return keys

    def drop(self, run_id: int) -> None:
        """Let go of a run that is merged or expired."""
        gone = self._held.pop(run_id, None)
        self._size -= KEY_BYTES * len(gone) if gone is not None else 0
        self._mapped.pop(run_id, None)


def _mapped(folder: Path, keys: Keys) -> Keys:
    """Write the columns to a file and map them."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        for column in (keys.high, keys.low, keys.prints):
            file.write(column.tobytes())
        file.flush()
        count = len(keys)
        return Keys(
            np.memmap(file, np.uint64, "r", 0, (count,)),
            np.memmap(file, np.uint64, "r", 8 * count, (count,)),
            np.memmap(file, np.uint32, "r", 16 * count, (count,)),
        )


class Memory:
    """The keys that one partition remembers: the runs of its range of buckets."""

    def __init__(
        self, log: str, space: str, bucket_low: int, bucket_high: int, known: Sequence[Run], shelf: Shelf
    ) -> None:
        self.log = log
        self.space = space
        self.bucket_low = bucket_low
        self.bucket_high = bucket_high
        self.runs = list(known)
        self.shelf = shelf
        self.changing = asyncio.Lock()
        """Held while runs are looked up, and while merged ones are replaced."""

    @classmethod
    async def load(
        cls, connection: Connection, log: str, space: str, bucket_low: int, bucket_high: int, shelf: Shelf
    ) -> "Memory":
        """Take over what is remembered: filters and samples are read, keys are not."""
        rows = await metering.runs(connection, space, bucket_low, bucket_high)
        return cls(log, space, bucket_low, bucket_high, [_run(row) for row in rows], shelf)

    async def ask(self, connection: Connection, keys: Keys, day: date) -> tuple[Bools, NDArray[np.uint32]]:
        """Return which of the distinct sorted keys are remembered on this arrival day, and their fingerprints."""
        known = np.zeros(len(keys), np.bool_)
        prints = np.zeros(len(keys), np.uint32)
        async with self.changing:
            suspected = runs.suspects(self.runs, keys, day)
            fetched = await self._fetch(connection, suspected, keys)
            for (_, hits), held in zip(suspected, fetched, strict=True):
                at = dedupe.find(held, keys.take(hits))
                found = at >= 0
                known[hits[found]] = True
                prints[hits[found]] = held.prints[at[found]]
        return known, prints

    async def _fetch(self, connection: Connection, suspected: Sequence[tuple[Run, Ints]], keys: Keys) -> list[Keys]:
        """Return, for each run, sorted keys among which those in question are if the run has them."""
        held = {run.id: self.shelf.get(run.id) for run, _ in suspected}
        wanted: list[tuple[int, int]] = []
        for run, hits in suspected:
            if held[run.id] is not None:
                continue
            blocks = runs.blocks_for(run, keys.take(hits))
            if run.blocks <= WHOLE or len(blocks) * WHOLE > run.blocks:
                held[run.id] = await self.whole(connection, run)
            else:
                wanted += [(run.id, block) for block in blocks]
        if wanted:
            parts = await metering.run_blocks(connection, self.space, wanted, BLOCK * KEY_BYTES)
            held |= {run_id: dedupe.unpack(data) for run_id, data in parts.items()}
        return [keys for keys in held.values() if keys is not None]

    async def whole(self, connection: Connection, run: Run) -> Keys:
        """Return all keys of a run, and keep them at hand."""
        keys = self.shelf.get(run.id)
        if keys is None:
            data = await metering.run_data(connection, self.space, run.id)
            keys = self.shelf.put(run.id, dedupe.unpack(data))
        return keys

    async def warm(self, connection: Connection) -> bool:
        """Bring one large run into the cache folder; False: there is no folder, or all are there."""
        for run in self.runs:
            if run.keys > SMALL and self.shelf.folder is not None and self.shelf.get(run.id) is None:
                await self.whole(connection, run)
                return True
        return False

    def add(self, run_id: int, new: NewRun) -> None:
        """Remember a run that was committed."""
        self.shelf.put(run_id, new.keys)
        self.runs.append(new.run(run_id))

    def forget(self, gone: set[int]) -> None:
        """Let go of runs that are merged or expired."""
        self.runs = [run for run in self.runs if run.id not in gone]
        for run_id in gone:
            self.shelf.drop(run_id)


def _run(row: Row) -> Run:
    words = np.frombuffer(row.pop("sieve"), "<u8").astype(np.uint64)
    samples = np.frombuffer(row.pop("samples"), "<u8").astype(np.uint64)
    return Run(**row, sieve=Sieve(words, row["bucket_low"], row["bucket_high"]), samples=samples)


async def insert(tx: Connection, space: str, new: Sequence[NewRun]) -> list[int]:
    """Keep new runs; return their ids."""
    return await metering.insert_runs(tx, space, [_row(each) for each in new])


def _row(new: NewRun) -> Row:
    return {
        "bucket_low": new.bucket_low,
        "bucket_high": new.bucket_high,
        "day": new.day,
        "level": new.level,
        "keys": len(new.keys),
        "sieve": new.sieve.words.astype("<u8").tobytes(),
        "samples": runs.samples_of(new.keys).astype("<u8").tobytes(),
        "data": new.keys.pack(),
    }


async def merge(
    connection: Connection, memory: Memory, partition: int, epoch: int, failpoint: Failpoint = lambda _: None
) -> bool:
    """Make one run of several small ones, or narrower ones of large ones, if there are such; False: nothing to do.

    One transaction, fenced like a batch: the merged runs appear and their parts vanish together, and only while the
    epoch is ours. Sorting and writing happen before anything is locked. Raises `FencedError`; `OutdatedError` when
    another worker has merged some of them.
    """
    chosen = runs.mergeable(memory.runs, memory.bucket_low, memory.bucket_high)
    if not chosen:
        return False
    gone = {run.id for run in chosen}
    made: list[Run] = []
    changing = False
    failpoint("merge_decided")
    try:
        async with connection.transaction():
            for low, high in runs.ranges_of(chosen):
                made.append(await _merged(connection, memory, chosen, low, high))
            failpoint("merge_inserted")
            changing = await memory.changing.acquire()  # until memory says the same as the database
            if await metering.delete_runs(connection, memory.space, sorted(gone)) != len(gone):
                raise OutdatedError(f"runs of partition {partition} were merged by another worker")
            failpoint("merge_deleted")
            if not await progress.hold(connection, memory.log, partition, epoch):
                raise FencedError(f"partition {partition} has another owner")
        failpoint("merge_committed")
        memory.forget(gone)
        memory.runs += made
        made = []
    finally:
        for each in made:
            memory.shelf.drop(each.id)
        if changing:
            memory.changing.release()
    return True


async def _merged(connection: Connection, memory: Memory, chosen: Sequence[Run], low: int, high: int) -> Run:
    """Write and return what runs have in the buckets [low, high), as one."""
    parts = [(await memory.whole(connection, run)).within(low, high) for run in chosen]
    level = max(run.level for run in chosen) + 1
    new = await asyncio.to_thread(lambda: runs.new_run(low, high, chosen[0].day, level, dedupe.merge(parts)))
    (run_id,) = await insert(connection, memory.space, [new])
    memory.shelf.put(run_id, new.keys)
    return new.run(run_id)


async def expire(connection: Connection, memory: Memory, partition: int, epoch: int) -> int:
    """Forget the arrival days that no longer matter to this partition; return how many runs that were.

    Time is the log's: a partition whose meter lags behind forgets later. Raises `FencedError`.
    """
    gone = {run.id for run in runs.expired(memory.runs, memory.bucket_low, memory.bucket_high)}
    if not gone:
        return 0
    async with memory.changing:
        async with connection.transaction():
            if not await progress.hold(connection, memory.log, partition, epoch):
                raise FencedError(f"partition {partition} has another owner")
            await metering.delete_runs(connection, memory.space, sorted(gone))
            newest = max(run.day for run in memory.runs)
            await metering.expire_conflicts(connection, memory.log, runs.oldest_day(newest))
        memory.forget(gone)
    return len(gone)
