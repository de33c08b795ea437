"""Named schedules of customers, contracts and rate cards."""

from collections.abc import Mapping
from datetime import datetime

import msgspec
from msgspec import Struct
from psycopg.types.json import Jsonb

from winkel.model.named_schedule import NamedSchedule, ScheduleOwner
from winkel.store.database import Connection
from winkel.store.sql import Queries

sql = Queries(__name__)


class Filter(Struct, frozen=True, kw_only=True):
    """Which schedules of a customer's contracts are wanted; None and {} ask for nothing."""

    contract_id: str | None = None
    schedule_name: str | None = None
    properties: dict[str, str] = {}
    """Those that a schedule must have; it may have others too."""


async def lock(tx: Connection, tenant_id: int, owner_id: str) -> None:
    """Take the schedules of an owner: they change one after the other."""
    await tx.execute(sql.lock, {"tenant_id": tenant_id, "owner_id": owner_id})


async def find(
    tx: Connection, tenant_id: int, owner: ScheduleOwner, owner_id: str, name: str, properties: Mapping[str, str]
) -> NamedSchedule | None:
    """Return the schedule with exactly these properties, or None."""
    values = {
        "tenant_id": tenant_id,
        "owner": owner,
        "owner_id": owner_id,
        "schedule_name": name,
        "properties": Jsonb(properties),
    }
    row = await (await tx.execute(sql.find, values)).fetchone()
    return None if row is None else msgspec.convert(row, NamedSchedule)


async def insert(tx: Connection, tenant_id: int, schedule: NamedSchedule) -> None:
    """Keep a new schedule."""
    values = {
        "tenant_id": tenant_id,
        **msgspec.structs.asdict(schedule),
        "properties": Jsonb(schedule.properties),
        "segments": Jsonb(schedule.segments),
    }
    await tx.execute(sql.insert, values)


async def update(tx: Connection, tenant_id: int, schedule: NamedSchedule) -> None:
    """Keep the segments of a schedule as they are now."""
    values = {"tenant_id": tenant_id, "id": schedule.id, "segments": Jsonb(schedule.segments)}
    await tx.execute(sql.update, values)


async def of_contracts(
    tx: Connection, tenant_id: int, customer_id: str, wanted: Filter, after: tuple[datetime, str] | None, limit: int
) -> list[NamedSchedule]:
    """Return at most `limit` schedules of a customer's contracts that follow `after` = (created_at, id)."""
    values = {
        "tenant_id": tenant_id,
        "customer_id": customer_id,
        "contract_id": wanted.contract_id,
        "schedule_name": wanted.schedule_name,
        "properties": Jsonb(wanted.properties),
        "after_at": after and after[0],
        "after_id": after and after[1],
        "limit": limit,
    }
    return msgspec.convert(await (await tx.execute(sql.of_contracts, values)).fetchall(), list[NamedSchedule])
