"""Keeps usage compact and closes billing periods when their time has come."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import psycopg
import structlog

from winkel.bill.actions import finalize_due
from winkel.clock import Clock
from winkel.config import Settings
from winkel.log.log import Log
from winkel.model.errors import UnavailableError
from winkel.store import billing, progress, usage
from winkel.store.database import Connection, connect

log = structlog.get_logger(__name__)

COMPACT_SECONDS = 2.0
"""How long deltas lie open: the more of one series are merged at once, the less each costs."""
COMPACT_ROWS = 250_000
"""How many deltas one transaction merges. Merging 250,000 at once costs half a delta of what 50,000 do."""
BILL_SECONDS = 5.0
"""How often to look for customers who are due."""
TRIM_SECONDS = 600.0
"""How often to drop old records from the log."""
RETRY = timedelta(minutes=5)
"""When to try again a customer whose billing failed."""
PAGE = 500


async def run(database_url: str, events: Log, *, settings: Settings, clock: Clock, stop: asyncio.Event) -> None:
    """Compact, bill and trim until `stop` is set; each at its own pace, each on a connection of its own."""
    worker = Worker(database_url, events, settings, clock)
    async with asyncio.TaskGroup() as group:
        group.create_task(_repeat(worker.compact, COMPACT_SECONDS, database_url, stop))
        group.create_task(_repeat(worker.bill, BILL_SECONDS, database_url, stop))
        group.create_task(_repeat(worker.trim, TRIM_SECONDS, database_url, stop))


class Worker:
    """The three jobs, each one round over what there is to do."""

    def __init__(self, database_url: str, events: Log, settings: Settings, clock: Clock) -> None:
        self.database_url = database_url
        self.events = events
        self.settings = settings
        self.clock = clock

    async def compact(self, connection: Connection) -> None:
        """Merge open deltas until few are left."""
        merged = COMPACT_ROWS
        while merged >= COMPACT_ROWS:
            merged = await usage.compact(connection, COMPACT_ROWS)

    async def bill(self, connection: Connection) -> None:
        """Finalize what is due. A customer whose billing fails never stops the others."""
        at = self.clock()
        until = await metered_until(connection, self.events, at)
        if until is None:
            return
        some = True
        while some:
            some = False
            for tenant_id, customer_id in await billing.due(connection, until, PAGE):
                some |= await self._bill_one(connection, tenant_id, customer_id, until)

    async def _bill_one(self, connection: Connection, tenant_id: int, customer_id: str, until: datetime) -> bool:
        """Bill one customer in one transaction, or write down why not; False: another worker is at it."""
        grace = timedelta(hours=self.settings.grace_hours)
        try:
            async with connection.transaction():
                if not await billing.take(connection, tenant_id, customer_id, until):
                    return False
                final = await finalize_due(
                    connection, tenant_id, customer_id, grace=grace, until=until, at=self.clock()
                )
            for invoice in final:
                log.info("invoice finalized", tenant=tenant_id, customer=customer_id, invoice=invoice.id)
        except (psycopg.OperationalError, UnavailableError):
            raise
        except Exception as error:
            log.exception("billing failed", tenant=tenant_id, customer=customer_id)
            problem = f"{type(error).__name__}: {error}"
            await billing.set_due(connection, tenant_id, customer_id, until + RETRY, problem)
        return True

    async def trim(self, connection: Connection) -> None:
        """Drop records of the log that were metered and are older than the retention."""
        positions = await progress.positions(connection, self.events.name, self.events.partitions)
        before = self.clock() - timedelta(hours=self.settings.log_retention_hours)
        dropped = await self.events.trim(before, positions)
        if dropped:
            log.info("log trimmed", records=dropped)


async def metered_until(connection: Connection, events: Log, at: datetime) -> datetime | None:
    """Return `at` if all that was in the log by now has been metered, else None.

    Only then may a period be closed: an event accepted before the end of its grace must be on the invoice, however
    far the meter lags behind.
    """
    await events.refresh()
    ends = [each.end for each in await events.bounds()]
    for _ in range(20):
        positions = await progress.positions(connection, events.name, len(ends))
        if all(position >= end for position, end in zip(positions, ends, strict=True)):
            return at
        await asyncio.sleep(0.1)
    return None


async def _repeat(
    job: Callable[[Connection], Awaitable[None]], seconds: float, database_url: str, stop: asyncio.Event
) -> None:
    """Run a job again and again; after a failure of the database, on a new connection."""
    while not stop.is_set():
        try:
            connection = await connect(database_url)
            try:
                while not stop.is_set():
                    await job(connection)
                    await _wait(stop, seconds)
            finally:
                await connection.close()
        except (psycopg.OperationalError, UnavailableError) as error:
            log.warning("database lost; connecting again", error=str(error))
            await _wait(stop, 1.0)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    """Wait, but not longer than until `stop` is set."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass
