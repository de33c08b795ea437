"""The routing of a log: its versions, and the leases of the gateways that append by them."""

import msgspec
from msgspec import Struct

from winkel.model.errors import ConflictError
from winkel.model.routing import Routing
from winkel.store.database import Connection
from winkel.store.sql import Queries

sql = Queries(__name__)


class Gateway(Struct, frozen=True):
    """A gateway that may be appending now: it appends nothing under a version before this one any more."""

    gateway: str
    version: int
    seconds_left: float
    """Of its lease."""


class Current(Struct, frozen=True):
    """The version in force and the one that is being prepared, if there is one."""

    active: Routing
    preparing: Routing | None


async def history(connection: Connection, topic: str) -> list[Routing]:
    """Return every version that was ever in force, oldest first."""
    rows = await (await connection.execute(sql.history, {"topic": topic})).fetchall()
    return msgspec.convert(rows, list[Routing])


async def current(connection: Connection, topic: str) -> Current:
    """Return what is in force now. Raises `LookupError` when the log has no routing yet."""
    rows = await (await connection.execute(sql.current, {"topic": topic})).fetchall()
    found = {row.pop("state"): msgspec.convert(row, Routing) for row in rows}
    if "active" not in found:
        raise LookupError(f"the log {topic} has no routing")
    return Current(found["active"], found.get("preparing"))


async def newest(connection: Connection, topic: str) -> int:
    """Return the version in force; 0 when there is none."""
    row = await (await connection.execute(sql.newest, {"topic": topic})).fetchone()
    assert row is not None, "it has no condition"
    version: int = row["version"]
    return version


async def begin(connection: Connection, topic: str, routing: Routing) -> None:
    """Keep the first version, unless there is one."""
    await connection.execute(sql.begin, {"topic": topic, **_values(routing)})


async def next_version(connection: Connection, topic: str) -> int:
    """Return a version number that was never used."""
    row = await (await connection.execute(sql.next_version, {"topic": topic})).fetchone()
    assert row is not None, "it has no condition"
    version: int = row["version"]
    return version


async def prepare(connection: Connection, topic: str, routing: Routing, seconds: float) -> None:
    """Announce a version; it must be active within so many seconds. Raises `ConflictError` while there is another."""
    await connection.execute(sql.overdue, {"topic": topic})
    values = {"topic": topic, **_values(routing), "seconds": seconds}
    if await (await connection.execute(sql.prepare, values)).fetchone() is None:
        raise ConflictError("another change of the routing is under way: wait for it, or `winkel fleet abort`")


async def activate(connection: Connection, topic: str, version: int, seals: list[int]) -> bool:
    """Put a version in force from these offsets on; False: it was aborted, or its time is over."""
    values = {"topic": topic, "version": version, "seals": seals}
    return await (await connection.execute(sql.activate, values)).fetchone() is not None


async def abort(connection: Connection, topic: str, version: int | None = None) -> bool:
    """Give up the version that is being prepared, if it is the given one or None is given; False: there is none."""
    values = {"topic": topic, "version": version}
    return await (await connection.execute(sql.abort, values)).fetchone() is not None


async def renew(connection: Connection, topic: str, gateway: str, version: int, seconds: float) -> None:
    """Hold a gateway's lease for so many seconds from now, by the database's clock."""
    values = {"topic": topic, "gateway": gateway, "version": version, "seconds": seconds}
    await connection.execute(sql.renew, values)


async def leave(connection: Connection, topic: str, gateway: str) -> None:
    """Give a gateway's lease back: it appends nothing any more."""
    await connection.execute(sql.leave, {"topic": topic, "gateway": gateway})


async def gateways(connection: Connection, topic: str) -> list[Gateway]:
    """Return the gateways whose lease lasts."""
    rows = await (await connection.execute(sql.gateways, {"topic": topic})).fetchall()
    return msgspec.convert(rows, list[Gateway])


async def forget_gateways(connection: Connection, topic: str) -> None:
    """Remove leases that ended long ago."""
    await connection.execute(sql.forget_gateways, {"topic": topic})


def _values(routing: Routing) -> dict[str, object]:
    return {"version": routing.version, "lows": list(routing.lows), "partitions": list(routing.partitions)}
