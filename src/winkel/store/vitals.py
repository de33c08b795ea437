"""Signs of health, over all tenants; the connection must be the owner's."""

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import LiteralString

import msgspec
import psycopg
from msgspec import Struct

from winkel.store.database import Connection
from winkel.store.sql import Queries

sql = Queries(__name__)


class Troubles(Struct, frozen=True):
    """How many events could not be counted, and how many repeated an id with other content."""

    dead_letters: int
    conflicts: int


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


async def folders(connection: Connection) -> list[Path]:
    """Return where the server keeps data and write-ahead log; nothing when it is on another machine, or does not say.

    A server that is reached by a socket in the file system is on this one.
    """
    if not connection.info.host.startswith("/"):
        return []
    try:
        row = await (await connection.execute(sql.data_folder)).fetchone()
    except psycopg.errors.InsufficientPrivilege:
        return []
    assert row is not None
    return [Path(row["folder"]), Path(row["folder"]) / "pg_wal"]


def free_bytes(folders: Sequence[Path]) -> int | None:
    """Return how many bytes may still be written to the fullest of the disks of these folders; None: nobody knows."""
    free = []
    for folder in folders:
        try:
            found = os.statvfs(folder)
        except OSError:
            continue
        free.append(found.f_bavail * found.f_frsize)
    return min(free, default=None)


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
