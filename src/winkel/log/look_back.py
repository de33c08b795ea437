"""A tenant's newest records in a topic: windows of each partition, read backwards and merged by their time."""

import asyncio
import heapq
from collections.abc import Iterator, Sequence
from time import monotonic

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from winkel.log import envelope
from winkel.log.broker import REQUEST_SECONDS, Broker
from winkel.log.fetcher import configuration, time_of
from winkel.log.log import Bounds, Newest, Place, Record
from winkel.model.errors import UnavailableError

LOOKED_AT = 4_096
"""The most records, of all tenants, that one look goes through."""
WINDOW = 32
"""How many records are read at once, all partitions together; at least one of each."""


class LookBack:
    """One consumer that reads where it is told, one look at a time."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._consumer: Consumer | None = None
        self._turn = asyncio.Lock()

    async def newest(self, bounds: Sequence[Bounds], tenant_id: int, before: Place | None, limit: int) -> Newest:
        """Return a tenant's records within these bounds, newest first. Raises `UnavailableError`."""
        async with self._turn:
            try:
                return await asyncio.to_thread(self._look, bounds, tenant_id, before, limit)
            except KafkaException as error:
                raise self._broker.unavailable(error) from error

    async def close(self) -> None:
        """Let go of the connections."""
        async with self._turn:
            if self._consumer is not None:
                await asyncio.to_thread(self._consumer.close)
                self._consumer = None

    def _look(self, bounds: Sequence[Bounds], tenant_id: int, before: Place | None, limit: int) -> Newest:
        found: list[Record] = []
        place = before
        pages = [_Partition(partition, each) for partition, each in enumerate(bounds)]
        for count, record in enumerate(self._merged(pages)):
            if before is not None and Place.of(record) >= before:
                continue
            if count >= LOOKED_AT or len(found) >= limit:
                return Newest(found, place)
            place = Place.of(record)
            if record.tenant_id == tenant_id:
                found.append(record)
        return Newest(found, None)

    def _merged(self, partitions: Sequence["_Partition"]) -> Iterator[Record]:
        """Yield the records of all partitions, newest first."""
        size = max(1, WINDOW // max(1, len(partitions)))
        self._fill(partitions, size)
        return heapq.merge(*[self._backwards(each, 4 * size) for each in partitions], key=Place.of, reverse=True)

    def _backwards(self, partition: "_Partition", size: int) -> Iterator[Record]:
        while partition.records:
            yield from reversed(partition.records)
            partition.records = []
            self._fill([partition], size)

    def _fill(self, partitions: Sequence["_Partition"], size: int) -> None:
        """Read the window before what each partition has had; where it holds only gaps, the one before that."""
        todo = [each for each in partitions if each.high > each.low]
        while todo:
            wanted = {each.partition: each.window(size) for each in todo}
            read = self._read(wanted)
            for each in todo:
                each.records = read[each.partition]
            todo = [each for each in todo if not each.records and each.high > each.low]

    def _read(self, windows: dict[int, Bounds]) -> dict[int, list[Record]]:
        consumer = self._connected()
        found: dict[int, list[Record]] = {partition: [] for partition in windows}
        left = set(windows)
        consumer.assign([TopicPartition(self._broker.topic, each, of.start) for each, of in windows.items()])
        until = monotonic() + REQUEST_SECONDS
        try:
            while left:
                message = consumer.poll(max(0.0, until - monotonic()))
                if message is None:
                    raise UnavailableError(f"{self._broker} does not hand out records: try again")
                partition, error = message.partition(), message.error()
                if partition not in left:
                    continue
                if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 (a public name)
                    raise KafkaException(error)
                offset = message.offset()
                assert offset is not None, "what was fetched has a place"
                if error is None and offset < windows[partition].end:
                    found[partition].append(envelope.opened(message.value(), partition, offset, time_of(message)))
                if error is not None or offset + 1 >= windows[partition].end:
                    left.discard(partition)
        finally:
            consumer.unassign()
        return found

    def _connected(self) -> Consumer:
        if self._consumer is None:
            # What was trimmed meanwhile is gone: begin behind it.
            self._consumer = Consumer(configuration(self._broker, offset_reset="earliest"))
        return self._consumer


class _Partition:
    """What is still to be looked through in one partition: offsets [low, high), and records that were read."""

    def __init__(self, partition: int, bounds: Bounds) -> None:
        self.partition = partition
        self.low = bounds.start
        self.high = bounds.end
        self.records: list[Record] = []
        """Oldest first."""

    def window(self, size: int) -> Bounds:
        """Return the next offsets to read."""
        end, self.high = self.high, max(self.low, self.high - size)
        return Bounds(self.high, end)
