"""When a gateway refuses events for what lies behind it, and when it takes them again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winkel.ingest.pressure import MEMORY, OPEN_LAG, Ages, Pressure
from winkel.model.errors import OverQuotaError, UnavailableError


def test_nothing_is_refused_before_the_first_look_or_without_limits() -> None:
    """A gateway that knows nothing takes events; 0 switches a limit off."""
    assert Pressure(600, 1024).refusal() is None
    pressure = Pressure(0, 0)
    pressure.see_lag(1e9)
    pressure.see_disk(0)
    assert pressure.refusal() is None


def test_late_metering_closes_the_gate_until_it_has_caught_up_well() -> None:
    """It does not flap around the limit."""
    pressure = Pressure(lag_limit_seconds=600)
    answers = []
    for lag in (0, 599, 600, 601, 650, 599, 400, 301, 299, 599, 601):
        pressure.see_lag(lag)
        answers.append(pressure.refusal() is not None)
    assert answers == [False, False, False, True, True, True, True, True, False, False, True]
    refusal = pressure.refusal()
    assert refusal
    assert refusal.reason == "lag"
    assert isinstance(refusal.error, OverQuotaError)
    assert refusal.error.retry_after == 60


def test_a_full_disk_closes_the_gate_until_there_is_room() -> None:
    """503 before the database is in trouble; when nobody sees the disk, nothing is refused."""
    pressure = Pressure(disk_reserve_bytes=1000)
    answers = []
    for free in (5000, 1000, 999, 1000, 1099, 1100, 999, None):
        pressure.see_disk(free)
        answers.append(pressure.refusal() is not None)
    assert answers == [False, False, True, True, True, False, True, False]
    pressure.see_disk(1)
    refusal = pressure.refusal()
    assert refusal
    assert refusal.reason == "disk"
    assert isinstance(refusal.error, UnavailableError)
    assert refusal.error.retry_after == 10


@given(
    st.lists(st.tuples(st.floats(0.1, 5), st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=50),
    st.floats(0.1, 10),
)
def test_ages_are_right_to_a_step(history: list[tuple[float, int, int]], step: float) -> None:
    """Never older than it is, and younger by no more than two steps, as far back as is remembered."""
    ages, now, end, position = Ages(step), 0.0, 0, 0
    appended: list[float] = []  # when each offset was appended
    for pause, came, metered in history:
        now += pause
        appended += [now] * came
        end = len(appended)
        position = min(end, position + metered)
        ages.note(now, [end])
        waited = ages.waited(now, 0, position, end)
        if position == end:
            assert waited == 0
            continue
        truth = now - appended[position]
        assert waited <= truth + 1e-9
        assert truth - waited <= step + 5 + 1e-9 or ages.beyond(0, position)


def test_what_was_there_at_the_first_look_may_be_older() -> None:
    """Then the record itself has to be asked; memory is bounded, partitions that are new have no past."""
    ages = Ages(1.0)
    ages.note(0, [10])
    assert ages.beyond(0, 9)
    assert not ages.beyond(0, 10)
    assert ages.waited(7, 0, 9, 10) == 7
    ages.note(8, [12, 3])
    assert not ages.beyond(1, 0)
    assert ages.waited(9, 1, 0, 3) == 1
    for second in range(10, 10 + 2 * MEMORY):
        ages.note(second, [12, 3])
    assert ages.beyond(1, 0)
    assert ages.waited(10 + 2 * MEMORY, 0, 11, 12) == pytest.approx(MEMORY, abs=1)
    assert 0 < OPEN_LAG < 1
