"""A log that fails as logs do: before it appended, or after, without telling which."""

from collections import defaultdict, deque
from collections.abc import Sequence
from datetime import datetime
from random import Random

from sim.world import Event
from winkel.log import codec
from winkel.log.log import Bounds, NewRecord, Record
from winkel.log.memory import MemoryLog
from winkel.model.errors import UnavailableError

Identity = tuple[int, str, str]
"""(tenant id, source, transaction id)"""
Arrival = tuple[int, Event, datetime]
"""(tenant id, event, arrival)"""


class FlakyLog:
    """A `Log` in memory that knows which events of the world its records hold."""

    def __init__(self, log: MemoryLog, rng: Random, failures: float) -> None:
        self._log = log
        self._rng = rng
        self._failures = failures
        self._expected: dict[Identity, deque[Event]] = defaultdict(deque)
        self.arrivals: dict[tuple[int, int], list[Arrival]] = {}
        """(partition, offset) → what the record holds, in order."""
        self.places: dict[tuple[int, int], int] = {}
        """(partition, offset) → when it was appended, as a number that rises over all partitions."""

    def expect(self, tenant_id: int, event: Event) -> None:
        """Note that an event is about to be sent."""
        self._expected[tenant_id, event.source, event.transaction_id].append(event)

    def settle(self) -> bool:
        """Return whether everything that was expected has been appended; forget what was not."""
        all_there = not any(self._expected.values())
        self._expected.clear()
        return all_there

    @property
    def name(self) -> str:
        """Under which name positions in this log are kept."""
        return self._log.name

    @property
    def space(self) -> str:
        """Which logs share a memory of event identities."""
        return self._log.space

    @property
    def partitions(self) -> int:
        """How many partitions there are."""
        return self._log.partitions

    @property
    def secret(self) -> bytes:
        """The key of event identities."""
        return self._log.secret

    async def append(self, records: Sequence[NewRecord]) -> None:
        """Append, or fail: before it, or after it."""
        fate = self._rng.random()
        if fate < self._failures:
            raise UnavailableError("the log failed before it appended")
        for record in records:
            offset = (await self._log.bounds())[record.partition].end
            await self._log.append([record])
            [kept] = await self._log.read(record.partition, offset, events=1, wait_seconds=0)
            self.places[record.partition, offset] = len(self.places)
            self.arrivals[record.partition, offset] = self._held(kept)
        if fate < 2 * self._failures:
            raise UnavailableError("the log failed after it appended")

    def _held(self, record: Record) -> list[Arrival]:
        """Return which of the expected events a record holds; the first sent is the first there."""
        block = codec.decode(record.data)
        sources = [block.sources[code] for code in memoryview(block.source_codes).cast("I")]
        found = []
        for source, transaction_id in zip(sources, block.transaction_ids, strict=True):
            event = self._expected[record.tenant_id, source, transaction_id].popleft()
            found.append((record.tenant_id, event, record.appended_at))
        return found

    async def read(self, partition: int, offset: int, *, events: int, wait_seconds: float) -> Sequence[Record]:
        """Return whole records from `offset` on until `events` events are reached."""
        return await self._log.read(partition, offset, events=events, wait_seconds=wait_seconds)

    async def bounds(self) -> Sequence[Bounds]:
        """Return where each partition begins and ends now."""
        return await self._log.bounds()

    async def grow(self, partitions: int) -> None:
        """Have at least so many partitions."""
        await self._log.grow(partitions)

    async def refresh(self) -> None:
        """Learn of partitions that somebody else made."""

    async def trim(self, before: datetime, positions: Sequence[int]) -> int:
        """Drop old records that were metered."""
        return await self._log.trim(before, positions)

    async def close(self) -> None:
        """Refuse further records."""
        await self._log.close()
