"""Checked events → the log, together: many requests share one append (group commit)."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence

from msgspec import Struct

from winkel.ingest.block import blocks
from winkel.ingest.quota import Bucket
from winkel.ingest.routes import Routes
from winkel.log import codec
from winkel.log.log import Log, NewRecord
from winkel.model.errors import OverQuotaError, UnavailableError
from winkel.model.event import Event
from winkel.model.routing import Routing

QUEUE_BYTES_MAX = 64 * 1024 * 1024
"""How many bytes of requests may wait to become durable before further ones are told to come back later."""
EVENTS_PER_APPEND = 10_000
"""After this many events an append is begun, whatever else waits: it keeps the pauses of the event loop short."""


class Waiting(Struct, frozen=True, eq=False):
    """A request whose events are not durable yet."""

    tenant_id: int
    events: Sequence[Event]
    size: int
    done: asyncio.Future[None]


class Intake:
    """The gate of one gateway process: quota, queue, and one append after the other."""

    def __init__(
        self,
        log: Log,
        routes: Routes,
        *,
        flush_seconds: float = 0.005,
        events_per_second: int = 0,
        queue_bytes: int = QUEUE_BYTES_MAX,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._routes = routes
        self._flush_seconds = flush_seconds
        self._events_per_second = events_per_second
        self._queue_bytes = queue_bytes
        self._clock = clock
        self._buckets: dict[int, Bucket] = {}
        self._queue: deque[Waiting] = deque()
        self._bytes = 0
        self._flusher: asyncio.Task[None] | None = None
        self._closed = False

    def admit(self, tenant_id: int, size: int) -> None:
        """Let a request of so many bytes in, before anything is spent on it. Raises `OverQuotaError`."""
        if self._closed:
            raise UnavailableError("the gateway is shutting down")
        if self._bytes and self._bytes + size > self._queue_bytes:
            raise OverQuotaError("the gateway has more events than it can make durable: send them again later", 1)
        bucket = self._bucket(tenant_id)
        wait = bucket.wait(self._clock()) if bucket else 0
        if wait:
            raise OverQuotaError(f"the quota is {self._events_per_second} events per second: wait {wait} s", wait)

    async def accept(self, tenant_id: int, events: Sequence[Event], size: int) -> None:
        """Return when the events are durable. Raises `UnavailableError` when they are not or when that is not known.

        `size` is the number of bytes that the request keeps in memory.
        """
        if not events:
            return
        if self._closed:
            raise UnavailableError("the gateway is shutting down")
        bucket = self._bucket(tenant_id)
        if bucket:
            bucket.take(len(events))
        done = asyncio.get_running_loop().create_future()
        self._queue.append(Waiting(tenant_id, events, size, done))
        self._bytes += size
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush_all())
        await done

    async def close(self) -> None:
        """Refuse further requests, and make durable what waits."""
        self._closed = True
        while self._flusher is not None:
            await asyncio.wait([self._flusher])

    def _bucket(self, tenant_id: int) -> Bucket | None:
        rate = self._events_per_second
        if not rate:
            return None
        bucket = self._buckets.get(tenant_id)
        if bucket is None:
            bucket = self._buckets[tenant_id] = Bucket(rate=rate, left=rate, at=self._clock())
        return bucket

    async def _flush_all(self) -> None:
        """Append until nothing waits any more. It lives only as long: an idle gateway has no task."""
        try:
            if self._flush_seconds and not self._closed:
                await asyncio.sleep(self._flush_seconds)
            while self._queue:
                await self._flush(self._take())
        finally:
            self._flusher = None

    def _take(self) -> list[Waiting]:
        taken: list[Waiting] = []
        count = 0
        while self._queue and count < EVENTS_PER_APPEND:
            taken.append(self._queue.popleft())
            count += len(taken[-1].events)
        return taken

    async def _flush(self, requests: list[Waiting]) -> None:
        """Append the events of these requests at once, and tell each of them how it went."""
        error: Exception | None = None
        try:
            async with self._routes.using() as routing:
                await self._log.append(await self._records(requests, routing))
        except Exception as caught:  # noqa: BLE001 (it is raised again, in every request)
            error = caught
        except BaseException:  # the event loop is going down
            for request in requests:
                request.done.cancel()
            raise
        finally:
            self._bytes -= sum(request.size for request in requests)
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
                records.append(NewRecord(tenant_id, partition, len(block), codec.encode(block), routing.version))
            await asyncio.sleep(0)  # let others have the event loop between two tenants
        return records
