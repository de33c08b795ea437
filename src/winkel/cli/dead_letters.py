"""winkel dead-letters: what could not be counted, of all tenants and of none."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from winkel.cli.options import DATA, Data, DatabaseUrl, Json, Yes
from winkel.cli.owner import with_databases
from winkel.cli.terminal import ask, console, say, sentences, table
from winkel.cli.visible import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winkel.letters.actions import Outcome
    from winkel.log.log import Log
    from winkel.store.database import Connection
    from winkel.store.dead_letters import Filter, StoredDeadLetter

app = typer.Typer(help="Look at, retry and discard what could not be counted.", no_args_is_help=True)

Reason = Annotated[str, typer.Option(help="Only those with this reason, such as not_a_number.")]
Tenant = Annotated[str, typer.Option(help="Only those of this tenant; `nobody`: records that are no tenant's.")]
Since = Annotated[str, typer.Option(help="Only what arrived since then, such as 2026-01-15 or 2026-01-15T12:00Z.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID…", help="Ids, from `winkel dead-letters list`.")]
All = Annotated[bool, typer.Option("--all", help="All that are open and pass the filters.")]
NOBODYS = "nobody"


@app.command("list")
def list_(
    reason: Reason = "",
    tenant: Tenant = "",
    since: Since = "",
    resolved: Annotated[bool, typer.Option(help="Also those that were retried or discarded.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 50,
    json: Json = False,
    database_url: DatabaseUrl = "",
    data: Data = DATA,
) -> None:
    """List what could not be counted, and why.

    **Example**: `winkel dead-letters list --reason not_a_number --since 2026-01-15`
    """
    with sentences():
        from winkel.store import dead_letters

        where = _filter(reason, since, resolved=None if resolved else False)

        async def work(databases: "Sequence[Connection]") -> "tuple[list[StoredDeadLetter], dict[int, str]]":
            tenant_id, names = await _tenants(databases[0], tenant)
            found = [
                each
                for connection in databases
                for each in await dead_letters.page(connection, tenant_id, where=where, limit=limit)
            ]
            return sorted(found, key=lambda one: (one.at, int(one.id)), reverse=True)[:limit], names

        found, names = with_databases(database_url, data, work)
        if json:
            for letter in found:
                typer.echo(_json(letter))
            return
        columns = ("id", "arrived", "tenant", "reason", "detail", "events", "place", "tries", "state")
        shown = table("Dead letters", *columns, right=("id", "events", "tries"))
        for letter in found:
            state = letter.resolution or "open"
            counts = f"{letter.events:,}", _place(letter), str(letter.attempts)
            about = names.get(letter.tenant_id, NOBODYS), letter.reason, letter.detail[:120]
            shown.add_row(letter.id, _instant(letter.at), *about, *counts, state)
        if not found:
            shown.caption = "there are none"
        console().print(shown)


@app.command()
def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="Its id, from `winkel dead-letters list`.")],
    json: Json = False,
    payload: Annotated[bool, typer.Option("--payload", help="Only the event or the record, as it is.")] = False,
    database_url: DatabaseUrl = "",
    data: Data = DATA,
) -> None:
    """Show one dead letter with all that is left of the event or record.

    **Example**: `winkel dead-letters show 17 --payload > event.json`, correct it, then
    `winkel dead-letters retry 17 --with event.json`
    """
    with sentences():
        from winkel.store import dead_letters

        async def work(databases: "Sequence[Connection]") -> "tuple[StoredDeadLetter, dict[int, str]]":
            _, names = await _tenants(databases[0], "")
            return await dead_letters.find(_where_it_is(databases, letter_id), None, letter_id), names

        letter, names = with_databases(database_url, data, work)
        if payload:
            typer.echo(letter.payload, nl=False)
        elif json:
            typer.echo(_json(letter))
        else:
            _print(letter, names)


@app.command()
def retry(
    ids: Ids = None,
    every: All = False,
    reason: Reason = "",
    tenant: Tenant = "",
    since: Since = "",
    with_: Annotated[
        Path | None,
        typer.Option("--with", help="A corrected event; for a record an array of events.", exists=True, dir_okay=False),
    ] = None,
    yes: Yes = False,
    database_url: DatabaseUrl = "",
    data: Data = DATA,
) -> None:
    """Try again to count dead letters, perhaps corrected.

    An event that one metric could not use is counted for that metric, once; the others have it. A record is appended to
    the log again. What still cannot be counted stays, with the reason.

    **Example**: `winkel dead-letters retry --all --reason unknown_tenant`
    """
    with sentences():
        from winkel.clock import now
        from winkel.letters import actions

        correction = with_.read_bytes() if with_ is not None else None
        if correction is not None and len(ids or []) != 1:
            raise ValueError("--with corrects one dead letter: give its id")
        where = _which(ids, every, reason, tenant, since)
        outcomes: list[Outcome] = []

        async def work(databases: "Sequence[Connection]") -> None:
            chosen = await _chosen(databases, ids, tenant, where)
            _ask(f"retry {len(chosen)} dead letters", len(chosen), yes=yes or not every)
            log = _Log(database_url, data)
            try:
                with _progress(len(chosen)) as advance:
                    for each in chosen:
                        connection = _where_it_is(databases, each)
                        async with connection.transaction():
                            outcomes.append(
                                await actions.retry(
                                    connection, databases[0], log.get, None, each, at=now(), correction=correction
                                )
                            )
                        advance()
            finally:
                await log.close()

        try:
            with_databases(database_url, data, work)
        finally:
            _tell(outcomes)
        if not all(each.resolved for each in outcomes):
            raise typer.Exit(1)


@app.command()
def discard(
    ids: Ids = None,
    because: Annotated[str, typer.Option(help="Why; it is kept with the letter.")] = "",
    every: All = False,
    reason: Reason = "",
    tenant: Tenant = "",
    since: Since = "",
    yes: Yes = False,
    database_url: DatabaseUrl = "",
    data: Data = DATA,
) -> None:
    """Close dead letters without counting them. They stay in the list, with the reason.

    **Example**: `winkel dead-letters discard 17 18 --because "sent by a test"`
    """
    with sentences():
        from winkel.clock import now
        from winkel.letters import actions

        if not because.strip():
            raise ValueError("say why with --because: nothing is discarded without a reason")
        where = _which(ids, every, reason, tenant, since)

        async def work(databases: "Sequence[Connection]") -> int:
            chosen = await _chosen(databases, ids, tenant, where)
            _ask(f"discard {len(chosen)} dead letters for good", len(chosen), yes=yes or not every)
            with _progress(len(chosen)) as advance:
                for each in chosen:
                    connection = _where_it_is(databases, each)
                    async with connection.transaction():
                        await actions.discard(connection, None, each, because=because, at=now())
                    advance()
            return len(chosen)

        typer.echo(f"discarded {with_databases(database_url, data, work):,} dead letters")


class _Log:
    """The log, opened when a first record has to be appended."""

    def __init__(self, database_url: str, data: Path) -> None:
        self._database_url = database_url
        self._data = data
        self._log: Log | None = None

    async def get(self) -> "Log":
        """Return the log."""
        if self._log is None:
            from winkel.cli.datafolder import database_url as choose
            from winkel.cli.datafolder import settings
            from winkel.fleet.actions import open_log

            where = self._database_url, self._data
            self._log = await open_log(choose(*where), settings(*where), moving=False)
        return self._log

    async def close(self) -> None:
        """Let it go, if it was opened."""
        if self._log is not None:
            await self._log.close()


async def _tenants(home: "Connection", wanted: str) -> tuple[int | None, dict[int, str]]:
    """Return the id of the tenant that is asked for, or None for all, and the names of all. Raises `NotFoundError`."""
    from winkel.model.usage import NOBODY
    from winkel.store import tenants

    names = {each.id: each.name for each in await tenants.list_tenants(home)}
    if not wanted:
        return None, names
    return (NOBODY if wanted == NOBODYS else (await tenants.find_tenant(home, wanted)).id), names


def _filter(reason: str, since: str, *, resolved: bool | None = False) -> "Filter":
    from winkel.store.dead_letters import Filter

    try:
        at = datetime.fromisoformat(since) if since else None
    except ValueError:
        raise ValueError(f"--since takes an instant like 2026-01-15 or 2026-01-15T12:00Z, not {since!r}") from None
    if at is not None and at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return Filter(reason=reason or None, since=at, resolved=resolved)


def _where_it_is(databases: "Sequence[Connection]", letter_id: str) -> "Connection":
    """Return the database that has a letter, if there is one."""
    from winkel.store.dead_letters import database_of

    number = database_of(letter_id)
    return databases[number if number < len(databases) else 0]


def _which(ids: list[str] | None, every: bool, reason: str, tenant: str, since: str) -> "Filter | None":
    """Return what chooses among all open letters; None: ids do. Raises `ValueError` for both, neither, or a mixture.

    Ids beside a filter could mean both what passes it and all of them.
    """
    if every:
        if ids:
            raise ValueError("give ids or --all, not both")
        return _filter(reason, since)
    if not ids:
        raise ValueError("which ones? Give ids, from `winkel dead-letters list`, or --all")
    if reason or tenant or since:
        raise ValueError("--tenant, --reason and --since choose among --all: leave them out, or the ids")
    return None


async def _chosen(
    databases: "Sequence[Connection]", ids: list[str] | None, tenant: str, where: "Filter | None"
) -> list[str]:
    """Return the ids that are given, or with a filter those of all open letters that pass it."""
    from winkel.store import dead_letters

    if where is None:
        return list(dict.fromkeys(ids or []))
    tenant_id, _ = await _tenants(databases[0], tenant)
    return [each for connection in databases for each in await dead_letters.open_ids(connection, tenant_id, where)]


def _ask(what: str, count: int, *, yes: bool) -> None:
    """Let somebody confirm what concerns many."""
    if count:
        ask(f"{what}?", yes=yes)


@contextmanager
def _progress(count: int) -> Iterator[Callable[[], None]]:
    """Show how far many have come; for a few there is nothing to see."""
    if count < 20:
        yield lambda: None
        return
    from rich.progress import Progress

    with Progress(console=console(stderr=True), transient=True) as progress:
        task = progress.add_task("dead letters", total=count)
        yield lambda: progress.advance(task)


def _tell(outcomes: "list[Outcome]") -> None:
    """Say what became of each letter that was retried; of very many, only of those that need a look."""
    many = len(outcomes) > 20
    for each in outcomes:
        if not each.resolved:
            say(f"{each.id} stays: {each.said}", err=True, colour=typer.colors.YELLOW)
        elif not many:
            say(f"{each.id} {each.said}")
        if each.warning:
            say(f"{each.id} look: {each.warning}", err=True, colour=typer.colors.YELLOW)
    if many:
        done = sum(each.resolved for each in outcomes)
        typer.echo(f"{done:,} of {len(outcomes):,} dead letters resolved")


def _print(letter: "StoredDeadLetter", names: dict[int, str]) -> None:
    shown = table(f"Dead letter {letter.id}", "", "")
    rows = {
        "tenant": names.get(letter.tenant_id, NOBODYS),
        "arrived": _instant(letter.at),
        "place": _place(letter),
        "reason": letter.reason,
        "detail": letter.detail,
        "metric": letter.metric_id or "",
        "transaction id": letter.transaction_id or "",
        "events": f"{letter.events:,}",
        "retries": str(letter.attempts),
        "last said": letter.note,
        "state": f"{letter.resolution} {_instant(letter.resolved_at)}" if letter.resolved_at else "open",
    }
    for name, text in rows.items():
        if text:
            shown.add_row(name, text)
    terminal = console()
    terminal.print(shown)
    terminal.print(readable(letter.payload))


def readable(payload: bytes) -> str:
    """Return a payload for people: JSON indented, other text as it is, and bytes as a dump of their beginning."""
    import msgspec

    try:
        return msgspec.json.format(payload, indent=2).decode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        text = "\0"
    if text.isprintable():
        return text
    lines = [payload[start : start + 16] for start in range(0, min(len(payload), 512), 16)]
    dump = "\n".join(
        f"{16 * index:04x}  {line.hex(' '):<47}  {''.join(chr(each) if 32 <= each < 127 else '.' for each in line)}"
        for index, line in enumerate(lines)
    )
    rest = f"\n… {len(payload) - 512:,} more bytes; --payload writes them all" if len(payload) > 512 else ""
    return f"{len(payload):,} bytes\n{dump}{rest}"


def _json(letter: "StoredDeadLetter") -> str:
    import msgspec

    return visible(msgspec.json.encode(letter).decode())


def _place(letter: "StoredDeadLetter") -> str:
    return f"{letter.topic}/{letter.partition}@{letter.offset}" + (f":{letter.index}" if letter.index >= 0 else "")


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
