"""Rivals talk to one real database, one statement at a time, in an order that the seed decides."""

import asyncio
from collections.abc import Coroutine
from random import Random
from typing import Any

from psycopg import AsyncCursor

from winkel.store.database import Connection

BLOCKED_SECONDS = 0.03
"""A statement that takes longer waits for somebody's lock: let another one go on."""
AGAIN_SECONDS = 0.002
"""How long one that was found waiting is waited for before the next statement of another one."""


class Conductor:
    """Runs coroutines side by side. Each stops before every statement, until it is its turn."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._parked: dict[str, asyncio.Future[None]] = {}
        self._moved = asyncio.Event()
        self._blocked = set[str]()
        """Who was found waiting for a lock, and has not come to another statement since."""
        self._running = False

    def conduct(self, connection: Connection) -> Connection:
        """Make the statements of a connection wait for the turn of the rival who makes them."""
        conductor = self

        class Conducted(AsyncCursor[Any]):
            async def execute(self, *args: Any, **kwargs: Any) -> Any:
                await conductor._turn()
                return await super().execute(*args, **kwargs)

            async def executemany(self, *args: Any, **kwargs: Any) -> None:
                await conductor._turn()
                await super().executemany(*args, **kwargs)

        connection.cursor_factory = Conducted
        return connection

    async def run(self, **rivals: Coroutine[Any, Any, None]) -> None:
        """Run the rivals to their ends; raises what any of them raised."""
        self._running = True
        tasks = {name: asyncio.create_task(self._perform(each), name=name) for name, each in rivals.items()}
        try:
            while not all(task.done() for task in tasks.values()):
                await self._until_moved(tasks)
                if self._parked:
                    name = self._rng.choice(sorted(self._parked))
                    self._moved.clear()
                    self._parked.pop(name).set_result(None)
        finally:
            self._running = False
            for parked in self._parked.values():
                parked.cancel()
            self._parked.clear()
            results = await asyncio.gather(*tasks.values(), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _perform(self, rival: Coroutine[Any, Any, None]) -> None:
        try:
            await rival
        finally:
            self._moved.set()

    async def _until_moved(self, tasks: dict[str, asyncio.Task[None]]) -> None:
        """Wait until all are parked or done, or somebody is blocked by a lock."""
        while True:
            moving = {name for name, task in tasks.items() if not task.done()} - self._parked.keys()
            if not moving:
                return
            self._moved.clear()
            try:
                async with asyncio.timeout(AGAIN_SECONDS if moving <= self._blocked else BLOCKED_SECONDS):
                    await self._moved.wait()
            except TimeoutError:
                self._blocked |= moving
                if self._parked:
                    return

    async def _turn(self) -> None:
        task = asyncio.current_task()
        if self._running and task is not None:
            name = task.get_name()
            self._parked[name] = asyncio.get_running_loop().create_future()
            self._blocked.discard(name)
            self._moved.set()
            await self._parked[name]
