"""Routing: which virtual buckets go to which partition of a log, and since when (streaming.md §2.4)."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import count

from msgspec import Struct

from winkel.model.batch import BUCKETS


class Routing(Struct, frozen=True):
    """One version of the map from buckets to partitions.

    Buckets are routed in ranges: range i begins at bucket `lows[i]` and goes to `partitions[i]`. A partition has one
    range or none, so that what it remembers is one range of keys.
    """

    version: int
    lows: tuple[int, ...]
    partitions: tuple[int, ...]
    seals: tuple[int, ...] = ()
    """By partition: the offset from which on this version is in force; 0 where there is no entry."""

    def range_of(self, partition: int) -> tuple[int, int]:
        """Return the buckets [low, high) of a partition; (0, 0) when it has none."""
        if partition not in self.partitions:
            return 0, 0
        index = self.partitions.index(partition)
        high = self.lows[index + 1] if index + 1 < len(self.lows) else BUCKETS
        return self.lows[index], high

    def partition_of(self, bucket: int) -> int:
        """Return the partition of a bucket."""
        return self.partitions[bisect_right(self.lows, bucket) - 1]

    def seal(self, partition: int) -> int:
        """Return the offset of a partition from which on this version is in force."""
        return self.seals[partition] if partition < len(self.seals) else 0


def first(partitions: int, shards: int = 1) -> Routing:
    """Return the first version for so many partitions: equal ranges.

    With several databases, each has one contiguous part of the buckets, and the partitions whose number leaves its own
    as remainder: a partition never changes its database. Raises `ValueError` for a number that cannot be shared evenly.
    """
    lows = _lows(partitions, shards)
    each = partitions // shards
    return Routing(1, lows, tuple((index % each) * shards + index // each for index in range(partitions)))


def change(old: Routing, partitions: int, shards: int = 1) -> Routing:
    """Return the version that follows, with so many partitions in use and as few buckets moved as can be.

    A range goes to the partition that has most of it already; what is left gets numbers that are free, the smallest
    first. Which offsets it begins at is not known yet. Raises `ValueError` as `first` does.
    """
    lows = _lows(partitions, shards)
    overlaps = sorted((-shared, index, partition) for index, partition, shared in _overlaps(lows, old))
    chosen: dict[int, int] = {}
    taken: set[int] = set()
    for _, index, partition in overlaps:
        if index not in chosen and partition not in taken:
            chosen[index] = partition
            taken.add(partition)
    free = [_free(taken, shard, shards) for shard in range(shards)]
    for index in range(partitions):
        if index not in chosen:
            chosen[index] = next(free[index * shards // partitions])
    return Routing(old.version + 1, lows, tuple(chosen[index] for index in range(partitions)))


def sources(history: Sequence[Routing], index: int, partition: int) -> list[int]:
    """Return the other partitions that had some of this one's buckets in earlier versions.

    Before a record of `history[index]` is metered, they must have come to where that version begins. All earlier
    versions count, not the last one only: a version may have ended before anything was routed by it.
    """
    low, high = history[index].range_of(partition)
    found: set[int] = set()
    if low < high:
        for old in history[:index]:
            ranges = range(bisect_right(old.lows, low) - 1, bisect_right(old.lows, high - 1))
            found.update(old.partitions[each] for each in ranges)
    return sorted(found - {partition})


def in_force(history: Sequence[Routing], partition: int, offset: int) -> int:
    """Return the index, in a history of versions (oldest first), of the one in force at an offset of a partition."""
    for index in range(len(history) - 1, 0, -1):
        if offset >= history[index].seal(partition):
            return index
    return 0


def shard_of(partition: int, shards: int) -> int:
    """Return which of several databases keeps what a partition's events add up to."""
    return partition % shards


def _lows(partitions: int, shards: int) -> tuple[int, ...]:
    if not 1 <= partitions <= BUCKETS:
        raise ValueError(f"a log has between 1 and {BUCKETS} partitions, not {partitions}")
    if partitions % shards:
        raise ValueError(f"{partitions} partitions cannot be shared evenly by {shards} databases")
    return tuple(-(-index * BUCKETS // partitions) for index in range(partitions))


def _overlaps(lows: Sequence[int], old: Routing) -> Iterator[tuple[int, int, int]]:
    """Yield (index of a range, partition of an old range, buckets that they share) where they share any."""
    index = place = low = 0
    while low < BUCKETS:
        high = lows[index + 1] if index + 1 < len(lows) else BUCKETS
        old_high = old.lows[place + 1] if place + 1 < len(old.lows) else BUCKETS
        end = min(high, old_high)
        yield index, old.partitions[place], end - low
        index += end == high
        place += end == old_high
        low = end


def _free(taken: set[int], shard: int, shards: int) -> Iterator[int]:
    """Yield the numbers of a database's partitions that are not taken, the smallest first."""
    return (number for number in count(shard, shards) if number not in taken)
