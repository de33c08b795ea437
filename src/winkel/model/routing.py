"""Routing: which virtual buckets go to which partition of a log, and since when (streaming.md §2.4)."""

from bisect import bisect_right
from collections.abc import Sequence

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
    highs = (*lows[1:], BUCKETS)
    overlaps = sorted(
        (-_overlap(old.range_of(partition), (low, high)), index, partition)
        for index, (low, high) in enumerate(zip(lows, highs, strict=True))
        for partition in old.partitions
    )
    chosen: dict[int, int] = {}
    for overlap, index, partition in overlaps:
        if overlap and index not in chosen and partition not in chosen.values():
            chosen[index] = partition
    for index in range(partitions):
        if index not in chosen:
            shard = index * shards // partitions
            chosen[index] = _smallest_free(set(chosen.values()), shard, shards)
    return Routing(old.version + 1, lows, tuple(chosen[index] for index in range(partitions)))


def sources(history: Sequence[Routing], index: int, partition: int) -> list[int]:
    """Return the other partitions that had some of this one's buckets in earlier versions.

    Before a record of `history[index]` is metered, they must have come to where that version begins. All earlier
    versions count, not the last one only: a version may have ended before anything was routed by it.
    """
    wanted = history[index].range_of(partition)
    return sorted(
        {
            each
            for old in history[:index]
            for each in old.partitions
            if each != partition and _overlap(old.range_of(each), wanted)
        }
    )


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


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> int:
    return max(0, min(one[1], other[1]) - max(one[0], other[0]))


def _smallest_free(taken: set[int], shard: int, shards: int) -> int:
    number = shard
    while number in taken:
        number += shards
    return number
