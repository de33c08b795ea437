"""Commits and credits, of customers and of contracts. What is left of them is in `store/ledger.py`."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct
from psycopg.types.json import Jsonb

from winkel.model.commit import AccessType, Balance, BalanceType
from winkel.model.credit_type import QUANTITY
from winkel.model.errors import NotFoundError
from winkel.store.database import Connection
from winkel.store.sql import Queries, grouped

sql = Queries(__name__)

_NESTED = (
    "segments",
    "applicable_contract_ids",
    "applicable_product_ids",
    "applicable_product_tags",
    "specifiers",
    "custom_fields",
)
_OPTIONAL = ("allocation", "child_access", "invoice_schedule", "rolled_over_from")


class Filter(Struct, frozen=True, kw_only=True):
    """Which balances of a customer are wanted; None asks for nothing (metronome-api.md §4.8)."""

    types: tuple[BalanceType, ...] = tuple(BalanceType)
    id: str | None = None
    access_type: AccessType | None = None
    covering: datetime | None = None
    """Only those with a segment that covers the instant."""
    starting_at: datetime | None = None
    """Only those that give access at the instant or later."""
    effective_before: datetime | None = None
    """Only those that give access before the instant."""
    include_archived: bool = False
    """Also those that are archived or retired."""
    include_contracts: bool = False
    """Those that belong to contracts as well."""


async def insert(tx: Connection, tenant_id: int, *new: Balance) -> None:
    """Keep new balances."""
    rows = []
    for each in new:
        values = {"tenant_id": tenant_id, **msgspec.structs.asdict(each)}
        values |= {name: Jsonb(values[name]) for name in _NESTED}
        values |= {name: _json(values[name]) for name in _OPTIONAL}
        rows.append(values)
    async with tx.cursor() as cursor:
        await cursor.executemany(sql.insert, rows)


async def get(tx: Connection, tenant_id: int, customer_id: str, balance_id: str) -> Balance:
    """Return a balance of a customer or of its contracts, archived or not. Raises `NotFoundError`."""
    values = {"tenant_id": tenant_id, "customer_id": customer_id, "id": balance_id}
    row = await (await tx.execute(sql.find, values)).fetchone()
    if row is None:
        raise NotFoundError(f"this customer has no commit or credit {balance_id}")
    return msgspec.convert(row, Balance)


async def ids(tx: Connection, tenant_id: int, customer_ids: Sequence[str]) -> dict[str, frozenset[str]]:
    """Return the ids of all kept balances of some customers and of their contracts by customer, archived ones too."""
    rows = await tx.execute(sql.ids, {"tenant_id": tenant_id, "customer_ids": list(customer_ids)})
    found = grouped((row["customer_id"], row["id"]) for row in await rows.fetchall())
    return {customer_id: frozenset(some) for customer_id, some in found.items()}


async def of_customer(
    tx: Connection, tenant_id: int, customer_id: str, include_archived: bool = False
) -> tuple[Balance, ...]:
    """Return the balances of a customer and of its contracts, oldest first; archived and retired ones if asked for."""
    return (await of_customers(tx, tenant_id, [customer_id], include_archived)).get(customer_id, ())


async def of_customers(
    tx: Connection, tenant_id: int, customer_ids: Sequence[str], include_archived: bool = False
) -> dict[str, tuple[Balance, ...]]:
    """Return the balances of customers and of their contracts, oldest first, by customer; who has none is left out."""
    values = {"tenant_id": tenant_id, "customer_ids": list(customer_ids), "include_archived": include_archived}
    rows = await (await tx.execute(sql.of_customers, values)).fetchall()
    return grouped((each.customer_id, each) for each in msgspec.convert(rows, list[Balance]))


async def page(
    tx: Connection, tenant_id: int, customer_id: str, wanted: Filter, after: tuple[datetime, str] | None, limit: int
) -> list[Balance]:
    """Return at most `limit` balances that follow `after` = (created_at, id), oldest first."""
    values = {
        "tenant_id": tenant_id,
        "customer_id": customer_id,
        "after_at": after and after[0],
        "after_id": after and after[1],
        "limit": limit,
        **msgspec.structs.asdict(wanted),
        "types": [str(each) for each in wanted.types],
        "by_quantity": wanted.access_type and wanted.access_type is AccessType.QUANTITY,
        "quantity": QUANTITY,
    }
    return msgspec.convert(await (await tx.execute(sql.page, values)).fetchall(), list[Balance])


async def update(tx: Connection, tenant_id: int, balance: Balance) -> None:
    """Keep the terms of a balance as they are now."""
    values = {"tenant_id": tenant_id, **msgspec.structs.asdict(balance)}
    values |= {name: Jsonb(values[name]) for name in _NESTED}
    values |= {name: _json(values[name]) for name in _OPTIONAL}
    await tx.execute(sql.update, values)


async def set_schedules(tx: Connection, tenant_id: int, balance: Balance) -> None:
    """Keep the segments and the invoice schedule of a balance as they are now."""
    values = {"tenant_id": tenant_id, "id": balance.id, "segments": Jsonb(balance.segments)}
    await tx.execute(sql.set_schedules, {**values, "invoice_schedule": _json(balance.invoice_schedule)})


async def retire(tx: Connection, tenant_id: int, balance_ids: Sequence[str], at: datetime) -> None:
    """Take commits out of billing: accounts are without them and their entries."""
    await tx.execute(sql.retire, {"tenant_id": tenant_id, "ids": list(balance_ids), "at": at})


async def bring_back(tx: Connection, tenant_id: int, balance_ids: Iterable[str]) -> None:
    """Let those that are retired take part in billing again."""
    await tx.execute(sql.bring_back, {"tenant_id": tenant_id, "ids": list(balance_ids)})


async def archive_of_contract(tx: Connection, tenant_id: int, contract_id: str, at: datetime) -> None:
    """Archive the balances of a contract."""
    await tx.execute(sql.archive_of_contract, {"tenant_id": tenant_id, "contract_id": contract_id, "at": at})


async def unbalanced(connection: Connection) -> list[tuple[int, str]]:
    """Return (tenant id, balance id) of those that have not what rolled over to them; for the owner's connection.

    The rule is that of `bill/books.py`.
    """
    rows = await (await connection.execute(sql.unbalanced)).fetchall()
    return [(row["tenant_id"], row["id"]) for row in rows]


def _json(value: object | None) -> Jsonb | None:
    return None if value is None else Jsonb(value)
