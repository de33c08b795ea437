"""Watches how many events a system has metered, twice a second."""

import threading
import time

import psycopg

from chaos.system import System

EVERY_SECONDS = 0.5


class Throughput:
    """How many events were metered by when, in seconds since `began`."""

    def __init__(self, system: System, began: float) -> None:
        self.points: list[tuple[float, int]] = []
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
        between = [each for each in self.points if since <= each[0] <= until]
        (first, before), (last, after) = between[0], between[-1]
        return (after - before) / (last - first)

    def curve(self) -> list[tuple[float, float]]:
        """Return the events a second from look to look."""
        pairs = zip(self.points, self.points[1:], strict=False)
        return [(now, (after - before) / (now - then)) for (then, before), (now, after) in pairs]

    def _watch(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            try:
                rows = self._system.ask("SELECT coalesce(sum(counted + duplicates), 0)::bigint FROM event_count")
            except psycopg.OperationalError:
                continue
            self.points.append((time.monotonic() - self._began, rows[0][0]))
