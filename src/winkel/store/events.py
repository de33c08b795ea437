"""What became of the events that came in: counts, dead letters, conflicting duplicates."""

from collections.abc import Collection
from datetime import date, datetime
from typing import TypeAlias

import msgspec
from msgspec import Struct
from psycopg.rows import dict_row

from winkel.store.database import Connection
from winkel.store.sql import Queries

sql = Queries(__name__)


Before: TypeAlias = tuple[datetime, str] | None
"""Where a page of a list begins: after the object with this (arrival, id)."""


class EventSummary(Struct, frozen=True):
    """How many events were metered, and how."""

    counted: int
    """New events, whether or not any metric wanted them."""
    duplicates: int
    conflicts: int
    """Duplicates whose content differed from the first."""
    dead_letters: int


class ConflictingDuplicate(Struct, frozen=True):
    """An event that repeated an id with other content: the newest such content, and how often."""

    id: str
    """The event's identity, in hexadecimal."""
    transaction_id: str
    customer_id: str
    event_type: str
    timestamp: datetime
    properties: str
    times: int
    last_at: datetime


async def summary(connection: Connection, tenant_id: int) -> EventSummary:
    """Return the counts of the tenant's events so far."""
    row = await (await connection.execute(sql.summary, {"tenant_id": tenant_id})).fetchone()
    return msgspec.convert(row, EventSummary)


async def conflicting_duplicates(
    connection: Connection, tenant_id: int, *, before: Before, limit: int
) -> list[ConflictingDuplicate]:
    """Return conflicting duplicates, the last one to come first, after the place `before`: (arrival, id)."""
    at, key = before or (None, None)
    values = {"tenant_id": tenant_id, "at": at, "key": key, "limit": limit}
    rows = await (await connection.execute(sql.conflicting_duplicates, values)).fetchall()
    return msgspec.convert(rows, list[ConflictingDuplicate])


async def remembered(connection: Connection, space: str, since: date, identities: Collection[bytes]) -> set[bytes]:
    """Return which of these event identities were counted since a day of arrival, by logs that share this memory."""
    values = {"space": space, "since": since, "identities": list(identities)}
    async with connection.cursor(row_factory=dict_row, binary=True) as cursor:
        await cursor.execute(sql.remembered, values)
        return {row["identity"] for row in await cursor.fetchall()}
