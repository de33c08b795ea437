"""Events that nobody ingested → the usage that they would be: matched and aggregated as the meter does it. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal

from winkel.meter.aggregate import aggregate
from winkel.meter.batch import batch_of
from winkel.meter.decide import detail
from winkel.meter.group import SeriesIds
from winkel.meter.match import matching, plan
from winkel.meter.pack import Entries, Keyed, listed
from winkel.model.errors import InvalidError
from winkel.model.event import Event
from winkel.model.metric import Aggregation, BillableMetric
from winkel.model.usage import HourUsage, Series


def usage_of(
    tenant_id: int, events: Sequence[Event], metrics: Sequence[BillableMetric]
) -> dict[tuple[str, int], list[HourUsage]]:
    """Return what the events add to usage, by metric and index of its group key.

    Raises `InvalidError` that names the event which a metric wants and cannot use: ingested, it would become a dead
    letter.
    """
    if not events:
        return {}
    batch, ids, keyed = batch_of(tenant_id, events, plan(metrics).names), SeriesIds(), list[Keyed]()
    for metric in metrics:
        found = aggregate(metric, batch, matching(metric, batch), ids)
        for row, reason in found.problems.items():
            why = f"{reason}: {detail(metric, batch, row)}"
            raise InvalidError(f"event {row}: the billable metric {metric.name!r} cannot use it, {why}")
        keyed += found.keyed
    series = {series_id: made for _, series_id, made in ids.new()}
    usage: dict[tuple[str, int], list[HourUsage]] = defaultdict(list)
    for each in keyed:
        for its, hour_usage in _rows([series[series_id] for series_id in each.ids], each.entries):
            usage[its.metric_id, its.group_key].append(hour_usage)
    return usage


def _rows(series: Sequence[Series], entries: Entries) -> Iterator[tuple[Series, HourUsage]]:
    """Yield entries as they would be read back (model/usage.py, Delta)."""
    count = len(entries.hours)
    hours, *values = ([None] * count if column is None else listed(column) for column in entries.columns())
    for number, hour, quantity, at, text in zip(entries.series.tolist(), hours, *values, strict=True):
        its = series[number]
        if its.aggregation_type is Aggregation.UNIQUE:
            row = HourUsage(its.customer_key, its.group_values, hour, distinct=frozenset({text}))
        else:
            row = HourUsage(its.customer_key, its.group_values, hour, Decimal(quantity), at, text)
        yield its, row
