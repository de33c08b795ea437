"""Usage by window, as the usage endpoints show it: what was metered, not what is billed."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import assert_never

from msgspec import Struct

from winkel.meter.quantities import moment
from winkel.model.metric import Aggregation
from winkel.model.money import total
from winkel.model.usage import HourUsage
from winkel.model.word import Word

Group = tuple[str | None, ...]
HOURS_A_DAY = 24


class WindowSize(Word):
    """How a span of time is cut; NONE leaves it whole (metronome-api.md §4.3)."""

    HOUR = "HOUR"
    DAY = "DAY"
    NONE = "NONE"


class Window(Struct, frozen=True, gc=False):
    """The usage of one group in the hours [start, end)."""

    start: int
    end: int
    value: Decimal | None
    """None: there was none."""


def spans(size: WindowSize, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the windows of the hours [start, end). Days begin at midnight UTC: the first and the last may be short."""
    low = start
    while low < end:
        _, high = _around(size, low, start, end)
        yield low, high
        low = high


def _around(size: WindowSize, hour: int, start: int, end: int) -> tuple[int, int]:
    """Return the window of the hours [start, end) in which an hour of them lies."""
    if size is WindowSize.NONE:
        return start, end
    step = HOURS_A_DAY if size is WindowSize.DAY else 1
    low = hour - hour % step  # hour 0 is a midnight (model/period.py)
    return max(low, start), min(low + step, end)


def by_group(usage: Sequence[HourUsage], places: Sequence[int]) -> dict[Group, list[HourUsage]]:
    """Return the rows by the values at these places of their group; without places, all in one group."""
    found: dict[Group, list[HourUsage]] = defaultdict(list)
    for row in usage:
        found[tuple(row.group_values[place] for place in places)].append(row)
    return dict(found)


def windows(
    aggregation: Aggregation, usage: Sequence[HourUsage], size: WindowSize, start: int, end: int
) -> list[Window]:
    """Return every window of the hours [start, end) with the value of these rows, which are of one group."""
    rows = by_window(usage, size, start, end)
    return [Window(*each, value_of(aggregation, rows.get(each, ()))) for each in spans(size, start, end)]


def by_window(
    usage: Iterable[HourUsage], size: WindowSize, start: int, end: int
) -> dict[tuple[int, int], list[HourUsage]]:
    """Return the rows by their window of the hours [start, end), in any order; windows without rows are not made."""
    found: dict[tuple[int, int], list[HourUsage]] = defaultdict(list)
    for row in usage:
        if start <= row.hour < end:
            found[_around(size, row.hour, start, end)].append(row)
    return dict(found)


def value_of(aggregation: Aggregation, rows: Sequence[HourUsage]) -> Decimal | None:
    """Return the value of these rows together, or None when there are none.

    COUNT and SUM add up, MAX is the largest, LATEST the newest value (absolute, not the increase that is billed),
    UNIQUE the number of different values in the window (metronome-api.md §4.2, §4.3).
    """
    match aggregation:
        case Aggregation.UNIQUE:
            distinct = frozenset[str]().union(*[row.distinct for row in rows])
            return Decimal(len(distinct)) if distinct else None
        case Aggregation.COUNT | Aggregation.SUM:
            values = [row.value for row in rows if row.value is not None]
            return total(values) if values else None
        case Aggregation.MAX:
            return max((row.value for row in rows if row.value is not None), default=None)
        case Aggregation.LATEST:
            newest = max((row for row in rows if row.value is not None), key=moment, default=None)
            return None if newest is None else newest.value
        case _:
            assert_never(aggregation)
