"""Keeps usage compact, closes billing periods when their time has come, and decides how many meters there should be."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from time import monotonic

import psycopg
import structlog

from winkel.bill.actions import Billed, Failure, finalize_due
from winkel.bill.due import RETRY
from winkel.clock import Clock
from winkel.config import Settings
from winkel.figures import bill as figures
from winkel.fleet.actions import Scaling, overview
from winkel.fleet.overview import PIPELINE
from winkel.letters.worker import Publisher, relay
from winkel.log.log import Log
from winkel.model.errors import SchemaError, UnavailableError
from winkel.store import billing, logs, migrate, shards, usage, vitals
from winkel.store.billing import Look
from winkel.store.database import UNHURRIED, Connection
from winkel.store.shards import Held
from winkel.store.sql import grouped
from winkel.waiting import wait

log = structlog.get_logger(__name__)

COMPACT_SECONDS = 2.0
"""How long deltas lie open: the more of one series are merged at once, the less each costs."""
COMPACT_ROWS = 20_000
"""How many deltas one transaction merges. Merging 250,000 at once costs half a delta of what 50,000 do."""
BILL_SECONDS = 5.0
"""How often to look for customers who are due."""
TRIM_SECONDS = 600.0
"""How often to drop old records from the log."""
RELAY_SECONDS = 5.0
"""How often to tell new dead letters to a topic, if the log has topics."""
WATCH_SECONDS = 2.0
"""How often to look at the whole pipeline, for the figures."""
SCALE_SECONDS = 2.0
"""How often to look whether there are as many meters as are needed."""
PAGE = 1000
"""How many customers who are due are asked for at once."""
BUNCH = 200
"""The most customers of a tenant that are billed in one transaction: statements, and what they share, cost once."""
BUNCH_SECONDS = 2.0
"""With customers who take longer, fewer are billed together: others wait for what is locked, and PostgreSQL ends a
transaction that is idle for ten seconds while its customers are rated."""
OPEN_DELTAS_MAX = 100_000
"""Open deltas are counted up to this many, for the figures: counting them all would cost what merging does."""


async def run(database_url: str, events: Log, *, settings: Settings, clock: Clock, stop: asyncio.Event) -> None:
    """Compact, bill and trim until `stop` is set; each at its own pace, each on connections of its own.

    Each database that usage is spread over is compacted by itself; a period is closed only while all answer. Raises
    `SchemaError` (in a group) when the schema of one is not this version's any more.
    """
    worker = Worker(database_url, events, settings, clock)
    urls = (database_url, *settings.further_databases)
    async with asyncio.TaskGroup() as group:
        for number, url in enumerate(urls):
            group.create_task(_repeat(partial(worker.compact, number=number), COMPACT_SECONDS, [url], stop))
        group.create_task(_repeat(worker.bill, BILL_SECONDS, urls, stop))
        group.create_task(_repeat(worker.trim, TRIM_SECONDS, urls, stop))
        group.create_task(_repeat(Scaling(events, settings).look, SCALE_SECONDS, urls, stop))
        group.create_task(_repeat(worker.watch, WATCH_SECONDS, urls, stop))
        if isinstance(events, Publisher):
            group.create_task(_repeat(partial(publish, events), RELAY_SECONDS, urls, stop))


class Worker:
    """The three jobs, each one round over what there is to do."""

    def __init__(self, database_url: str, events: Log, settings: Settings, clock: Clock) -> None:
        self.database_url = database_url
        self.events = events
        self.settings = settings
        self.clock = clock
        self.closing = Closing(events)
        self._open_deltas: dict[int, int] = {}
        self._bunch = BUNCH

    async def compact(self, connection: Connection, *, number: int = 0) -> None:
        """Merge open deltas until few are left, in the database of this number."""
        merged = COMPACT_ROWS
        while merged >= COMPACT_ROWS:
            began = monotonic()
            async with connection.transaction():
                await migrate.hold(connection)
                merged = await usage.compact(connection, COMPACT_ROWS)
            if merged:
                figures.COMPACTED.inc(merged)
                figures.COMPACTION_SECONDS.observe(monotonic() - began)
            figures.COMPACTING.give()
        self._open_deltas[number] = await vitals.open_deltas(connection, OPEN_DELTAS_MAX)
        figures.OPEN_DELTAS.set(sum(self._open_deltas.values()))

    async def bill(self, connection: Connection, *further: Connection) -> None:
        """Finalize what is due. A customer whose billing fails never stops the others.

        `further` are connections to the databases beside the first that usage is spread over.
        """
        figures.BILLING.give()
        until = await self.closing.until([connection, *further], self.clock())
        if until is not None:
            async for _ in self.billed(connection, further, until):
                pass

    async def billed(
        self, connection: Connection, further: Sequence[Connection], until: datetime
    ) -> AsyncIterator[Billed]:
        """Finalize what is due at `until`; yield what each customer came to that no other worker has.

        `until` must be an instant that `Closing` has found.
        """
        some = True
        while some:
            some = False
            for tenant_id, customer_ids in grouped(await billing.due(connection, until, PAGE)).items():
                left = customer_ids
                while left:
                    bunch, left = left[: self._bunch], left[self._bunch :]
                    for came_to in await self._bill_some(connection, further, tenant_id, bunch, until):
                        some = True
                        yield came_to

    async def _bill_some(
        self,
        connection: Connection,
        further: Sequence[Connection],
        tenant_id: int,
        customer_ids: Sequence[str],
        until: datetime,
    ) -> list[Billed]:
        """Bill those customers that no other worker has, in one transaction; when that fails, each in one of its own.

        One that fails alone is written down, with the reason. Raises `SchemaError`, and nothing is final, when a newer
        version has changed the database: its contracts may have terms that this one does not know.
        """
        grace = timedelta(hours=self.settings.grace_hours)
        began = monotonic()
        try:
            async with connection.transaction():
                await migrate.hold(connection)
                if len(customer_ids) == 1:  # who waits for its rows meanwhile gives up by lock_timeout
                    await connection.execute(UNHURRIED)
                taken = await billing.take(connection, tenant_id, customer_ids, until)
                if not taken:
                    return []
                came_to = await finalize_due(
                    connection,
                    [Held(each) for each in further],
                    tenant_id,
                    taken,
                    grace=grace,
                    until=until,
                    at=self.clock(),
                )
        except (SchemaError, UnavailableError):
            self._bunch = next_bunch(self._bunch, math.inf)
            raise
        except Exception as error:
            if isinstance(error, psycopg.OperationalError) or connection.closed:
                self._bunch = next_bunch(self._bunch, math.inf)
                if len(customer_ids) == 1:
                    await self._put_off(tenant_id, customer_ids[0], error, until)
                raise UnavailableError(f"the database gave up: {error}") from error
            if len(customer_ids) > 1:
                alone = [await self._bill_some(connection, further, tenant_id, [each], until) for each in customer_ids]
                return [each for some in alone for each in some]
            (customer_id,) = customer_ids
            log.exception("billing failed", tenant=tenant_id, customer=customer_id)
            came_to = [Billed(customer_id, [], [Failure((), f"{type(error).__name__}: {error}")])]
            look = Look(customer_id, until + RETRY, str(came_to[0].failures[0]))
            await billing.set_due(connection, tenant_id, [look])
        finally:
            figures.BILLING.give()
        self._bunch = next_bunch(self._bunch, monotonic() - began)
        for each in came_to:
            figures.FINALIZED.inc(len(each.invoices))
            figures.FAILURES.inc(len(each.failures))
            for invoice in each.invoices:
                log.info("invoice finalized", tenant=tenant_id, customer=invoice.customer_id, invoice=invoice.id)
        return came_to

    async def _put_off(self, tenant_id: int, customer_id: str, error: Exception, until: datetime) -> None:
        """Look again later at a customer on whom the database gave up, so that those after it have their turn.

        Raises when the database does not answer at all: then it was not the customer's fault.
        """
        log.error("billing failed", tenant=tenant_id, customer=customer_id, exc_info=error)
        async with shards.connections([self.database_url]) as (connection,):
            look = Look(customer_id, until + RETRY, f"{type(error).__name__}: {error}")
            await billing.set_due(connection, tenant_id, [look])

    async def trim(self, connection: Connection, *further: Connection) -> None:
        """Drop records of the log that were metered and are older than the retention."""
        positions = await shards.positions([connection, *further], self.events.name, self.events.partitions)
        before = self.clock() - timedelta(hours=self.settings.log_retention_hours)
        dropped = await self.events.trim(before, positions)
        if dropped:
            log.info("log trimmed", records=dropped)

    async def watch(self, *databases: Connection) -> None:
        """Look at the whole pipeline, so that /metrics can tell of it."""
        PIPELINE.show(await overview(databases, self.events))


def next_bunch(size: int, seconds: float) -> int:
    """Return how many customers to bill together after so many took so long: half as many, or up to twice."""
    return max(1, size // 2) if seconds > BUNCH_SECONDS else min(BUNCH, size * 2)


async def publish(events: Log, *databases: Connection) -> None:
    """Tell the dead letters of each database to the topic beside the log's."""
    assert isinstance(events, Publisher), "who starts this has looked"
    for each in databases:
        await relay(each, events.name, events)


