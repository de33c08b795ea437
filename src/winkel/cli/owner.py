"""Commands that work on the database directly, as its owner: `with_database` gives them a connection."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from winkel.store.database import Connection

T = TypeVar("T")


def with_database(database_url: str, data: Path, work: "Callable[[Connection], Awaitable[T]]") -> T:
    """Return what the work returns. The database is the given one, else that of the `winkel up` in the data folder."""
    import asyncio

    from winkel.cli import prepare
    from winkel.cli.datafolder import database_url as choose

    async def run() -> T:
        connection = await prepare.connect(choose(database_url, data))
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(run())


def with_databases(database_url: str, data: Path, work: "Callable[[Sequence[Connection]], Awaitable[T]]") -> T:
    """Do the same for work on all databases that usage is spread over, the home database first."""
    from winkel.config import Settings
    from winkel.store import shards

    async def run(home: "Connection") -> T:
        async with shards.connections(Settings.from_environment().further_databases) as further:
            return await work([home, *further])

    return with_database(database_url, data, run)
