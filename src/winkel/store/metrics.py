"""Billable metrics."""

from collections.abc import Collection
from datetime import datetime

import msgspec
from psycopg.types.json import Jsonb

from winkel.model.errors import NotFoundError
from winkel.model.metric import BillableMetric
from winkel.store.database import Connection
from winkel.store.sql import Queries

sql = Queries(__name__)


async def insert(tx: Connection, tenant_id: int, metric: BillableMetric) -> None:
    """Keep a new metric; it is counted for events that the meter reads from now on, not for those before."""
    values = {
        "tenant_id": tenant_id,
        "id": metric.id,
        "name": metric.name,
        "aggregation_type": metric.aggregation_type.value,
        "aggregation_key": metric.aggregation_key,
        "event_type_filter": None if metric.event_type_filter is None else Jsonb(metric.event_type_filter),
        "property_filters": Jsonb(metric.property_filters),
        "group_keys": Jsonb(metric.group_keys),
        "custom_fields": Jsonb(metric.custom_fields),
        "created_at": metric.created_at,
    }
    await tx.execute(sql.insert, values)


async def get(tx: Connection, tenant_id: int, metric_id: str) -> BillableMetric:
    """Return a metric, archived or not. Raises `NotFoundError`."""
    found = await by_ids(tx, tenant_id, [metric_id])
    if metric_id not in found:
        raise _missing(metric_id)
    return found[metric_id]


async def by_ids(tx: Connection, tenant_id: int, ids: Collection[str]) -> dict[str, BillableMetric]:
    """Return those of these metrics that exist, archived ones too, by id."""
    if not ids:
        return {}
    rows = await tx.execute(sql.by_ids, {"tenant_id": tenant_id, "ids": list(ids)})
    return {each.id: each for each in msgspec.convert(await rows.fetchall(), list[BillableMetric])}


async def page(
    tx: Connection,
    tenant_id: int,
    *,
    limit: int,
    after: tuple[datetime, str] | None = None,
    include_archived: bool = False,
    ids: Collection[str] | None = None,
) -> list[BillableMetric]:
    """Return up to `limit` metrics created after the (instant, id), oldest first; with `ids`, only those."""
    at, last = after or (None, None)
    values = {
        "tenant_id": tenant_id,
        "limit": limit,
        "after_at": at,
        "after_id": last,
        "include_archived": include_archived,
        "ids": None if ids is None else list(ids),
    }
    return msgspec.convert(await (await tx.execute(sql.page, values)).fetchall(), list[BillableMetric])


async def all_by_tenant(connection: Connection) -> dict[int, list[BillableMetric]]:
    """Return the metrics of every tenant that has any, archived ones too; the connection must be the owner's."""
    found: dict[int, list[BillableMetric]] = {}
    for row in await (await connection.execute(sql.all_by_tenant)).fetchall():
        found.setdefault(row["tenant_id"], []).append(msgspec.convert(row, BillableMetric))
    return found


async def rename(tx: Connection, tenant_id: int, metric_id: str, name: str) -> None:
    """Give a metric another name. Raises `NotFoundError`."""
    values = {"tenant_id": tenant_id, "id": metric_id, "name": name}
    if await (await tx.execute(sql.rename, values)).fetchone() is None:
        raise _missing(metric_id)


async def archive(tx: Connection, tenant_id: int, metric_id: str, at: datetime) -> None:
    """End the use of a metric in new products; those that have it go on (metronome-api.md §4.2).

    Raises `NotFoundError`.
    """
    values = {"tenant_id": tenant_id, "id": metric_id, "at": at}
    if await (await tx.execute(sql.archive, values)).fetchone() is None:
        raise _missing(metric_id)


def _missing(metric_id: str) -> NotFoundError:
    return NotFoundError(f"there is no billable metric {metric_id}")
