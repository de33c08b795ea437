"""Turns metered hours into quantities that add up: what a billing period consumed, hour by hour and group by group."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import assert_never

from winkel.model.metric import Aggregation
from winkel.model.money import ZERO, add, subtract
from winkel.model.usage import Group, Hours, HourUsage


def quantities(
    aggregation: Aggregation, usage: Sequence[HourUsage], names: tuple[str, ...], keep: tuple[str, ...]
) -> dict[Group, Hours]:
    """Return the quantities of the kept group dimensions by group, groups in the order of their values.

    `usage` holds the rows of one billing period, in any order; `names` is the group key whose values they carry, and
    `keep` those of its names that matter: groups that differ in others are merged, as are the customer's keys.
    COUNT and SUM give sums; MAX, LATEST and UNIQUE what each hour adds to the period (metronome-api.md §4.2).
    """
    rows = _by_group(usage, [(index, name) for index, name in enumerate(names) if name in keep])
    ordered = sorted(rows, key=lambda group: tuple((value is not None, value or "") for _, value in group))
    return {group: _increments(aggregation, sorted(rows[group], key=attrgetter("hour"))) for group in ordered}


def _by_group(usage: Sequence[HourUsage], places: Sequence[tuple[int, str]]) -> Mapping[Group, Sequence[HourUsage]]:
    """Return the rows apart by the values that stand at these places, which have names."""
    if not places:
        return {(): usage} if usage else {}
    rows: dict[Group, list[HourUsage]] = defaultdict(list)
    for row in usage:
        rows[tuple([(name, row.group_values[index]) for index, name in places])].append(row)
    return rows


def _increments(aggregation: Aggregation, rows: list[HourUsage]) -> Hours:
    """Return (hour, quantity) for the rows of one group, which come in order of time."""
    match aggregation:
        case Aggregation.COUNT | Aggregation.SUM:
            return _sums(rows)
        case Aggregation.MAX:
            return _steps(_running_largest(rows))
        case Aggregation.LATEST:
            return _steps(_latest(rows))
        case Aggregation.UNIQUE:
            return _steps(_running_distinct(rows))
        case _:
            assert_never(aggregation)


def _sums(rows: list[HourUsage]) -> Hours:
    """Return the sum of each hour."""
    sums: dict[int, Decimal] = {}
    for row in rows:
        if row.value is not None:
            sums[row.hour] = add(sums.get(row.hour, ZERO), row.value)
    return list(sums.items())


def _running_largest(rows: list[HourUsage]) -> dict[int, Decimal]:
    """Return the largest value of the period up to and including each hour."""
    reached: dict[int, Decimal] = {}
    largest: Decimal | None = None
    for row in rows:
        if row.value is not None:
            largest = row.value if largest is None else max(largest, row.value)
            reached[row.hour] = largest
    return reached


def _latest(rows: list[HourUsage]) -> dict[int, Decimal]:
    """Return the latest value of each hour: by event time, then by transaction id, then the larger."""
    last: dict[int, HourUsage] = {}
    for row in rows:
        if row.value is not None and (row.hour not in last or moment(last[row.hour]) < moment(row)):
            last[row.hour] = row
    return {hour: row.value for hour, row in last.items() if row.value is not None}


def moment(row: HourUsage) -> tuple[int, str, Decimal]:
    """Return what orders LATEST values: event time, then transaction id, then size (`meter/aggregate.py`)."""
    return row.at or 0, row.text or "", row.value or ZERO


def _running_distinct(rows: list[HourUsage]) -> dict[int, Decimal]:
    """Return the number of distinct values of the period up to and including each hour."""
    seen: set[str] = set()
    reached: dict[int, Decimal] = {}
    for row in rows:
        seen |= row.distinct
        reached[row.hour] = Decimal(len(seen))
    return reached


def _steps(reached: dict[int, Decimal]) -> Hours:
    """Return by how much each hour differs from the one before; the first from zero."""
    found = []
    before = ZERO
    for hour, value in reached.items():
        found.append((hour, subtract(value, before)))
        before = value
    return found
