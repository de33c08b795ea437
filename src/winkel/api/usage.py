"""POST /v1/usage and /v1/usage/groups: what was metered (metronome-api.md §4.3)."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any, TypeAlias
from uuid import UUID

import msgspec
from litestar import Request, post
from msgspec import Struct

from winkel.api import pages
from winkel.api.auth import reader
from winkel.api.fields import Instant, instant, position, refuse
from winkel.api.requests import Paging, query
from winkel.api.state import Api
from winkel.api.wire import Page, body
from winkel.meter.aggregate import short
from winkel.meter.windows import Group, Window, WindowSize, by_group, by_window, value_of, windows
from winkel.model.customer import Customer
from winkel.model.errors import InvalidError, NotFoundError
from winkel.model.metric import BillableMetric
from winkel.model.money import plain
from winkel.model.period import EPOCH, Period, hour_number, hour_start
from winkel.model.tenant import Caller
from winkel.model.usage import HourUsage
from winkel.store import contracts, customers, metrics, shards
from winkel.store.database import Connection

ROWS = 10_000
"""About how many rows a page of /v1/usage has; a customer's rows are never split."""
ROWS_MAX = 100_000
"""The most rows of one customer."""
VALUES_MAX = 200_000
"""The most values by group of one customer, empty ones too: a month by the hour of 200 groups has room."""
FILTER_VALUES = 200
"""The most values that filters may name together, and the most that are shown when none is (metronome-api.md §2)."""
METRICS = 1_000
"""The most metrics that one request shows when it names none; where there are more, it has to name some."""
CUSTOMERS = 100
"""The most customers on one page."""


class GroupBy(Struct, forbid_unknown_fields=True):
    """One property by which usage is told apart."""

    key: str
    values: tuple[str, ...] | None = None


class WantedMetric(Struct, forbid_unknown_fields=True):
    """A metric, perhaps by group."""

    id: UUID
    group_by: GroupBy | None = None


