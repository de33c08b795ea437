"""Whom to bill, and when."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
import psycopg
from msgspec import Struct

from winkel.store.database import Connection
from winkel.store.sql import Queries, grouped

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


async def lock_customer(tx: Connection, tenant_id: int, *customer_ids: str) -> None:
    """Wait until nobody else bills these customers or their families, and keep others waiting until `tx` ends.

    A family that changed while it was waited for is locked anew; what was locked by then is given back, so that locks
    are always taken in one order. Whoever changes who is a family must give all whom it joins.
    """
    values = {"tenant_id": tenant_id, "customer_ids": list(customer_ids)}
    while True:
        async with tx.transaction():
            locked = {row["id"] for row in await (await tx.execute(sql.lock, values)).fetchall()}
            now = await families(tx, tenant_id, customer_ids)
            if all(members[0] in locked for members in now.values()):
                return
            raise psycopg.Rollback


async def families(tx: Connection, tenant_id: int, customer_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the families of those of these customers that exist, by customer: all members, itself included, in order.

    A family are those whom hierarchies of contracts link, however far away: they are billed as one.
    """
    rows = await tx.execute(sql.families, {"tenant_id": tenant_id, "customer_ids": list(customer_ids)})
    return grouped((row["customer_id"], row["member_id"]) for row in await rows.fetchall())


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


async def take(tx: Connection, tenant_id: int, customer_ids: Sequence[str], at: datetime) -> dict[str, tuple[str, ...]]:
    """Take those of these customers that are due until the end of the transaction, but those that another has.

    They are taken with their families, which are returned by their first members, due themselves or not. A family that
    is taken is locked as by `lock_customer`: it stays as it is, and nobody makes it due again meanwhile.
    """
    values = {"tenant_id": tenant_id, "customer_ids": list(customer_ids), "at": at}
    locked = {row["id"] for row in await (await tx.execute(sql.take, values)).fetchall()}
    rows = await (await tx.execute(sql.still_due, values)).fetchall()
    due = grouped((row["customer_id"], row["member_id"]) for row in rows)
    return {members[0]: members for members in sorted(due.values()) if members[0] in locked}


async def set_due(tx: Connection, tenant_id: int, looks: Sequence[Look]) -> None:
    """Say when to look at customers again, and what went wrong."""
    values = {
        "tenant_id": tenant_id,
        "customer_ids": [each.customer_id for each in looks],
        "next": [each.next for each in looks],
        "problems": [each.problem for each in looks],
    }
    await tx.execute(sql.set_due, values)
