"""`winkel top`: what it makes of two looks, and that it fits the terminal."""

from datetime import timedelta

import pytest
from rich.console import Console

from support.figures import NOW, overview, standing, status
from winkel.cli.top.numbers import Numbers, numbers, worst
from winkel.cli.top.view import picture


def looks(partitions: int = 2, meters: int = 1) -> Numbers:
    """Return two looks, four seconds apart: 40 records came to each partition and 20 were metered."""
    owners = [f"winkel-meter-7d9f8b6c5-x{number:02}zq:1:abcd" for number in range(meters)]
    done = {"records": 20, "events": 200, "batches": 2, "busy_seconds": 3.0, "commit_seconds": 0.5, "age_seconds": 0.25}
    first = overview(*(standing(each, owner=owners[each % meters]) for each in range(partitions)),
                     meters=[status(each) for each in owners], at=10.0)  # fmt: skip
    then = [
        standing(each, owner=owners[each % meters], next_offset=40, metered_offset=20) for each in range(partitions)
    ]
    later = [status(each, seen_at=NOW + timedelta(seconds=4), **done) for each in owners]
    return numbers(first, overview(*then, meters=later, at=14.0, reason="1 → 2: many words " * 20, preparing=2))


def drawn(shown: Numbers, width: int, height: int | None) -> list[str]:
    terminal = Console(width=width, color_system=None, force_terminal=False)
    with terminal.capture() as capture:
        terminal.print(picture(shown, width, height))
    return capture.get().rstrip("\n").split("\n")


def test_rates_lag_and_freshness_by_partition_and_meter() -> None:
    shown = looks()
    assert (shown.arriving, shown.metered, shown.waiting, shown.fresh) == (200.0, 100.0, 400, 0.25)
    first = shown.partitions[0]
    assert (first.arriving, first.metered, first.waiting, first.fresh, first.stuck) == (100.0, 50.0, 200, 0.25, False)
    (meter,) = shown.meters
    assert (meter.metered, meter.busy, meter.commit, meter.fresh) == (50.0, 0.75, 0.25, 0.25)


def test_one_look_alone_says_what_waits() -> None:
    now = overview(standing(0, next_offset=3, owner="dead:1:y"), at=10.0)
    shown = numbers(now, now)
    assert (shown.arriving, shown.waiting, shown.fresh) == (0.0, 30, None)
    assert shown.partitions[0].owner is None
    assert not shown.partitions[0].stuck


def test_what_does_not_move_is_stuck() -> None:
    before = overview(standing(0, next_offset=3), standing(1), at=10.0)
    after = overview(standing(0, next_offset=5), standing(1, next_offset=5), at=11.0)
    assert [each.stuck for each in numbers(before, after).partitions] == [True, False]


def test_the_worst_come_first_where_not_all_have_room() -> None:
    before = overview(standing(0), standing(1, next_offset=1), standing(2), at=10.0)
    after = overview(standing(0), standing(1, next_offset=1), standing(2, next_offset=9), at=11.0)
    lines = numbers(before, after).partitions
    assert [each.partition for each in worst(lines, 3)[0]] == [0, 1, 2]
    first, rest = worst(lines, 2)
    assert [each.partition for each in first] == [1, 2]
    assert [each.partition for each in rest] == [0]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 24), (140, 50), (80, 60), (200, 12)])
@pytest.mark.parametrize(("partitions", "meters"), [(4, 1), (96, 3), (96, 20), (4, 0)])
def test_it_fits_the_terminal(width: int, height: int, partitions: int, meters: int) -> None:
    shown = looks(partitions, meters) if meters else numbers(*[overview(standing(0, owner=None), at=1.0)] * 2)
    lines = drawn(shown, width, height)
    assert max(map(len, lines)) <= width
    if height >= 24:
        assert len(lines) <= height
    if partitions == 96 and height < 60:
        assert any(" more " in line for line in lines)
    assert any("routing version 1" in line for line in lines)


def test_a_process_with_a_meter_in_each_of_two_databases_is_one() -> None:
    """The head counts processes, as the autoscaler does; each of the meters has its line."""
    meters = [status("host:1:aa"), status("host:1:bb")]
    now = overview(standing(0, owner="host:1:aa"), standing(1, owner="host:1:bb"), meters=meters, at=10.0, desired=1)
    lines = drawn(numbers(now, now), 80, None)
    assert "1 gateway   1 meter, 1 wanted" in lines
    assert sum("host:1" in line for line in lines) == 2


def test_names_are_shown_as_they_are() -> None:
    """Brackets of a reason or of a topic are no markup."""
    now = overview(standing(0, owner=None), at=1.0, reason="1 → 2: [/x] \x1b[2J")
    assert any(r"autoscaler: 1 → 2: [/x] \u001b[2J" in line for line in drawn(numbers(now, now), 140, 24))


def test_once_shows_every_partition() -> None:
    lines = drawn(looks(96, 3), 80, None)
    assert sum(line.rstrip().endswith((" m1", " m2", " m3")) for line in lines) == 96
