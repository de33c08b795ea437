"""winkel meter: events to usage, as a role of its own, for clusters."""

from pathlib import Path
from typing import Annotated

import typer

from winkel.cli.options import DatabaseUrl, MetricsHost, MetricsPort, needed
from winkel.cli.terminal import sentences


def meter(
    database_url: DatabaseUrl = "",
    cache: Annotated[
        Path | None, typer.Option(help="Folder for files that can be made again; makes a start quicker.")
    ] = None,
    source: Annotated[
        str,
        typer.Option(
            help="Read this topic of plain JSON events instead of Winkel's own log.",
            metavar="kafka://HOST:PORT/TOPIC",
            show_default=False,
        ),
    ] = "",
    tenant: Annotated[str, typer.Option(help="Whose events these are; needed with --source.", show_default=False)] = "",
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = "0.0.0.0",  # noqa: S104 (for clusters)
) -> None:
    """Run the role that counts events, each exactly once.

    Several may run: they share the partitions of the log, and one takes over when another dies.

    With `--source` it counts what others write to a topic of Kafka: one event in JSON a message, as POST /v1/ingest
    takes it, with its transaction_id as the message's key. The topic must keep its number of partitions.

    **Example**: `WINKEL_DATABASE_URL=postgresql://db/winkel winkel meter`

    **Example**: `winkel meter --source kafka://broker:9092/usage --tenant acme`
    """
    with sentences():
        from winkel.cli import roles

        address = needed(database_url)
        if bool(source) != bool(tenant):
            raise ValueError("--source and --tenant go together: the topic, and whose events are in it")
        foreign = (source, tenant) if source else None
        with roles.metrics(metrics_host, metrics_port) as listener:
            raise typer.Exit(roles.run("meter", address, cache=cache, source=foreign, metrics=listener))
