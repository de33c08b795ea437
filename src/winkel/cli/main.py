"""The list of commands: start here to see them all. Each is a file of its own, which imports what it needs when run."""

from typing import Annotated

import typer

from winkel.cli import bill, dead_letters, events, fleet, invoices, tenant, token
from winkel.cli.demo.command import demo
from winkel.cli.doctor import doctor
from winkel.cli.gateway import gateway
from winkel.cli.meter import meter
from winkel.cli.migrate import migrate
from winkel.cli.replay.command import replay
from winkel.cli.top.command import top
from winkel.cli.up import up
from winkel.cli.usage import usage

app = typer.Typer(
    name="winkel",
    help="Usage events in; exact live invoices out.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
)

RUN, USE, ADMIN, ROLES = "Run Winkel", "Use it", "Who may use it", "One by one, for a cluster"

app.command(rich_help_panel=RUN)(up)
app.command(rich_help_panel=RUN)(demo)
app.command(rich_help_panel=RUN)(doctor)
app.command(rich_help_panel=RUN)(top)
app.command(rich_help_panel=USE)(replay)
app.command(rich_help_panel=USE)(events.events)
app.command(rich_help_panel=USE)(usage)
app.add_typer(invoices.app, name="invoices", rich_help_panel=USE)
app.add_typer(dead_letters.app, name="dead-letters", rich_help_panel=RUN)
app.add_typer(fleet.app, name="fleet", rich_help_panel=RUN)
app.add_typer(token.app, name="token", rich_help_panel=ADMIN)
app.add_typer(tenant.app, name="tenant", rich_help_panel=ADMIN)
app.command(rich_help_panel=ROLES)(gateway)
app.command(rich_help_panel=ROLES)(meter)
app.add_typer(bill.app, name="bill", rich_help_panel=ROLES)
app.command(rich_help_panel=ROLES)(migrate)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"winkel {version('winkel')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Usage events in; exact live invoices out."""


def main() -> None:
    """Run the command that the arguments name."""
    app()
