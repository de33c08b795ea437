"""Brings a database to the newest schema."""

from importlib import resources

from psycopg import sql as build

from winkel.model.errors import UnavailableError
from winkel.store.database import APP_ROLE, Connection

_LOCK = 0x77696E6B656C  # "winkel": one migration at a time in one database


def migrations() -> list[tuple[str, str]]:
    """Return the name and text of every migration, oldest first."""
    folder = resources.files("winkel.store").joinpath("migrations")
    files = sorted((each for each in folder.iterdir() if each.name.endswith(".sql")), key=lambda each: each.name)
    return [(each.name.removesuffix(".sql"), each.read_text(encoding="utf-8")) for each in files]


async def migrate(connection: Connection) -> list[str]:
    """Apply, in one transaction, the migrations that are missing; return their names.

    Afterwards the connection's user may take on the role of the API. Raises `UnavailableError` when that role is gone.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migration (name text PRIMARY KEY, applied_at timestamptz DEFAULT now())"
        )
        rows = await (await connection.execute("SELECT name FROM migration")).fetchall()
        done = {row["name"] for row in rows}
        missing = [(name, text) for name, text in migrations() if name not in done]
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
