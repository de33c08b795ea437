"""winkel up: everything, on this machine, with one command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from winkel.cli.terminal import console, sentences

if TYPE_CHECKING:
    from rich.console import Console

    from winkel.cli.launch import Started


def up(
    data: Annotated[Path, typer.Option(help="Folder for the data; made when there is none.")] = Path("winkel-data"),
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 picks a free one.")] = 8080,
    leash: Annotated[bool, typer.Option("--leash", hidden=True, help="Stop when standard input closes.")] = False,
) -> None:
    """Start Winkel: database, gateway, meter and billing, supervised.

    Without WINKEL_DATABASE_URL it brings its own PostgreSQL, with its data in the folder. The first start prints an
    admin token, once; WINKEL_BOOTSTRAP_TOKEN sets its value. Ctrl-C stops everything, and nothing that was accepted
    is lost.

    **Example**: `winkel up --data /srv/winkel --port 8080`
    """
    with sentences():
        import asyncio

        from winkel.cli.datafolder import DataFolder
        from winkel.cli.launch import Launch
        from winkel.cli.roles import listen
        from winkel.config import Settings

        settings = Settings.from_environment()
        folder = DataFolder(data)
        terminal = console()
        with folder.locked(), listen(host, port) as listener:

            async def run() -> None:
                launch = Launch(folder, settings, listener, host, lambda line: terminal.print(line, markup=False))
                if leash:
                    launch.stop_with_standard_input()
                await launch.run(lambda started: _welcome(terminal, started, folder.path))

            asyncio.run(run())
        terminal.print("stopped")


def _welcome(terminal: "Console", started: "Started", data: Path) -> None:
    """Say where it runs, with which token, and what to do next."""
    from rich.markup import escape
    from rich.panel import Panel

    token = (
        escape(started.secret) if started.secret else "shown once when it was made; `winkel token create` makes another"
    )
    lines = [
        f"[bold]URL[/]    {started.url}",
        f"[bold]Token[/]  {token}",
        f"[bold]Data[/]   {escape(str(data))}",
        "",
        "[bold]Next[/]   winkel events        what arrives",
        "       winkel replay FILE   send usage from CSV, JSON lines or Parquet",
        "       winkel doctor        whether all is well",
        "",
        "Ctrl-C stops",
    ]
    title = f"Winkel runs (started in {started.seconds:.1f} s)"
    if not terminal.is_terminal:
        terminal.print(title, *lines, sep="\n")
        return
    terminal.print(Panel("\n".join(lines), title=title, title_align="left", expand=False, padding=(1, 2)))
