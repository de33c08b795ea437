"""Packing what a batch adds to usage into few rows: by slot of the customer, whatever the metric. Pure.

A batch of some ten thousand events can touch nearly as many series. A row for each of them cost PostgreSQL most of its
time: the head of a row, its place in the index, its removal. So entries of neighbours share a row.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from winkel.meter.numbers import Bools, Ints
from winkel.model.usage import Delta

ENTRIES_MAX = 48
"""Entries of a row: about what fits before PostgreSQL begins to compress it, or to store it elsewhere."""


class Entries(Struct, frozen=True):
    """What is to be added to the series of one group key of a metric: columns as in `Delta`, entry by entry."""

    series: Ints
    """The number of the series."""
    hours: Ints
    quantities: Sequence[Decimal] | Ints | None = None
    ats: Ints | None = None
    texts: Sequence[str] | None = None

    def columns(self) -> tuple[Sequence[Any] | Ints | None, ...]:
        """Return what `Delta` has beside its slot and its series."""
        return self.hours, self.quantities, self.ats, self.texts


def listed(column: Sequence[Any] | Ints) -> Sequence[Any]:
    """Return a column as plain values."""
    return column.tolist() if isinstance(column, np.ndarray) else column


class Keyed(Struct, frozen=True):
    """Entries, and by series its id and its slot."""

    ids: Sequence[bytes]
    slots: Ints
    entries: Entries


def pack(keyed: Iterable[Keyed]) -> list[Delta]:
    """Return all entries as deltas. Entries of one delta have their values in the same columns."""
    shapes: dict[tuple[bool, ...], list[Keyed]] = {}
    for each in keyed:
        shapes.setdefault(tuple(column is None for column in each.entries.columns()), []).append(each)
    return [delta for some in shapes.values() for delta in _packed(some)]


def _packed(some: Sequence[Keyed]) -> Iterable[Delta]:
    """Yield deltas of entries that have the same columns."""
    slots = np.concatenate([each.slots[each.entries.series] for each in some]).astype(np.uint16)
    order = np.argsort(slots, kind="stable")  # with 16 bits this is a radix sort
    slots, series = slots[order], _joined(some)[order]
    starts = _starts(slots)
    firsts = starts | _changes(series)
    ids = [series_id for each in some for series_id in each.ids]
    named = list(map(ids.__getitem__, series[firsts].tolist()))
    # Of each row: where its entries begin, and how many series were named before it.
    cuts = np.flatnonzero(starts)
    counted: Ints = np.cumsum(firsts)
    before: Ints = counted[cuts] - 1
    numbers: list[int] = (counted - np.repeat(before, np.diff(cuts, append=len(slots)))).tolist()
    columns: list[Any] = [_ordered(each, order) for each in zip(*(one.entries.columns() for one in some), strict=True)]
    rows = zip(pairwise([*cuts.tolist(), len(slots)]), pairwise([*before.tolist(), len(named)]), strict=True)
    for (low, high), (first, after) in rows:
        hours, *values = [column and column[low:high] for column in columns]
        yield Delta(int(slots[low]), named[first:after], numbers[low:high], hours, *values)


def _joined(some: Sequence[Keyed]) -> Ints:
    """Return by entry the number of its series among all."""
    counts = np.cumsum([0, *(len(each.ids) for each in some[:-1])])
    return np.concatenate([each.entries.series + count for each, count in zip(some, counts, strict=True)])


def _starts(slots: NDArray[np.uint16]) -> Bools:
    """Return which entries begin a row: the first of each slot, and within one after so many entries."""
    begins = _changes(slots)
    firsts = np.flatnonzero(begins)
    within = np.arange(len(slots)) - np.repeat(firsts, np.diff(firsts, append=len(slots)))
    result: Bools = within % ENTRIES_MAX == 0
    return result


def _changes(column: NDArray[Any]) -> Bools:
    """Return which values differ from the one before; the first does."""
    result = np.ones(len(column), np.bool_)
    result[1:] = column[1:] != column[:-1]
    return result


def _ordered(parts: Sequence[Sequence[Any] | Ints | None], order: Ints) -> Any:
    """Return the parts of a column as one, in this order; None: there is no such column."""
    there = [part for part in parts if part is not None]
    arrays = [part for part in there if isinstance(part, np.ndarray)]
    if not there:
        return None
    if len(arrays) == len(there):
        return np.concatenate(arrays)[order].tolist()
    whole = [each for part in there for each in listed(part)]
    return list(map(whole.__getitem__, order.tolist()))
