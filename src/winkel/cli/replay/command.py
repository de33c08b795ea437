"""The command: options in, events out, and at the end what was refused."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from winkel.cli.options import URL, Token, Url
from winkel.cli.terminal import console, sentences
from winkel.cli.visible import visible

if TYPE_CHECKING:
    from rich.progress import Progress

    from winkel.cli.client import Client
    from winkel.cli.replay.events import Mapping, Occurrences, Usage
    from winkel.cli.replay.rows import Row
    from winkel.cli.replay.send import Ready

SHOWN = 20
"""How many refused rows are shown one by one."""
LOOK_PAGES = 20
"""How many pages of the newest events to look through for an earlier run of the same replay."""
T = TypeVar("T")


def replay(
    file: Annotated[Path, typer.Argument(help=".csv, .jsonl, .ndjson or .parquet", exists=True, dir_okay=False)],
    timestamp: Annotated[str, typer.Option(help="Column of the timestamps; without a zone they are UTC.")],
    customer: Annotated[str, typer.Option(help="A customer's id or alias for all rows, or @COLUMN.")],
    event_type: Annotated[str, typer.Option(help="The event type of all rows, or @COLUMN.")],
    property_: Annotated[
        list[str] | None,
        typer.Option("--property", help="Column to send as a property; NAME=COLUMN renames it. May be repeated."),
    ] = None,
    id_: Annotated[
        str, typer.Option("--id", help="Column of the transaction ids; default: made from the row.", show_default=False)
    ] = "",
    shift_to: Annotated[
        str, typer.Option(help="Move all timestamps alike, so that the newest is `now`, or at this instant.")
    ] = "",
    batch: Annotated[int, typer.Option(min=1, max=10_000, help="Events in one request.")] = 5000,
    url: Url = URL,
    token: Token = "",
) -> None:
    """Send usage from a CSV, JSON lines or Parquet file.

    Running it again within 34 days bills nothing twice: without --id, the transaction id of a row is a hash of what the
    row says and of how many equal rows came before it, so it does not depend on the order of rows or on --shift-to.
    Later the ids are forgotten, and --shift-to bills everything once more. An interrupted run goes on when the same
    command is run again. Rows that cannot be events are reported with their number; the rest is sent.

    **Example**: `winkel replay llm.csv --timestamp TIMESTAMP --customer acme --event-type llm.request
    --property input_tokens=ContextTokens --property output_tokens=GeneratedTokens --shift-to now`
    """
    with sentences():
        from winkel.cli.replay.events import Mapping, Source

        mapping = Mapping(
            timestamp=timestamp,
            customer=Source.parse(customer),
            event_type=Source.parse(event_type),
            properties=_properties(property_ or []),
            id=id_ or None,
        )
        refusals = _Replay(file, mapping, url, token).run(shift_to, batch)
        if refusals:
            raise typer.Exit(1)


class _Replay:
    """One run over one file."""

    def __init__(self, file: Path, mapping: "Mapping", url: str, token: str) -> None:
        from winkel.cli.replay import rows

        missing = mapping.columns() - set(rows.columns(file))
        if missing and file.suffix in {".csv", ".parquet"}:
            raise ValueError(f"{file.name} has no column {', '.join(map(repr, sorted(missing)))}")
        self.file = file
        self.mapping = mapping
        self.url = url
        self.token = token
        self.refusals: dict[int, str] = {}
        self.terminal = console(stderr=True)

    def run(self, shift_to: str, size: int) -> int:
        """Send everything; return how many rows were refused."""
        import time

        from winkel.cli.client import Client
        from winkel.cli.replay import rows
        from winkel.cli.replay.events import Occurrences
        from winkel.cli.replay.send import Sender

        with Client(self.url, self.token) as client, self._progress() as progress:
            shift = self._shift(shift_to, client)
            task = progress.add_task(visible(self.file.name), total=rows.extent(self.file), events=0)
            sender = Sender(client, refused=self._refuse, wait=lambda why: progress.console.print(f"waiting: {why}"))
            occurrences, sent, began = Occurrences(), 0, time.monotonic()
            for chunk in _chunks(rows.rows(self.file), size):
                ready = self._ready(chunk, occurrences, shift)
                sent += sender.send(ready) if ready else 0
                progress.update(task, completed=chunk[-1].position, events=sent)
        self._report(sent, time.monotonic() - began)
        return len(self.refusals)

    def _ready(self, chunk: "list[Row]", occurrences: "Occurrences", shift: timedelta) -> "list[Ready]":
        """Return the events of a slice; refuse the rows that cannot be events."""
        from winkel.cli.replay import events
        from winkel.cli.replay.send import Ready
        from winkel.clock import now

        usages = []
        for row in chunk:
            try:
                usages.append(events.usage(row, self.mapping))
            except ValueError as error:
                self._refuse(row.number, str(error))
        ready, at = [], now()
        for usage, transaction_id in zip(usages, events.transaction_ids(usages, occurrences), strict=True):
            try:
                events.check_window(usage.at + shift, at)
                ready.append(Ready(usage.row, events.line(usage, transaction_id, shift)))
            except (ValueError, OverflowError) as error:
                self._refuse(usage.row, str(error))
        return ready

    def _shift(self, shift_to: str, client: "Client") -> timedelta:
        """Return by how much all timestamps move.

        For that the file is read once more. When an earlier run has sent the newest row already, its shift is used
        again, so that the rest follows at the same distance and nothing that comes twice differs from the first time.
        """
        from winkel.cli.replay import events
        from winkel.clock import now

        if not shift_to:
            return timedelta(0)
        target = now() if shift_to == "now" else events.instant(shift_to)
        newest = self._newest()
        if newest is None:
            return timedelta(0)
        (transaction_id,) = events.transaction_ids([newest], events.Occurrences())
        before = _sent_before(client, transaction_id)
        return target - newest.at if before is None else before - newest.at

    def _newest(self) -> "Usage | None":
        """Return the first of the rows with the newest timestamp."""
        from winkel.cli.replay import events, rows

        newest: Usage | None = None
        for row in rows.rows(self.file):
            try:
                usage = events.usage(row, self.mapping)
            except ValueError:
                continue
            if newest is None or usage.at > newest.at:
                newest = usage
        return newest

    def _refuse(self, row: int, reason: str) -> None:
        if len(self.refusals) < SHOWN:
            self.terminal.print(f"row {row}: {reason}")
        self.refusals[row] = reason

    def _report(self, sent: int, seconds: float) -> None:
        self.terminal.print(f"{sent:,} events sent in {seconds:.1f} s ({sent / max(seconds, 0.001):,.0f}/s)")
        if self.refusals:
            more = f", the first {SHOWN} are shown above" if len(self.refusals) > SHOWN else ""
            self.terminal.print(f"{len(self.refusals):,} rows refused{more}")

    def _progress(self) -> "Progress":
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        return Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[events]:,} events"),
            TimeRemainingColumn(),
            console=self.terminal,
            disable=not self.terminal.is_terminal,
        )


def _sent_before(client: "Client", transaction_id: str) -> datetime | None:
    """Return the timestamp with which an event was sent before, if that is among what the log can find quickly."""
    from winkel.cli.client import as_instant

    cursor = None
    for _ in range(LOOK_PAGES):
        query = {"transaction_id": transaction_id, "next_page": cursor}
        answer = client.send("GET", "/winkel/v1/events", query=query)
        if not answer.is_success:
            break  # a token with the role ingest may not look
        page = answer.json()
        if page["data"]:
            return as_instant(page["data"][-1]["timestamp"])
        cursor = page["next_page"]
        if not cursor:
            break
    return None


def _properties(texts: list[str]) -> dict[str, str]:
    """Return names and columns from `COLUMN` and `NAME=COLUMN`. Raises `ValueError` for a name given twice."""
    pairs = [(name, column or name) for name, _, column in (text.partition("=") for text in texts)]
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a --property is given twice")
    return found


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
