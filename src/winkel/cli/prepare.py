"""Makes a database ready: its version, its schema, its first tenant and token."""

import hashlib
import secrets
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime

import psycopg

from winkel.model.errors import UnavailableError
from winkel.model.tenant import Role, Token
from winkel.store import database, migrate, shards, tenants
from winkel.store.database import APP_ROLE, Connection

OLDEST = 15
"""The oldest major version of PostgreSQL that Winkel works with."""
FIRST_TENANT = "production"
SECRET_MIN = 16
"""The shortest secret, in characters, that a token may be given from outside."""
_LOCK = 0x77696E6B656C + 1  # one bootstrap at a time in one database


async def connect(url: str, setting: str = "WINKEL_DATABASE_URL") -> Connection:
    """Connect as the owner of the tables. Raises `UnavailableError` that says what to do, and in which setting."""
    try:
        connection = await database.connect(url)
    except psycopg.ProgrammingError as error:
        raise UnavailableError(
            f"the address of the database ({setting}) is not one that PostgreSQL understands: {_line(error)}"
        ) from error
    except UnavailableError as error:
        reason = _line(error.__cause__ or error)
        raise UnavailableError(f"the database does not answer; check {setting}. It says: {reason}") from error
    if connection.info.server_version < OLDEST * 10000:
        version = connection.info.server_version // 10000
        await connection.close()
        raise UnavailableError(f"the database is PostgreSQL {version}; Winkel needs {OLDEST} or newer")
    return connection


@asynccontextmanager
async def everything(urls: Sequence[str]) -> AsyncIterator[tuple[Connection, list[str]]]:
    """Bring the databases of an installation up to date, the home one first, and lend a connection to that.

    With it come the names of what was applied to any of them. Raises `UnavailableError`, `SchemaError` when a newer
    version has worked there, and `ConflictError` when they are not those that the installation began with.
    """
    async with _connected(urls) as connections:
        applied: dict[str, None] = {}
        for connection in connections:
            applied |= dict.fromkeys(await schema(connection))
        await shards.agree(connections)
        yield connections[0], list(applied)


@asynccontextmanager
async def ready(urls: Sequence[str]) -> AsyncIterator[list[Connection]]:
    """Lend connections to the databases of an installation, the home one first.

    Raises `UnavailableError` that says what to do when one does not answer, `SchemaError` when one has the schema of
    another version.
    """
    async with _connected(urls) as connections:
        for connection in connections:
            await migrate.check(connection)
        yield connections


@asynccontextmanager
async def _connected(urls: Sequence[str]) -> AsyncIterator[list[Connection]]:
    async with AsyncExitStack() as stack:
        connections: list[Connection] = []
        for url in urls:
            connections.append(await connect(url, "WINKEL_SHARDS" if connections else "WINKEL_DATABASE_URL"))
            stack.push_async_callback(connections[-1].close)
        yield connections


async def schema(connection: Connection) -> list[str]:
    """Bring the schema up to date; return the names of what was applied.

    Raises `SchemaError` when a newer version has worked here, `UnavailableError` when the user may not, or somebody
    else holds what has to change: nothing was changed then.
    """
    if newer := await migrate.unknown(connection):
        raise migrate.newer_than_known(newer)
    try:
        return await migrate.migrate(connection)
    except psycopg.errors.InsufficientPrivilege as error:
        raise UnavailableError(
            f"the database user may not make what Winkel needs ({_line(error)}): make it the owner of the database and "
            f"give it CREATEROLE; where another user has made the role {APP_ROLE}, let that one grant it to this user"
        ) from error
    except psycopg.errors.LockNotAvailable as error:
        raise UnavailableError(
            "somebody else holds what the migration has to change, for more than ten seconds (a long query, a dump, "
            "another migration): nothing was changed; try again when that has ended"
        ) from error


async def bootstrap(connection: Connection, secret: str, at: datetime) -> str | None:
    """Make the first tenant and its admin token when there is no tenant; return the token's secret, else None.

    `secret` is the value to give it; empty: a random one. Raises `ValueError` for a secret that is too short.
    """
    if secret and len(secret) < SECRET_MIN:
        raise ValueError(f"WINKEL_BOOTSTRAP_TOKEN must have at least {SECRET_MIN} characters")
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        if await tenants.list_tenants(connection):
            return None
        tenant = await tenants.create_tenant(connection, FIRST_TENANT, at)
        _, made = await create_token(connection, tenant.id, "bootstrap", Role.ADMIN, at=at, secret=secret)
    return made


async def create_token(
    connection: Connection, tenant_id: int, name: str, role: Role, *, at: datetime, secret: str = ""
) -> tuple[Token, str]:
    """Make a token; return it and its secret, of which only the SHA-256 is kept. Raises `ConflictError`."""
    secret = secret or "wk_" + secrets.token_urlsafe(32)
    prefix = secret[: min(8, len(secret) // 4)]
    token = Token(id=str(uuid.uuid4()), tenant_id=tenant_id, name=name, role=role, prefix=prefix, created_at=at)
    return await tenants.create_token(connection, token, hashlib.sha256(secret.encode()).digest()), secret


def _line(error: BaseException) -> str:
    """Return what the database said, on one line."""
    return " ".join(str(error).split())
