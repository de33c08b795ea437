"""Connections and transactions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import msgspec
import psycopg
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from winkel.model.errors import UnavailableError

Row = dict[str, Any]
Connection = AsyncConnection[DictRow]

# JSON columns hold money: digits must never pass through a float, in neither direction.
_encoder = msgspec.json.Encoder(decimal_format="number")
_decoder = msgspec.json.Decoder(float_hook=Decimal)
set_json_dumps(_encoder.encode)
set_json_loads(_decoder.decode)

APP_ROLE = "winkel_app"
UNHURRIED = "SET LOCAL idle_in_transaction_session_timeout = '300s'"
"""For a transaction in which much is rated: it is idle meanwhile."""
SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
"""The first statement of a transaction of which every other sees the same instant."""
REACH: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""How soon a database that says nothing any more is given up, over TCP: a machine that is lost sends no goodbye."""
_SESSION = {
    "idle_in_transaction_session_timeout": "10s",
    "lock_timeout": "10s",
    "timezone": "UTC",
    "application_name": "winkel",
}


def options(role: str | None = None) -> str:
    """Return the libpq options that every session of ours starts with; `role` is taken on at once."""
    settings = {**_SESSION, **({"role": role} if role else {})}
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


async def connect(url: str) -> Connection:
    """Open one connection as the owner of the tables, for a worker: it sees all tenants."""
    try:
        return await AsyncConnection.connect(url, options=options(), autocommit=True, row_factory=dict_row, **REACH)
    except psycopg.OperationalError as error:
        raise UnavailableError(f"the database does not answer: {error}") from error


class Database:
    """A pool of connections that see one tenant at a time, for the API."""

    def __init__(self, url: str, *, size: int = 10) -> None:
        self.twofold = asyncio.Semaphore(max(1, size // 2))
        """Taken by who may need a second connection while holding one: so not all are held by those who wait."""
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=size,
            kwargs={"options": options(APP_ROLE), "autocommit": True, "row_factory": dict_row, **REACH},
            open=False,
            name="winkel-api",
        )

    async def open(self, *, wait: bool = True) -> None:
        """Connect; not `wait`: at leisure. Raises `UnavailableError` when the database does not answer."""
        try:
            await self._pool.open(wait=wait, timeout=30)
        except PoolTimeout as error:
            raise UnavailableError("the database does not answer") from error

    async def close(self) -> None:
        """Give the connections back."""
        await self._pool.close()

    @asynccontextmanager
    async def transaction(self, tenant_id: int, *, snapshot: bool = False) -> AsyncIterator[Connection]:
        """Run one transaction in which only the rows of this tenant exist.

        `snapshot`: read only, and every statement sees the same instant, so that an answer put together from several
        tables never mixes before and after.
        """
        async with self.connection() as connection, connection.transaction():
            if snapshot:
                await connection.execute(SNAPSHOT)
                await connection.execute(UNHURRIED)  # it holds up nobody, and rating what it reads may take long
            await connection.execute("SELECT set_config('winkel.tenant_id', %s, true)", (str(tenant_id),))
            yield connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection that sees no tenant at all. Raises `UnavailableError` when none can be had."""
        try:
            async with self._pool.connection(timeout=10) as connection:
                yield connection
        except (PoolTimeout, psycopg.OperationalError) as error:
            raise UnavailableError("the database does not answer") from error
