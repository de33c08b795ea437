"""Grouping rows by several coded columns at once, and the names of the series they belong to."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np
from msgspec import Struct

from winkel.meter.batch import Batch
from winkel.meter.numbers import Ints
from winkel.model.metric import BillableMetric
from winkel.model.usage import Series

_DENSE = 4
"""A table may have this many places a row; beyond that sorting is cheaper."""

Text = TypeVar("Text", str, str | None)
SeriesKey = tuple[int, str, str, int, tuple[str | None, ...]]
"""(tenant, metric, customer key, index of the group key, group values)"""


class SeriesIds:
    """The ids of series that are stored, and of those that a batch meets for the first time.

    Forgets everything when it has grown to `limit`: storing a series again changes nothing.
    """

    def __init__(self, limit: int = 500_000) -> None:
        self._stored: dict[SeriesKey, bytes] = {}
        self._new: dict[SeriesKey, bytes] = {}
        self._limit = limit

    def id(self, key: SeriesKey) -> bytes:
        """Return the id of a series, remembering it as new unless it is known to be stored."""
        found = self._stored.get(key) or self._new.get(key)
        if found is None:
            found = self._new[key] = _series(key).id(key[0])
        return found

    def new(self) -> list[tuple[int, bytes, Series]]:
        """Return (tenant, id, series) of those that are yet to be stored, in the order of their ids.

        One order for all workers: two that store the same series then wait for each other, but never in a circle.
        """
        return sorted(
            ((key[0], series_id, _series(key)) for key, series_id in self._new.items()), key=lambda each: each[:2]
        )

    def stored(self) -> None:
        """Note that the new ones are committed."""
        if len(self._stored) + len(self._new) > self._limit:
            self._stored.clear()
        self._stored.update(self._new)
        self._new.clear()

    def forget(self) -> None:
        """Note that the new ones are not committed."""
        self._new.clear()


def _series(key: SeriesKey) -> Series:
    _, metric_id, customer_key, group_key, group_values = key
    return Series(metric_id, customer_key, group_key, group_values)


class Groups(Struct, frozen=True):
    """Rows by series and hour: row i belongs to group `of[i]`; group g is hour `hours[g]` of series `series[g]`."""

    of: Ints
    series: list[bytes]
    hours: list[int]

    def __len__(self) -> int:
        return len(self.hours)


def combine(columns: Iterable[tuple[Ints, int]]) -> tuple[Ints, int]:
    """Make one code of several columns (codes, number of codes): equal exactly where all of them are equal."""
    code, size = None, 1
    for codes, count in columns:
        if code is None:
            code, size = codes, count
            continue
        if size * count >= 2**62:
            firsts, code = distinct(code, size)
            size = len(firsts)
        code, size = code * count + codes, size * count
    assert code is not None, "at least one column"
    return code, size


def distinct(codes: Ints, size: int) -> tuple[Ints, Ints]:
    """Return a representative row of each distinct code, and for each row the number of its code among them."""
    count = len(codes)
    if size > max(_DENSE * count, 1024):
        _, firsts, numbers = np.unique(codes, return_index=True, return_inverse=True)
        return firsts, numbers
    seat = np.full(size, -1, np.int64)
    seat[codes] = np.arange(count)
    used = np.flatnonzero(seat >= 0)
    number = np.empty(size, np.int64)
    number[used] = np.arange(len(used))
    return seat[used], number[codes]


def group(batch: Batch, rows: Ints, metric: BillableMetric, group_key: int, ids: SeriesIds) -> Groups:
    """Group rows by customer key, the properties of one of the metric's group keys, and hour."""
    customers = batch.customers
    columns = [batch.properties.texts(name) for name in metric.keys[group_key]]
    coded = [(customers.codes[rows], len(customers.texts))]
    coded += [(column.groups()[rows], len(column.texts)) for column in columns]
    first, series_of = distinct(*combine(coded))
    names = [customers.texts[code] for code in customers.codes[rows[first]].tolist()]
    values = [[clean(column.texts[code]) for code in column.codes[rows[first]].tolist()] for column in columns]
    groups: Sequence[tuple[str | None, ...]] = list(zip(*values, strict=True)) if values else [()] * len(names)
    series = [
        ids.id((batch.tenant_id, metric.id, clean(name), group_key, texts))
        for name, texts in zip(names, groups, strict=True)
    ]
    hours = batch.hours[rows]
    low = int(hours.min()) if len(hours) else 0
    span = int(hours.max()) - low + 1 if len(hours) else 1
    first, of = distinct(*combine([(series_of, len(series)), (hours - low, span)]))
    return Groups(of, [series[each] for each in series_of[first].tolist()], hours[first].tolist())


def clean(text: Text) -> Text:
    """Return the text without the one character that PostgreSQL cannot keep."""
    return text.replace("\0", "\ufffd") if text is not None and "\0" in text else text
