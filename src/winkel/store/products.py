"""Products and their scheduled changes."""

from collections.abc import Collection
from datetime import datetime

import msgspec
from psycopg.types.json import Jsonb

from winkel.model.errors import NotFoundError
from winkel.model.product import Product, ProductUpdate
from winkel.store.database import Connection
from winkel.store.sql import Queries

sql = Queries(__name__)


async def insert(tx: Connection, tenant_id: int, product: Product) -> None:
    """Keep a new product, which has no updates yet."""
    values = {
        "tenant_id": tenant_id,
        "id": product.id,
        "type": product.type.value,
        "initial": Jsonb(product.initial),
        "custom_fields": Jsonb(product.custom_fields),
        "created_at": product.initial.created_at,
    }
    await tx.execute(sql.insert, values)


async def get(tx: Connection, tenant_id: int, product_id: str) -> Product:
    """Return a product, archived or not. Raises `NotFoundError`."""
    found = await by_ids(tx, tenant_id, [product_id])
    if product_id not in found:
        raise _missing(product_id)
    return found[product_id]


async def by_ids(tx: Connection, tenant_id: int, ids: Collection[str]) -> dict[str, Product]:
    """Return those of these products that exist, archived ones too, by id."""
    if not ids:
        return {}
    rows = await tx.execute(sql.by_ids, {"tenant_id": tenant_id, "ids": list(ids)})
    return {each.id: each for each in msgspec.convert(await rows.fetchall(), list[Product])}


async def lock(tx: Connection, tenant_id: int, product_id: str) -> Product:
    """Return a product that nobody else changes until the transaction ends. Raises `NotFoundError`."""
    row = await (await tx.execute(sql.lock, {"tenant_id": tenant_id, "id": product_id})).fetchone()
    if row is None:
        raise _missing(product_id)
    return msgspec.convert(row, Product)


async def page(
    tx: Connection,
    tenant_id: int,
    *,
    limit: int,
    after: tuple[datetime, str] | None = None,
    archived: bool | None = False,
) -> list[Product]:
    """Return up to `limit` products created after the (instant, id), oldest first; `archived` None: any."""
    at, last = after or (None, None)
    values = {"tenant_id": tenant_id, "limit": limit, "after_at": at, "after_id": last, "archived": archived}
    return msgspec.convert(await (await tx.execute(sql.page, values)).fetchall(), list[Product])


async def add_update(tx: Connection, tenant_id: int, product_id: str, update: ProductUpdate) -> None:
    """Schedule a change of a product that the transaction has locked."""
    values = {"tenant_id": tenant_id, "id": product_id, "update": Jsonb([update])}
    await tx.execute(sql.add_update, values)


async def archive(tx: Connection, tenant_id: int, product_id: str, at: datetime) -> None:
    """Archive a product for good; rates that have it go on (metronome-api.md §4.5). Raises `NotFoundError`."""
    values = {"tenant_id": tenant_id, "id": product_id, "at": at}
    if await (await tx.execute(sql.archive, values)).fetchone() is None:
        raise _missing(product_id)


def _missing(product_id: str) -> NotFoundError:
    return NotFoundError(f"there is no product {product_id}")
