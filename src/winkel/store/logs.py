"""What the home database knows of the log: the key of event identities, which log is in use, and who its owner is."""

from typing import Any, LiteralString

from winkel.model.errors import ConflictError, ReplacedError
from winkel.model.log_in_use import LogInUse, is_another, refusal
from winkel.store.database import Connection
from winkel.store.sql import Queries

sql = Queries(__name__)


async def identity_key(home: Connection) -> bytes:
    """Return the key of event identities (log/log.py, `secret`): the same for every log of the installation."""
    key: bytes = await _one(home, sql.identity_key)
    return key


async def owner(home: Connection) -> str:
    """Return what tells this database from every other, also from one that was restored from its dump."""
    found: str = await _one(home, sql.owner)
    return found


async def in_use(home: Connection) -> LogInUse | None:
    """Return the log to which events go; None: none was used yet, or the last one was left."""
    noted: str = await _one(home, sql.in_use)
    return LogInUse(*noted.split(" ")) if noted else None


async def agree(home: Connection, address: str, *, moving: bool) -> LogInUse | None:
    """Return the log in use. Raises `ConflictError` when that of this address must not be worked on instead.

    `address` and `moving` are what `refusal` takes.
    """
    found = await in_use(home)
    if refused := refusal(found, address, moving=moving):
        raise ConflictError(refused)
    return found


async def note(home: Connection, log: LogInUse) -> None:
    """Note that events go to a log from now on.

    Raises `ConflictError`, or `ReplacedError` for a topic of the same name, when somebody was quicker with another one.
    """
    async with home.transaction():
        await home.execute(sql.turn)
        found = await agree(home, log.address, moving=True)
        if is_another(found, log.name):
            raise ReplacedError(f"events of this installation go to another topic {log.topic} than that at {log}")
        if found != log:
            await home.execute(sql.note, {"noted": f"{log.name} {log.address}".rstrip()})


async def leave(home: Connection) -> None:
    """Let the next process that appends, meters or bills say which log is in use."""
    await home.execute(sql.note, {"noted": ""})


async def check(home: Connection, name: str) -> None:
    """Raise `ReplacedError` when events go to another log than that of this name by now."""
    found = await in_use(home)
    if found is not None and found.name != name:
        raise ReplacedError(f"events of this installation go to {found} now: restart Winkel with that as WINKEL_LOG")


async def _one(home: Connection, statement: LiteralString) -> Any:
    row = await (await home.execute(statement)).fetchone()
    assert row is not None, "the schema makes this row, and coalesce finds one"
    (found,) = row.values()
    return found
