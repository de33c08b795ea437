"""Customers and their ingest aliases."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct
from psycopg.types.json import Jsonb

from winkel.model.customer import Customer
from winkel.model.errors import ConflictError, NotFoundError
from winkel.store.database import Connection
from winkel.store.sql import Queries

sql = Queries(__name__)


class Filter(Struct, frozen=True, kw_only=True):
    """Which customers a list shows; None: any. An empty list of ids or accounts names nobody."""

    archived: bool | None = False
    """Only the archived ones, or only the others; None: both."""
    ids: Collection[str] | None = None
    alias: str | None = None
    salesforce_account_ids: Collection[str] | None = None


async def insert(tx: Connection, tenant_id: int, customer: Customer) -> None:
    """Keep a new customer with its aliases. Raises `ConflictError` when another one holds an alias."""
    values = {
        "tenant_id": tenant_id,
        "id": customer.id,
        "name": customer.name,
        "created_at": customer.created_at,
        "updated_at": customer.updated_at,
        "custom_fields": Jsonb(customer.custom_fields),
        "salesforce_account_id": customer.salesforce_account_id,
    }
    await tx.execute(sql.insert, values)
    await _add_aliases(tx, tenant_id, customer.id, customer.ingest_aliases)


async def get(tx: Connection, tenant_id: int, customer_id: str) -> Customer:
    """Return a customer, archived or not. Raises `NotFoundError`."""
    found = await by_ids(tx, tenant_id, [customer_id])
    if customer_id not in found:
        raise missing(customer_id)
    return found[customer_id]


async def by_ids(tx: Connection, tenant_id: int, ids: Sequence[str]) -> dict[str, Customer]:
    """Return those of these customers that exist, archived ones too, by id."""
    rows = await tx.execute(sql.by_ids, {"tenant_id": tenant_id, "ids": list(ids)})
    return {each.id: each for each in msgspec.convert(await rows.fetchall(), list[Customer])}


async def exists(tx: Connection, tenant_id: int, customer_id: str) -> bool:
    """Whether there is this customer, archived or not."""
    rows = await tx.execute(sql.known_ids, {"tenant_id": tenant_id, "ids": [customer_id]})
    return await rows.fetchone() is not None


async def page(
    tx: Connection, tenant_id: int, only: Filter, *, limit: int, after: tuple[datetime, str] | None = None
) -> list[Customer]:
    """Return up to `limit` customers created after the (instant, id), oldest first."""
    at, last = after or (None, None)
    values = {
        "tenant_id": tenant_id,
        "limit": limit,
        "after_at": at,
        "after_id": last,
        "archived": only.archived,
        "ids": None if only.ids is None else list(only.ids),
        "alias": only.alias,
        "salesforce_account_ids": None if only.salesforce_account_ids is None else list(only.salesforce_account_ids),
    }
    return msgspec.convert(await (await tx.execute(sql.page, values)).fetchall(), list[Customer])


async def set_aliases(tx: Connection, tenant_id: int, customer_id: str, aliases: Sequence[str], at: datetime) -> None:
    """Replace the aliases of a customer: usage of the past moves with them, because it is kept under the alias.

    Raises `NotFoundError`, and `ConflictError` when another customer holds one of them (metronome-api.md §9).
    """
    values = {"tenant_id": tenant_id, "id": customer_id, "at": at}
    if await (await tx.execute(sql.lock, values)).fetchone() is None:
        raise missing(customer_id)
    await tx.execute(sql.remove_aliases, values)
    await _add_aliases(tx, tenant_id, customer_id, aliases)
    await tx.execute(sql.touch, values)


async def set_name(tx: Connection, tenant_id: int, customer_id: str, name: str, at: datetime) -> Customer:
    """Rename a customer. Raises `NotFoundError`."""
    values = {"tenant_id": tenant_id, "id": customer_id, "name": name, "at": at}
    if await (await tx.execute(sql.set_name, values)).fetchone() is None:
        raise missing(customer_id)
    return await get(tx, tenant_id, customer_id)


async def set_salesforce_account(
    tx: Connection, tenant_id: int, customer_id: str, account_id: str | None, at: datetime
) -> None:
    """Set, or with None clear, the Salesforce account of a customer. Raises `NotFoundError`."""
    values = {"tenant_id": tenant_id, "id": customer_id, "salesforce_account_id": account_id, "at": at}
    if await (await tx.execute(sql.set_salesforce_account, values)).fetchone() is None:
        raise missing(customer_id)


async def archive(tx: Connection, tenant_id: int, customer_id: str, at: datetime) -> None:
    """Archive a customer with its contracts, commits and credits, for good (metronome-api.md §4.4).

    Raises `NotFoundError`.
    """
    values = {"tenant_id": tenant_id, "id": customer_id, "at": at}
    if await (await tx.execute(sql.archive, values)).fetchone() is None:
        raise missing(customer_id)
    await tx.execute(sql.archive_contracts, values)
    await tx.execute(sql.archive_balances, values)


async def products_on_contract(tx: Connection, tenant_id: int, customer_id: str, at: datetime) -> list[str]:
    """Return the ids of the products that have a rate, at the instant, on a contract of the customer."""
    values = {"tenant_id": tenant_id, "id": customer_id, "at": at}
    return [row["product_id"] for row in await (await tx.execute(sql.products_on_contract, values)).fetchall()]


async def _add_aliases(tx: Connection, tenant_id: int, customer_id: str, aliases: Sequence[str]) -> None:
    if not aliases:
        return
    await _refuse_ids(tx, tenant_id, customer_id, aliases)
    values = {"tenant_id": tenant_id, "id": customer_id, "aliases": list(aliases)}
    added = {row["alias"] for row in await (await tx.execute(sql.add_aliases, values)).fetchall()}
    taken = [alias for alias in aliases if alias not in added]
    if taken:
        rows = await (await tx.execute(sql.holders, {"tenant_id": tenant_id, "aliases": taken[:1]})).fetchone()
        holder = f"customer {rows['customer_id']}" if rows else "another customer"
        raise ConflictError(f"the ingest alias {taken[0]!r} belongs to {holder}: remove it there first")


async def _refuse_ids(tx: Connection, tenant_id: int, customer_id: str, aliases: Sequence[str]) -> None:
    """Raise `ConflictError` for an alias that is the id of another customer: its usage would have two owners."""
    ids = {each: alias for alias in aliases if (each := _id_in(alias))}
    if not ids:
        return
    rows = await (await tx.execute(sql.known_ids, {"tenant_id": tenant_id, "ids": list(ids)})).fetchall()
    for row in rows:
        if row["id"] != customer_id:
            raise ConflictError(f"the ingest alias {ids[row['id']]!r} is the id of another customer")


def _id_in(alias: str) -> str | None:
    """Return the alias as a customer's id, or None when it does not look like one."""
    try:
        return str(uuid.UUID(alias))
    except ValueError:
        return None


def missing(customer_id: str) -> NotFoundError:
    """Return what to raise for a customer that does not exist."""
    return NotFoundError(f"there is no customer {customer_id}")
