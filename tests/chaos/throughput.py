"""Watches how many events a system has metered, and how many were sent, twice a second."""

import threading
import time
from collections.abc import Callable

import psycopg

from chaos.system import System

EVERY_SECONDS = 0.5


class Throughput:
    """How many events were metered, and accepted of the clients, by when, in seconds since `began`."""

    def __init__(self, system: System, began: float, accepted: Callable[[], int] = int) -> None:
        self.points: list[tuple[float, int, int]] = []
        self._accepted = accepted
        self._system = system
        self._began = began
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Throughput":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def rate(self, since: float, until: float) -> float:
        """Return the events metered a second between two moments."""
        (first, before, _), (last, after, _) = self._ends(since, until)
        return (after - before) / (last - first)

    def share(self, since: float, until: float) -> float:
        """Return how much was metered between two moments of each event that was accepted between them."""
        (_, metered, accepted), (_, metered_then, accepted_then) = self._ends(since, until)
        return (metered_then - metered) / (accepted_then - accepted)

    def curve(self) -> list[tuple[float, float]]:
        """Return the events a second from look to look."""
        pairs = zip(self.points, self.points[1:], strict=False)
        return [(now, (after - before) / (now - then)) for (then, before, _), (now, after, _) in pairs]

    def _ends(self, since: float, until: float) -> tuple[tuple[float, int, int], tuple[float, int, int]]:
        between = [each for each in self.points if since <= each[0] <= until]
        return between[0], between[-1]

    def _watch(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            try:
                rows = self._system.ask("SELECT coalesce(sum(counted + duplicates), 0)::bigint FROM event_count")
            except psycopg.OperationalError:
                continue
            self.points.append((time.monotonic() - self._began, rows[0][0], self._accepted()))
