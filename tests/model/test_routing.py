"""Routings: every bucket has one partition, few buckets move, and who must be waited for is known."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from winkel.model.batch import BUCKETS
from winkel.model.routing import Routing, change, first, in_force, shard_of, sources

COUNTS = st.one_of(st.integers(1, 40), st.sampled_from([32, 96, 255]))
SHARDS = st.integers(1, 4)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Routing], int]:
    """Return some versions, one after the other, and the number of databases."""
    shards = draw(SHARDS)
    found = [first(draw(COUNTS.map(lambda count: count * shards)), shards)]
    for _ in range(draw(st.integers(0, 4))):
        found.append(change(found[-1], draw(COUNTS.map(lambda count: count * shards)), shards))
    return found, shards


@given(histories())
def test_every_bucket_has_one_partition(made: tuple[list[Routing], int]) -> None:
    """Ranges cover all buckets without a gap, numbers are distinct, and both directions agree."""
    history, _ = made
    for routing in history:
        assert routing.lows[0] == 0
        assert sorted(set(routing.lows)) == list(routing.lows)
        assert len(set(routing.partitions)) == len(routing.partitions) == len(routing.lows)
        covered = 0
        for partition in routing.partitions:
            low, high = routing.range_of(partition)
            covered += high - low
            assert routing.partition_of(low) == routing.partition_of(high - 1) == partition
        assert covered == BUCKETS


@given(histories())
def test_a_partition_never_changes_its_database(made: tuple[list[Routing], int]) -> None:
    """All buckets of a partition lie in the part of the database that its number says, in every version."""
    history, shards = made
    for routing in history:
        for partition in routing.partitions:
            low, high = routing.range_of(partition)
            shard = shard_of(partition, shards)
            assert low * shards // BUCKETS == (high - 1) * shards // BUCKETS == shard


@given(histories(), st.integers(0, BUCKETS - 1))
def test_whoever_had_a_bucket_before_is_waited_for(made: tuple[list[Routing], int], bucket: int) -> None:
    """For each bucket, every partition that had it in an earlier version is a source of the one that has it now."""
    history, _ = made
    for index, routing in enumerate(history):
        now = routing.partition_of(bucket)
        before = {each.partition_of(bucket) for each in history[:index]} - {now}
        assert before <= set(sources(history, index, now))


def test_32_partitions_become_96_and_32_again() -> None:
    """Each is split in three, keeps the first third, and has nobody to wait for; going back, all is as it was."""
    old = first(32)
    new = change(old, 96)
    for partition in range(32):
        low, high = old.range_of(partition)
        parts = [new.partition_of(bucket) for bucket in (low, low + 50, high - 1)]
        assert parts[0] == partition
        assert all(each >= 32 for each in parts[1:])
        assert sources([old, new], 1, partition) == []
        assert sources([old, new], 1, parts[1]) == [partition]
    back = change(new, 32)
    assert (back.lows, back.partitions) == (old.lows, old.partitions)


@given(st.integers(1, 60), st.integers(1, 5))
def test_few_buckets_move(count: int, factor: int) -> None:
    """Growing by a factor moves only what new partitions get; the same number moves nothing."""
    old = first(count)
    assert replace(change(old, count), version=1) == old
    new = change(old, count * factor)
    moved = sum(old.partition_of(bucket) != new.partition_of(bucket) for bucket in range(BUCKETS))
    assert moved <= BUCKETS * (factor - 1) / factor + count


@given(histories(), st.data())
def test_a_version_is_in_force_from_its_seal_on(made: tuple[list[Routing], int], data: st.DataObject) -> None:
    """Seals rise, and what is in force at an offset is the newest version that has begun there."""
    history, _ = made
    partition = data.draw(st.sampled_from(history[-1].partitions))
    ends = sorted(data.draw(st.lists(st.integers(0, 9), min_size=len(history) - 1, max_size=len(history) - 1)))
    sealed = [history[0]]
    for routing, end in zip(history[1:], ends, strict=True):
        sealed.append(replace(routing, seals=(end,) * (partition + 1)))
    for offset in range(10):
        begun = [index for index, end in enumerate([0, *ends]) if offset >= end]
        assert in_force(sealed, partition, offset) == begun[-1]
