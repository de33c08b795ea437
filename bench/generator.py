"""The load generator: a process of its own that makes its request bodies first and then only sends bytes.

It shares the two cores with what it measures, so its CPU time is part of every report.
"""

import gc
import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection as Pipe
from types import TracebackType
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from bench import events
from bench.events import Expected
from bench.wire import PATIENCE_SECONDS, Connection

ROUTES = {"ndjson": "/winkel/v1/events", "json": "/v1/ingest"}
HEADERS = {"ndjson": "application/x-ndjson\r\ncontent-encoding: zstd", "json": "application/json"}


class Job(Struct, frozen=True, kw_only=True):
    """What to make ahead."""

    host: str
    port: int
    token: str
    count: int
    seed: int
    per_second: float
    """The rate the events' own timestamps advance at."""
    first_microsecond: int
    batch: int
    """Events in a request."""
    form: str = "ndjson"


class Drive(Struct, frozen=True, kw_only=True):
    """How to send it."""

    connections: int
    seconds: float
    rate: float | None = None
    """Events a second, on a fixed timetable (open loop); None: each connection sends as soon as it is answered."""


class Sent(Struct, frozen=True, kw_only=True):
    """What happened."""

    events: int
    requests: int
    retries: int
    seconds: float
    """From the first byte sent to the last answer."""
    started: float
    """time.time() of the first byte."""
    cpu_seconds: float
    bytes_sent: int
    latencies: NDArray[np.float64]
    """Seconds a request; in an open loop from the moment it was due, so that no queue is hidden."""
    by_second: list[int]
    """Events accepted in each second of the run."""
    expected: Expected


class Generator:
    """A handle on the process: prepare, then run, then close."""

    def __init__(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs,), name="load generator", daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        pid = self._process.pid
        assert pid is not None
        return pid

    def prepare(self, job: Job) -> None:
        """Make all request bodies; return when they are in memory."""
        self._pipe.send(("prepare", job))
        self._answer()

    def start(self, drive: Drive) -> None:
        """Begin to send; `finish` waits for the end."""
        self._pipe.send(("run", drive))

    def finish(self, *, look: Callable[[], None] = lambda: None) -> Sent:
        """Return what was sent. `look` is called every 100 ms after the last answer, while the sums are computed."""
        self._answer()
        while not self._pipe.poll(0.1):
            look()
        sent: Sent = self._answer()
        return sent

    def __enter__(self) -> "Generator":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._process.terminate()
        self._process.join()

    def _answer(self) -> Any:
        answer = self._pipe.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer


def _serve(pipe: Pipe) -> None:
    state: _Bodies | None = None
    while True:
        order, argument = pipe.recv()
        try:
            if order == "prepare":
                state = None
                state = _Bodies(argument)
                pipe.send(None)
            else:
                assert state is not None
                run = _Run(state, argument)
                run.send()
                pipe.send(None)
                pipe.send(run.sent())
        except Exception as error:  # noqa: BLE001  (it is raised again on the other side)
            pipe.send(RuntimeError(f"{type(error).__name__}: {error}"))


class _Bodies:
    """Whole HTTP requests, ready to be written to a socket."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.work = events.make(
            job.count, seed=job.seed, first_microsecond=job.first_microsecond, per_second=job.per_second
        )
        head = (
            f"POST {ROUTES[job.form]} HTTP/1.1\r\nhost: {job.host}\r\nauthorization: Bearer {job.token}\r\n"
            f"content-type: {HEADERS[job.form]}\r\ncontent-length: "
        )
        self.requests = [
            f"{head}{len(body)}\r\n\r\n".encode() + body for body in events.bodies(self.work, job.batch, form=job.form)
        ]
        gc.collect()
        gc.freeze()

    def size(self, index: int) -> int:
        return min(self.job.batch, self.job.count - index * self.job.batch)


class _Run:
    """One run over the bodies, by some threads that take the next one each."""

    def __init__(self, bodies: _Bodies, drive: Drive) -> None:
        self._bodies = bodies
        self._drive = drive
        self._lock = threading.Lock()
        self._next = 0
        self._started = self._wall = self._cpu_seconds = 0.0
        self._answers: list[tuple[float, float, int]] = []
        self._retries = 0
        self._errors: list[str] = []

    def send(self) -> None:
        """Send all that is to be sent, and wait for the last answer."""
        threads = [threading.Thread(target=self._connection) for _ in range(self._drive.connections)]
        cpu = _cpu()
        self._wall = time.time()
        self._started = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._errors:
            raise RuntimeError(self._errors[0])
        self._cpu_seconds = _cpu() - cpu

    def sent(self) -> Sent:
        """Return what was sent, and what it must add up to: for many events that takes a while."""
        ended = max(at for at, _, _ in self._answers)
        sent = sum(self._bodies.size(index) for _, _, index in self._answers)
        by_second = [0] * (int(ended) + 1)
        for at, _, index in self._answers:
            by_second[int(at)] += self._bodies.size(index)
        return Sent(
            events=sent,
            requests=len(self._answers),
            retries=self._retries,
            seconds=ended,
            started=self._wall,
            cpu_seconds=self._cpu_seconds,
            bytes_sent=sum(len(self._bodies.requests[index]) for _, _, index in self._answers),
            latencies=np.array([took for _, took, _ in self._answers]),
            by_second=by_second,
            expected=events.expected(self._bodies.work, sent),
        )

    def _connection(self) -> None:
        connection = Connection(self._bodies.job.host, self._bodies.job.port)
        try:
            while (index := self._take()) is not None:
                due = self._wait(index)
                self._send(connection, index)
                now = time.perf_counter() - self._started
                self._answers.append((now, now - due, index))
        except Exception as error:  # noqa: BLE001  (run() raises it)
            self._errors.append(f"{type(error).__name__}: {error}")
        finally:
            connection.close()

    def _take(self) -> int | None:
        with self._lock:
            index = self._next
            over = time.perf_counter() - self._started >= self._drive.seconds
            if self._drive.rate is not None:
                over = index * self._bodies.job.batch >= self._drive.rate * self._drive.seconds
            if index >= len(self._bodies.requests) or over or self._errors:
                return None
            self._next += 1
            return index

    def _wait(self, index: int) -> float:
        """Wait until the body is due; return when that is, in seconds since the start."""
        if self._drive.rate is None:
            return time.perf_counter() - self._started
        due = index * self._bodies.job.batch / self._drive.rate
        early = due - (time.perf_counter() - self._started)
        if early > 0:
            time.sleep(early)
        return due

    def _send(self, connection: Connection, index: int) -> None:
        until = time.perf_counter() + PATIENCE_SECONDS
        while (status := connection.send(self._bodies.requests[index])) != 200:
            if status not in {0, 429, 503} or time.perf_counter() > until:
                raise RuntimeError(f"status {status}: {connection.last[:500]!r}")
            self._retries += 1
            time.sleep(0.05)


def _cpu() -> float:
    times = os.times()
    return times.user + times.system
