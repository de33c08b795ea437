"""winkel meter: events to usage, as a role of its own, for clusters."""

from pathlib import Path
from typing import Annotated

import typer

from winkel.cli.options import DatabaseUrl, needed
from winkel.cli.terminal import sentences


def meter(
    database_url: DatabaseUrl = "",
    cache: Annotated[
        Path | None, typer.Option(help="Folder for files that can be made again; makes a start quicker.")
    ] = None,
) -> None:
    """Run the role that counts events, each exactly once.

    Several may run: they share the partitions of the log, and one takes over when another dies.

    **Example**: `WINKEL_DATABASE_URL=postgresql://db/winkel winkel meter`
    """
    with sentences():
        from winkel.cli import roles

        raise typer.Exit(roles.run("meter", needed(database_url), cache=cache))