class ListUsage(Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of /v1/usage. Without `customer_ids` it is about all customers but archived ones."""

    starting_on: Instant
    ending_before: Instant
    window_size: WindowSize
    billable_metrics: tuple[WantedMetric, ...] | None = None
    customer_ids: tuple[UUID, ...] | None = None


class UsageRow(Struct, omit_defaults=True, kw_only=True):
    """One customer, metric and window. `groups` holds the value by group when that was asked for."""

    billable_metric_id: str
    billable_metric_name: str
    customer_id: str
    start_timestamp: datetime
    end_timestamp: datetime
    value: Decimal | None
    groups: dict[str, Decimal | None] | None = None


class NextPage(Struct, forbid_unknown_fields=True):
    """The query of /v1/usage."""

    next_page: str | None = None


class ListGroups(Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of /v1/usage/groups; `group_by` is the older way to ask for a single key."""

    customer_id: UUID
    billable_metric_id: UUID
    window_size: WindowSize
    group_key: tuple[str, ...] | None = None
    group_filters: dict[str, tuple[str, ...]] | None = None
    group_by: GroupBy | None = None
    starting_on: Instant | None = None
    ending_before: Instant | None = None
    current_period: bool = False


class GroupRow(Struct, omit_defaults=True, kw_only=True):
    """One group and window."""

    starting_on: datetime
    ending_before: datetime
    value: Decimal | None
    group_key: str | None = None
    group_value: str | None = None
    group: dict[str, str] | None = None


@post("/v1/usage", guards=[reader], status_code=200)
async def list_usage(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Page[UsageRow]:
    """List the usage of many metrics and customers by window; rows without usage have the value null."""
    asked, asked_page = await body(request, ListUsage), query(request, NextPage)
    span = _span(asked.starting_on, asked.ending_before)
    async with (
        api.database.transaction(caller.tenant_id, snapshot=True) as tx,
        shards.reading(tx, api.further, caller.tenant_id) as reader,
    ):
        wanted = await _wanted(tx, caller.tenant_id, asked.billable_metrics)
        limit = _customers_a_page(wanted, asked.window_size, span)
        after = position(asked_page.next_page)
        found = await customers.page(tx, caller.tenant_id, _only(asked), limit=limit + 1, after=after)
        shown, more = pages.cut(found, limit)
        rows: list[UsageRow] = []
        for customer in shown:
            rows += await _rows(reader, customer, wanted, asked.window_size, span)
    return Page(rows, pages.encode(pages.Position(shown[-1].created_at, shown[-1].id)) if more else None)


@post("/v1/usage/groups", guards=[reader], status_code=200)
async def list_groups(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Page[GroupRow]:
    """List the usage of one metric and customer by window and group; windows without usage are left out.

    A page goes on behind the last row of the one before, whatever has arrived meanwhile: no row comes twice, and none
    that was there is skipped.
    """
    asked, paging = await body(request, ListGroups), query(request, Paging)
    names, filters = _grouping(asked)
    limit, after = pages.limit_of(paging.limit), _after(paging.next_page, names)
    customer_id, metric_id = str(asked.customer_id), str(asked.billable_metric_id)
    async with (
        api.database.transaction(caller.tenant_id, snapshot=True) as tx,
        shards.reading(tx, api.further, caller.tenant_id) as reader,
    ):
        customer = await customers.get(tx, caller.tenant_id, customer_id)
        metric = await metrics.get(tx, caller.tenant_id, metric_id)
        span = await _group_span(tx, caller.tenant_id, asked, api.clock())
        index = _group_key(metric, names, whole=asked.group_by is None)
        rows = await _read(reader, customer, metric, index, span)
    places = [metric.keys[index].index(name) for name in names]
    groups = {group: some for group, some in by_group(rows, places).items() if _kept(names, group, filters)}
    found = _used(metric, groups, asked.window_size, span, after)
    shown, more = pages.cut(list(islice(found, limit + 1)), limit)
    rows_shown = [_group_row(names, group, window) for group, window in shown]
    return Page(rows_shown, _cursor(*shown[-1]) if more else None)


Place: TypeAlias = tuple[int, list[tuple[bool, str]]]
"""Where a row of /v1/usage/groups stands: by the hour in which its window begins, then by group, null first."""


def _used(
    metric: BillableMetric, groups: dict[Group, list[HourUsage]], size: WindowSize, span: Period, after: Place | None
) -> Iterator[tuple[Group, Window]]:
    """Yield the groups and windows in which there is usage, those behind a place, in order.

    Only windows that have rows are made, and only values that somebody looks at.
    """
    found = [
        ((start, order), end, group, its_rows)
        for group, some in groups.items()
        for order in [_order(_named(group))]
        for (start, end), its_rows in by_window(some, size, *_hours(span)).items()
        if after is None or (start, order) > after
    ]
    for (start, _), end, group, its_rows in sorted(found, key=lambda each: each[0]):
        value = value_of(metric.aggregation_type, its_rows)
        if value is not None:
            yield group, Window(start, end, value)


def _only(asked: ListUsage) -> customers.Filter:
    """Return which customers are shown: those that are named, be they none, or all that are not archived."""
    if asked.customer_ids is None:
        return customers.Filter()
    return customers.Filter(archived=None, ids=[str(each) for each in asked.customer_ids])


async def _rows(
    reader: shards.Reader,
    customer: Customer,
    wanted: Iterable[tuple[BillableMetric, GroupBy | None]],
    size: WindowSize,
    span: Period,
) -> list[UsageRow]:
    """Return the rows of one customer. Raises `InvalidError` for more than `VALUES_MAX` values by group."""
    found, values = [], 0
    for metric, group_by in wanted:
        index = 0 if group_by is None else _group_key(metric, (group_by.key,), whole=False)
        rows = await _read(reader, customer, metric, index, span)
        groups = {} if group_by is None else _by_value(metric, index, group_by, rows, size, span)
        values += len(groups) * _windows(size, span)
        if values > VALUES_MAX:
            raise InvalidError(
                f"customer {customer.id} has {values} values by group, empty ones too: no more than {VALUES_MAX} can "
                f"be shown at once. Ask for less time, larger windows, or fewer metrics and values of group_by"
            )
        found += [
            UsageRow(
                billable_metric_id=metric.id,
                billable_metric_name=metric.name,
                customer_id=customer.id,
                start_timestamp=hour_start(window.start),
                end_timestamp=hour_start(window.end),
                value=_plain(window.value),
                groups=None if group_by is None else {k: v.get(window.start) for k, v in groups.items()},
            )
            for window in windows(metric.aggregation_type, rows, size, *_hours(span))
        ]
    return found


def _by_value(
    metric: BillableMetric, index: int, group_by: GroupBy, rows: Sequence[HourUsage], size: WindowSize, span: Period
) -> dict[str, dict[int, Decimal | None]]:
    """Return the usage of each value of one property, by the hour in which a window begins, where there is any.

    Values that were asked for and never seen are there too.
    """
    place = metric.keys[index].index(group_by.key)
    seen = by_group(rows, [place])
    values = group_by.values or sorted(value for (value,) in seen if value is not None)[:FILTER_VALUES]
    used = {value: by_window(seen.get((value,), ()), size, *_hours(span)) for value in values}
    return {
        value: {start: _plain(value_of(metric.aggregation_type, some)) for (start, _), some in its_rows.items()}
        for value, its_rows in used.items()
    }


async def _read(
    reader: shards.Reader, customer: Customer, metric: BillableMetric, index: int, span: Period
) -> list[HourUsage]:
    """Return the usage of a customer, under all of its identifiers."""
    hours = await reader.hours(customer.keys, [metric.id], {metric.id: index}, *_hours(span))
    return hours[metric.id]


async def _wanted(
    tx: Connection, tenant_id: int, asked: tuple[WantedMetric, ...] | None
) -> list[tuple[BillableMetric, GroupBy | None]]:
    """Return the metrics that were asked for, or all that are not archived.

    Raises `NotFoundError`, and `InvalidError` where all are more than one request shows.
    """
    if asked is None:
        live = await metrics.page(tx, tenant_id, include_archived=False, limit=METRICS + 1)
        if len(live) > METRICS:
            raise InvalidError(f"there are more than {METRICS} billable metrics: name those wanted in billable_metrics")
        return [(metric, None) for metric in live]
    known = await metrics.by_ids(tx, tenant_id, [str(each.id) for each in asked])
    for each in asked:
        if str(each.id) not in known:
            raise NotFoundError(f"no billable metric {each.id}")
        if each.group_by and each.group_by.values and len(each.group_by.values) > FILTER_VALUES:
            raise InvalidError(f"group_by may name at most {FILTER_VALUES} values")
    return [(known[str(each.id)], each.group_by) for each in asked]


def _customers_a_page(wanted: Sequence[tuple[BillableMetric, GroupBy | None]], size: WindowSize, span: Period) -> int:
    """Return how many customers fit on a page of about `ROWS` rows and at most `VALUES_MAX` values by group."""
    a_customer = len(wanted) * _windows(size, span)
    if a_customer > ROWS_MAX:
        raise InvalidError(f"asks for {a_customer} rows of each customer: no more than {ROWS_MAX} can be shown at once")
    groups = sum(len(group_by.values or ()) or FILTER_VALUES for _, group_by in wanted if group_by is not None)
    values = groups * _windows(size, span)
    return min(CUSTOMERS, max(1, min(ROWS // max(1, a_customer), VALUES_MAX // max(1, values))))


def _windows(size: WindowSize, span: Period) -> int:
    """Return how many windows a span from midnight to midnight has."""
    low, high = _hours(span)
    return {WindowSize.HOUR: high - low, WindowSize.DAY: (high - low) // 24}.get(size, 1)


async def _group_span(tx: Connection, tenant_id: int, asked: ListGroups, at: datetime) -> Period:
    """Return the span that was asked for: two dates, or the billing period that runs now."""
    customer_id = str(asked.customer_id)
    if not asked.current_period:
        if asked.starting_on is None or asked.ending_before is None:
            raise InvalidError("give starting_on and ending_before, or current_period: true")
        return _span(asked.starting_on, asked.ending_before)
    if asked.starting_on is not None or asked.ending_before is not None:
        raise InvalidError("current_period excludes starting_on and ending_before")
    for contract in await contracts.of_customer(tx, tenant_id, customer_id):
        period = contract.period_at(at)
        if period is not None:
            return period
    raise InvalidError("the customer has no contract that is active now, so there is no current period")


def _grouping(asked: ListGroups) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """Return the group key and the values wanted of each of its names (an empty list wants all)."""
    if asked.group_by is not None:
        if asked.group_key is not None or asked.group_filters is not None:
            raise InvalidError("group_by excludes group_key and group_filters")
        return (asked.group_by.key,), {asked.group_by.key: asked.group_by.values or ()}
    names, filters = asked.group_key or (), asked.group_filters or {}
    for name in filters:
        if name not in names:
            raise InvalidError(f"group_filters names {name!r}, which is not in group_key")
    if sum(len(values) for values in filters.values()) > FILTER_VALUES:
        raise InvalidError(f"filters may name at most {FILTER_VALUES} values together")
    return names, filters


def _group_key(metric: BillableMetric, names: Sequence[str], *, whole: bool) -> int:
    """Return the index of the metric's group key: the one with just these names, or (not `whole`) one with them."""
    for index, key in enumerate(metric.keys):
        if set(key) == set(names):
            return index
    for index, key in enumerate(metric.keys):
        if set(names) <= set(key) and (not whole or not names):
            return index
    keys = ", ".join("+".join(key) for key in metric.group_keys) or "none"
    raise InvalidError(f"{'+'.join(names)!r} is not a group key of the metric {metric.name!r}; it has: {keys}")


def _kept(names: Sequence[str], group: Group, filters: dict[str, tuple[str, ...]]) -> bool:
    """Whether the group passes the filters."""
    return all(not filters.get(name) or value in filters[name] for name, value in zip(names, group, strict=True))


def _group_row(names: Sequence[str], group: Group, window: Window) -> GroupRow:
    """Return one row for the wire; events without a property of the key are in the group without that name."""
    single = len(names) == 1
    return GroupRow(
        starting_on=hour_start(window.start),
        ending_before=hour_start(window.end),
        value=_plain(window.value),
        group_key=names[0] if single else None,
        group_value=group[0] if single else None,
        group={name: value for name, value in zip(names, group, strict=True) if value is not None} or None,
    )


def _span(start: datetime, end: datetime) -> Period:
    """Return the span. Raises `InvalidError` unless both are midnight UTC, at least a day apart."""
    low, high = _midnight(start, "$.starting_on"), _midnight(end, "$.ending_before")
    if high <= low:
        raise InvalidError("ending_before must lie at least one day after starting_on")
    return Period(low, high)


def _midnight(value: datetime, place: str) -> datetime:
    """Return the instant in UTC. Raises `InvalidError` unless it is midnight there, in whatever zone it was sent."""
    at = instant(value, place)
    if (at - EPOCH) % timedelta(days=1):
        refuse(f"must be midnight UTC, but is {value.isoformat()}", place)
    return at


def _hours(span: Period) -> tuple[int, int]:
    return hour_number(span.start), hour_number(span.end)


def _named(group: Group) -> Group:
    """Return the values as they stand in cursors: long ones as their hash, for a cursor is part of an address."""
    return tuple(None if value is None else short(value) for value in group)


def _order(named: Group) -> list[tuple[bool, str]]:
    return [(value is not None, value or "") for value in named]


def _plain(value: Decimal | None) -> Decimal | None:
    return None if value is None else plain(value)


def _after(cursor: str | None, names: Sequence[str]) -> Place | None:
    """Return where the page before this one ended. Raises `InvalidError` for a cursor that is not ours."""
    found = pages.decode(cursor)
    if found is None:
        return None
    try:
        named = msgspec.json.decode(found.id, type=tuple[str | None, ...])
    except (ValueError, msgspec.MsgspecError):
        named = None
    if named is None or len(named) != len(names):
        raise InvalidError("next_page is not a cursor that this list gave out")
    return hour_number(instant(found.at, "next_page")), _order(named)


def _cursor(group: Group, window: Window) -> str:
    return pages.encode(pages.Position(hour_start(window.start), msgspec.json.encode(_named(group)).decode()))


routes = [list_usage, list_groups]
