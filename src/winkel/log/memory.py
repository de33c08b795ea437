"""The log in memory: for tests and simulations. It keeps the protocol, and nothing beyond the process."""

import asyncio
import secrets
from collections.abc import Sequence
from datetime import datetime

from winkel.clock import Clock, now
from winkel.log.log import Bounds, Newest, NewRecord, Place, Record, whole_until
from winkel.log.membership import Membership, Unled
from winkel.model.errors import UnavailableError


class MemoryLog:
    """A `Log` whose records are lists, with a clock that a test can move."""

    def __init__(
        self, partitions: int = 4, clock: Clock = now, secret: bytes | None = None, name: str = "events"
    ) -> None:
        if partitions < 1:
            raise ValueError(f"a log needs at least one partition, not {partitions}")
        self._records: list[list[Record]] = [[] for _ in range(partitions)]
        self._start = [0] * partitions
        self._clock = clock
        self._secret = secret or secrets.token_bytes(16)
        self._name = name
        self._appended = asyncio.Condition()
        self._closed = False

    @property
    def name(self) -> str:
        """Under which name positions in this log are kept."""
        return self._name

    @property
    def space(self) -> str:
        """Which logs share a memory of event identities."""
        return self._name

    @property
    def partitions(self) -> int:
        """How many partitions there are."""
        return len(self._records)

    @property
    def secret(self) -> bytes:
        """The key of event identities."""
        return self._secret

    async def append(self, records: Sequence[NewRecord]) -> None:
        """Append all records, in the order given within each partition."""
        if self._closed:
            raise UnavailableError("the log is closed")
        for new in records:
            self._check(new.partition)
        at = self._clock()
        for new in records:
            offset = self._end(new.partition)
            kept = Record(new.tenant_id, new.partition, offset, new.events, new.routing, at, new.data)
            self._records[new.partition].append(kept)
        async with self._appended:
            self._appended.notify_all()

    async def read(self, partition: int, offset: int, *, events: int, wait_seconds: float) -> Sequence[Record]:
        """Return whole records from `offset` on until `events` events are reached."""
        self._check(partition)
        found = self._look(partition, offset, events)
        if found or wait_seconds <= 0:
            return found
        try:
            async with asyncio.timeout(wait_seconds), self._appended:
                while not found:
                    await self._appended.wait()
                    found = self._look(partition, offset, events)
        except TimeoutError:
            pass
        return found

    async def newest(self, tenant_id: int, *, before: Place | None, limit: int) -> Newest:
        """Sort all records of the tenant by their time."""
        places = {Place.of(each): each for kept in self._records for each in kept if each.tenant_id == tenant_id}
        older = sorted((place for place in places if before is None or place < before), reverse=True)
        found = [places[place] for place in older[:limit]]
        return Newest(found, Place.of(found[-1]) if len(older) > limit else None)

    async def bounds(self) -> Sequence[Bounds]:
        """Return where each partition begins and ends now."""
        return [Bounds(self._start[partition], self._end(partition)) for partition in range(self.partitions)]

    async def grow(self, partitions: int) -> None:
        """Have at least so many partitions."""
        for _ in range(self.partitions, partitions):
            self._records.append([])
            self._start.append(0)

    async def refresh(self) -> None:
        """Learn of partitions that somebody else made: nobody else is there."""

    async def trim(self, before: datetime, positions: Sequence[int]) -> int:
        """Drop the records at each partition's beginning that are old enough and consumed."""
        dropped = 0
        for partition, position in enumerate(positions):
            kept = self._records[partition]
            count = 0
            while count < len(kept) and kept[count].appended_at < before and kept[count].offset < position:
                count += 1
            del kept[:count]
            self._start[partition] += count
            dropped += count
        return dropped

    def join(self) -> Membership:
        """Share by leases."""
        return Unled()

    async def close(self) -> None:
        """Refuse further records."""
        self._closed = True

    def _look(self, partition: int, offset: int, events: int) -> list[Record]:
        start = self._start[partition]
        if offset < start:
            raise LookupError(f"partition {partition} begins at {start}: offset {offset} is gone")
        return whole_until(self._records[partition][offset - start :], events)

    def _end(self, partition: int) -> int:
        return self._start[partition] + len(self._records[partition])

    def _check(self, partition: int) -> None:
        if not 0 <= partition < len(self._records):
            raise IndexError(f"the log has no partition {partition}, only 0…{len(self._records) - 1}")
