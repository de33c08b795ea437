"""Keeps processes alive: starts them, starts them again when they die, stops them together."""

import asyncio
import signal
import time
from collections.abc import Callable

from winkel.cli.child import Child, Say
from winkel.cli.leash import Orders
from winkel.store.embedded import Server

BACKOFF_FIRST = 0.1
BACKOFF_MOST = 5.0
"""Pauses before a restart, in seconds; they double from the first to the most."""
BACKOFF_ENDED = 0.5
"""The longest pause for what did not fail but was ended from outside, however often."""
HEALTHY_SECONDS = 10.0
"""What lived this long starts with the first pause again."""
STOP_SECONDS = 10.0
"""How long a process may take to end after SIGTERM, unless more is said."""
WATCH_SECONDS = 0.1
"""How often to look whether the database lives."""
NOTE_SECONDS = 1.0
"""When to note again which processes run, after a disk had no room for it."""


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

    `say` gets one line for everything that died and was started again, and must not fail; `changed` is called whenever
    a process id is another one, and again when it raised `OSError`. `watched` children answer /metrics, /healthz and
    /readyz, each on a port of its own. `patience`: how many seconds a child has to end by itself.
    """

    def __init__(
        self,
        children: list[Child],
        *,
        keep_open: tuple[int, ...],
        say: Say,
        changed: Callable[[], None],
        watched: bool = False,
        patience: float = STOP_SECONDS,
    ) -> None:
        self.children = children
        self._watched = watched
        self._keep_open = keep_open
        self._say = say
        self._changed = changed
        self._patience = patience
        self._noting: asyncio.TimerHandle | None = None
        """Set while a change could not be noted."""
        self._orders: Orders | None = None
        self._keepers: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Start all children; they import their modules and wait."""
        for child in self.children:
            await self._begin(child)
        self.note()

    async def add(self, child: Child) -> None:
        """Start one more child. Raises `OSError` when this machine can't have one more process."""
        await self._begin(child)
        self.children.append(child)
        if self._orders is not None:
            await child.order(self._orders)
        self.note()

    async def remove(self, child: Child) -> None:
        """End one child, as `stop` does."""
        self._keepers.pop(child.name).cancel()
        child.send(signal.SIGTERM)
        if child.pid is not None:
            try:
                async with asyncio.timeout(self._patience):
                    await child.ended()
            except TimeoutError:
                self._say(f"{child.name} did not end by itself; it is killed")
                child.send(signal.SIGKILL)
                await child.ended()
        self.children.remove(child)
        self.note()

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

    def note(self) -> None:
        """Have a change noted. A disk without room for it must not end supervision: it is noted as soon as there is."""
        was_failing = self._noting is not None
        if self._noting is not None:
            self._noting.cancel()
            self._noting = None
        try:
            self._changed()
        except OSError as error:
            if not was_failing:
                self._say(f"which processes run cannot be noted: {error}")
            self._noting = asyncio.get_running_loop().call_later(NOTE_SECONDS, self.note)

    def watch(self, server: Server) -> None:
        """Keep the database running too."""
        self._keepers["postgres"] = asyncio.create_task(self._keep_database(server))

    async def stop(self, hurry: asyncio.Event) -> None:
        """End all children: SIGTERM, and SIGKILL for those that need longer than they may, or when `hurry` is set."""
        for keeper in self._keepers.values():
            keeper.cancel()
        await asyncio.gather(*self._keepers.values(), return_exceptions=True)
        if self._noting is not None:
            self._noting.cancel()
        for child in self.children:
            child.send(signal.SIGTERM)
        ends = [asyncio.create_task(child.ended()) for child in self.children if child.process is not None]
        if not ends:
            return
        ended = asyncio.ensure_future(asyncio.wait(ends))
        hurried = asyncio.create_task(hurry.wait())
        await asyncio.wait((ended, hurried), timeout=self._patience, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        for child in self.children:
            if child.pid is not None:
                self._say(f"{child.name} did not end by itself; it is killed")
                child.send(signal.SIGKILL)
        await ended

    async def _keep(self, child: Child) -> None:
        """Start a child again whenever it has ended, for ever: what fails meanwhile is said, and tried again."""
        backoff = Backoff()
        while True:
            try:
                await self._revive(child, backoff)
            except Exception as error:  # noqa: BLE001 (whatever it is: nobody awaits this task)
                self._say(f"{child.name} cannot be started, trying again: {_words(error)}")
                await asyncio.sleep(backoff.after(0.0))

    async def _revive(self, child: Child, backoff: Backoff) -> None:
        """Wait for the end of a child, and start it again."""
        before, how = child.last_pid, await child.ended()
        self.note()
        await asyncio.sleep(backoff.after(time.monotonic() - child.started_at, was_ended=child.was_ended))
        await child.start(self._keep_open, watched=self._watched)
        if self._orders is not None:
            await child.order(self._orders)
        self.note()
        self._say(f"{child.name} (pid {before}) {how}; started again as pid {child.pid}")

    async def _keep_database(self, server: Server) -> None:
        """Start the database again whenever it has ended, for ever, as `_keep` does."""
        backoff, since = Backoff(), time.monotonic()
        while True:
            try:
                if server.pid is not None:
                    await asyncio.sleep(WATCH_SECONDS)
                    continue
                self.note()
                await asyncio.sleep(backoff.after(time.monotonic() - since))
                since = time.monotonic()
                await asyncio.to_thread(server.ensure_running, self._say)
            except Exception as error:  # noqa: BLE001 (a disk without room for its settings, say)
                self._say(f"the database died and does not start again, trying on: {_words(error)}")
                await asyncio.sleep(BACKOFF_FIRST)
            else:
                self.note()
                self._say(f"the database died; started again as pid {server.pid}")


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
