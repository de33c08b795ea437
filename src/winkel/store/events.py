"""What came in and what became of it: records of the log, counts, dead letters, conflicting duplicates."""

from datetime import datetime

import msgspec
from msgspec import Struct

from winkel.store.database import Connection
from winkel.store.sql import Queries

sql = Queries(__name__)


class StoredRecord(Struct, frozen=True, gc=False):
    """A record of the log (`log/log.py`) as its tenant may read it."""

    tenant_id: int
    partition: int
    offset: int
    events: int
    appended_at: datetime
    data: bytes


class EventSummary(Struct, frozen=True):
    """How many events were metered, and how."""

    counted: int
    """New events, whether or not any metric wanted them."""
    duplicates: int
    conflicts: int
    """Duplicates whose content differed from the first."""
    dead_letters: int


class StoredDeadLetter(Struct, frozen=True):
    """An event, or a whole record, that could not be counted (`model/usage.py`, DeadLetter)."""

    id: str
    topic: str
    partition: int
    offset: int
    index: int
    """Position of the event in its record; −1: the whole record."""
    reason: str
    detail: str
    metric_id: str | None
    transaction_id: str | None
    payload: bytes
    at: datetime


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


async def newest_records(
    connection: Connection, tenant_id: int, *, before: tuple[datetime, int, int] | None, limit: int
) -> list[StoredRecord]:
    """Return records with the tenant's events, newest first, older than `before`: (arrival, partition, offset)."""
    at, partition, offset = before or (None, None, None)
    values = {"tenant_id": tenant_id, "at": at, "partition": partition, "offset": offset, "limit": limit}
    async with connection.cursor(binary=True) as cursor:
        rows = await (await cursor.execute(sql.newest_records, values)).fetchall()
    return [StoredRecord(**row) for row in rows]


async def summary(connection: Connection, tenant_id: int) -> EventSummary:
    """Return the counts of the tenant's events so far."""
    row = await (await connection.execute(sql.summary, {"tenant_id": tenant_id})).fetchone()
    return msgspec.convert(row, EventSummary)


async def dead_letters(
    connection: Connection, tenant_id: int, *, before: int | None, limit: int
) -> list[StoredDeadLetter]:
    """Return dead letters, newest first, with a smaller id than `before`."""
    values = {"tenant_id": tenant_id, "before": before, "limit": limit}
    rows = await (await connection.execute(sql.dead_letters, values)).fetchall()
    return msgspec.convert(rows, list[StoredDeadLetter])


async def conflicting_duplicates(
    connection: Connection, tenant_id: int, *, before: tuple[datetime, str] | None, limit: int
) -> list[ConflictingDuplicate]:
    """Return conflicting duplicates, the last one to come first, after the place `before`: (arrival, id)."""
    at, key = before or (None, None)
    values = {"tenant_id": tenant_id, "at": at, "key": key, "limit": limit}
    rows = await (await connection.execute(sql.conflicting_duplicates, values)).fetchall()
    return msgspec.convert(rows, list[ConflictingDuplicate])
