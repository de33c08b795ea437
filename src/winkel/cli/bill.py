"""winkel bill: usage to invoices, as a role of its own, for clusters."""

import typer

from winkel.cli.options import DatabaseUrl, MetricsHost, MetricsPort, needed
from winkel.cli.terminal import sentences


def bill(
    database_url: DatabaseUrl = "",
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = "0.0.0.0",  # noqa: S104 (for clusters)
) -> None:
    """Run the role that merges usage and finalizes invoices.

    **Example**: `WINKEL_DATABASE_URL=postgresql://db/winkel winkel bill`
    """
    with sentences():
        from winkel.cli import roles

        address = needed(database_url)
        with roles.metrics(metrics_host, metrics_port) as listener:
            raise typer.Exit(roles.run("bill", address, metrics=listener))
