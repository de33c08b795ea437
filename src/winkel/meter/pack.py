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

from winkel.meter.numbers import Ints
from winkel.model.usage import Delta

ENTRIES_MAX = 48
"""Entries of a row: about what fits before PostgreSQL begins to compress it, or to store it elsewhere."""


class Entries(Struct, frozen=True):
    """What is to be added to the series of one group key of a metric: columns as in `Delta`, entry by entry."""

    series: Ints
    """The number of the series."""
    hours: Sequence[int]
    quantities: Sequence[Decimal | int] | None = None
    ats: Sequence[int] | None = None
    texts: Sequence[str] | None = None

    def columns(self) -> tuple[Sequence[Any] | None, ...]:
        """Return what `Delta` has beside its slot and its series."""
        return self.hours, self.quantities, self.ats, self.texts


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
    places, slots = order.tolist(), slots[order]
    ids = [each.ids[number] for each in some for number in each.entries.series.tolist()]
    columns: list[Any] = [
        _ordered(parts, places) for parts in zip(*(each.entries.columns() for each in some), strict=True)
    ]
    ids = list(map(ids.__getitem__, places))
    for low, high in pairwise([*_cuts(slots), len(slots)]):
        hours, *values = [column and column[low:high] for column in columns]
        yield Delta(int(slots[low]), ids[low:high], hours, *values)


def _cuts(slots: NDArray[np.uint16]) -> list[int]:
    """Return where rows begin: with each slot, and within one after so many entries."""
    if not len(slots):
        return []
    firsts = np.flatnonzero(np.concatenate([[True], slots[1:] != slots[:-1]]))
    within = np.arange(len(slots)) - np.repeat(firsts, np.diff(firsts, append=len(slots)))
    cuts: list[int] = np.flatnonzero(within % ENTRIES_MAX == 0).tolist()
    return cuts


def _ordered(parts: Sequence[Sequence[Any] | None], places: Sequence[int]) -> Any:
    """Return the parts of a column as one, in this order; None: there is no such column."""
    if parts[0] is None:
        return None
    whole = [each for part in parts for each in part or ()]
    return list(map(whole.__getitem__, places))
