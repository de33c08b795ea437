"""What a gateway knows of the world behind it: the routing by which it may append, and whether it should take events.

`keep` keeps its lease on the routing: by which version it may append, and until when (streaming.md §2.4).

A change of the routing is a clean cut. While a version is being prepared, every gateway holds its events back, waits
until what it was appending is durable, and says so (`version` of its lease). When all have, whoever prepares the
version notes where each partition ends, puts it in force, and the gateways go on by it. So every record before that
offset was routed by an older version and every one behind it by the new one, but for those of a gateway that slept
through the end of its lease; meters recognise such a record by its version, and send it on to where it belongs.

The order of two statements makes the cut safe: a gateway writes its lease first and looks for a version being prepared
afterwards; who prepares one announces it first and looks at the leases afterwards. One of them sees the other.

`watch` looks how far metering is behind, how much room the disk has, and what the quotas are. It is a task of its own,
with connections of its own: whatever it waits for, the lease is renewed.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

import psycopg
import structlog

from winkel.figures import gateway as figures
from winkel.ingest.pressure import OPEN_LAG, Ages, Pressure
from winkel.ingest.quota import Quotas
from winkel.ingest.routes import Routes
from winkel.log.log import Log
from winkel.model.errors import UnavailableError
from winkel.model.routing import Routing
from winkel.store import routing, shards, tenants, vitals
from winkel.store.database import Connection, connect
from winkel.waiting import wait

LEASE_SECONDS = 3.0
"""How long a gateway may append after its last word, and how long a dead one can delay a change of the routing."""
MARGIN_SECONDS = 0.5
"""A gateway stops so long before its lease ends: what it began by then should be durable in time."""
RENEW_SECONDS = 0.75
LOOK_SECONDS = 0.15
"""How often to look for another routing: events are held back for about so long when it changes."""
PATIENCE_SECONDS = 15.0
"""After this long without an answer the connection counts as gone: a machine that is lost sends no goodbye."""
WATCH_SECONDS = 1.0
"""How often to look at what may call for refusing events: no usual disk loses its reserve within it."""
log = structlog.get_logger(__name__)


async def keep(database_url: str, events: Log, routes: Routes, *, gateway: str, stop: asyncio.Event) -> None:
    """Keep the routes up to date until `stop` is set. Without the database they end with the lease."""
    while not stop.is_set():
        try:
            connection = await connect(database_url)
            try:
                keeper = Keeper(connection, events, routes, gateway)
                while not stop.is_set():
                    async with asyncio.timeout(PATIENCE_SECONDS):
                        await keeper.look()
                    await wait(stop, LOOK_SECONDS)
                await routing.leave(connection, events.name, gateway)
            finally:
                await connection.close()
        except (psycopg.OperationalError, UnavailableError, TimeoutError) as error:
            log.warning("routing out of reach; trying again", error=str(error) or "the database says nothing")
            await wait(stop, 0.2)


class Keeper:
    """The lease of one gateway over one connection."""

    def __init__(self, connection: Connection, events: Log, routes: Routes, gateway: str) -> None:
        self._connection = connection
        self._log = events
        self._routes = routes
        self._gateway = gateway
        self._version = 0
        """Nothing is appended under an older version any more, and the database knows."""
        self._renewed = float("-inf")

    async def look(self) -> None:
        """Renew the lease if it is time, and do what the newest routing asks for."""
        if monotonic() - self._renewed > RENEW_SECONDS:
            await self._renew(self._version)
        now = await routing.current(self._connection, self._log.name)
        if now.preparing is not None:
            await self._give_way(now.preparing)
        elif now.active.version == self._version:
            self._routes.allow(now.active, self._renewed + LEASE_SECONDS - MARGIN_SECONDS)
        elif await self._stopped():
            await self._log.refresh()
            await self._renew(now.active.version)
            await self.look()  # whether it is still in force, now that everybody knows of us

    async def _give_way(self, preparing: Routing) -> None:
        """Append nothing more by the version in force, and say so."""
        if await self._stopped() and self._version != preparing.version:
            await self._log.refresh()
            await self._renew(preparing.version)

    async def _stopped(self) -> bool:
        """Hold events back; return whether nothing is being appended any more."""
        self._routes.hold()
        return await self._routes.idle(LOOK_SECONDS)

    async def _renew(self, version: int) -> None:
        now = monotonic()
        await routing.renew(self._connection, self._log.name, self._gateway, version, LEASE_SECONDS)
        self._version, self._renewed = version, now
        figures.LEASE.give()


async def watch(
    databases: Sequence[str], events: Log, pressure: Pressure, quotas: Quotas, *, stop: asyncio.Event
) -> None:
    """Tell a gateway's gate what it should know, until `stop` is set. Without a database it knows what it knew last.

    `databases` are the addresses of all databases that usage is spread over, the home one first.
    """
    ages = Ages(max(WATCH_SECONDS, pressure.lag_limit_seconds / 32))
    while not stop.is_set():
        try:
            async with shards.connections(databases) as connections:
                watcher = Watcher(connections, events, pressure, quotas, ages)
                await watcher.begin()
                while not stop.is_set():
                    await watcher.look()
                    await wait(stop, WATCH_SECONDS)
        except (psycopg.Error, UnavailableError) as error:
            log.warning("the pressure behind this gateway is out of sight; looking again", error=str(error))
            await wait(stop, WATCH_SECONDS)


class Watcher:
    """Looks at metering, disk and quotas over connections to all databases."""

    def __init__(
        self, connections: Sequence[Connection], events: Log, pressure: Pressure, quotas: Quotas, ages: Ages
    ) -> None:
        self._connections = connections
        self._log = events
        self._pressure = pressure
        self._quotas = quotas
        self._ages = ages
        self._folders: list[Path] = []

    async def begin(self) -> None:
        """Find out where the databases keep their data."""
        self._folders = [folder for each in self._connections for folder in await vitals.folders(each)]

    async def look(self) -> None:
        """Look once, at what costs least first, and say what changed."""
        late, full = self._pressure.late, self._pressure.full
        home = self._connections[0]
        self._pressure.see_disk(vitals.free_bytes(self._folders))
        gateways = await routing.gateways(home, self._log.name)
        self._quotas.change(await tenants.quotas(home), len(gateways))
        if self._pressure.lag_limit_seconds:
            self._pressure.see_lag(await self._lag())
        if (late, full) != (self._pressure.late, self._pressure.full):
            now = self._pressure
            log.warning("taking events", disk_full=now.full, metering_late=now.late, lag_seconds=round(now.lag_seconds))

    async def _lag(self) -> float:
        """Return how long the oldest record has waited, in seconds.

        Mostly that follows from where the log ended at earlier looks. When the record is older than those, or when
        much depends on the answer, it is read: what is there may be an offset without a record.
        """
        bounds = await self._log.bounds()
        stand = await shards.positions(self._connections, self._log.name, len(bounds))
        positions = [max(position, bound.start) for position, bound in zip(stand, bounds, strict=True)]
        now, ends = monotonic(), [bound.end for bound in bounds]
        self._ages.note(now, ends)
        waited = [self._ages.waited(now, *each) for each in zip(range(len(ends)), positions, ends, strict=True)]
        oldest = max(range(len(ends)), key=lambda each: (waited[each], ends[each] - positions[each]))
        if positions[oldest] >= ends[oldest]:
            return 0.0
        decisive = waited[oldest] > self._pressure.lag_limit_seconds * OPEN_LAG
        if decisive or self._ages.beyond(oldest, positions[oldest]):
            return await self._age(oldest, positions[oldest])
        return waited[oldest]

    async def _age(self, partition: int, position: int) -> float:
        """Return how old the record at a position is, by the clock of the database; 0 when there is none."""
        try:
            found = await self._log.read(partition, position, events=1, wait_seconds=0)
        except LookupError:
            return 0.0  # it was metered and dropped meanwhile
        if not found:
            return 0.0
        return max(0.0, (await vitals.database_now(self._connections[0]) - found[0].appended_at).total_seconds())
