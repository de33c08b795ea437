"""Checked events → the log, together: many requests share one append (group commit)."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from msgspec import Struct, structs

from winkel.figures import gateway as figures
from winkel.ingest.block import blocks, halves
from winkel.ingest.fair import FairQueue
from winkel.ingest.pressure import Pressure, Refusal
from winkel.ingest.quota import Quotas
from winkel.ingest.routes import Routes
from winkel.log import codec
from winkel.log.log import Log, NewRecord
from winkel.model.errors import OverQuotaError, UnavailableError
from winkel.model.event import Event
from winkel.model.routing import Routing

QUEUE_BYTES_MAX = 64 * 1024 * 1024
"""How many bytes of requests may be in memory before further ones are told to come back later."""
EVENTS_PER_APPEND = 10_000
"""After this many events an append is begun, whatever else waits: it keeps the pauses of the event loop short."""
EVENT_BYTES = 1024
"""So many bytes of a request count as an event at least, in the turns of tenants and in what one append takes."""
RECORD_BYTES_MAX = 1024 * 1024
"""A record with more data is divided: what readers hold in memory at once is bounded by it."""


class Waiting(Struct, frozen=True, eq=False):
    """A request whose events are not durable yet."""

    tenant_id: int
    events: Sequence[Event]
    size: int
    done: asyncio.Future[None]


class Room:
    """The memory that one request takes up, from the moment it is let in."""

    def __init__(self, intake: "Intake", tenant_id: int, size: int) -> None:
        self._intake = intake
        self._tenant_id = tenant_id
        self._size = 0
        self.resize(size)

    def resize(self, size: int) -> None:
        """Say how many bytes it takes up now: a body may unpack to more than was announced."""
        self._intake.count_bytes(self._tenant_id, size - self._size)
        self._size = size


class Intake:
    """The gate of one gateway process: pressure, quotas, a fair queue, and one append after the other."""

    def __init__(
        self,
        log: Log,
        routes: Routes,
        *,
        flush_seconds: float = 0.005,
        quotas: Quotas | None = None,
        pressure: Pressure | None = None,
        queue_bytes: int = QUEUE_BYTES_MAX,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._routes = routes
        self._flush_seconds = flush_seconds
        self._quotas = quotas or Quotas(0)
        self._pressure = pressure or Pressure()
        self._queue_bytes = queue_bytes
        self._clock = clock
        self._queue: FairQueue[Waiting] = FairQueue()
        self._bytes = 0
        self._bytes_of: Counter[int] = Counter()
        self._flusher: asyncio.Task[None] | None = None
        self._closed = False
        self._failing = False
        """Whether the last append failed because what it needs could not be reached."""

    @contextmanager
    def admit(self, tenant_id: int, size: int) -> Iterator[Room]:
        """Let a request of so many bytes in, before anything is spent on it, and keep room for it until it is read.

        Raises `OverQuotaError` and `UnavailableError`, which say when to come back.
        """
        refusal = self._refusal(tenant_id, size)
        if refusal is not None:
            figures.REFUSED.labels(refusal.reason).inc()
            raise refusal.error
        room = Room(self, tenant_id, size)
        try:
            yield room
        finally:
            room.resize(0)

    def count_bytes(self, tenant_id: int, size: int) -> None:
        """Note that requests of a tenant take up so many bytes more."""
        self._bytes += size
        self._bytes_of[tenant_id] += size
        if not self._bytes_of[tenant_id]:
            del self._bytes_of[tenant_id]

    def _refusal(self, tenant_id: int, size: int) -> Refusal | None:
        """Return why a request is not let in, if it is not.

        A tenant may take up as much memory as is free (Choudhury and Hahne, Dynamic Queue Length Thresholds, 1998): one
        that floods the gateway stops at half of it, several share it alike, and others always find room.
        """
        if self._closed:
            return Refusal("closing", UnavailableError("the gateway is shutting down"))
        pressed = self._pressure.refusal()
        if pressed is not None:
            return pressed
        if self._failing and self._flusher is not None:
            # One append is trying whether it goes again. That may take Kafka's ten seconds: senders have less patience.
            return Refusal("log", UnavailableError("events cannot be made durable now: send them again later"))
        held, free = self._bytes_of[tenant_id], self._queue_bytes - self._bytes
        if self._bytes and (size > free or (held and held + size > free)):
            message = "the gateway has more events than it can make durable: send them again later"
            return Refusal("queue", OverQuotaError(message, 1))
        wait = self._quotas.wait(tenant_id, self._clock())
        if wait:
            message = f"the quota is {self._quotas.of(tenant_id)} events per second: wait {wait} s"
            return Refusal("quota", OverQuotaError(message, wait))
        return None

    async def accept(self, tenant_id: int, events: Sequence[Event], size: int) -> None:
        """Return when the events are durable. Raises `UnavailableError` when they are not or when that is not known.

        `size` is the number of bytes that the request keeps in memory.
        """
        if not events:
            return
        if self._closed:
            raise UnavailableError("the gateway is shutting down")
        self._quotas.take(tenant_id, len(events), self._clock())
        done = asyncio.get_running_loop().create_future()
        self._queue.put(tenant_id, Waiting(tenant_id, events, size, done), max(len(events), size // EVENT_BYTES))
        self.count_bytes(tenant_id, size)
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush_all())
        await done

    async def close(self) -> None:
        """Refuse further requests, and make durable what waits."""
        self._closed = True
        while self._flusher is not None:
            await asyncio.wait([self._flusher])

    async def _flush_all(self) -> None:
        """Append until nothing waits any more. It lives only as long: an idle gateway has no task."""
        try:
            if self._flush_seconds and not self._closed:
                await asyncio.sleep(self._flush_seconds)
            while self._queue:
                await self._flush(self._queue.take(EVENTS_PER_APPEND))
        finally:
            self._flusher = None

    async def _flush(self, requests: list[Waiting]) -> None:
        """Append the events of these requests at once, and tell each of them how it went."""
        error: Exception | None = None
        began = time.monotonic()
        figures.QUEUE_BYTES.set(self._bytes)
        try:
            async with self._routes.using() as routing:
                await self._log.append(await self._records(requests, routing))
        except Exception as caught:  # noqa: BLE001 (it is raised again, in every request)
            error = caught
            self._failing = isinstance(caught, UnavailableError)
        except BaseException:  # the event loop is going down
            for request in requests:
                request.done.cancel()
            raise
        finally:
            for request in requests:
                self.count_bytes(request.tenant_id, -request.size)
            figures.QUEUE_BYTES.set(self._bytes)
        if error is None:
            self._failing = False
            figures.REQUESTS.inc(len(requests))
            figures.EVENTS.inc(sum(len(request.events) for request in requests))
            figures.APPEND_SECONDS.observe(time.monotonic() - began)
        for request in requests:
            if request.done.done():  # the client went away meanwhile
                continue
            if error is None:
                request.done.set_result(None)
            else:
                request.done.set_exception(error)

    async def _records(self, requests: list[Waiting], routing: Routing) -> list[NewRecord]:
        """Return one record for each tenant and partition."""
        by_tenant: dict[int, list[Event]] = {}
        for request in requests:
            by_tenant.setdefault(request.tenant_id, []).extend(request.events)
        records = []
        for tenant_id, events in by_tenant.items():
            for partition, block in blocks(tenant_id, events, self._log.secret, routing):
                records += _divided(NewRecord(tenant_id, partition, len(block), codec.encode(block), routing.version))
            await asyncio.sleep(0)  # let others have the event loop between two tenants
        return records


def _divided(record: NewRecord) -> list[NewRecord]:
    """Return a record as several if it is too large, in the order of its events. One event is never divided."""
    if len(record.data) <= RECORD_BYTES_MAX or record.events == 1:
        return [record]
    parts = []
    for half in halves(codec.decode(record.data)):
        parts += _divided(structs.replace(record, events=len(half), data=codec.encode(half)))
    return parts
