"""How many meters there should be: the last decision, and who may make it."""

from datetime import datetime
from typing import LiteralString

import msgspec
from msgspec import Struct

from winkel.store.database import Connection
from winkel.store.sql import Queries

sql = Queries(__name__)

VALID_SECONDS = 30.0
"""A decision that nobody confirmed for so long holds no longer: whoever made it is gone."""


class Desired(Struct, frozen=True):
    """How many meters there should be, all together, as was last decided."""

    topic: str
    desired: int
    reason: str
    """For people: why."""
    at: datetime
    age_seconds: float
    """By the database's clock."""

    @property
    def valid(self) -> bool:
        """Whether it is still being confirmed."""
        return self.age_seconds < VALID_SECONDS


async def lead(connection: Connection, topic: str) -> bool:
    """Be the only one who decides for a log, as long as this connection lasts; False: somebody else is."""
    row = await (await connection.execute(sql.lead, {"topic": topic})).fetchone()
    return row is not None and bool(row["leads"])


async def keep(connection: Connection, topic: str, desired: int, reason: str) -> None:
    """Keep a decision, in place of the one before."""
    await connection.execute(sql.keep, {"topic": topic, "desired": desired, "reason": reason})


async def last(connection: Connection, topic: str) -> Desired | None:
    """Return the last decision for a log; None: none was made yet."""
    return await _one(connection, sql.last, {"topic": topic})


async def newest(connection: Connection) -> Desired | None:
    """Return the last decision for whichever log is metered now; None: none was made yet."""
    return await _one(connection, sql.newest, {})


async def _one(connection: Connection, statement: LiteralString, values: dict[str, str]) -> Desired | None:
    row = await (await connection.execute(statement, values)).fetchone()
    return None if row is None else msgspec.convert(row, Desired)
