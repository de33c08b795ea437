"""Windows cut a span of hours at midnights and full hours, and hold what is in them."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from winkel.meter.windows import HOURS_A_DAY, WindowSize, by_window, spans, windows
from winkel.model.metric import Aggregation
from winkel.model.usage import HourUsage

hours = st.integers(-60, 60)
LONG = 10**15
"""Hours that nobody counts one by one."""


def used(*which: int) -> list[HourUsage]:
    """Return a use of one in each of these hours."""
    return [HourUsage("id", (), hour, Decimal(1)) for hour in which]


@given(st.sampled_from(WindowSize), hours, st.integers(1, 80))
def test_windows_are_the_span_without_a_gap(size: WindowSize, start: int, length: int) -> None:
    """They follow each other from its first hour to its last; a day begins and ends at midnight, or with the span."""
    found = list(spans(size, start, start + length))
    assert [hour for low, high in found for hour in range(low, high)] == list(range(start, start + length))
    inner = [low for low, _ in found[1:]]
    if size is WindowSize.NONE:
        assert inner == []
    else:
        step = HOURS_A_DAY if size is WindowSize.DAY else 1
        assert inner == [hour for hour in range(start + 1, start + length) if hour % step == 0]


@given(st.sampled_from(WindowSize), hours, st.integers(1, 80), st.lists(hours, max_size=12))
def test_each_hour_is_in_its_window(size: WindowSize, start: int, length: int, which: list[int]) -> None:
    """What lies outside of the span is in none; windows without usage are answered, and made only to be answered."""
    end = start + length
    found = windows(Aggregation.SUM, used(*which), size, start, end)
    assert [(each.start, each.end) for each in found] == list(spans(size, start, end))
    for each in found:
        inside = sum(each.start <= hour < each.end for hour in which)
        assert each.value == (inside or None)
    seen = by_window(used(*which), size, start, end)
    assert set(seen) == {(each.start, each.end) for each in found if each.value}


def test_only_windows_with_usage_are_made() -> None:
    """However long the span is."""
    assert set(by_window(used(5, 6, 30), WindowSize.HOUR, 0, LONG)) == {(5, 6), (6, 7), (30, 31)}
    assert set(by_window(used(5, 6, 30), WindowSize.DAY, 6, LONG)) == {(6, 24), (24, 48)}
