"""Which events a metric counts, and under which groups: filters on coded columns (metronome-api.md §4.2)."""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from winkel.meter.batch import Batch
from winkel.meter.numbers import Bools, Ints
from winkel.meter.properties import Texts
from winkel.model.metric import BillableMetric, EventTypeFilter, PropertyFilter


class Plan(Struct, frozen=True):
    """The metrics of one tenant and the properties that they look at."""

    metrics: tuple[BillableMetric, ...]
    names: tuple[str, ...]


def plan(metrics: Sequence[BillableMetric]) -> Plan:
    """Return what has to be looked at for these metrics. Archived ones count on (metronome-api.md §4.2)."""
    names = {name: None for metric in metrics for name in _names(metric)}
    return Plan(tuple(metrics), tuple(names))


def _names(metric: BillableMetric) -> list[str]:
    names = [each.name for each in metric.property_filters]
    names += [name for key in metric.group_keys for name in key]
    return [*names, metric.added_key] if metric.added_key else names


def matching(metric: BillableMetric, batch: Batch) -> Ints:
    """Return the rows that the metric counts, ascending.

    They are fresh, pass the event-type filter and every property filter, and have the property that is added up, if
    any: an event without it has nothing to add.
    """
    mask = batch.fresh
    if metric.event_type_filter is not None:
        mask = mask & _types(metric.event_type_filter, batch.event_types.texts)[batch.event_types.codes]
    for each in metric.property_filters:
        if not mask.any():
            break
        if each.in_values is None and each.not_in_values is None:
            if each.exists is not None:
                mask = mask & (batch.properties.there(each.name) == each.exists)
        else:
            column = batch.properties.texts(each.name)
            mask = mask & passing(each, column)[column.codes]
    rows = np.flatnonzero(mask)
    if metric.added_key and len(rows):
        values = batch.properties.values(metric.added_key)
        if None in values:
            rows = rows[np.fromiter((values[row] is not None for row in rows.tolist()), np.bool_, len(rows))]
    return rows


def _types(where: EventTypeFilter, types: Sequence[str]) -> Bools:
    inside = None if where.in_values is None else frozenset(where.in_values)
    outside = frozenset(where.not_in_values or ())
    return np.array([(inside is None or each in inside) and each not in outside for each in types], np.bool_)


def passing(where: PropertyFilter, column: Texts) -> Bools:
    """Return, by code, which values pass the filter.

    An absent property is in no list of values: it fails `in_values` and passes `not_in_values`. So does a value
    without text (an object or array), which does pass `exists`.
    """
    result = np.ones(len(column.texts), np.bool_)
    if where.exists is not None:
        result &= column.present == where.exists
    if where.in_values is not None:
        wanted = frozenset(where.in_values)
        result &= np.array([each in wanted for each in column.texts], np.bool_)
    if where.not_in_values is not None:
        unwanted = frozenset(where.not_in_values)
        result &= np.array([each not in unwanted for each in column.texts], np.bool_)
    return result
