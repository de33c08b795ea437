"""winkel doctor: is all well, and if not, what to do."""

import shutil
import sys
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from winkel.cli.options import DATA, Data, DatabaseUrl
from winkel.cli.terminal import console, sentences, table, text

if TYPE_CHECKING:
    from winkel.config import Settings
    from winkel.store.database import Connection

LAG_RECORDS = 1000
"""More waiting records than this in one partition mean that metering is behind."""
DELTAS = 200_000
"""More open deltas than this mean that nobody merges them."""
DISK_BYTES = 2 * 1024**3
CLOCK = timedelta(seconds=2)
PATIENCE_SECONDS = 3.0
"""When to look again at partitions that nobody seems to meter."""


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
        mark = text(("✓", "green") if finding.good else ("✗", "red"))
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
    from winkel.cli.datafolder import DataFolder

    folder = DataFolder(data)
    state, worker = folder.noted(), folder.worker()
    if state is None:
        return []
    pids = {"supervisor": state["pid"], **state["roles"]}
    dead = [name for name, pid in pids.items() if not _lives(pid, worker)]
    found = f"{', '.join(dead)} missing" if dead else ", ".join(f"{name} {pid}" for name, pid in pids.items())
    restart = f"start it: winkel up --data {data}"
    wait = "it is being restarted; DATA/logs says why it ended"
    return [Finding("processes", not dead, found, restart if "supervisor" in dead else wait)]


def _lives(pid: int | None, worker: int | None) -> bool:
    """Whether this is who works in the data folder, or a process of its own: numbers are used again, by strangers."""
    import psutil

    if pid is None or worker is None:
        return False
    try:
        process = psutil.Process(pid)
        return bool(worker in {pid, process.ppid()} and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def _database(database_url: str, data: Path) -> list[Finding]:
    """Look at the database, and at those beside it that usage is spread over."""
    from winkel.cli.datafolder import database_url as choose
    from winkel.cli.datafolder import settings as of_folder

    try:
        settings = of_folder(database_url, data)
        urls = (choose(database_url, data), *settings.further_databases)
    except ValueError as error:
        return [Finding("database", False, "not reachable", str(error))]
    async with AsyncExitStack() as stack:
        found = [await _one_database(url, "WINKEL_SHARDS", stack) for url in urls[1:]]
        found.insert(0, await _one_database(urls[0], "WINKEL_DATABASE_URL", stack))
        findings = list(found[0].findings)
        for number, further in enumerate(found[1:], 1):
            findings += [each._replace(what=f"{each.what} {number}") for each in further.findings]
        good = [each.connection for each in found if each.connection is not None]
        if len(good) == len(found):
            places = await _places(good)
            findings += [places] if len(good) > 1 or not places.good else []
            findings.append(await _metering(good, urls[0], settings))
        if found[0].connection is not None:
            findings += [await _billing(found[0].connection), await _books(found[0].connection)]
    return findings


class _Looked(NamedTuple):
    """What was found in one database, and a connection to it if all that Winkel needs is there."""

    findings: list[Finding]
    connection: "Connection | None" = None


async def _one_database(url: str, setting: str, stack: AsyncExitStack) -> _Looked:
    from winkel.cli import prepare
    from winkel.model.errors import UnavailableError

    try:
        connection = await prepare.connect(url, setting)
    except UnavailableError as error:
        return _Looked([Finding("database", False, "not reachable", str(error))])
    stack.push_async_callback(connection.close)
    version = connection.info.server_version
    findings = [Finding("database", True, f"PostgreSQL {version // 10000}.{version % 10000}")]
    schema = await _schema(connection)
    findings += [schema, await _clock(connection)]
    if not schema.good:
        return _Looked(findings)
    return _Looked([*findings, await _deltas(connection), await _events(connection)], connection)


async def _places(databases: "list[Connection]") -> Finding:
    from winkel.model.errors import ConflictError
    from winkel.store import shards

    try:
        await shards.check(databases)
    except ConflictError as error:
        return Finding("spreading", False, "not as at the first start", str(error))
    return Finding("spreading", True, f"usage is spread over {len(databases)} databases")


async def _schema(connection: "Connection") -> Finding:
    from winkel.store import migrate

    newer, missing = await migrate.unknown(connection), await migrate.missing(connection)
    if newer:
        return Finding("schema", False, f"knows {', '.join(newer)}", "a newer Winkel has worked here: start that one")
    found = f"{', '.join(missing)} missing" if missing else "up to date"
    return Finding("schema", not missing, found, "run `winkel migrate`")


async def _clock(connection: "Connection") -> Finding:
    from winkel.store import vitals

    apart = abs(await vitals.database_now(connection) - datetime.now(UTC))
    found = f"{apart.total_seconds() * 1000:.0f} ms from the database's"
    return Finding("clock", apart <= CLOCK, found, "set the clocks, for example by NTP: usage is billed by time")


async def _metering(databases: "list[Connection]", database_url: str, settings: "Settings") -> Finding:
    import asyncio

    from winkel.fleet.actions import observe, open_log
    from winkel.model.errors import ConflictError, UnavailableError
    from winkel.store import autoscale

    try:
        events = await open_log(database_url, settings, moving=False)
        try:
            seen = await observe(databases, events)
            if seen.orphans and seen.records:
                await asyncio.sleep(PATIENCE_SECONDS)  # a partition that just changes hands is no trouble
                seen = await observe(databases, events)
            wanted = await autoscale.last(databases[0], events.name)
        finally:
            await events.close()
    except ConflictError as error:
        return Finding("metering", False, "not the log in use", str(error))
    except UnavailableError as error:
        return Finding("metering", False, "the log does not answer", str(error))
    worst = max(seen.partitions, key=lambda each: each.records)
    found = f"{len(seen.processes)} running; about {seen.events:,} events wait in {seen.records:,} records"
    if worst.records:
        found += f", most in partition {worst.partition} ({worst.records:,})"
    if wanted is not None and wanted.valid:
        found += f"; wanted {wanted.reason}"
    if seen.orphans and seen.records:
        return Finding("metering", False, found, f"nobody meters partition {seen.orphans[0]}: start `winkel meter`")
    more = "more events arrive than are metered: start more meters, or `winkel up --workers auto`"
    return Finding("metering", worst.records <= LAG_RECORDS, found, more)


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


async def _books(connection: "Connection") -> Finding:
    from winkel.store import balances, invoices

    wrong = await invoices.unbalanced(connection)
    if wrong_balances := await balances.unbalanced(connection):
        tenant_id, balance_id = wrong_balances[0]
        found = f"{len(wrong_balances)} balances have not what rolled over, such as {balance_id} of tenant {tenant_id}"
        return Finding("books", False, found, "this is a bug of Winkel: please report it")
    if not wrong:
        return Finding("books", True, "invoices and ledgers agree")
    tenant_id, invoice_id = wrong[0]
    found = f"{len(wrong)} invoices contradict the ledger, such as {invoice_id} of tenant {tenant_id}"
    return Finding("books", False, found, "this is a bug of Winkel: please report it")
