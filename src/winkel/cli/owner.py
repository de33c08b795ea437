"""Commands that work on the database directly, as its owner: `with_database` gives them a connection."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from winkel.store.database import Connection

T = TypeVar("T")


def with_database(database_url: str, data: Path, work: "Callable[[Connection], Awaitable[T]]") -> T:
    """Return what the work returns. The database is the given one, else that of the `winkel up` in the data folder."""
    from winkel.cli.datafolder import database_url as choose

    return _with([choose(database_url, data)], lambda databases: work(databases[0]))


def with_databases(database_url: str, data: Path, work: "Callable[[Sequence[Connection]], Awaitable[T]]") -> T:
    """Do the same for work on all databases that usage is spread over, the home database first."""
    from winkel.cli.datafolder import database_url as choose
    from winkel.config import Settings

    return _with([choose(database_url, data), *Settings.from_environment().further_databases], work)


def _with(urls: Sequence[str], work: "Callable[[Sequence[Connection]], Awaitable[T]]") -> T:
    import asyncio

    from winkel.cli import prepare

    async def run() -> T:
        async with prepare.ready(urls) as databases:
            return await work(databases)

    return asyncio.run(run())
