"""winkel bill: usage to invoices, as a role of its own, for clusters; and once, as a run that ends."""

import typer

from winkel.cli.options import DATA, Data, DatabaseUrl, MetricsHost, MetricsPort, needed, none_before
from winkel.cli.terminal import sentences

app = typer.Typer(invoke_without_command=True)


@app.callback()
def bill(
    context: typer.Context,
    database_url: DatabaseUrl = "",
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = "0.0.0.0",  # noqa: S104 (for clusters)
) -> None:
    """Run the role that merges usage and finalizes invoices; `run` does it once.

    **Example**: `WINKEL_DATABASE_URL=postgresql://db/winkel winkel bill`
    """
    with sentences():
        if context.invoked_subcommand is not None:
            none_before(context)
            return
        from winkel.cli import roles

        address = needed(database_url)
        with roles.metrics(metrics_host, metrics_port) as listener:
            raise typer.Exit(roles.run("bill", address, metrics=listener))


@app.command()
def run(database_url: DatabaseUrl = "", data: Data = DATA) -> None:
    """Finalize every invoice that is due now, once, and end.

    At the end it says how many customers were due. Contracts that cannot be billed stop no others: they are listed with
    the reason, and the exit code is 1.
    The run may be ended at any moment and started again, and it may work beside the role `winkel bill` or another run:
    it goes on where things stand, and no invoice is made twice.

    **Example**: `winkel bill run`
    """
    with sentences():
        import asyncio

        from winkel.cli.billing_run import report, run_once
        from winkel.cli.datafolder import database_url as choose
        from winkel.cli.datafolder import settings

        outcome = asyncio.run(run_once(choose(database_url, data), settings(database_url, data)))
        report(outcome)
        if outcome.problems:
            raise typer.Exit(1)
