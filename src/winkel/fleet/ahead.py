"""Reads of the log that run ahead of the metering, and how much of them makes a batch.

A batch is full with `EVENTS_MAX` events. When metering is behind, what was read ahead fills it, and it begins as soon
as the one before is done. When metering keeps up, it begins with what there is, after a rest that is measured by how
long the last one took. Both what waits here and what a read may bring are bounded in events and in bytes, for all
partitions together.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Iterable, Sequence
from time import monotonic

from winkel.log.log import Record, ended_early
from winkel.meter.worker import EVENTS_MAX, Meter
from winkel.waiting import wait

WAIT_SECONDS = 0.25
"""The longest that a read waits for a first record."""
REST = 4
"""A batch begins, if it is not full, at the earliest this many times the length of the last one after that began."""
REST_SECONDS = 0.25
"""And at the latest so long after it. Larger batches touch each series less often, for a little freshness."""
BYTES_AHEAD = 32 * 1024 * 1024
"""When records of so many bytes wait, a batch begins, and only partitions of which none waits are read."""


class Line:
    """What was read of one partition and waits, in order, and the read that is under way."""

    def __init__(self, partition: int, offset: int) -> None:
        self.partition = partition
        self.end = offset
        """Where to read on."""
        self.records: deque[Record] = deque()
        self.events = self.bytes = 0
        """Of the records that wait."""
        self.given: list[Record] = []
        """What went into the last batch: it comes back when the meter did not take it."""
        self.task: asyncio.Task[None] | None = None
        self.asked = 0
        """How many events a read that goes on behind records that wait may bring."""
        self.served = 0
        """The number of the last batch in which it had a part."""

    def add(self, found: Sequence[Record]) -> None:
        """Let the records that follow wait."""
        for record in found:
            self.records.append(record)
            self._count(record, 1)
            self.end = record.next_offset

    def give(self) -> Record:
        """Take the record that has waited longest."""
        record = self.records.popleft()
        self._count(record, -1)
        self.given.append(record)
        return record

    def stand_at(self, offset: int) -> bool:
        """Take back what the last batch left from this offset on; False: nothing that is here follows it."""
        given, self.given = self.given, []
        start = given[-1].next_offset if given else self.records[0].offset if self.records else self.end
        for record in reversed(given):
            if start == offset:
                break
            self.records.appendleft(record)
            self._count(record, 1)
            start = record.offset
        return start == offset

    def _count(self, record: Record, sign: int) -> None:
        self.events += sign * record.events
        self.bytes += sign * len(record.data)


class Ahead:
    """Reads of every held partition, under way while the batch before is metered."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._lines: dict[int, Line] = {}
        self._enough = asyncio.Event()
        self._batches = 0
        self._began = 0.0

    async def next(self, stop: asyncio.Event) -> dict[int, Sequence[Record]]:
        """Return the next batch, waiting a moment for the first record, and read on behind it.

        It has at most `EVENTS_MAX` events and the rest of a record. Raises what a read raised.
        """
        due = self._began + min(REST * (monotonic() - self._began), REST_SECONDS)
        await self._follow()
        if not self._lines:
            await wait(stop, WAIT_SECONDS)
            return {}
        self._enough.clear()
        self._read([line for line in self._lines.values() if not line.records])
        if not self._waiting():
            await self._first()
        if self._waiting() and not self._full():
            await wait(self._enough, due - monotonic())
            await self._top_up()
        self._began = monotonic()
        batch = self._fill()
        self._read(self._lines.values())
        return batch

    async def close(self) -> None:
        """End the reads that are under way."""
        for line in self._lines.values():
            await _end(line)
        self._lines.clear()

    async def _follow(self) -> None:
        """Keep to the partitions that are held and to where each stands: a batch may have been taken in part only."""
        holdings = self._meter.holdings
        for partition, line in list(self._lines.items()):
            if partition not in holdings or not line.stand_at(holdings[partition].next_offset):
                await _end(line)
                del self._lines[partition]
        for partition, holding in holdings.items():
            if partition not in self._lines:
                self._lines[partition] = Line(partition, holding.next_offset)

    async def _first(self) -> None:
        """Wait until there is a record, or until a read waited for one in vain."""
        reads = [line.task for line in self._lines.values() if line.task is not None]
        done, _ = await asyncio.wait(reads, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def _top_up(self) -> None:
        """Add what came after the first record of each partition: its read ended with that."""
        begun = [line for line in self._lines.values() if line.records]
        self._read(begun)
        await asyncio.gather(*[line.task for line in begun if line.task is not None])

    def _fill(self) -> dict[int, Sequence[Record]]:
        """Take a batch: always a record of the partition that gave least; of several, of the longest unserved."""
        self._batches += 1
        queue = [(0, line.served, partition) for partition, line in self._lines.items() if line.records]
        heapq.heapify(queue)
        left = EVENTS_MAX
        while queue and left > 0:
            taken, served, partition = heapq.heappop(queue)
            line = self._lines[partition]
            events = line.give().events
            left -= events
            line.served = self._batches
            if line.records:
                heapq.heappush(queue, (taken + events, served, partition))
        return {partition: line.given for partition, line in self._lines.items() if line.given}

    def _read(self, lines: Iterable[Line]) -> None:
        """Begin to read these partitions, unless that is under way. Raises what a read raised that ended."""
        for line in lines:
            if line.task is not None and line.task.done():
                line.task.result()
                line.task = None
            if line.task is None and self._room(line) > 0:
                line.task = asyncio.create_task(self._read_on(line))

    async def _read_on(self, line: Line) -> None:
        """Read a partition, waiting only for a first record, and go on while there is more and room for it."""
        more = True
        while more and (room := self._room(line)) > 0:
            line.asked = room if line.records else 0
            seconds = 0 if line.records else WAIT_SECONDS
            try:
                found = await self._meter.events.read(line.partition, line.end, events=room, wait_seconds=seconds)
            finally:
                line.asked = 0
            line.add(found)
            more = ended_early(found, room)
            if self._full():
                self._enough.set()

    def _room(self, line: Line) -> int:
        """Return how many more events of a partition may be read.

        Of one of which none waits it is an equal share of a batch, always: it must not wait for the others. Any may go
        on to its share, and beyond until all together have a batch, as long as there is room in bytes.
        """
        share = max(1, EVENTS_MAX // len(self._lines))
        if not line.records:
            return share
        if self._bytes() >= BYTES_AHEAD:
            return 0
        return max(share - line.events, EVENTS_MAX - self._events() - sum(each.asked for each in self._lines.values()))

    def _waiting(self) -> bool:
        return any(line.records for line in self._lines.values())

    def _full(self) -> bool:
        """Whether what waits is a batch of the full size."""
        return self._events() >= EVENTS_MAX or self._bytes() >= BYTES_AHEAD

    def _events(self) -> int:
        return sum(line.events for line in self._lines.values())

    def _bytes(self) -> int:
        return sum(line.bytes for line in self._lines.values())


async def _end(line: Line) -> None:
    if line.task is not None:
        line.task.cancel()
        await asyncio.gather(line.task, return_exceptions=True)
