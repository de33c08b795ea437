"""Packages."""

from datetime import datetime

import msgspec
from msgspec import Struct
from psycopg.types.json import Jsonb

from winkel.model.alias import AliasOwner
from winkel.model.errors import NotFoundError
from winkel.model.package import Package
from winkel.store import aliases
from winkel.store.contracts import Filter
from winkel.store.database import Connection
from winkel.store.sql import Queries

sql = Queries(__name__)


class Sold(Struct, frozen=True, kw_only=True):
    """A contract that was made from a package."""

    id: str
    customer_id: str
    starting_at: datetime
    created_at: datetime
    ending_before: datetime | None
    archived_at: datetime | None


async def insert(tx: Connection, tenant_id: int, package: Package) -> None:
    """Keep a new package and assign its aliases."""
    await tx.execute(
        sql.insert, {"tenant_id": tenant_id, **msgspec.structs.asdict(package), "terms": Jsonb(package.terms)}
    )
    await aliases.replace(tx, tenant_id, AliasOwner.PACKAGE, package.id, package.aliases)


async def get(tx: Connection, tenant_id: int, package_id: str) -> Package:
    """Return a package, archived or not. Raises `NotFoundError`."""
    row = await (await tx.execute(sql.find, {"tenant_id": tenant_id, "id": package_id})).fetchone()
    if row is None:
        raise NotFoundError(f"there is no package {package_id}")
    return msgspec.convert(row, Package)


async def page(
    tx: Connection, tenant_id: int, *, archived: bool | None, after: tuple[datetime, str] | None, limit: int
) -> list[Package]:
    """Return at most `limit` packages that follow `after` = (created_at, id), oldest first.

    `archived` None: both the archived ones and the others.
    """
    values = {
        "tenant_id": tenant_id,
        "archived": archived,
        "after_at": after and after[0],
        "after_id": after and after[1],
        "limit": limit,
    }
    return msgspec.convert(await (await tx.execute(sql.page, values)).fetchall(), list[Package])


async def archive(tx: Connection, tenant_id: int, package_id: str, at: datetime) -> None:
    """Archive a package; once more changes nothing. Raises `NotFoundError`."""
    values = {"tenant_id": tenant_id, "id": package_id, "at": at}
    if await (await tx.execute(sql.archive, values)).fetchone() is None:
        raise NotFoundError(f"there is no package {package_id}")


async def contracts(
    tx: Connection, tenant_id: int, package_id: str, wanted: Filter, after: tuple[datetime, str] | None, limit: int
) -> list[Sold]:
    """Return at most `limit` contracts of a package that follow `after` = (created_at, id), oldest first."""
    values = {
        "tenant_id": tenant_id,
        "package_id": package_id,
        "after_at": after and after[0],
        "after_id": after and after[1],
        "limit": limit,
        **msgspec.structs.asdict(wanted),
    }
    return msgspec.convert(await (await tx.execute(sql.contracts, values)).fetchall(), list[Sold])
