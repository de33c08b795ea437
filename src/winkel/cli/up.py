"""winkel up: everything, on this machine, with one command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from winkel.cli.options import URL, MetricsHost, MetricsPort
from winkel.cli.terminal import console, sentences, text

if TYPE_CHECKING:
    from rich.console import Console

    from winkel.cli.launch import Started


def up(
    data: Annotated[Path, typer.Option(help="Folder for the data; made when there is none.")] = Path("winkel-data"),
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 picks a free one.")] = 8080,
    workers: Annotated[
        str, typer.Option(help="How many meters: a number, or `auto` for as many as are needed, up to one per core.")
    ] = "1",
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = "127.0.0.1",
    leash: Annotated[bool, typer.Option("--leash", hidden=True, help="Stop when standard input closes.")] = False,
) -> None:
    """Start Winkel: database, gateway, meter and billing, supervised.

    Without WINKEL_DATABASE_URL it brings its own PostgreSQL, with its data in the folder. The first start prints an
    admin token, once; WINKEL_BOOTSTRAP_TOKEN sets its value. Ctrl-C stops everything, and nothing that was accepted
    is lost.

    With `--workers auto` it watches how many events wait and how fast they come, starts meters when more are needed,
    stops them when fewer do, and says why.

    **Example**: `winkel up --data /srv/winkel --port 8080 --workers auto`
    """
    with sentences():
        import asyncio

        from winkel.cli.child import unheard
        from winkel.cli.datafolder import DataFolder
        from winkel.cli.launch import Launch
        from winkel.cli.roles import listen, metrics
        from winkel.cli.scaling import workers as number_of
        from winkel.cli.together import Together
        from winkel.cli.watch import watched
        from winkel.config import Settings, kafka_properties

        settings = Settings.from_environment()
        if settings.log:
            kafka_properties(settings.kafka_config)  # roles would fail of it again and again
        wanted = number_of(workers)
        folder = DataFolder(data)
        terminal = console()

        def say(line: str) -> None:
            with unheard():
                terminal.print(line)

        with folder.locked(), listen(host, port) as listener, metrics(metrics_host, metrics_port) as figures:

            async def run() -> None:
                launch = Launch(
                    folder,
                    settings,
                    listener,
                    host,
                    say,
                    workers=wanted,
                    metrics=figures,
                )
                if leash:
                    launch.stop_with_standard_input()
                async with watched(figures, Together(launch.supervisor.ports)):
                    await launch.run(lambda started: _welcome(terminal, started, folder.path, launch.metrics_url))

            asyncio.run(run())
        say("stopped")


def _welcome(terminal: "Console", started: "Started", data: Path, metrics_url: str | None) -> None:
    """Say where it runs, with which token, and what to do next; it runs, whether somebody hears that or not."""
    from rich.panel import Panel
    from rich.text import Text

    from winkel.cli.child import unheard

    token = started.secret or "shown once when it was made; `winkel token create` makes another"
    told = {"URL": started.url, "Token": token, "Data": str(data)} | ({"Watch": metrics_url} if metrics_url else {})
    address = "" if started.url == URL else f"WINKEL_URL={started.url} "
    commands = {
        "winkel events": "what arrives",
        "winkel replay FILE": "send usage from CSV, JSON lines or Parquet",
        "winkel doctor": "whether all is well",
        "winkel top": "how fast it goes",
    }
    lines = [
        *(text((f"{name:<7}", "bold"), value) for name, value in told.items()),
        text(),
        text(("Next   ", "bold"), f"export {address}WINKEL_TOKEN=…   the token, for what follows"),
        *(text(f"       {command:<18}   {what}") for command, what in commands.items()),
        text(),
        text("Ctrl-C stops"),
    ]
    title = f"Winkel runs (started in {started.seconds:.1f} s)"
    whole = Text("\n").join(lines)
    with unheard():
        if not terminal.is_terminal:
            terminal.print(title, *lines, sep="\n")
            return
        terminal.print(Panel(whole, title=title, title_align="left", expand=False, padding=(1, 2)))
