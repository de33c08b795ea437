"""winkel bill: usage to invoices, as a role of its own, for clusters."""

import typer

from winkel.cli.options import DatabaseUrl, needed
from winkel.cli.terminal import sentences


def bill(database_url: DatabaseUrl = "") -> None:
    """Run the role that merges usage and finalizes invoices.

    **Example**: `WINKEL_DATABASE_URL=postgresql://db/winkel winkel bill`
    """
    with sentences():
        from winkel.cli import roles

        raise typer.Exit(roles.run("bill", needed(database_url)))