class Closing:
    """Finds instants until which everything is metered, in whichever database. Ask again until there is one.

    Only then may a period be closed: an event accepted before the end of its grace must be on the invoice, however far
    meters lag behind. Where the log ended is kept between two questions, so a lag that never ends delays, and no more.
    """

    def __init__(self, events: Log) -> None:
        self._events = events
        self._at: datetime | None = None
        """The instant that is looked at now."""
        self._ends: list[int] = []
        """Where each partition ended since."""
        self._is_second = False

    async def until(self, databases: Sequence[Connection], now: datetime) -> datetime | None:
        """Return the newest such instant that is known, now or before, after two seconds at most; None: none yet.

        Meters must come to the end of the log twice: what they have sent on (meter/worker.py, `_forward`) on their way
        to the first one lies before the second. Raises `ReplacedError` when events go to another log by now.
        """
        await logs.check(databases[0], self._events.name)  # no period is closed by a log that is in use no more
        if self._at is None:
            self._at, self._is_second, self._ends = now, False, await self._look()
        while await self._passed(databases):
            if self._is_second:
                found, self._at = self._at, None
                return found
            self._is_second, self._ends = True, await self._look()
        return None

    async def _look(self) -> list[int]:
        await self._events.refresh()
        return [each.end for each in await self._events.bounds()]

    async def _passed(self, databases: Sequence[Connection]) -> bool:
        """Whether meters come to these ends within two seconds."""
        for _ in range(20):
            positions = await shards.positions(databases, self._events.name, len(self._ends))
            if all(position >= end for position, end in zip(positions, self._ends, strict=True)):
                return True
            await asyncio.sleep(0.1)
        return False


async def _repeat(
    job: Callable[..., Awaitable[None]], seconds: float, urls: Sequence[str], stop: asyncio.Event
) -> None:
    """Run a job over connections to these databases again and again; after a failure of one, over new connections."""
    while not stop.is_set():
        try:
            async with shards.connections(urls) as connections:
                while not stop.is_set():
                    await job(*connections)
                    await wait(stop, seconds)
        except (psycopg.OperationalError, UnavailableError) as error:
            log.warning("database or log lost; connecting again", error=str(error))
            await wait(stop, 1.0)
