"""Named schedules: what an update replaces."""

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from winkel.model.named_schedule import NamedSegment, updated
from winkel.model.period import EPOCH

DAYS = 12


@st.composite
def segments(draw) -> NamedSegment:
    """Return a segment of some days, or one without an end."""
    start = draw(st.integers(0, DAYS - 1))
    end = draw(st.none() | st.integers(start + 1, DAYS))
    value = str(draw(st.integers(0, 3)))
    return NamedSegment(EPOCH + timedelta(start), value, None if end is None else EPOCH + timedelta(end))


@given(st.lists(segments(), max_size=8))
def test_the_last_update_of_an_instant_holds(updates: list[NamedSegment]) -> None:
    """At each instant the value is that of the last update in whose time it lies; segments are in order and apart."""
    found: tuple[NamedSegment, ...] = ()
    for each in updates:
        found = updated(found, each)
    for half_day in range(2 * DAYS + 2):
        instant = EPOCH + timedelta(half_day / 2)
        wanted = [each.value for each in updates if each.covers(instant)][-1:]
        assert [each.value for each in found if each.covers(instant)] == wanted
    for one, other in pairwise(found):
        assert one.ending_before is not None
        assert one.starting_at < one.ending_before <= other.starting_at
