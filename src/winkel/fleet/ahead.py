"""Reads of the log that run ahead of the metering, and how much of them makes a batch."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic

from winkel.log.log import Record
from winkel.meter.worker import Meter

WAIT_SECONDS = 0.25
"""The longest that a read waits for a first record."""
REST = 4
"""A batch begins, if it is not full, at the earliest this many times the length of the last one after that began."""
REST_SECONDS = 0.25
"""And at the latest so long after it. Larger batches touch each series less often, for a little freshness."""
EVENTS_MAX = 50_000
"""Events of a batch: enough to make everything vectorised worthwhile, few enough for the processor's caches."""


class Ahead:
    """Reads of every held partition, under way while the batch before is metered."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._reads: dict[int, tuple[int, asyncio.Task[Sequence[Record]]]] = {}
        self._began = self._due = 0.0

    async def next(self, stop: asyncio.Event) -> dict[int, Sequence[Record]]:
        """Return the records that are there, waiting a moment for the first, and read on behind them."""
        self._due = self._began + min(REST * (monotonic() - self._began), REST_SECONDS)
        holdings = self._meter.holdings
        for partition, (offset, read) in list(self._reads.items()):
            if partition not in holdings or holdings[partition].next_offset != offset:
                read.cancel()
                await asyncio.gather(read, return_exceptions=True)
                del self._reads[partition]
        for holding in holdings.values():
            if holding.partition not in self._reads:
                self._start(holding.partition, holding.next_offset)
        if not self._reads:
            await wait(stop, WAIT_SECONDS)
            return {}
        await asyncio.wait([read for _, read in self._reads.values()], return_when=asyncio.FIRST_COMPLETED)
        if not self._full():
            await wait(stop, self._due - monotonic())
        self._began = monotonic()
        records = {}
        for partition in [partition for partition, (_, read) in self._reads.items() if read.done()]:
            found = await self._more(partition, self._reads.pop(partition)[1].result())
            if found:
                records[partition] = found
                self._start(partition, found[-1].next_offset)
        return records

    def _full(self) -> bool:
        """Whether what was read is a batch of the full size."""
        done = [read.result() for _, read in self._reads.values() if read.done()]
        return sum(record.events for found in done for record in found) >= EVENTS_MAX

    async def _more(self, partition: int, found: Sequence[Record]) -> Sequence[Record]:
        """Add what came after a read ended: it had gone on as soon as there was one record."""
        left = self._share() - sum(record.events for record in found)
        if not found or left <= 0:
            return found
        return [*found, *await self._meter.events.read(partition, found[-1].next_offset, events=left, wait_seconds=0)]

    def _share(self) -> int:
        return max(1, EVENTS_MAX // len(self._meter.holdings))

    def _start(self, partition: int, offset: int) -> None:
        read = self._meter.events.read(partition, offset, events=self._share(), wait_seconds=WAIT_SECONDS)
        self._reads[partition] = offset, asyncio.ensure_future(read)

    async def close(self) -> None:
        """End the reads that are under way."""
        reads = [read for _, read in self._reads.values()]
        for read in reads:
            read.cancel()
        await asyncio.gather(*reads, return_exceptions=True)


async def wait(stop: asyncio.Event, seconds: float) -> None:
    """Wait for `stop`, at most so long."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
