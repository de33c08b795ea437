"""/v1/billable-metrics: create, get, rename, list, archive (metronome-api.md §4.2)."""

import uuid
from typing import Any
from uuid import UUID

from litestar import Request, get, post, put
from msgspec import Struct

from winkel.api import fields, pages, wire
from winkel.api.auth import reader, writer
from winkel.api.parse import id_of
from winkel.api.requests import Paging, query
from winkel.api.state import Api
from winkel.api.wire import Data, Id, Page
from winkel.model.metric import Aggregation, BillableMetric, EventTypeFilter, PropertyFilter
from winkel.model.tenant import Caller
from winkel.store import metrics

GROUP_KEYS_MAX = 100
"""The most group keys of one metric: every event is counted once under each of them."""


class CreateMetric(Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of create."""

    name: fields.Text
    aggregation_type: Aggregation | None = None
    aggregation_key: fields.Text | None = None
    event_type_filter: EventTypeFilter | None = None
    property_filters: tuple[PropertyFilter, ...] | None = None
    group_keys: tuple[tuple[fields.Text, ...], ...] | None = None
    custom_fields: fields.CustomFields = {}
    sql: str | None = None


class Rename(Struct, forbid_unknown_fields=True):
    """The body of PUT."""

    name: fields.Text


class MetricId(Struct, forbid_unknown_fields=True):
    """The body of archive."""

    id: UUID


class MetricQuery(Paging):
    """The filter of the list."""

    include_archived: bool = False


def metric_page(found: list[BillableMetric], limit: int) -> Page[BillableMetric]:
    """Return the first `limit` of the metrics as a page."""
    shown, more = pages.cut(found, limit)
    if not more or shown[-1].created_at is None:
        return Page(shown)
    return Page(shown, pages.encode(pages.Position(shown[-1].created_at, shown[-1].id)))


@post("/v1/billable-metrics/create", status_code=200, guards=[writer])
async def create(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Define a metric. It counts events that arrive from now on."""
    asked = await wire.body(request, CreateMetric)
    if asked.sql is not None:
        fields.refuse("SQL metrics are not supported yet; use filters and an aggregation_type", "$.sql")
    if asked.aggregation_type is None:
        fields.refuse("aggregation_type is required: COUNT, LATEST, MAX, SUM or UNIQUE", "$.aggregation_type")
    metric = BillableMetric(
        id=str(uuid.uuid4()),
        name=asked.name,
        aggregation_type=asked.aggregation_type,
        aggregation_key=asked.aggregation_key,
        event_type_filter=asked.event_type_filter,
        property_filters=asked.property_filters or (),
        group_keys=asked.group_keys or (),
        custom_fields=asked.custom_fields,
        created_at=api.clock(),
    )
    check(metric)
    async with api.database.transaction(caller.tenant_id) as tx:
        await metrics.insert(tx, caller.tenant_id, metric)
    return Data(Id(metric.id))


def check(metric: BillableMetric) -> None:
    """Raise `InvalidError` for a definition that contradicts itself or is larger than we keep."""
    metric.check()
    for index, each in enumerate(metric.property_filters):
        if not each.name:
            fields.refuse("the name of a property must not be empty", f"$.property_filters[{index}].name")
    if len({frozenset(key) for key in metric.group_keys}) != len(metric.group_keys):
        fields.refuse("group_keys must name each combination of properties once", "$.group_keys")
    if len(metric.group_keys) > GROUP_KEYS_MAX:
        fields.refuse(f"group_keys may hold {GROUP_KEYS_MAX} keys, but has {len(metric.group_keys)}", "$.group_keys")


@get("/v1/billable-metrics/{billable_metric_id:str}", guards=[reader])
async def retrieve(api: Api, caller: Caller, billable_metric_id: str) -> Data[BillableMetric]:
    """Return one metric, archived or not."""
    async with api.database.transaction(caller.tenant_id) as tx:
        return Data(await metrics.get(tx, caller.tenant_id, id_of(billable_metric_id, "billable_metric_id")))


@put("/v1/billable-metrics/{billable_metric_id:str}", guards=[writer])
async def rename(request: Request[Any, Any, Any], api: Api, caller: Caller, billable_metric_id: str) -> Data[Id]:
    """Give a metric another name; nothing else about it ever changes."""
    asked, metric_id = await wire.body(request, Rename), id_of(billable_metric_id, "billable_metric_id")
    async with api.database.transaction(caller.tenant_id) as tx:
        await metrics.rename(tx, caller.tenant_id, metric_id, asked.name)
    return Data(Id(metric_id))


@get("/v1/billable-metrics", guards=[reader])
async def list_metrics(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Page[BillableMetric]:
    """List metrics, oldest first, without the archived ones unless they are asked for."""
    asked = query(request, MetricQuery)
    limit, after = pages.limit_of(asked.limit), fields.position(asked.next_page)
    async with api.database.transaction(caller.tenant_id) as tx:
        found = await metrics.page(
            tx, caller.tenant_id, limit=limit + 1, after=after, include_archived=asked.include_archived
        )
    return metric_page(found, limit)


@post("/v1/billable-metrics/archive", status_code=200, guards=[writer])
async def archive(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """End the use of a metric in new products; products that have it go on metering."""
    asked = await wire.body(request, MetricId)
    async with api.database.transaction(caller.tenant_id) as tx:
        await metrics.archive(tx, caller.tenant_id, str(asked.id), api.clock())
    return Data(Id(str(asked.id)))


routes = [create, retrieve, rename, list_metrics, archive]
