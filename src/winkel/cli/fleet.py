"""winkel fleet: the partitions of the log, who meters them, and how many there are."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from winkel.cli.options import DATA, Data, DatabaseUrl, Yes
from winkel.cli.terminal import ask, console, fail, sentences, table, text
from winkel.cli.visible import visible

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.text import Text

    from winkel.config import Settings
    from winkel.fleet.observation import Standing
    from winkel.log.log import Log
    from winkel.model.routing import Routing
    from winkel.store.database import Connection

app = typer.Typer(help="See the partitions of the log, and change their number.", no_args_is_help=True)
LOOK_SECONDS = 0.1
PATIENCE_SECONDS = 3.0
"""When to ask who meters what came before a change."""


@app.command()
def status(database_url: DatabaseUrl = "", data: Data = DATA) -> None:
    """Show the routing in force, the partitions with their meters, and the gateways.

    **Example**: `winkel fleet status`
    """
    with sentences():
        import asyncio

        asyncio.run(_status(database_url, data))


@app.command()
def repartition(
    partitions: Annotated[int, typer.Argument(min=1, max=4096, help="How many partitions events go to from now on.")],
    database_url: DatabaseUrl = "",
    data: Data = DATA,
    wait: Annotated[bool, typer.Option(help="Watch until what was routed by the old number is metered.")] = True,
) -> None:
    """Spread events over another number of partitions, while they come in.

    No event is refused, lost or counted twice. Gateways hold their events back for the fraction of a second in which
    they change over together. A partition that takes over from others goes on when those have metered what they had.
    Partitions that are not used any more stay empty. More partitions let more meters share the work.

    **Example**: `winkel fleet repartition 96`
    """
    with sentences():
        import asyncio

        asyncio.run(_repartition(database_url, data, partitions, wait))


@app.command()
def abort(database_url: DatabaseUrl = "", data: Data = DATA) -> None:
    """Give up a change of the routing that hangs: gateways go on as before it.

    A change that is in force already is undone by another one: `winkel fleet repartition` with the old number.

    **Example**: `winkel fleet abort`
    """
    with sentences():
        import asyncio

        asyncio.run(_abort(database_url, data))


@app.command("leave-log")
def leave_log(database_url: DatabaseUrl = "", data: Data = DATA, yes: Yes = False) -> None:
    """Let events go to another log: the next gateway, meter or bill that starts says to which.

    WINKEL_LOG must still name the log that is left. Its gateways must have ended, and all that is in it be metered.
    Where it is lost for good, that cannot be seen: after a question, what was not metered of it is given up. Stop a
    `winkel up` before; its database is started for as long. (From the database to Kafka events move without this.)

    **Example**: `WINKEL_LOG=kafka://old:9092 winkel fleet leave-log`
    """
    with sentences(), _database(database_url, data) as address:
        import asyncio

        from winkel.cli.datafolder import settings

        asyncio.run(_leave_log(address, settings(database_url, data), yes=yes))


@contextmanager
def _database(given: str, data: Path) -> Iterator[str]:
    """Lend the address of the database; an embedded one that does not run is started for as long."""
    from winkel.cli.datafolder import DataFolder
    from winkel.cli.datafolder import database_url as choose
    from winkel.store import embedded

    folder = DataFolder(data)
    if given or embedded.running(folder.postgres) is not None or not folder.postgres.exists():
        yield choose(given, data)
        return
    with folder.locked():
        server = embedded.start(folder.postgres)
        try:
            yield server.url
        finally:
            server.stop()


@asynccontextmanager
async def _fleet(database_url: str, data: Path) -> "AsyncIterator[tuple[Log, list[Connection]]]":
    """Open the log in use, and the databases."""
    from winkel.cli import prepare
    from winkel.cli.datafolder import database_url as choose
    from winkel.cli.datafolder import settings
    from winkel.fleet.actions import open_log

    url, found = choose(database_url, data), settings(database_url, data)
    async with prepare.ready((url, *found.further_databases)) as databases:
        events = await open_log(url, found, moving=False)
        try:
            yield events, databases
        finally:
            await events.close()


async def _status(database_url: str, data: Path) -> None:
    from winkel.fleet.actions import observe, undrained
    from winkel.store import routing

    async with _fleet(database_url, data) as (events, databases):
        seen = await observe(databases, events)
        current = await routing.current(databases[0], events.name)
        gateways = await routing.gateways(databases[0], events.name)
        waiting = await undrained(databases, events.name, current.active)
    terminal, active = console(), current.active
    terminal.print(text(("Routing", "bold"), f" version {active.version}: {len(active.partitions)} partitions in use"))
    if current.preparing is not None:
        to = len(current.preparing.partitions)
        terminal.print(f"A change to {to} partitions is being prepared; `winkel fleet abort` gives it up")
    if waiting:
        terminal.print(f"{sum(waiting.values()):,} records of older routings wait in {len(waiting)} partitions")
    shown = table(
        "Partitions", "partition", "buckets", "records waiting", "meter", "", right=("partition", "records waiting")
    )
    orphans = set(seen.orphans)
    for each in seen.partitions:
        shown.add_row(*_row(each, active, orphaned=each.partition in orphans))
    terminal.print(shown)
    leases = table("Gateways", "gateway", "appends by version", "lease, s", right=("appends by version", "lease, s"))
    for lease in gateways:
        leases.add_row(lease.gateway, str(lease.version), f"{lease.seconds_left:.1f}")
    terminal.print(leases if gateways else "No gateway is appending")


def _row(standing: "Standing", active: "Routing", *, orphaned: bool) -> "tuple[str | Text, ...]":
    low, high = active.range_of(standing.partition)
    buckets = f"{low}…{high - 1}" if high > low else "none"
    problem = "nobody meters it" if orphaned and (standing.routed or standing.records) else ""
    return str(standing.partition), buckets, f"{standing.records:,}", standing.owner or "–", text((problem, "red"))


async def _repartition(database_url: str, data: Path, partitions: int, wait: bool) -> None:
    from time import monotonic

    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from winkel.fleet import actions
    from winkel.store import routing

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    began = monotonic()
    async with _fleet(database_url, data) as (events, databases):
        before = (await routing.current(databases[0], events.name)).active
        if len(before.partitions) == partitions:
            fail(f"events go to {partitions} partitions already")
        with Progress(*columns, console=console(stderr=True), transient=True) as progress:
            task = progress.add_task("making partitions", total=None)
            new = await actions.repartition(
                databases[0],
                events,
                partitions,
                waiting_for=lambda some: progress.update(task, description=visible(f"waiting for {', '.join(some)}")),
            )
            changed = monotonic() - began
            if wait:
                await _drained(databases, events, new, progress)
    said = f"{len(before.partitions)} → {partitions} partitions: in force after {changed:.1f} s"
    console().print(f"{said}, settled after {monotonic() - began:.1f} s" if wait else said)


async def _drained(databases: "list[Connection]", events: "Log", new: "Routing", progress: "Progress") -> None:
    """Show how much of the old routing is left, until nothing is. Where nobody meters that, say so, once."""
    import asyncio
    from time import monotonic

    from winkel.fleet.actions import observe, undrained

    left = await undrained(databases, events.name, new)
    most = sum(left.values())
    task = progress.add_task("metering what came before", total=most or None)
    if left and not progress.console.is_terminal:
        progress.console.print(f"the change is in force; waiting until {most:,} records before it are metered")
    ask_at = monotonic() + PATIENCE_SECONDS  # a partition that just changes hands is no trouble
    while left:
        progress.update(task, completed=most - sum(left.values()))
        await asyncio.sleep(LOOK_SECONDS)
        left = await undrained(databases, events.name, new)
        if monotonic() > ask_at:
            alone = sorted(left.keys() & set((await observe(databases, events)).orphans))
            ask_at = float("inf") if alone else monotonic() + PATIENCE_SECONDS
            if alone:
                where = f"partition{'s' if len(alone) > 1 else ''} {', '.join(map(str, alone))}"
                progress.console.print(f"nobody meters {where}: start `winkel meter`; Ctrl-C ends the waiting only")


async def _abort(database_url: str, data: Path) -> None:
    from winkel.store import routing

    async with _fleet(database_url, data) as (events, databases):
        if not await routing.abort(databases[0], events.name):
            fail("no change of the routing is being prepared")
    console().print("aborted: gateways go on by the routing in force")


async def _leave_log(database_url: str, settings: "Settings", *, yes: bool) -> None:
    from winkel.fleet.actions import open_log, unfinished
    from winkel.model.errors import WinkelError
    from winkel.store import logs, routing, shards

    async with shards.connections((database_url, *settings.further_databases)) as databases:
        in_use = await logs.agree(databases[0], settings.log_address, moving=False)
        if in_use is None:
            fail("no log is in use: nothing is to be left")
        if gateways := [each.gateway for each in await routing.gateways(databases[0], in_use.name)]:
            fail(f"gateways that append to {in_use} must end first: {', '.join(gateways)}")
        try:
            events = await open_log(database_url, settings, moving=False)
        except WinkelError as error:
            ask(f"{error}\nEvents in it that are not metered yet will never be counted. Leave it?", yes=yes)
        else:
            try:
                left = await unfinished(databases, events)
            finally:
                await events.close()
            if left:
                fail(f"{in_use} is not done with: {left}")
        await logs.leave(databases[0])
    console().print(f"left {in_use}: the next gateway, meter or bill says which log is used")
