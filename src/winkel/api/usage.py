"""POST /v1/usage and /v1/usage/groups: what was metered (metronome-api.md §4.3)."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from litestar import Request, post
from msgspec import Struct

from winkel.api import pages
from winkel.api.auth import reader
from winkel.api.fields import Instant, position
from winkel.api.requests import Paging, query
from winkel.api.state import Api
from winkel.api.wire import Page, body
from winkel.meter.windows import Group, Window, WindowSize, by_group, windows
from winkel.model.customer import Customer
from winkel.model.errors import InvalidError, NotFoundError
from winkel.model.metric import BillableMetric
from winkel.model.money import plain
from winkel.model.period import Period, hour_number, hour_start
from winkel.model.tenant import Caller
from winkel.model.usage import HourUsage
from winkel.store import contracts, customers, metrics, shards
from winkel.store.database import Connection

ROWS = 10_000
"""About how many rows a page of /v1/usage has; a customer's rows are never split."""
ROWS_MAX = 100_000
"""The most rows of one customer."""
FILTER_VALUES = 200
"""The most values that filters may name together (metronome-api.md §2)."""
METRICS = 1_000
"""The most metrics that one request shows when it names none."""
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
    """The body of /v1/usage."""

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
        limit = _customers_a_page(len(wanted), asked.window_size, span)
        only = customers.Filter(ids=tuple(str(each) for each in asked.customer_ids or ()))
        after = position(asked_page.next_page)
        found = await customers.page(tx, caller.tenant_id, only, limit=limit + 1, after=after)
        shown, more = pages.cut(found, limit)
        rows: list[UsageRow] = []
        for customer in shown:
            rows += await _rows(reader, customer, wanted, asked.window_size, span)
    return Page(rows, pages.encode(pages.Position(shown[-1].created_at, shown[-1].id)) if more else None)


