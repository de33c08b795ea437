"""winkel top: what the fleet does now."""

from collections import deque
from typing import TYPE_CHECKING, Annotated

import typer

from winkel.cli.options import DATA, Data, DatabaseUrl
from winkel.cli.terminal import console, sentences, text

if TYPE_CHECKING:
    from rich.console import Console

    from winkel.config import Settings
    from winkel.fleet.overview import Overview
    from winkel.log.log import Log

LOOK_SECONDS = 1.0
WINDOW = 4
"""Looks from which rates are made: meters tell of themselves only once a second."""
ONCE_SECONDS = 2.5
"""How long `--once` watches."""


def top(
    data: Data = DATA,
    database_url: DatabaseUrl = "",
    once: Annotated[bool, typer.Option("--once", help="Watch for a moment, print one table, and end.")] = False,
) -> None:
    """Watch the fleet: throughput, lag and freshness by partition, meters, gateways, routing.

    Rates and freshness are of the last seconds; where not all partitions have room, those that need looking at come
    first. It works on any database and log that Winkel runs on. Ctrl-C ends it.

    **Example**: `winkel top --data /srv/winkel`
    """
    with sentences():
        import asyncio

        from winkel.cli.datafolder import database_url as choose
        from winkel.cli.datafolder import settings

        found, url, terminal = settings(database_url, data), choose(database_url, data), console()
        try:
            asyncio.run(
                _once(url, found, terminal) if once or not terminal.is_terminal else _live(url, found, terminal)
            )
        except KeyboardInterrupt:
            raise typer.Exit from None


async def _open(database_url: str, settings: "Settings") -> "Log":
    """Open the log of databases that are prepared. Raises `UnavailableError` that says what to do."""
    from winkel.cli import prepare
    from winkel.fleet.actions import open_log

    async with prepare.ready((database_url, *settings.further_databases)):
        return await open_log(database_url, settings, moving=False)


async def _once(database_url: str, settings: "Settings", terminal: "Console") -> None:
    """Print what happens within a moment."""
    import asyncio

    from winkel.cli.top.numbers import numbers
    from winkel.cli.top.view import picture
    from winkel.fleet.actions import overview
    from winkel.store import shards

    events = await _open(database_url, settings)
    try:
        async with shards.connections((database_url, *settings.further_databases)) as databases:
            before = await overview(databases, events)
            await asyncio.sleep(ONCE_SECONDS)
            after = await overview(databases, events)
    finally:
        await events.close()
    terminal.print(picture(numbers(before, after), terminal.width, None))


async def _live(database_url: str, settings: "Settings", terminal: "Console") -> None:
    """Show what happens, every second, until Ctrl-C; while the database is away, say so."""
    import asyncio

    import psycopg
    from rich.live import Live

    from winkel.cli.top.numbers import numbers
    from winkel.cli.top.view import picture
    from winkel.fleet.actions import overview
    from winkel.model.errors import UnavailableError
    from winkel.store import shards

    events = await _open(database_url, settings)
    looks: deque[Overview] = deque(maxlen=WINDOW)
    try:
        with Live(console=terminal, auto_refresh=False, screen=True) as live:
            while True:
                try:
                    async with shards.connections((database_url, *settings.further_databases)) as databases:
                        while True:
                            looks.append(await overview(databases, events))
                            now = numbers(looks[0], looks[-1])
                            live.update(picture(now, terminal.width, terminal.height), refresh=True)
                            await asyncio.sleep(LOOK_SECONDS)
                except (psycopg.OperationalError, UnavailableError) as error:
                    looks.clear()
                    live.update(text(("out of reach, trying again:", "red"), f" {error}"), refresh=True)
                    await asyncio.sleep(LOOK_SECONDS)
    finally:
        await events.close()
