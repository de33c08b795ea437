"""Grouping rows by several coded columns at once, and the names of the series they belong to."""

from collections.abc import Iterable, Sequence
from itertools import repeat

import numpy as np
from msgspec import Struct

from winkel.meter.batch import Batch
from winkel.meter.numbers import Ints
from winkel.model.metric import Aggregation
from winkel.model.usage import Series, Text, clean

_DENSE = 4
"""A table may have this many places a row; beyond that sorting is cheaper."""

GroupKey = tuple[str, tuple[str | None, ...]]
"""(customer key, group values)"""
Family = tuple[int, str, int, Aggregation]
"""(tenant, metric, index of the group key, aggregation): what all series of one group key of a metric share."""


class SeriesIds:
    """The ids of series that are stored, and of those that a batch meets for the first time.

    Forgets everything when it has grown to `limit`: storing a series again changes nothing.
    """

    def __init__(self, limit: int = 500_000) -> None:
        self._stored: dict[Family, dict[GroupKey, bytes]] = {}
        self._new: dict[Family, dict[GroupKey, tuple[bytes, Series]]] = {}
        self._count = 0
        self._limit = limit

    def ids(self, family: Family, keys: Sequence[GroupKey]) -> list[bytes]:
        """Return the ids of some series, remembering as new those that are not known to be stored."""
        stored, new = self._stored.setdefault(family, {}), self._new.setdefault(family, {})
        return [stored.get(key) or _met(new, family, key) for key in keys]

    def new(self) -> list[tuple[int, bytes, Series]]:
        """Return (tenant, id, series) of those that are yet to be stored, in the order of their ids.

        One order for all workers: two that store the same series then wait for each other, but never in a circle.
        """
        made = ((family[0], *each) for family, some in self._new.items() for each in some.values())
        return sorted(made, key=lambda each: each[:2])

    def stored(self) -> None:
        """Note that the new ones are committed."""
        count = sum(map(len, self._new.values()))
        self._count += count
        if self._count > self._limit:
            self._stored.clear()
            self._count = count
        for family, some in self._new.items():
            self._stored.setdefault(family, {}).update((key, series_id) for key, (series_id, _) in some.items())
        self._new.clear()

    def forget(self) -> None:
        """Note that the new ones are not committed."""
        self._new.clear()


def _met(new: dict[GroupKey, tuple[bytes, Series]], family: Family, key: GroupKey) -> bytes:
    """Return the id of a series that is not known to be stored; it is among the new ones then."""
    if key not in new:
        tenant_id, metric_id, group_key, kind = family
        series = Series(metric_id, key[0], group_key, key[1], kind)
        new[key] = series.id(tenant_id), series
    return new[key][0]


class Groups(Struct, frozen=True):
    """Rows by series and hour: row i belongs to group `of[i]`. Groups stand in the order of their series."""

    of: Ints
    hours: Ints
    """By group."""
    series: Ints
    """By group: the number of its series."""
    keys: list[GroupKey]
    """By series."""
    slots: Ints
    """By series: where its open deltas lie (model/usage.py, slot_of)."""

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


def group(batch: Batch, rows: Ints, names: tuple[str, ...]) -> Groups:
    """Group rows by customer key, the named properties, and hour. Metrics that ask for the same share the answer."""
    for before, known in batch.groups.setdefault(names, []):
        if np.array_equal(before, rows):
            found: Groups = known
            return found
    made = _group(batch, rows, names)
    batch.groups[names].append((rows, made))
    return made


def _group(batch: Batch, rows: Ints, names: tuple[str, ...]) -> Groups:
    customers = batch.customers
    columns = [batch.properties.texts(name) for name in names]
    coded = [(customers.codes[rows], len(customers.texts))]
    coded += [(column.groups()[rows], len(column.texts)) for column in columns]
    first, series_of = distinct(*combine(coded))
    hours = batch.hours[rows]
    low = int(hours.min()) if len(hours) else 0
    span = int(hours.max()) - low + 1 if len(hours) else 1
    of_group, of = distinct(*combine([(series_of, len(first)), (hours - low, span)]))
    return Groups(
        of,
        hours[of_group],
        series_of[of_group],
        list(
            zip(
                _cleaned(customers.texts, customers.codes[rows[first]]),
                _rows([_cleaned(column.texts, column.codes[rows[first]]) for column in columns], len(first)),
                strict=True,
            )
        ),
        batch.slots[customers.codes[rows[first]]],
    )


def _cleaned(texts: Sequence[Text], codes: Ints) -> list[Text]:
    return list(map([clean(each) for each in texts].__getitem__, codes.tolist()))


def _rows(columns: Sequence[Sequence[str | None]], count: int) -> Iterable[tuple[str | None, ...]]:
    """Return columns as rows; no columns are `count` empty rows."""
    return zip(*columns, strict=True) if columns else repeat((), count)