@post("/v1/usage/groups", guards=[reader], status_code=200)
async def list_groups(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Page[GroupRow]:
    """List the usage of one metric and customer by group and window; windows without usage are left out."""
    asked, paging = await body(request, ListGroups), query(request, Paging)
    limit, skipped = pages.limit_of(paging.limit), _offset(paging.next_page)
    names, filters = _grouping(asked)
    customer_id, metric_id = str(asked.customer_id), str(asked.billable_metric_id)
    async with (
        api.database.transaction(caller.tenant_id, snapshot=True) as tx,
        shards.reading(tx, api.further, caller.tenant_id) as reader,
    ):
        customer = await customers.get(tx, caller.tenant_id, customer_id)
        metric = await metrics.get(tx, caller.tenant_id, metric_id)
        span = await _group_span(tx, caller.tenant_id, asked, api.clock())
        index = _group_key(metric, names, whole=asked.group_by is None)
        if _windows(asked.window_size, span) > ROWS_MAX:
            raise InvalidError(f"the time has more than {ROWS_MAX} windows: ask for less, or for larger ones")
        rows = await _read(reader, customer, metric, index, span)
    places = [metric.keys[index].index(name) for name in names]
    found = [
        _group_row(names, group, window)
        for group, its_rows in sorted(by_group(rows, places).items(), key=_null_first)
        if _kept(names, group, filters)
        for window in windows(metric.aggregation_type, its_rows, asked.window_size, *_hours(span))
        if window.value is not None
    ]
    found.sort(key=lambda row: row.starting_on)
    shown, more = pages.cut(found[skipped:], limit)
    return Page(shown, _cursor(skipped + limit) if more else None)


async def _rows(
    reader: shards.Reader,
    customer: Customer,
    wanted: Iterable[tuple[BillableMetric, GroupBy | None]],
    size: WindowSize,
    span: Period,
) -> list[UsageRow]:
    """Return the rows of one customer."""
    found = []
    for metric, group_by in wanted:
        index = 0 if group_by is None else _group_key(metric, (group_by.key,), whole=False)
        rows = await _read(reader, customer, metric, index, span)
        groups: dict[str, list[Window]] = {}
        if group_by is not None:
            groups = _by_value(metric, index, group_by, rows, size, span)
        for number, window in enumerate(windows(metric.aggregation_type, rows, size, *_hours(span))):
            found.append(
                UsageRow(
                    billable_metric_id=metric.id,
                    billable_metric_name=metric.name,
                    customer_id=customer.id,
                    start_timestamp=hour_start(window.start),
                    end_timestamp=hour_start(window.end),
                    value=_plain(window.value),
                    groups=None if group_by is None else {k: _plain(v[number].value) for k, v in groups.items()},
                )
            )
    return found


def _by_value(
    metric: BillableMetric, index: int, group_by: GroupBy, rows: Sequence[HourUsage], size: WindowSize, span: Period
) -> dict[str, list[Window]]:
    """Return the windows of each value of one property; values that were asked for and never seen are there too."""
    place = metric.keys[index].index(group_by.key)
    seen = by_group(rows, [place])
    values = group_by.values or sorted(value for (value,) in seen if value is not None)[:FILTER_VALUES]
    return {value: windows(metric.aggregation_type, seen.get((value,), ()), size, *_hours(span)) for value in values}


async def _read(
    reader: shards.Reader, customer: Customer, metric: BillableMetric, index: int, span: Period
) -> list[HourUsage]:
    """Return the usage of a customer, under all of its identifiers."""
    hours = await reader.hours(customer.keys, [metric.id], {metric.id: index}, *_hours(span))
    return hours[metric.id]


async def _wanted(
    tx: Connection, tenant_id: int, asked: tuple[WantedMetric, ...] | None
) -> list[tuple[BillableMetric, GroupBy | None]]:
    """Return the metrics that were asked for, or all that are not archived. Raises `NotFoundError`."""
    if asked is None:
        live = await metrics.page(tx, tenant_id, include_archived=False, limit=METRICS)
        return [(metric, None) for metric in live]
    known = await metrics.by_ids(tx, tenant_id, [str(each.id) for each in asked])
    for each in asked:
        if str(each.id) not in known:
            raise NotFoundError(f"no billable metric {each.id}")
        if each.group_by and each.group_by.values and len(each.group_by.values) > FILTER_VALUES:
            raise InvalidError(f"group_by may name at most {FILTER_VALUES} values")
    return [(known[str(each.id)], each.group_by) for each in asked]


def _customers_a_page(metrics_wanted: int, size: WindowSize, span: Period) -> int:
    """Return how many customers fit on a page of about `ROWS` rows."""
    a_customer = metrics_wanted * _windows(size, span)
    if a_customer > ROWS_MAX:
        raise InvalidError(f"asks for {a_customer} rows of each customer: no more than {ROWS_MAX} can be shown at once")
    return min(CUSTOMERS, max(1, ROWS // max(1, a_customer)))


def _windows(size: WindowSize, span: Period) -> int:
    """Return how many windows the span has."""
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
    for name, at in (("starting_on", start), ("ending_before", end)):
        if (at - datetime(1970, 1, 1, tzinfo=at.tzinfo)) % timedelta(days=1):
            raise InvalidError(f"{name} must be midnight UTC, but is {at.isoformat()}")
    if end - start < timedelta(days=1):
        raise InvalidError("ending_before must lie at least one day after starting_on")
    return Period(start, end)


def _hours(span: Period) -> tuple[int, int]:
    return hour_number(span.start), hour_number(span.end)


def _null_first(item: tuple[Group, object]) -> list[tuple[bool, str]]:
    return [(value is not None, value or "") for value in item[0]]


def _plain(value: Decimal | None) -> Decimal | None:
    return None if value is None else plain(value)


def _offset(cursor: str | None) -> int:
    """Return how many rows the pages before this one had. Raises `InvalidError` for a cursor that is not ours."""
    if not cursor:
        return 0
    if not cursor.isdecimal() or len(cursor) > 9:
        raise InvalidError("next_page is not a cursor that this list gave out")
    return int(cursor)


def _cursor(offset: int) -> str:
    return str(offset)


routes = [list_usage, list_groups]
