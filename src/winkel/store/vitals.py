"""Signs of health, over all tenants; the connection must be the owner's."""

from datetime import datetime
from typing import LiteralString

import msgspec
from msgspec import Struct

from winkel.store.database import Connection
from winkel.store.sql import Queries

sql = Queries(__name__)


class Lag(Struct, frozen=True):
    """One partition of the log: the next offset to be written, and the next to be metered."""

    partition: int
    next_offset: int
    metered_offset: int
    owner: str | None
    updated_at: datetime | None

    @property
    def records(self) -> int:
        """How many records wait to be metered."""
        return max(0, self.next_offset - self.metered_offset)


class Troubles(Struct, frozen=True):
    """How many events could not be counted, and how many repeated an id with other content."""

    dead_letters: int
    conflicts: int


async def lag(connection: Connection, topic: str = "events") -> list[Lag]:
    """Return how far metering is behind the log, by partition."""
    rows = await (await connection.execute(sql.lag, {"topic": topic})).fetchall()
    return msgspec.convert(rows, list[Lag])


async def open_deltas(connection: Connection, limit: int) -> int:
    """Return how many additions to usage wait to be merged; `limit` when there are that many or more."""
    return await _count(connection, sql.open_deltas, limit=limit)


async def troubles(connection: Connection, hour: int) -> Troubles:
    """Return what went wrong with events that arrived in or after an hour (hours since 1970)."""
    row = await (await connection.execute(sql.troubles, {"hour": hour})).fetchone()
    return msgspec.convert(row, Troubles)


async def failed_billings(connection: Connection) -> int:
    """Return how many customers could not be billed at the last try."""
    return await _count(connection, sql.failed_billings)


async def database_now(connection: Connection) -> datetime:
    """Return the database's clock."""
    row = await (await connection.execute(sql.now)).fetchone()
    assert row is not None
    now: datetime = row["now"]
    return now


async def _count(connection: Connection, statement: LiteralString, **values: int) -> int:
    row = await (await connection.execute(statement, values)).fetchone()
    assert row is not None
    return int(row["count"])
