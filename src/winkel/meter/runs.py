"""Runs: the remembered keys of a range of buckets, as immutable sorted arrays. Which to ask, and which to merge. Pure.

A run's keys lie in the database, 20 bytes each. What a worker keeps in memory is the filter in front of it and every
`BLOCK`-th key, 2 bytes a key: enough to deny nearly every new key at once, and to know which 5 KB block to fetch for
the few others. Both are stored beside the keys, so that a new owner need not read them: it starts at once.

A key is looked for in every run of its bucket. So that these are few however many keys there are, runs are merged: up
to `KEYS_MAX` into one, and beyond that into several of narrower ranges. With n keys a day there are about log n runs
of any bucket.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
from msgspec import Struct

from winkel.meter.dedupe import Keys, Sieve, Words, bits_of, sieve
from winkel.meter.numbers import Ints
from winkel.model.event import OLDEST

WINDOW = timedelta(days=OLDEST.days)
"""How long a key is remembered: as long as an event's timestamp may lie back, by day of arrival, inclusive."""
BLOCK = 256
"""Keys of a block: the smallest part of a run that is read."""
FAN = 8
"""So many runs of one level and day become one of the next level."""
KEYS_MAX = 4_194_304
"""The most keys of a merged run: 84 MB, far below what one value can hold in PostgreSQL (1 GiB)."""
SPLIT = 4
"""So many runs that are too large to become one become as many again, each of a part of their buckets."""


class Run(Struct, frozen=True):
    """An immutable sorted run of keys in the buckets [low, high) that arrived on one day."""

    id: int
    bucket_low: int
    bucket_high: int
    day: date
    level: int
    keys: int
    sieve: Sieve
    samples: Words
    """The first halves of keys 0, 256, 512 …"""

    @property
    def blocks(self) -> int:
        """How many blocks it has."""
        return -(-self.keys // BLOCK)


class NewRun(Struct, frozen=True):
    """A run that is not stored yet."""

    bucket_low: int
    bucket_high: int
    day: date
    level: int
    keys: Keys
    sieve: Sieve

    def run(self, run_id: int) -> Run:
        """Return it as the run that it is once it is stored."""
        samples = samples_of(self.keys)
        return Run(run_id, self.bucket_low, self.bucket_high, self.day, self.level, len(self.keys), self.sieve, samples)


def new_run(bucket_low: int, bucket_high: int, day: date, level: int, keys: Keys) -> NewRun:
    """Make a run of sorted keys."""
    return NewRun(bucket_low, bucket_high, day, level, keys, sieve(keys, bucket_low, bucket_high))


def samples_of(keys: Keys) -> Words:
    """Return the first half of the first key of each block."""
    return keys.high[::BLOCK].copy()


def oldest_day(day: date) -> date:
    """Return the earliest arrival day that still matters for an event that arrives on this day."""
    return day - WINDOW


def expired(runs: Sequence[Run], bucket_low: int, bucket_high: int) -> list[Run]:
    """Return the runs that no event of these buckets will ask for again, judged by the newest arrival among them.

    A run that reaches beyond the buckets stays for one more window: the partition that shares it may lag behind.
    """
    newest = max((run.day for run in runs), default=None)
    if newest is None:
        return []
    own, shared = oldest_day(newest), oldest_day(oldest_day(newest))
    within = [(bucket_low <= run.bucket_low and run.bucket_high <= bucket_high, run) for run in runs]
    return [run for inside, run in within if run.day < (own if inside else shared)]


def suspects(runs: Sequence[Run], keys: Keys, day: date) -> list[tuple[Run, Ints]]:
    """Return the runs that may hold some of the sorted keys, with the indexes of those keys."""
    bits = bits_of(keys)
    result = []
    for run in runs:
        if run.day >= oldest_day(day):
            within = keys.place(run.bucket_low, run.bucket_high)
            hits = np.flatnonzero(run.sieve.holds(keys.take(within), bits[within]))
            if len(hits):
                result.append((run, hits + within.start))
    return result


def blocks_for(run: Run, keys: Keys) -> list[int]:
    """Return the blocks of the run, ascending, that can hold the keys.

    Block b holds first halves from `samples[b]` to `samples[b + 1]`, both included: equal ones may straddle blocks.
    """
    first = np.maximum(np.searchsorted(run.samples, keys.high, side="left") - 1, 0)
    last = np.maximum(np.searchsorted(run.samples, keys.high, side="right") - 1, 0)
    wanted = set(first.tolist()) | set(last.tolist())
    for low, high in zip(first.tolist(), last.tolist(), strict=True):
        if high - low > 1:
            wanted.update(range(low, high))
    return sorted(wanted)


def mergeable(runs: Sequence[Run], bucket_low: int, bucket_high: int) -> list[Run]:
    """Return the runs that should become one now, or none.

    Of the newest day: `FAN` of one level. Of days that are over: all that fit into one. Of any day: `SPLIT` that are
    too large for that. Never runs of different days or ranges, and never one that reaches beyond these buckets:
    another partition has a part in it.
    """
    own = [each for each in runs if bucket_low <= each.bucket_low and each.bucket_high <= bucket_high]
    newest = max((each.day for each in own), default=None)
    for day in sorted({each.day for each in own}):
        of_day = [each for each in own if each.day == day]
        for _, some in sorted(_by_range(of_day).items()):
            if chosen := _small(some, newest=day == newest) or _large(some):
                return chosen
    return []


def _by_range(runs: Sequence[Run]) -> dict[tuple[int, int], list[Run]]:
    found: dict[tuple[int, int], list[Run]] = {}
    for run in runs:
        found.setdefault((run.bucket_low, run.bucket_high), []).append(run)
    return found


def _small(runs: Sequence[Run], *, newest: bool) -> list[Run]:
    """Return runs of one range that fit into one: of a day that is not over only `FAN` of one level, or none."""
    if not newest:
        chosen = _fitting(runs)
        return chosen if len(chosen) > 1 else []
    for level in sorted({each.level for each in runs}):
        chosen = _fitting([each for each in runs if each.level == level])[:FAN]
        if len(chosen) == FAN:
            return chosen
    return []


def _large(runs: Sequence[Run]) -> list[Run]:
    """Return `SPLIT` runs of one range that do not fit into one, but into parts of the range; or none.

    Only such as are too large for `_small`, so that no key is written again and again.
    """
    large = [each for each in runs if each.keys * FAN > KEYS_MAX]
    chosen = sorted(large, key=lambda each: (each.keys, each.id))[-SPLIT:]
    width = runs[0].bucket_high - runs[0].bucket_low
    too_many = sum(each.keys for each in chosen) > KEYS_MAX
    return chosen if len(chosen) == SPLIT <= width and too_many else []


def ranges_of(runs: Sequence[Run]) -> list[tuple[int, int]]:
    """Return the ranges of buckets of what runs of one range become: theirs if they fit into one, or else its parts."""
    low, high = runs[0].bucket_low, runs[0].bucket_high
    if sum(each.keys for each in runs) <= KEYS_MAX:
        return [(low, high)]
    return list(pairwise(low + (high - low) * part // SPLIT for part in range(SPLIT + 1)))


def _fitting(runs: Sequence[Run]) -> list[Run]:
    """Return the smallest runs that together stay within `KEYS_MAX`."""
    chosen: list[Run] = []
    total = 0
    for run in sorted(runs, key=lambda each: (each.keys, each.id)):
        total += run.keys
        if total > KEYS_MAX:
            break
        chosen.append(run)
    return chosen
