"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

DatabaseUrl = Annotated[
    str,
    typer.Option("--database-url", envvar="WINKEL_DATABASE_URL", help="PostgreSQL to work on.", show_default=False),
]
Data = Annotated[Path, typer.Option("--data", help="Data folder of a running `winkel up`, when no database is given.")]
Url = Annotated[str, typer.Option("--url", envvar="WINKEL_URL", help="Address of the gateway.")]
Token = Annotated[str, typer.Option("--token", envvar="WINKEL_TOKEN", help="API token.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts; numbers keep every digit.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Customer = Annotated[str, typer.Option("--customer", help="A customer: its id, an ingest alias, or its name.")]

MetricsPort = Annotated[
    int | None,
    typer.Option(
        envvar="WINKEL_METRICS_PORT",
        help="Port for /metrics, /healthz and /readyz; without it they are not served. 0 picks a free one.",
        show_default=False,
    ),
]
MetricsHost = Annotated[
    str, typer.Option(help="Address on which that port listens. Nobody is asked for a token there.")
]

DATA = Path("winkel-data")
URL = "http://127.0.0.1:8080"


def none_before(context: typer.Context) -> None:
    """Raise `ValueError` for options between a group and its subcommand.

    Nobody would look at them there, and the subcommand would work on what its own options or the environment name.
    """
    for each in context.command.params:
        source = context.get_parameter_source(each.name or "")
        if source is not None and source.name == "COMMANDLINE":
            command = context.invoked_subcommand
            raise ValueError(
                f"{each.opts[0]} stands before {command} and would not count there: options come after "
                f"`{context.command_path} {command}`"
            )


def needed(database_url: str) -> str:
    """Return the address. Raises `ValueError` when there is none."""
    if not database_url:
        raise ValueError("no database: give --database-url or set WINKEL_DATABASE_URL")
    return database_url
