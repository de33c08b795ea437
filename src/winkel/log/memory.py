"""The log in memory: for tests and simulations. It keeps the protocol, and nothing beyond the process."""

import asyncio
import secrets
from collections.abc import Sequence
from datetime import datetime

from winkel.clock import Clock, now
from winkel.log.log import NewRecord, Record, whole_until
from winkel.model.errors import UnavailableError


class MemoryLog:
    """A `Log` whose records are lists, with a clock that a test can move."""

    def __init__(self, partitions: int = 4, clock: Clock = now, secret: bytes | None = None) -> None:
        if partitions < 1:
            raise ValueError(f"a log needs at least one partition, not {partitions}")
        self._records: list[list[Record]] = [[] for _ in range(partitions)]
        self._start = [0] * partitions
        self._clock = clock
        self._secret = secret or secrets.token_bytes(16)
        self._appended = asyncio.Condition()
        self._closed = False

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
            kept = Record(new.tenant_id, new.partition, offset, new.events, at, new.data)
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

    async def start(self, partition: int) -> int:
        """Return the offset of the oldest record that is still kept."""
        self._check(partition)
        return self._start[partition]

    async def end(self, partition: int) -> int:
        """Return the offset that the next appended record will get."""
        self._check(partition)
        return self._end(partition)

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
