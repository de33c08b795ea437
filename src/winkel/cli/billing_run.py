"""A billing run: everything that is due now, with a bar that shows how far it is."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import psycopg
from msgspec import Struct
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from winkel.bill.worker import Worker
from winkel.cli import logs
from winkel.cli.roles import log_to_bill
from winkel.cli.terminal import console, table
from winkel.clock import now
from winkel.config import Settings
from winkel.model.errors import UnavailableError
from winkel.store import billing, shards
from winkel.store.billing import Problem
from winkel.store.database import Connection

AGAIN_SECONDS = 0.5
"""How long to wait for others: another run that has the last customers, a database that is away."""


class Outcome(Struct, frozen=True):
    """What a billing run came to."""

    customers: int
    """How many were due when it began; others may have billed some of them meanwhile."""
    invoices: int
    """How many it has made final itself."""
    problems: Sequence[Problem]
    """Whom nobody could bill."""

    def __str__(self) -> str:
        customers = f"{self.customers:,} customer{'s were' if self.customers != 1 else ' was'} due"
        return f"{customers}; this run made {self.invoices:,} invoice{'s' if self.invoices != 1 else ''} final"


async def run_once(database_url: str, settings: Settings) -> Outcome:
    """Finalize what is due when the run begins, trying each customer once.

    A database that goes away is waited for. All that the run knows is in `billing_due`: killed and started again, it
    goes on where it was. Raises `UnavailableError` or `SchemaError` that says what to do when it cannot begin.
    """
    urls = (database_url, *settings.further_databases)
    async with log_to_bill(database_url, settings, asyncio.Event(), moving=False) as events:
        with _progress() as progress:
            logs.configure("error", "bill run")  # here, so that lines of the log are shown above the bar
            run = _Run(Worker(database_url, events, settings, now), progress)
            while True:
                try:
                    async with shards.connections(urls) as (home, *further):
                        return await run.until_done(home, further)
                except (psycopg.OperationalError, UnavailableError) as error:
                    progress.console.print(f"the database does not answer, trying again: {error}")
                    await asyncio.sleep(AGAIN_SECONDS)


class _Run:
    """What one run has done so far, over however many connections."""

    def __init__(self, worker: Worker, progress: Progress) -> None:
        self._worker = worker
        self._progress = progress
        self._until: datetime | None = None
        self._task: TaskID | None = None
        self._customers = 0
        self._invoices = 0
        self._failures = 0

    async def until_done(self, home: Connection, further: Sequence[Connection]) -> Outcome:
        """Bill until nothing is due any more; what another worker has is waited for, in case it dies."""
        if self._until is None:
            self._until = await self._metered([home, *further])
            await billing.retry_now(home, self._until)
        while left := await billing.count_due(home, self._until):
            if self._task is None:
                self._customers = left
                self._task = self._progress.add_task("billing", total=left, invoices=0, failures=0)
            async for came_to in self._worker.billed(home, further, self._until):
                self._invoices += len(came_to.invoices)
                self._failures += len(came_to.failures)
                self._progress.update(self._task, advance=1, invoices=self._invoices, failures=self._failures)
            if await billing.count_due(home, self._until):
                await asyncio.sleep(AGAIN_SECONDS)
        return Outcome(self._customers, self._invoices, await billing.problems(home))

    async def _metered(self, databases: Sequence[Connection]) -> datetime:
        """Return an instant until which everything has been metered; wait for the meter while there is none."""
        waiting = self._progress.add_task("waiting until all events are metered", total=None, invoices=0, failures=0)
        until = None
        while until is None:  # each look takes two seconds before it gives up
            until = await self._worker.closing.until(databases, now())
        self._progress.remove_task(waiting)
        return until


def report(outcome: Outcome) -> None:
    """Print what was done, and who could not be billed, and why."""
    shown = table("Could not be billed", "tenant", "customer", "reason")
    for each in outcome.problems:
        shown.add_row(each.tenant, f"{each.customer}\n{each.customer_id}", each.problem)
    if outcome.problems:
        console().print(shown)
    console().print(str(outcome))


def _progress() -> Progress:
    terminal = console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn(
            "{task.completed:,.0f} customers, {task.fields[invoices]:,} invoices, {task.fields[failures]:,} failures"
        ),
        TimeRemainingColumn(),
        console=terminal,
        disable=not terminal.is_terminal,
    )
