"""Which partitions a gateway may append to now: a routing, for as long as a lease lasts, unless it is held. Pure."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from winkel.model.errors import UnavailableError
from winkel.model.routing import Routing

HELD_SECONDS = 8.0
"""How long requests wait for a new routing before they are told to come back: longer than a change of it may take."""


class Routes:
    """The routing under which one gateway process appends.

    `ingest/worker.py` keeps it: it allows a routing for as long as the lease lasts, and holds appends back for the
    moment in which the fleet changes to another one. A gateway that cannot reach the database for so long refuses
    events rather than send them by a map that may be old (streaming.md §2.4).
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._routing: Routing | None = None
        self._until = 0.0
        self._open = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._using = 0

    @classmethod
    def always(cls, routing: Routing) -> "Routes":
        """Return routes that nobody ever changes: for one process, alone with its log."""
        routes = cls(lambda: 0.0)
        routes.allow(routing, 1.0)
        return routes

    @property
    def routing(self) -> Routing | None:
        """The routing that was allowed last."""
        return self._routing

    @property
    def busy(self) -> bool:
        """Whether something is being appended."""
        return self._using > 0

    def allow(self, routing: Routing, until: float) -> None:
        """Let events be appended by this routing, until an instant of the clock."""
        self._routing = routing
        self._until = until
        self._open.set()

    def hold(self) -> None:
        """Let nothing begin any more; what waits goes on with the next routing that is allowed."""
        self._open.clear()

    async def idle(self, seconds: float) -> bool:
        """Wait until nothing is being appended, at most so long; return whether that is so."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    @asynccontextmanager
    async def using(self) -> AsyncIterator[Routing]:
        """Lend the routing for one append, after waiting while it is held. Raises `UnavailableError`."""
        try:
            async with asyncio.timeout(HELD_SECONDS):
                await self._open.wait()
        except TimeoutError:
            raise UnavailableError("the routing of events is being changed: send them again") from None
        if self._routing is None or self._clock() >= self._until:
            raise UnavailableError("this gateway has lost touch with the database: send the events again")
        self._using += 1
        self._idle.clear()
        try:
            yield self._routing
        finally:
            self._using -= 1
            if not self._using:
                self._idle.set()
