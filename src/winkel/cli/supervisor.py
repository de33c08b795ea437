"""Keeps processes alive: starts them, starts them again when they die, stops them together."""

import asyncio
import signal
import time
from collections.abc import Callable

from winkel.cli.child import Child, Say
from winkel.cli.leash import Orders
from winkel.model.errors import UnavailableError
from winkel.store.embedded import Server

BACKOFF_FIRST = 0.1
BACKOFF_MOST = 5.0
"""Pauses before a restart, in seconds; they double from the first to the most."""
BACKOFF_ENDED = 0.5
"""The longest pause for what did not fail but was ended from outside, however often."""
HEALTHY_SECONDS = 10.0
"""What lived this long starts with the first pause again."""
STOP_SECONDS = 10.0
"""How long a process may take to end after SIGTERM."""
WATCH_SECONDS = 0.1
"""How often to look whether the database lives."""


class Backoff:
    """How long to wait before the next start of something that keeps dying."""

    def __init__(self) -> None:
        self._pause = BACKOFF_FIRST

    def after(self, lived_seconds: float, *, was_ended: bool = False) -> float:
        """Return the pause, in seconds, after a life of this length; `was_ended`: from outside, it did not fail."""
        if lived_seconds >= HEALTHY_SECONDS:
            self._pause = BACKOFF_FIRST
        most = BACKOFF_ENDED if was_ended else BACKOFF_MOST
        pause = min(self._pause, most)
        self._pause = min(2 * pause, most)
        return pause


class Supervisor:
    """A group of children and, where Winkel brings it, their database.

    `say` gets one line for everything that died and was started again; `changed` is called whenever a process id is
    another one. `watched` children answer /metrics, /healthz and /readyz, each on a port of its own.
    """

    def __init__(
        self,
        children: list[Child],
        *,
        keep_open: tuple[int, ...],
        say: Say,
        changed: Callable[[], None],
        watched: bool = False,
    ) -> None:
        self.children = children
        self._watched = watched
        self._keep_open = keep_open
        self._say = say
        self._changed = changed
        self._orders: Orders | None = None
        self._keepers: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Start all children; they import their modules and wait."""
        for child in self.children:
            await self._begin(child)
        self._changed()

    async def add(self, child: Child) -> None:
        """Start one more child. Raises `OSError` when this machine can't have one more process."""
        await self._begin(child)
        self.children.append(child)
        if self._orders is not None:
            await child.order(self._orders)
        self._changed()

    async def remove(self, child: Child) -> None:
        """End one child, as `stop` does."""
        self._keepers.pop(child.name).cancel()
        child.send(signal.SIGTERM)
        if child.pid is not None:
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await child.ended()
            except TimeoutError:
                self._say(f"{child.name} did not end by itself; it is killed")
                child.send(signal.SIGKILL)
                await child.ended()
        self.children.remove(child)
        self._changed()

    async def _begin(self, child: Child) -> None:
        await child.start(self._keep_open, watched=self._watched)
        self._keepers[child.name] = asyncio.create_task(self._keep(child))

    async def order(self, orders: Orders) -> None:
        """Let all children begin, and those that are started later."""
        self._orders = orders
        for child in self.children:
            if child.pid is not None:
                await child.order(orders)

    def ports(self) -> dict[str, int | None]:
        """Return by name on which port of this machine each child answers /metrics; None: it is not there now."""
        return {child.name: child.metrics_port if child.pid is not None else None for child in self.children}

    def watch(self, server: Server) -> None:
        """Keep the database running too."""
        self._keepers["postgres"] = asyncio.create_task(self._keep_database(server))

    async def stop(self, hurry: asyncio.Event) -> None:
        """End all children: SIGTERM, and SIGKILL for those that need longer than they may, or when `hurry` is set."""
        for keeper in self._keepers.values():
            keeper.cancel()
        await asyncio.gather(*self._keepers.values(), return_exceptions=True)
        for child in self.children:
            child.send(signal.SIGTERM)
        ends = [asyncio.create_task(child.ended()) for child in self.children if child.process is not None]
        if not ends:
            return
        ended = asyncio.ensure_future(asyncio.wait(ends))
        hurried = asyncio.create_task(hurry.wait())
        await asyncio.wait((ended, hurried), timeout=STOP_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        for child in self.children:
            if child.pid is not None:
                self._say(f"{child.name} did not end by itself; it is killed")
                child.send(signal.SIGKILL)
        await ended

    async def _keep(self, child: Child) -> None:
        backoff = Backoff()
        while True:
            before, how = child.pid, await child.ended()
            self._changed()
            pause = backoff.after(time.monotonic() - child.started_at, was_ended=child.was_ended)
            await asyncio.sleep(pause)
            await child.start(self._keep_open, watched=self._watched)
            self._changed()
            self._say(f"{child.name} (pid {before}) {how}; started again as pid {child.pid}")
            if self._orders is not None:
                await child.order(self._orders)

    async def _keep_database(self, server: Server) -> None:
        backoff, since = Backoff(), time.monotonic()
        while True:
            if server.pid is not None:
                await asyncio.sleep(WATCH_SECONDS)
                continue
            self._changed()
            await asyncio.sleep(backoff.after(time.monotonic() - since))
            since = time.monotonic()
            try:
                await asyncio.to_thread(server.ensure_running)
            except UnavailableError as error:
                self._say(f"the database died and does not start again: {error}")
                continue
            self._changed()
            self._say(f"the database died; started again as pid {server.pid}")
