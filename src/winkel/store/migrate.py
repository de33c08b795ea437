"""Brings a database to the newest schema, and keeps processes of another version away from it."""

from functools import cache
from importlib import resources

import psycopg
from psycopg import sql as build

from winkel.model.errors import SchemaError, UnavailableError
from winkel.store import progress
from winkel.store.database import APP_ROLE, Connection

_LOCK = 0x77696E6B656C  # "winkel": one migration at a time in one database
_IN_USE = _LOCK + 2  # shared by transactions that go by the schema; a migration has it alone


def migrations() -> list[tuple[str, str]]:
    """Return the name and text of every migration, oldest first."""
    folder = resources.files("winkel.store").joinpath("migrations")
    files = sorted((each for each in folder.iterdir() if each.name.endswith(".sql")), key=lambda each: each.name)
    return [(each.name.removesuffix(".sql"), each.read_text(encoding="utf-8")) for each in files]


async def migrate(connection: Connection) -> list[str]:
    """Apply, in one transaction, the migrations that are missing; return their names.

    Meters and billing of an older version that still run finish the transaction that they are in and change nothing
    afterwards: the former lose their partitions, the latter look first (`hold`).
    Then the connection's user may take on the role of the API. Raises `UnavailableError` when that role is gone.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migration (name text PRIMARY KEY, applied_at timestamptz DEFAULT now())"
        )
        rows = await (await connection.execute("SELECT name FROM migration")).fetchall()
        done = {row["name"] for row in rows}
        missing = [(name, text) for name, text in migrations() if name not in done]
        if missing and done:
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_IN_USE,))
            await progress.fence(connection)
        for name, text in missing:
            await connection.execute(text.encode())
            await connection.execute("INSERT INTO migration (name) VALUES (%s)", (name,))
        await _let_in(connection)
    return [name for name, _ in missing]


async def _let_in(connection: Connection) -> None:
    """Let our user take on the role of the API, as which gateways connect; a superuser may anyway.

    Who makes a role is no member of it. Since PostgreSQL 16 that one is a member who may pass it on, and still not take
    it on: so there it is SET that counts, which PostgreSQL 15 does not know.
    """
    right = "SET" if connection.info.server_version >= 160000 else "MEMBER"
    asked = "SELECT pg_has_role(oid, %s) AS may FROM pg_roles WHERE rolname = %s"
    row = await (await connection.execute(asked, (right, APP_ROLE))).fetchone()
    if row is None:
        raise UnavailableError(
            f"the role {APP_ROLE}, which the first migration made, is gone: when a database is restored, "
            f"restore the roles before it (pg_dumpall --roles-only)"
        )
    if not row["may"]:
        await connection.execute(build.SQL("GRANT {} TO CURRENT_USER").format(build.Identifier(APP_ROLE)))


async def unknown(connection: Connection) -> list[str]:
    """Return the names of the applied migrations that this version does not have."""
    return [name for name in await _applied(connection) if name not in _names()]


async def missing(connection: Connection) -> list[str]:
    """Return the names of this version's migrations that were not applied."""
    applied = await _applied(connection)
    return [name for name in _names() if name not in applied]


async def check(connection: Connection) -> None:
    """Raise `SchemaError`, which says what to do, when the schema is not the one of this version."""
    applied = await _applied(connection)
    if newer := [name for name in applied if name not in _names()]:
        raise newer_than_known(newer)
    if lacking := [name for name in _names() if name not in applied]:
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        raise SchemaError(f"the database lacks {lacking[0]}{more}: run `winkel migrate`")


async def hold(tx: Connection) -> None:
    """Do what `check` does, and let no migration begin before this transaction ends. Its first statement.

    Raises `UnavailableError` when a migration takes longer than one waits for a lock.
    """
    try:
        await tx.execute("SELECT pg_advisory_xact_lock_shared(%s)", (_IN_USE,))
    except psycopg.errors.LockNotAvailable as error:
        raise UnavailableError("the schema of the database is being changed") from error
    await check(tx)


def newer_than_known(names: list[str]) -> SchemaError:
    """Return the error that says which migrations this version does not know."""
    return SchemaError(f"a newer Winkel has worked on this database (it knows {', '.join(names)}): start that version")


@cache
def _names() -> tuple[str, ...]:
    return tuple(name for name, _ in migrations())


async def _applied(connection: Connection) -> list[str]:
    try:
        rows = await (await connection.execute("SELECT name FROM migration ORDER BY name")).fetchall()
    except psycopg.errors.UndefinedTable:
        return []
    return [row["name"] for row in rows]
