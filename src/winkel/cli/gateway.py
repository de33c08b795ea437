"""winkel gateway: the HTTP API as a role of its own, for clusters."""

from typing import TYPE_CHECKING, Annotated

import typer

from winkel.cli.options import DatabaseUrl, MetricsHost, MetricsPort, needed
from winkel.cli.terminal import sentences

if TYPE_CHECKING:
    import socket

REQUESTS_SECONDS = 35.0
"""How long a request under way may take when several processes end: what the chart grants to a pod, less the pause
before, and some seconds."""


def gateway(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "0.0.0.0",  # noqa: S104 (for clusters)
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8080,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the port.")] = 1,
    database_url: DatabaseUrl = "",
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = "0.0.0.0",  # noqa: S104 (for clusters)
) -> None:
    """Run the role that serves the API.

    **Example**: `WINKEL_DATABASE_URL=postgresql://db/winkel winkel gateway --workers 4`
    """
    with sentences():
        from winkel.cli import roles
        from winkel.config import Settings

        address = needed(database_url)
        Settings.from_environment()  # what does not fit is said here, before processes fail of it again and again
        with roles.listen(host, port) as listener, roles.metrics(metrics_host, metrics_port) as metrics:
            if workers == 1:
                descriptor = listener.detach()  # the server closes it
                raise typer.Exit(roles.run("gateway", address, listen_fd=descriptor, metrics=metrics))
            _serve_many(address, listener, workers, metrics)


def _serve_many(database_url: str, listener: "socket.socket", workers: int, metrics: "socket.socket | None") -> None:
    """Keep several gateways on one port alive until asked to stop."""
    import asyncio
    import signal

    from winkel.cli.child import Child, unheard
    from winkel.cli.leash import Orders
    from winkel.cli.supervisor import Supervisor
    from winkel.cli.terminal import console
    from winkel.cli.together import Together
    from winkel.cli.watch import watched

    terminal = console(stderr=True)

    def say(line: str) -> None:
        with unheard():
            terminal.print(line)

    async def run() -> None:
        stop, hurry = asyncio.Event(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        children = [Child(f"gateway-{number}", "gateway", None, say) for number in range(1, workers + 1)]
        keep_open = (listener.fileno(),)
        supervisor = Supervisor(
            children,
            keep_open=keep_open,
            say=say,
            changed=lambda: None,
            watched=metrics is not None,
            patience=REQUESTS_SECONDS,
        )
        async with watched(metrics, Together(supervisor.ports)):
            try:
                await supervisor.start()
                await supervisor.order(Orders(database_url=database_url, listen_fd=listener.fileno()))
                await stop.wait()
            finally:
                await supervisor.stop(hurry)

    asyncio.run(run())
