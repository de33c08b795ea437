"""What each meter of a log does: its own account, written about once a second."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import Struct

from winkel.model.meter import MeterStatus
from winkel.store.database import Connection
from winkel.store.sql import Queries

sql = Queries(__name__)


async def put(
    connection: Connection, topic: str, meter: str, started_at: datetime, partitions: Sequence[int], tally: Struct
) -> None:
    """Say what a meter owns and did; `tally` is the `Tally` that it keeps (meter/worker.py)."""
    values = {"topic": topic, "meter": meter, "started_at": started_at, "partitions": list(partitions)}
    await connection.execute(sql.put, {**values, **msgspec.structs.asdict(tally)})


async def alive(connection: Connection, topic: str, within_seconds: float) -> list[MeterStatus]:
    """Return the meters that gave a sign within so many seconds."""
    rows = await (await connection.execute(sql.alive, {"topic": topic, "within": within_seconds})).fetchall()
    return msgspec.convert(rows, list[MeterStatus])


async def remove(connection: Connection, topic: str, meter: str) -> None:
    """Take the account of a meter away that ends in peace."""
    await connection.execute(sql.remove, {"topic": topic, "meter": meter})


async def forget(connection: Connection, topic: str) -> None:
    """Take the accounts away of meters that were killed more than an hour ago."""
    await connection.execute(sql.forget, {"topic": topic})
