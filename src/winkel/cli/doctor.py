"""winkel doctor: is all well, and if not, what to do."""

import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from winkel.cli.options import DATA, Data, DatabaseUrl
from winkel.cli.terminal import console, sentences, table

if TYPE_CHECKING:
    from winkel.store.database import Connection

LAG_RECORDS = 1000
"""More waiting records than this in one partition mean that metering is behind."""
DELTAS = 200_000
"""More open deltas than this mean that nobody merges them."""
DISK_BYTES = 2 * 1024**3
CLOCK = timedelta(seconds=2)


class Finding(NamedTuple):
    """What one check found."""

    what: str
    good: bool
    found: str
    todo: str = ""


def doctor(data: Data = DATA, database_url: DatabaseUrl = "") -> None:
    """Check that all is well, and say what to do where it is not.

    Exit code 1 when something is wrong.

    **Example**: `winkel doctor --data /srv/winkel`
    """
    with sentences():
        import asyncio

        findings = [_python(), _disk(data), *_processes(data), *asyncio.run(_database(database_url, data))]
    shown = table("", "", "check", "found", "what to do")
    for finding in findings:
        mark = "[green]✓[/]" if finding.good else "[red]✗[/]"
        shown.add_row(mark, finding.what, finding.found, "" if finding.good else finding.todo)
    console().print(shown)
    raise typer.Exit(0 if all(finding.good for finding in findings) else 1)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("Python", sys.version_info >= (3, 11), version, "Winkel needs Python 3.11 or newer")


def _disk(data: Path) -> Finding:
    place = next(each for each in (data.absolute(), *data.absolute().parents) if each.exists())
    free = shutil.disk_usage(place).free
    return Finding("disk", free >= DISK_BYTES, f"{free / 1024**3:.1f} GiB free", f"make room on the disk of {place}")


def _processes(data: Path) -> list[Finding]:
    """Look whether the processes live that run.json names; without one, Winkel does not run in this folder."""
    import psutil

    from winkel.cli.datafolder import DataFolder

    state = DataFolder(data).noted()
    if state is None:
        return []
    pids = {"supervisor": state["pid"], **state["roles"]}
    dead = [name for name, pid in pids.items() if pid is None or not psutil.pid_exists(pid)]
    found = f"{', '.join(dead)} missing" if dead else ", ".join(f"{name} {pid}" for name, pid in pids.items())
    restart = f"start it: winkel up --data {data}"
    wait = "it is being restarted; DATA/logs says why it ended"
    return [Finding("processes", not dead, found, restart if "supervisor" in dead else wait)]


async def _database(database_url: str, data: Path) -> list[Finding]:
    from winkel.cli import prepare
    from winkel.cli.datafolder import database_url as choose
    from winkel.model.errors import UnavailableError

    try:
        connection = await prepare.connect(choose(database_url, data))
    except (UnavailableError, ValueError) as error:
        return [Finding("database", False, "not reachable", str(error))]
    version = connection.info.server_version
    findings = [Finding("database", True, f"PostgreSQL {version // 10000}.{version % 10000}")]
    try:
        schema = await _schema(connection)
        findings.append(schema)
        checks = (_clock, _lag, _deltas, _events, _billing) if schema.good else (_clock,)
        findings += [await check(connection) for check in checks]
    finally:
        await connection.close()
    return findings


async def _schema(connection: "Connection") -> Finding:
    from winkel.cli import prepare

    newer, missing = await prepare.unknown_migrations(connection), await prepare.missing_migrations(connection)
    if newer:
        return Finding("schema", False, f"knows {', '.join(newer)}", "a newer Winkel has worked here: start that one")
    found = f"{', '.join(missing)} missing" if missing else "up to date"
    return Finding("schema", not missing, found, "run `winkel migrate`")


async def _clock(connection: "Connection") -> Finding:
    from winkel.store import vitals

    apart = abs(await vitals.database_now(connection) - datetime.now(UTC))
    found = f"{apart.total_seconds() * 1000:.0f} ms from the database's"
    return Finding("clock", apart <= CLOCK, found, "set the clocks, for example by NTP: usage is billed by time")


async def _lag(connection: "Connection") -> Finding:
    from winkel.store import vitals

    partitions = await vitals.lag(connection)
    if not partitions:
        return Finding("metering", True, "the log has no partition yet")
    orphans = [each.partition for each in partitions if each.owner is None]
    most = max(each.records for each in partitions)
    found = ", ".join(f"partition {each.partition}: {each.records} behind" for each in partitions)
    if orphans and most:
        return Finding("metering", False, found, f"nobody meters partition {orphans[0]}: start `winkel meter`")
    return Finding("metering", most <= LAG_RECORDS, found, "more events arrive than are metered: start more meters")


async def _deltas(connection: "Connection") -> Finding:
    from winkel.store import vitals

    count = await vitals.open_deltas(connection, DELTAS)
    found = f"{count:,} open deltas" if count < DELTAS else f"{DELTAS:,} open deltas or more"
    return Finding("merging", count < DELTAS, found, "nobody merges usage: start `winkel bill`, or see its log")


async def _events(connection: "Connection") -> Finding:
    from winkel.store import vitals

    hour = int(datetime.now(UTC).timestamp()) // 3600 - 24
    bad = await vitals.troubles(connection, hour)
    found = f"{bad.dead_letters:,} dead letters, {bad.conflicts:,} conflicting duplicates in 24 hours"
    todo = "`winkel events --dead-letters` and `--conflicts` show them"
    return Finding("events", not (bad.dead_letters or bad.conflicts), found, todo)


async def _billing(connection: "Connection") -> Finding:
    from winkel.store import vitals

    count = await vitals.failed_billings(connection)
    return Finding("billing", not count, f"{count} customers failed", "the log of `winkel bill` says why")
