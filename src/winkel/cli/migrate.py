"""winkel migrate: bring a database to this version's schema."""

from collections.abc import Sequence

import typer

from winkel.cli.options import DatabaseUrl, needed
from winkel.cli.terminal import sentences


def migrate(database_url: DatabaseUrl = "") -> None:
    """Bring a database up to date; the first time, make its tenant and admin token.

    `winkel up` does this by itself. In a cluster run it once before the roles of a new version start. Running it again
    changes nothing. Further databases, named by WINKEL_SHARDS, are brought up to date as well. WINKEL_BOOTSTRAP_TOKEN
    sets the value of the first token; otherwise it is printed, once.

    **Example**: `WINKEL_DATABASE_URL=postgresql://db/winkel winkel migrate`
    """
    with sentences():
        import asyncio

        from winkel.config import Settings

        settings = Settings.from_environment()
        urls = (needed(database_url), *settings.further_databases)
        applied, secret = asyncio.run(_migrate(urls, settings.bootstrap_token))
        typer.echo(f"applied {', '.join(applied)}" if applied else "up to date")
        if secret is not None and not settings.bootstrap_token:
            typer.echo(f"first token, shown only now: {secret}")


async def _migrate(urls: Sequence[str], bootstrap_token: str) -> tuple[list[str], str | None]:
    """Return the names of the migrations that were applied, and the first token's secret if one was made."""
    from winkel.cli import prepare
    from winkel.clock import now

    async with prepare.everything(urls) as (connection, applied):
        return applied, await prepare.bootstrap(connection, bootstrap_token, now())
