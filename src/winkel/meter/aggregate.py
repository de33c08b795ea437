"""Columns become usage: entries for the series and hours that a batch touches. Pure and exact.

Every aggregation is commutative given event time, so that batches may come in any order (design.md §2): COUNT and SUM
add, MAX keeps the largest, UNIQUE is a set, and LATEST is decided by (timestamp, transaction id) and, for two sources
that use the same transaction id at the same instant, by the larger value.
"""

import hashlib
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

import numpy as np
from msgspec import Struct

from winkel.meter.batch import Batch
from winkel.meter.group import Groups, SeriesIds, combine, distinct, group
from winkel.meter.numbers import Ints, Numbers, parse, unscaled
from winkel.meter.pack import Entries, Keyed
from winkel.model import money
from winkel.model.metric import Aggregation, BillableMetric
from winkel.model.usage import clean

NOT_TEXT = "not_text"
UNIQUE_BYTES = 256
"""Longer values of UNIQUE are kept as their hash: what matters is how many there are."""


class Found(Struct, frozen=True):
    """What a metric takes from a batch, and the rows that it could not use, with the reason."""

    keyed: list[Keyed]
    problems: dict[int, str]


def aggregate(metric: BillableMetric, batch: Batch, rows: Ints, ids: SeriesIds) -> Found:
    """Aggregate the matching rows under each of the metric's group keys."""
    if not len(rows):
        return Found([], {})
    if metric.aggregation_type is Aggregation.COUNT:
        return Found(_each_key(metric, batch, rows, ids, _count), {})
    assert metric.aggregation_key, "checked when the metric was made"
    if metric.aggregation_type is Aggregation.UNIQUE:
        return _unique(metric, batch, rows, ids)
    column = batch.properties.values(metric.aggregation_key)
    values = column if len(rows) == len(column) else [column[row] for row in rows.tolist()]
    numbers = parse(values)
    problems = {int(rows[index]): reason for index, reason in numbers.problems.items()}
    good = rows[numbers.good] if problems else rows

    merge = _MERGE[metric.aggregation_type]
    return Found(
        _each_key(metric, batch, good, ids, lambda groups: merge(groups, numbers, batch, good)),
        problems,
    )


def _each_key(
    metric: BillableMetric, batch: Batch, rows: Ints, ids: SeriesIds, merge: Callable[[Groups], Entries]
) -> list[Keyed]:
    keyed = []
    for index, names in enumerate(metric.keys):
        groups = group(batch, rows, names)
        family = (batch.tenant_id, metric.id, index, metric.aggregation_type)
        keyed.append(Keyed(ids.ids(family, groups.keys), groups.slots, merge(groups)))
    return keyed


def _count(groups: Groups) -> Entries:
    return Entries(groups.series, groups.hours, np.bincount(groups.of, minlength=len(groups)))


def _sum(groups: Groups, numbers: Numbers, _batch: Batch, _rows: Ints) -> Entries:
    if numbers.scaled is not None and numbers.can_sum():
        totals = np.zeros(len(groups), np.int64)
        np.add.at(totals, groups.of, numbers.scaled)
        return Entries(groups.series, groups.hours, _numbers(totals, numbers.places))
    exact = [money.ZERO] * len(groups)
    for of, number in zip(groups.of.tolist(), numbers.decimals(), strict=True):
        exact[of] = money.add(exact[of], number)
    return Entries(groups.series, groups.hours, exact)


def _max(groups: Groups, numbers: Numbers, _batch: Batch, _rows: Ints) -> Entries:
    if numbers.scaled is not None:
        largest = np.full(len(groups), np.iinfo(np.int64).min, np.int64)
        np.maximum.at(largest, groups.of, numbers.scaled)
        return Entries(groups.series, groups.hours, _numbers(largest, numbers.places))
    exact: dict[int, Decimal] = {}
    for of, number in zip(groups.of.tolist(), numbers.decimals(), strict=True):
        exact[of] = max(exact.get(of, number), number)
    return Entries(groups.series, groups.hours, [exact[of] for of in range(len(groups))])


def _latest(groups: Groups, numbers: Numbers, batch: Batch, rows: Ints) -> Entries:
    at = batch.timestamps[rows]
    newest = np.full(len(groups), np.iinfo(np.int64).min, np.int64)
    np.maximum.at(newest, groups.of, at)
    winners: dict[int, tuple[str, Decimal]] = {}
    for index in np.flatnonzero(at == newest[groups.of]).tolist():
        found = (clean(batch.transaction_ids[rows[index]]), numbers.value(index))
        of = int(groups.of[index])
        winners[of] = max(winners[of], found) if of in winners else found
    best = [winners[of] for of in range(len(groups))]
    values, texts = [value for _, value in best], [text for text, _ in best]
    return Entries(groups.series, groups.hours, values, newest, texts)


def _unique(metric: BillableMetric, batch: Batch, rows: Ints, ids: SeriesIds) -> Found:
    assert metric.aggregation_key, "checked when the metric was made"
    column = batch.properties.texts(metric.aggregation_key)
    codes = column.codes[rows]
    odd = np.array([each is None for each in column.texts], np.bool_)[codes]
    problems = dict.fromkeys(rows[odd].tolist(), NOT_TEXT)
    rows, codes = rows[~odd], codes[~odd]
    kept = [short(each or "") for each in column.texts]

    def merge(groups: Groups) -> Entries:
        first, _ = distinct(*combine([(groups.of, max(len(groups), 1)), (codes, len(column.texts))]))
        of = groups.of[first]
        texts = list(map(kept.__getitem__, codes[first].tolist()))
        return Entries(groups.series[of], groups.hours[of], texts=texts)

    return Found(_each_key(metric, batch, rows, ids, merge) if len(rows) else [], problems)


def short(text: str) -> str:
    """Return the text as it is kept among distinct values: itself, or a hash of it when it is long."""
    coded = text.encode()
    if len(coded) <= UNIQUE_BYTES:
        return clean(text)
    return "blake2b:" + hashlib.blake2b(coded, digest_size=32).hexdigest()


def _numbers(scaled: Ints, places: int) -> Sequence[Decimal] | Ints:
    """Return scaled integers as exact numbers; without places they are these numbers."""
    return scaled if not places else [unscaled(each, places) for each in scaled.tolist()]


Merge: TypeAlias = Callable[[Groups, Numbers, Batch, Ints], Entries]
_MERGE: dict[Any, Merge] = {Aggregation.SUM: _sum, Aggregation.MAX: _max, Aggregation.LATEST: _latest}
