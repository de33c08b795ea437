"""Which partitions a meter takes that a consumer group has given to somebody else."""

from winkel.fleet.unowned import WAIT_SECONDS, Unowned


def test_a_partition_waits_before_anybody_takes_it() -> None:
    unowned = Unowned()
    assert unowned.waiting([3, 1], 0.0) == []
    assert unowned.waiting([1, 3, 2], WAIT_SECONDS) == [1, 3]


def test_who_comes_back_in_time_keeps_its_partitions() -> None:
    unowned = Unowned()
    assert unowned.waiting([1, 2], 0.0) == []
    assert unowned.waiting([2], WAIT_SECONDS / 2) == []
    assert unowned.waiting([1, 2], WAIT_SECONDS) == [2], "the wait of 1 has begun anew"


def test_what_was_taken_is_kept_until_others_take_it_or_the_group_gives_it() -> None:
    unowned = Unowned()
    unowned.taken.update({1, 2, 3})
    unowned.settle(others=[1, 3], held=[1, 2])
    assert unowned.taken == {1}
