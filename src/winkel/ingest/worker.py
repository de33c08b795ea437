"""Keeps a gateway's lease on the routing: by which version it may append, and until when (streaming.md §2.4).

A change of the routing is a clean cut. While a version is being prepared, every gateway holds its events back, waits
until what it was appending is durable, and says so (`version` of its lease). When all have, whoever prepares the
version notes where each partition ends, puts it in force, and the gateways go on by it. So every record before that
offset was routed by an older version and every one behind it by the new one, but for those of a gateway that slept
through the end of its lease; meters recognise such a record by its version, and send it on to where it belongs.

The order of two statements makes the cut safe: a gateway writes its lease first and looks for a version being prepared
afterwards; who prepares one announces it first and looks at the leases afterwards. One of them sees the other.
"""

import asyncio
from contextlib import suppress
from time import monotonic

import psycopg
import structlog

from winkel.ingest.routes import Routes
from winkel.log.log import Log
from winkel.model.errors import UnavailableError
from winkel.model.routing import Routing
from winkel.store import routing
from winkel.store.database import Connection, connect

LEASE_SECONDS = 3.0
"""How long a gateway may append after its last word, and how long a dead one can delay a change of the routing."""
MARGIN_SECONDS = 0.5
"""A gateway stops so long before its lease ends: what it began by then should be durable in time."""
RENEW_SECONDS = 0.75
LOOK_SECONDS = 0.15
"""How often to look for another routing: events are held back for about so long when it changes."""
log = structlog.get_logger(__name__)


async def keep(database_url: str, events: Log, routes: Routes, *, gateway: str, stop: asyncio.Event) -> None:
    """Keep the routes up to date until `stop` is set. Without the database they end with the lease."""
    while not stop.is_set():
        try:
            connection = await connect(database_url)
            try:
                keeper = Keeper(connection, events, routes, gateway)
                while not stop.is_set():
                    await keeper.look()
                    await _wait(stop, LOOK_SECONDS)
                await routing.leave(connection, events.name, gateway)
            finally:
                await connection.close()
        except (psycopg.OperationalError, UnavailableError) as error:
            log.warning("routing out of reach; trying again", error=str(error))
            await _wait(stop, 0.2)


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


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    """Wait for `stop`, at most so long."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
