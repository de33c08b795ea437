"""How many meters run under `winkel up`: a number that was given, or as many as the autoscaler wants."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import psycopg

from winkel.cli.child import Child, Say
from winkel.cli.supervisor import Supervisor
from winkel.model.errors import UnavailableError
from winkel.store import autoscale
from winkel.store.database import connect

ROLE = "meter"
LOOK_SECONDS = 1.0
"""How often to ask how many are wanted."""
TROUBLE_SECONDS = 30.0
"""When to try again after this machine refused to start one more process."""


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def workers(text: str) -> int | None:
    """Read `--workers`: a number of meters, or None for "auto". Raises `ValueError` that says what to do."""
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"--workers must be auto or a whole number from 1 on, but is {text}")
    return int(text)


class Meters:
    """The meters of this machine: `meter`, `meter-2`, `meter-3` …; the newest goes first."""

    def __init__(self, log_file: Callable[[str], Path], say: Say) -> None:
        self._log_file = log_file
        self._say = say
        self._made: list[Child] = []

    def child(self, number: int) -> Child:
        """Return the child of this number, from 1 on; it keeps its log when it is started again."""
        while len(self._made) < number:
            name = ROLE if not self._made else f"{ROLE}-{len(self._made) + 1}"
            self._made.append(Child(name, ROLE, self._log_file(name), self._say))
        return self._made[number - 1]

    async def follow(self, supervisor: Supervisor, database_url: str) -> None:
        """Have as many meters run as the autoscaler wants, until cancelled.

        It decides in the bill role (fleet/actions.py) and keeps its decision in the database. While nobody confirms
        that, or the database is away, everything stays as it is.
        """
        while True:
            try:
                connection = await connect(database_url)
                try:
                    while True:
                        wanted = await autoscale.newest(connection)
                        if wanted is not None and wanted.valid:
                            await self._have(supervisor, wanted.desired, wanted.reason)
                        await asyncio.sleep(LOOK_SECONDS)
                finally:
                    await connection.close()
            except (UnavailableError, psycopg.Error):
                await asyncio.sleep(LOOK_SECONDS)
            except OSError as error:
                self._say(f"meters: no other one can be started: {error}")
                await asyncio.sleep(TROUBLE_SECONDS)

    async def _have(self, supervisor: Supervisor, wanted: int, reason: str) -> None:
        running = sum(1 for each in supervisor.children if each.role == ROLE)
        if running == wanted:
            return
        self._say(f"meters: {reason}" if "→" in reason else f"meters: {running} → {wanted}")
        while running < wanted:
            running += 1
            await supervisor.add(self.child(running))
        while running > wanted:
            await supervisor.remove(self.child(running))
            running -= 1
