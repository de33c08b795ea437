"""A loaded system: send, wait until everything is queryable, compare, look at what it cost."""

import os
import time
from typing import Any

import numpy as np
from msgspec import Struct

from bench import catalog, events, watch
from bench.generator import Drive, Generator, Job, Sent
from bench.system import System

DRAIN_SECONDS = 300.0
"""How long the meter may lag behind before a run counts as failed."""
POLL_SECONDS = 0.05
_LAG = """
SELECT sum(greatest(0, log.next_offset - coalesce(done.next_offset, 0)))
FROM log_partition AS log LEFT JOIN log_progress AS done USING (partition)
"""


class Outcome(Struct, frozen=True, kw_only=True):
    """One load, from its first byte until all of it was queryable."""

    sent: Sent
    queryable_seconds: float
    """From the first byte sent until /v1/usage held the last event."""
    wal_bytes: int
    samples: dict[str, list[watch.Sample]]

    @property
    def accepted_rate(self) -> float:
        """Events answered with 200, a second: durable, not yet counted."""
        return self.sent.events / self.sent.seconds

    @property
    def queryable_rate(self) -> float:
        """Events sent, counted and visible, a second."""
        return self.sent.events / self.queryable_seconds


class Load:
    """A system with its catalog and a generator; remembers what everything must add up to."""

    def __init__(
        self, system: System, things: catalog.Catalog, generator: Generator, roots: dict[str, int] | None = None
    ) -> None:
        self.system = system
        self.things = things
        self.generator = generator
        self._roots = roots or {}
        self._expected: events.Expected | None = None
        self._seed = 0

    def prepare(self, *, count: int, per_second: float, batch: int, form: str = "ndjson") -> None:
        """Make the events of the next run, with timestamps from now on."""
        self._seed += 1
        self.generator.prepare(
            Job(
                host="127.0.0.1", port=self.system.port, token=self.system.token, count=count, seed=self._seed,
                per_second=per_second, first_microsecond=int(time.time() * 1e6), batch=batch, form=form,
            )
        )  # fmt: skip

    def run(self, drive: Drive) -> Outcome:
        """Send, then wait until all of it is visible."""
        with self.system.database() as side:
            self._side = side
            wal = _wal(side)
            roots = {**self.system.roots(), **self._roots}
            eye = watch.Watch({**roots, "generator": self.generator.pid, "probes": os.getpid()})
            self.generator.start(drive)
            seen: list[tuple[float, int]] = []
            sent = self.generator.finish(look=lambda: self._look(seen))
            visible = self._wait(sent, seen)
            return Outcome(
                sent=sent, queryable_seconds=visible - sent.started, wal_bytes=_wal(side) - wal, samples=eye.stop()
            )

    def differences(self) -> int:
        """Return in how many cells the usage differs from everything sent so far: 0 is exact."""
        assert self._expected is not None
        return catalog.differences(self.system, self.things, self._expected)

    @property
    def duplicates(self) -> int:
        """How many copies were among the events sent so far."""
        return self._expected.duplicates if self._expected else 0

    def _look(self, seen: list[tuple[float, int]]) -> None:
        """Note how much is visible by now, once all of it may be."""
        if not self._lag():
            count = catalog.counted(self.system, self.things)
            seen.append((time.time(), count))

    def _wait(self, sent: Sent, seen: list[tuple[float, int]]) -> float:
        """Return the time.time() at which everything was visible; `seen` was noted before it was known what all is."""
        self._expected = sent.expected if self._expected is None else self._expected + sent.expected
        wanted = int(self._expected.counts.sum())
        for at, count in seen:
            if count == wanted:
                return at
        until = time.monotonic() + DRAIN_SECONDS
        while self._lag() and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
        while (found := catalog.counted(self.system, self.things)) != wanted:
            if time.monotonic() > until or found > wanted:
                raise RuntimeError(f"usage shows {found:,} events of {wanted:,}")
            time.sleep(POLL_SECONDS)
        return time.time()

    def _lag(self) -> int:
        """Return how many records are not metered: cheaper to ask than /v1/usage, which decides in the end.

        A log in Kafka is not asked: then nothing is ever appended here.
        """
        row = self._side.execute(_LAG).fetchone()
        return int(row[0] or 0) if row else 0


def cost(outcome: Outcome) -> dict[str, Any]:
    """Return CPU seconds a million events and memory growth, by role."""
    millions = outcome.sent.events / 1e6
    warm = outcome.sent.seconds / 3
    roles = {role: samples for role, samples in outcome.samples.items() if samples[-1].cpu_seconds > 0.05}
    return {
        "CPU s a million events": {role: round(each[-1].cpu_seconds / millions, 2) for role, each in roles.items()},
        "generator's share of the CPU used": f"{share(outcome):.0%}",
        "memory at the end, MiB": {role: each[-1].private_bytes >> 20 for role, each in roles.items()},
        "memory growth, MiB a minute": {role: round(watch.growth(each, after=warm), 1) for role, each in roles.items()},
        "WAL bytes an event": round(outcome.wal_bytes / outcome.sent.events, 1),
        "request latency ms, p50 p99 max": _latency(outcome.sent),
        "requests": outcome.sent.requests,
        "sent again": outcome.sent.retries,
        "bytes sent an event": round(outcome.sent.bytes_sent / outcome.sent.events, 1),
        "accepted by second": outcome.sent.by_second,
        "samples": [{"role": role, "samples": each} for role, each in outcome.samples.items()],
    }


def share(outcome: Outcome) -> float:
    """Return which part of all CPU time was the generator's."""
    used = {role: samples[-1].cpu_seconds for role, samples in outcome.samples.items()}
    return used["generator"] / sum(used.values())


def _latency(sent: Sent) -> str:
    return " ".join(f"{each * 1000:.0f}" for each in np.percentile(sent.latencies, [50, 99, 100]))


def _wal(side: Any) -> int:
    row = side.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()
    return int(row[0])
