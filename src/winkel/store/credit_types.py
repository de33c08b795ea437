"""Custom pricing units. Currencies are the same for everybody: they are in `model/credit_type.py`."""

from datetime import datetime

import msgspec

from winkel.model.credit_type import BY_ID, CreditType, Units
from winkel.model.errors import ConflictError, NotFoundError
from winkel.store.database import Connection
from winkel.store.sql import Queries

sql = Queries(__name__)


async def insert(tx: Connection, tenant_id: int, unit: CreditType) -> None:
    """Keep a new custom unit. Raises `ConflictError` when a live one has its name."""
    values = {"tenant_id": tenant_id, "id": unit.id, "name": unit.name, "created_at": unit.created_at}
    if await (await tx.execute(sql.insert, values)).fetchone() is None:
        raise ConflictError(f"there is a pricing unit {unit.name!r} already")


async def page(tx: Connection, tenant_id: int, after: tuple[datetime, str] | None, limit: int) -> list[CreditType]:
    """Return at most `limit` custom units that are not archived and follow `after` = (created_at, id)."""
    values = {"tenant_id": tenant_id, "after_at": after and after[0], "after_id": after and after[1], "limit": limit}
    return msgspec.convert(await (await tx.execute(sql.page, values)).fetchall(), list[CreditType])


async def units(tx: Connection, tenant_id: int) -> Units:
    """Return every pricing unit that a tenant may have used: the currencies and its own, archived ones too."""
    rows = await (await tx.execute(sql.every, {"tenant_id": tenant_id})).fetchall()
    return {**BY_ID, **{each.id: each for each in msgspec.convert(rows, list[CreditType])}}


async def archive(tx: Connection, tenant_id: int, credit_type_id: str, at: datetime) -> None:
    """Archive a custom unit; once more changes nothing. Raises `NotFoundError`."""
    values = {"tenant_id": tenant_id, "id": credit_type_id, "at": at}
    if await (await tx.execute(sql.archive, values)).fetchone() is None:
        raise NotFoundError(f"there is no custom pricing unit {credit_type_id}")
