"""Relative dates: leap days, ends of months, and what they may not be."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from winkel.model.package import Duration, Offset, RelativeUnit
from winkel.model.period import hour_start

STARTS = st.integers(262_980, 1_139_580).map(hour_start)  # in this century


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "value", "unit", "then"),
    [
        ("2026-01-31", 1, "MONTHS", "2026-02-28"),
        ("2024-01-31", 1, "MONTHS", "2024-02-29"),
        ("2026-01-31", 2, "MONTHS", "2026-03-31"),
        ("2024-02-29", 1, "YEARS", "2025-02-28"),
        ("2024-02-29", 4, "YEARS", "2028-02-29"),
        ("2024-02-28", 1, "DAYS", "2024-02-29"),
        ("2026-02-28", 1, "DAYS", "2026-03-01"),
        ("2026-12-25", 1, "WEEKS", "2027-01-01"),
        ("2026-01-31", 0, "MONTHS", "2026-01-31"),
    ],
)
def test_offsets_follow_the_calendar(start: str, value: int, unit: str, then: str) -> None:
    """A month later is the same day or the month's last; days are days."""
    assert Offset(value, RelativeUnit(unit)).after(day(start)) == day(then)


@pytest.mark.parametrize(
    ("start", "offset", "duration", "end"),
    [
        ("2026-01-31", (1, "MONTHS"), (1, "MONTHS"), "2026-03-31"),  # not 28 March: it meets what begins 2 months after
        ("2026-01-31", (1, "MONTHS"), (1, "DAYS"), "2026-03-01"),
        ("2026-01-20", (15, "DAYS"), (1, "MONTHS"), "2026-03-04"),
        ("2024-02-29", (1, "YEARS"), (3, "YEARS"), "2028-02-29"),
        ("2024-02-29", (1, "YEARS"), (1, "MONTHS"), "2025-03-29"),
        ("2026-01-31", (2, "WEEKS"), (14, "DAYS"), "2026-02-28"),
    ],
)
def test_durations_follow_their_offset(
    start: str, offset: tuple[int, str], duration: tuple[int, str], end: str
) -> None:
    """Months of both are counted together, from the start of the contract; everything else one after the other."""
    value, unit = offset
    found = Duration(duration[0], RelativeUnit(duration[1])).end(day(start), Offset(value, RelativeUnit(unit)))
    assert found == day(end)


@given(STARTS, st.lists(st.integers(1, 15), min_size=1, max_size=6), st.sampled_from(RelativeUnit))
def test_what_follows_on_meets_at_every_start(start: datetime, lengths: list[int], unit: RelativeUnit) -> None:
    """Terms one after the other, in one unit, have neither gaps nor overlaps, whatever day the contract starts on."""
    terms = [(sum(lengths[:index]), length) for index, length in enumerate(lengths)]
    periods = [
        (Offset(offset, unit).after(start), Duration(length, unit).end(start, Offset(offset, unit)))
        for offset, length in terms
    ]
    assert all(low < high for low, high in periods)
    assert all(one[1] == other[0] for one, other in pairwise(periods))


@given(STARTS, st.integers(0, 500), st.sampled_from(RelativeUnit), st.integers(1, 90), st.sampled_from(RelativeUnit))
def test_nothing_ends_before_it_begins(start, offset, unit, length, other) -> None:
    """Whatever units are mixed, a term lasts for a day at least, and its hour of the day stays."""
    begins = Offset(min(offset, 100), unit)
    ends = Duration(length, other).end(start, begins)
    assert ends - begins.after(start) >= timedelta(days=1)
    assert ends.hour == begins.after(start).hour == start.hour


@pytest.mark.parametrize(
    ("kind", "value", "unit", "part"),
    [
        (Offset, -1, "DAYS", "must be 0 to 36525 DAYS, but is -1"),
        (Duration, 0, "MONTHS", "must be 1 to 1200 MONTHS, but is 0"),
        (Duration, 101, "YEARS", "must be 1 to 100 YEARS, but is 101"),
        (Offset, 5218, "WEEKS", "must be 0 to 5217 WEEKS, but is 5218"),
        (Offset, 1, "HOURS", "Invalid enum value 'HOURS'"),
        (Offset, 1.5, "DAYS", "Expected `int`, got `float`"),
    ],
)
def test_what_no_date_is(kind: type[Offset], value: float, unit: str, part: str) -> None:
    """Times before the start, of no length, of more than a century, or in other units are refused, with their place."""
    with pytest.raises(msgspec.ValidationError, match=part):
        msgspec.convert({"value": value, "unit": unit}, kind)
