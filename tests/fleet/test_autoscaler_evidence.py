"""What the autoscaler takes for evidence, look by look."""

from msgspec.structs import replace

from winkel.fleet.autoscale import Autoscaler, Policy, Sample

POLICY = Policy()


def fleet(meters: int, moved: int = 0) -> frozenset[tuple[str, tuple[int, ...]]]:
    return frozenset((f"meter-{number}", (number + 100 * moved,)) for number in range(meters))


BURNING = Sample(
    at=0.0, fleet=fleet(3), useful=64, waiting=1e7, arriving=0.0, speed=50_000.0, commit_seconds=2e-6, busy=1.0
)
"""Three meters, and work for five within a minute."""


def test_what_was_seen_before_partitions_moved_is_no_evidence_behind_it() -> None:
    """`look`: a look that says nothing takes back `_short`, so two looks one after the other are needed again."""
    scaler = Autoscaler(POLICY)
    assert "stayed" in scaler.look(BURNING).reason
    assert scaler.look(replace(BURNING, at=4.0)).desired == 3, "one look"
    moved = replace(BURNING, fleet=fleet(3, moved=1))
    assert "stayed" in scaler.look(replace(moved, at=6.0)).reason
    assert scaler.look(replace(moved, at=10.0)).desired == 3, "one look again"
    assert scaler.look(replace(moved, at=12.0)).desired == 5


def test_meters_that_nobody_asked_for_count_too() -> None:
    """`_is_short`: with eight alive, five are enough, whatever was wanted."""
    scaler = Autoscaler(POLICY, desired=1)
    seen = [scaler.look(replace(BURNING, fleet=fleet(8), at=100.0 + 2 * index)).desired for index in range(9)]
    assert seen == [1] * 9


def grown() -> Autoscaler:
    """Return one that has asked for two more than three."""
    scaler = Autoscaler(POLICY)
    for at in (0.0, 4.0, 6.0):
        decision = scaler.look(replace(BURNING, at=at))
    assert decision.desired == 5
    return scaler


def test_meters_that_were_of_no_use_are_let_go_again() -> None:
    """`_limit_of_the_store`: the ceiling is what there was before, not what there is now."""
    scaler = grown()
    slow = replace(BURNING, fleet=fleet(5), speed=30_000.0, commit_seconds=4e-6)
    decisions = [scaler.look(replace(slow, at=8.0 + 2 * index)) for index in range(12)]
    assert any("the store is the limit" in each.reason for each in decisions)
    assert decisions[-1].desired == 4


def test_meters_that_hardly_work_say_nothing_of_the_store() -> None:
    """`_learn`: small batches cost more an event; that is no limit."""
    scaler = grown()
    idle = replace(BURNING, fleet=fleet(5), speed=30_000.0, commit_seconds=4e-6, busy=0.2)
    decisions = [scaler.look(replace(idle, at=8.0 + 2 * index)) for index in range(12)]
    assert not [each for each in decisions if "the store is the limit" in each.reason]
    assert decisions[-1].desired == 8
