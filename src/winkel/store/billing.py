"""Whom to bill, and when."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import Struct

from winkel.store.database import Connection
from winkel.store.sql import Queries

sql = Queries(__name__)


class Look(Struct, frozen=True):
    """When to look at a customer next (None: not until something changes), and why this look failed."""

    customer_id: str
    next: datetime | None
    problem: str | None = None


class Problem(Struct, frozen=True):
    """Why the last look at a customer failed: one line for each group of contracts that could not be billed."""

    tenant: str
    customer_id: str
    customer: str
    problem: str


async def lock_customer(tx: Connection, tenant_id: int, customer_id: str) -> None:
    """Wait until nobody else bills this customer, and keep others waiting until this transaction ends."""
    await tx.execute(sql.lock_customer, {"tenant_id": tenant_id, "customer_id": customer_id})


async def due(connection: Connection, at: datetime, limit: int) -> list[tuple[int, str]]:
    """Return (tenant id, customer id) of those to look at, the longest waiting first; for the owner's connection."""
    rows = await connection.execute(sql.due, {"at": at, "limit": limit})
    return [(row["tenant_id"], row["customer_id"]) for row in await rows.fetchall()]


async def count_due(connection: Connection, at: datetime) -> int:
    """Return how many customers are to be looked at; for the owner's connection."""
    row = await (await connection.execute(sql.count_due, {"at": at})).fetchone()
    assert row is not None, "count always gives a row"
    return int(row["count"])


async def retry_now(connection: Connection, at: datetime) -> None:
    """Let the customers whose last look failed be due at `at`, not later; for the owner's connection."""
    await connection.execute(sql.retry_now, {"at": at})


async def problems(connection: Connection) -> list[Problem]:
    """Return whose last look failed, in all tenants; for the owner's connection."""
    return msgspec.convert(await (await connection.execute(sql.problems)).fetchall(), list[Problem])


async def take(tx: Connection, tenant_id: int, customer_ids: Sequence[str], at: datetime) -> list[str]:
    """Take those of these customers that are due until the end of the transaction, but those that another has.

    A customer that is taken is locked as by `lock_customer`, and nobody makes it due again meanwhile.
    """
    rows = await tx.execute(sql.take, {"tenant_id": tenant_id, "customer_ids": list(customer_ids), "at": at})
    return [row["id"] for row in await rows.fetchall()]


async def set_due(tx: Connection, tenant_id: int, looks: Sequence[Look]) -> None:
    """Say when to look at customers again, and what went wrong."""
    values = {
        "tenant_id": tenant_id,
        "customer_ids": [each.customer_id for each in looks],
        "next": [each.next for each in looks],
        "problems": [each.problem for each in looks],
    }
    await tx.execute(sql.set_due, values)
