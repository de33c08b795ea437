"""Usage: merging what batches added, and reading it by hour."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import repeat
from typing import Any

from psycopg.rows import dict_row

from winkel.model.metric import Aggregation
from winkel.model.money import add
from winkel.model.usage import HourUsage, slot_of
from winkel.store.database import Connection, Row
from winkel.store.sql import Queries

sql = Queries(__name__)


async def compact(connection: Connection, limit: int) -> int:
    """Merge up to `limit` deltas (rows) into the usage of their hours; return how many that were.

    Readers never notice. Several may try at once: one works, the others return 0.
    """
    async with connection.transaction():
        row = await (await connection.execute(sql.compact_lock)).fetchone()
        if row is None or not row["alone"]:
            return 0
        # Never prepared: a plan that was made while the tables were small would scan them for every row later.
        row = await (await connection.execute(sql.compact, {"limit": limit}, prepare=False)).fetchone()
        assert row is not None, "it counts"
        if row["untyped"]:
            raise RuntimeError(f"{row['untyped']} entries of deltas have no series: nothing was merged")
    moved: int = row["moved"]
    return moved


async def hours(
    connection: Connection,
    tenant_id: int,
    customer_keys: Sequence[str],
    metric_ids: Sequence[str],
    group_keys: Mapping[str, int],
    start_hour: int,
    end_hour: int,
) -> dict[str, list[HourUsage]]:
    """Return the usage of some customer keys and metrics in the hours [start, end), merged or not, by metric.

    `group_keys` says for each metric under which of its group keys, by index; 0 when it is not named. The rows of a
    series are in the order of their hours. Exact at one instant, whatever is compacted meanwhile.
    """
    values = {
        "tenant_id": tenant_id,
        "customer_keys": list(customer_keys),
        "slots": list({slot_of(each) for each in customer_keys}),
        "metric_ids": list(metric_ids),
        "group_keys": [group_keys.get(each, 0) for each in metric_ids],
        "start_hour": start_hour,
        "end_hour": end_hour,
    }
    found: dict[str, list[HourUsage]] = {metric_id: [] for metric_id in metric_ids}
    async with connection.cursor(row_factory=dict_row, binary=True) as cursor:
        await cursor.execute(sql.hours, values)
        rows = await cursor.fetchall()
    open_rows = {row["series_id"]: row for row in rows if row["metric_id"] is None}
    for row in rows:
        if row["metric_id"] is not None:
            found[row["metric_id"]] += _usage(row, open_rows.get(row["series_id"], _NOTHING))
    return found


_NOTHING: Row = dict.fromkeys(("hours", "quantities", "ats", "texts"))


def _usage(row: Row, more: Row) -> list[HourUsage]:
    """Merge the columns of one series with what is open of it."""
    key, groups = row["customer_key"], tuple(row["group_values"])
    kind = Aggregation(row["aggregation_type"])
    if kind is Aggregation.UNIQUE:
        return _distinct(key, groups, row, more)
    if kind is Aggregation.LATEST:
        return _latest(key, groups, row, more)
    hours = row["hours"] or []
    if not more["hours"] and hours == sorted(hours):
        return list(map(HourUsage, repeat(key), repeat(groups), hours, _numbers(row)))
    sums: dict[int, Decimal] = dict(zip(hours, _numbers(row), strict=True))
    merge: Callable[[Decimal, Decimal], Decimal] = add if kind in {Aggregation.COUNT, Aggregation.SUM} else max
    for hour, quantity in zip(more["hours"] or (), _numbers(more), strict=True):
        sums[hour] = merge(sums[hour], quantity) if hour in sums else quantity
    return [HourUsage(key, groups, hour, sums[hour]) for hour in sorted(sums)]


def _numbers(row: Row) -> Iterable[Decimal]:
    return map(Decimal, (row["quantities"] or "").split())


def _latest(key: str, groups: tuple[str | None, ...], row: Row, more: Row) -> list[HourUsage]:
    """Keep the value that is newest by event time, then by transaction id, then the larger."""
    newest: dict[int, tuple[int, str, Decimal]] = {}
    for part in (row, more):
        for (hour, at, text), quantity in zip(_tuples(part, "hours", "ats", "texts"), _numbers(part), strict=True):
            found = (at, text, quantity)
            newest[hour] = max(newest.get(hour, found), found)
    return [HourUsage(key, groups, hour, newest[hour][2], *newest[hour][:2]) for hour in sorted(newest)]


def _distinct(key: str, groups: tuple[str | None, ...], row: Row, more: Row) -> list[HourUsage]:
    """Unite the distinct values."""
    sets: dict[int, set[str]] = {}
    for found in (_tuples(row, "seen_hours", "seen_values"), _tuples(more, "hours", "texts")):
        for hour, value in found:
            sets.setdefault(hour, set()).add(value)
    return [HourUsage(key, groups, hour, distinct=frozenset(sets[hour])) for hour in sorted(sets)]


def _tuples(row: Row, *columns: str) -> Iterable[tuple[Any, ...]]:
    return zip(*(row[column] or () for column in columns), strict=True)
