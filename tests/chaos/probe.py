"""Looks at a system from outside all the time: is an event accepted in time, and how soon is it in the usage?"""

import itertools
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec

from chaos.checker import Api, Checker
from chaos.figures import Told
from chaos.system import System
from chaos.traffic import TRY_SECONDS, Clients, Event, Sent

ACCEPT_SECONDS = 10.0
"""A probe counts as accepted when some gateway took it within this time, however often it had to be sent."""
FRESH_SECONDS = 120.0
LOOK_SECONDS = 1.0
"""How long a look at usage waits for a gateway that may be frozen: what is measured is not how long it is."""


class Probe(Clients):
    """Sends an event so often a second, and watches another customer's usage follow what was sent.

    Its events are part of what must be counted, so the checker has to know it.
    """

    def __init__(self, system: System, *, every: float = 0.1, watches: bool = True) -> None:
        """`every`: seconds between two events; `watches`: look at usage too."""
        super().__init__(system, ("probe-0", "probe-1", "probe-2", "probe-3", "probe-fresh"))
        self.probes: list[tuple[float, float, bool]] = []
        """Of each probe: when it began (seconds of the test), how long it took, whether it was accepted in time."""
        self.fresh: list[tuple[float, float]] = []
        """Of each event watched: when it was accepted, and how long until usage showed it."""
        self.began = time.monotonic()
        self._every = every
        self._watches = watches
        self._stop = threading.Event()
        self._threads = ThreadPoolExecutor(len(self.customers))
        self._running: list[Future[Any]] = []

    def start(self, checker: Checker) -> "Probe":
        """Begin; the checker knows the metric to watch."""
        self.began = time.monotonic()
        *senders, fresh = self.customers
        self._running = [self._threads.submit(self._probe, index, alias) for index, alias in enumerate(senders)]
        if self._watches:
            self._running.append(self._threads.submit(self._watch, checker, fresh))
        return self

    def stop(self) -> None:
        """End; raises what went wrong."""
        self._stop.set()
        for each in self._running:
            each.result(120)
        self._threads.shutdown()

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.began

    def _probe(self, index: int, alias: str) -> None:
        senders = len(self.customers) - 1
        with httpx.Client(timeout=TRY_SECONDS, trust_env=False) as client:
            for number in itertools.count():
                due = (number * senders + index) * self._every
                if self._stop.wait(max(0.0, due - self.now)):
                    return
                began = self.now
                accepted = self._send(client, alias, number)
                took = self.now - began
                self.probes.append((began, took, accepted and took <= ACCEPT_SECONDS))

    def _send(self, client: httpx.Client, alias: str, number: int) -> bool:
        """Send one event; one that was not accepted in time is sent on, so that it is known whether it counts."""
        event = Event(f"{alias} {number}", alias, datetime.now(UTC), {"amount": "1"})
        body = msgspec.json.encode([event])
        accepted = self.deliver(client, body, first=number, deadline=ACCEPT_SECONDS)
        if not accepted:
            assert self.deliver(client, body, first=number), "a probe was not accepted at all"
        self.sent.setdefault(alias, Sent()).note([event])
        return accepted

    def _watch(self, checker: Checker, alias: str) -> None:
        """Send an event and wait until usage shows it, again and again."""
        api = Api(self.system, try_seconds=LOOK_SECONDS)
        with httpx.Client(timeout=TRY_SECONDS, trust_env=False) as client, api:
            for number in itertools.count():
                if self._stop.is_set():
                    return
                self._send(client, alias, number)
                accepted = self.now
                while self._count(api, checker, alias) <= number:
                    assert self.now - accepted < FRESH_SECONDS, f"not in the usage within {FRESH_SECONDS} s"
                    time.sleep(0.02)
                self.fresh.append((accepted, self.now - accepted))
                self._stop.wait(0.1)

    def _count(self, api: Api, checker: Checker, alias: str) -> int:
        body = {
            "starting_on": checker.since,
            "ending_before": checker.until,
            "window_size": "NONE",
            "billable_metrics": [{"id": checker.metrics["COUNT"]}],
            "customer_ids": [checker.ids[alias]],
        }
        return sum(int(row["value"] or 0) for row in api.post("/v1/usage", body)["data"])

    # ── what it saw ──

    @property
    def availability(self) -> float:
        """The share of probes that were accepted in time."""
        return sum(accepted for _, _, accepted in self.probes) / len(self.probes)

    @property
    def longest(self) -> float:
        """How long the slowest probe waited to be accepted, in seconds."""
        return max(seconds for _, seconds, _ in self.probes)

    def freshness(self, share: float) -> float:
        """Return how many seconds at most this share of the watched events needed to be in the usage."""
        ordered = sorted(seconds for _, seconds in self.fresh)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def tell(
        self, told: Told, marks: list[tuple[float, str]], *, least: float | None = None, fresh: float | None = None
    ) -> None:
        """Tell availability (held to `least`, %), its error budget, the longest wait, freshness (p99 to `fresh`, s)."""
        failed = sum(not accepted for _, _, accepted in self.probes)
        told.tell("probes sent", len(self.probes))
        told.tell("availability after retries", 100 * self.availability, "%", least=least)
        told.tell("error budget used (of 0.01 % of probes)", 100 * failed / (1e-4 * len(self.probes)), "%")
        told.tell("longest wait for acceptance", self.longest, "s")
        if self._watches:
            told.tell("freshness p50", self.freshness(0.5), "s")
            told.tell("freshness p99", self.freshness(0.99), "s", most=fresh)
            told.draw("accepted → in the usage", "s", self.fresh, marks)
        told.draw("sent → accepted", "s", [(at, seconds) for at, seconds, _ in self.probes], marks)
