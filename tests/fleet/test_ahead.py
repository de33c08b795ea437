"""Reading ahead: full batches without waiting when there is a backlog, small ones soon when not, bounded always."""

import asyncio
import random
from collections.abc import Sequence
from time import monotonic
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winkel.fleet import ahead
from winkel.fleet.ahead import BYTES_AHEAD, Ahead
from winkel.log import log as logs
from winkel.log.log import BYTES_PER_READ, NewRecord, Record
from winkel.log.memory import MemoryLog
from winkel.meter.worker import EVENTS_MAX

pytestmark = pytest.mark.anyio


def record(partition: int, events: int = 100, size: int = 10) -> NewRecord:
    return NewRecord(1, partition, events, b"x" * size)


class Reader:
    """Stands for a meter: holds all partitions of a log, and takes what it is given."""

    def __init__(self, log: MemoryLog) -> None:
        self.events = log
        self.holdings = {each: SimpleNamespace(partition=each, next_offset=0) for each in range(log.partitions)}
        self.ahead = Ahead(self)  # type: ignore[arg-type]
        self.stop = asyncio.Event()

    async def next(self) -> dict[int, Sequence[Record]]:
        return await self.ahead.next(self.stop)

    def take(self, batch: dict[int, Sequence[Record]]) -> None:
        """Meter a batch: it follows what was metered before, without a gap."""
        for partition, records in batch.items():
            for each in records:
                assert each.offset == self.holdings[partition].next_offset
                self.holdings[partition].next_offset = each.next_offset

    async def everything(self, records: int) -> list[dict[int, Sequence[Record]]]:
        """Return the batches that so many records come in."""
        batches = []
        while records > 0:
            async with asyncio.timeout(30):
                batch = await self.next()
            self.take(batch)
            records -= sum(map(len, batch.values()))
            batches.append(batch)
        await self.ahead.close()
        assert records == 0
        return [each for each in batches if each]


def events_of(batch: dict[int, Sequence[Record]]) -> int:
    return sum(each.events for records in batch.values() for each in records)


async def test_a_backlog_comes_in_full_batches_without_a_rest() -> None:
    """Each batch but the last has its full size, and nobody waits in between."""
    log = MemoryLog(4)
    await log.append([record(number % 4, EVENTS_MAX // 50) for number in range(400)])
    began = monotonic()
    batches = await Reader(log).everything(400)
    assert [events_of(each) for each in batches] == [EVENTS_MAX] * 8
    assert monotonic() - began < 8 * ahead.REST_SECONDS


async def test_the_backlog_of_one_partition_comes_in_full_batches_too() -> None:
    """The shares of partitions that have nothing go to the one that has."""
    log = MemoryLog(16)
    await log.append([record(3, EVENTS_MAX // 50) for _ in range(200)])
    batches = await Reader(log).everything(200)
    assert [events_of(each) for each in batches] == [EVENTS_MAX] * 4


async def test_a_backlog_starves_no_other_partition() -> None:
    """What comes to a quiet partition is in the next batch but one, at the latest, and in it whole."""
    log = MemoryLog(8)
    await log.append([record(0, EVENTS_MAX // 10) for _ in range(200)])
    reader = Reader(log)
    for number in range(10):
        await log.append([record(1 + number % 7, 10)])
        waited = 0
        reader.take(batch := await reader.next())
        while 1 + number % 7 not in batch:
            reader.take(batch := await reader.next())
            waited += 1
        assert waited <= 1
        assert EVENTS_MAX <= events_of(batch) < 1.1 * EVENTS_MAX
    await reader.ahead.close()


async def test_backlogs_share_a_batch_alike() -> None:
    """Partitions that are behind get the same number of events, whatever the size of their records."""
    log = MemoryLog(3)
    sizes = (10, 500, 4000)
    for partition, size in enumerate(sizes):
        await log.append([record(partition, size) for _ in range(4 * EVENTS_MAX // size)])
    reader = Reader(log)
    for _ in range(6):
        reader.take(batch := await reader.next())
        for _ in range(300):
            await asyncio.sleep(0)  # what is going to be read ahead is read now
    counts = [sum(each.events for each in batch[partition]) for partition in range(3)]
    await reader.ahead.close()
    assert max(counts) - min(counts) <= 4000


async def test_a_first_event_is_not_kept_waiting() -> None:
    """After a pause an event is handed on at once: nothing is gained by waiting for company."""
    log = MemoryLog(2)
    reader = Reader(log)
    await asyncio.sleep(ahead.REST_SECONDS)
    waiting = asyncio.create_task(reader.next())
    await asyncio.sleep(0.05)
    appended = monotonic()
    await log.append([record(1)])
    async with asyncio.timeout(5):
        assert events_of(await waiting) == 100
    assert monotonic() - appended < ahead.REST_SECONDS
    await reader.ahead.close()


async def test_small_batches_rest_and_then_take_all_that_came() -> None:
    """While metering keeps up, a batch waits for company in proportion to the length of the last, 250 ms at most."""
    log = MemoryLog(2)
    reader = Reader(log)
    await log.append([record(0)])
    reader.take(await reader.next())
    began = monotonic()
    await asyncio.sleep(0.1)  # a batch is metered for so long, and meanwhile:
    for _ in range(3):
        await log.append([record(0), record(1)])
        await asyncio.sleep(0.01)
    batch = await reader.next()
    assert ahead.REST_SECONDS * 0.9 < monotonic() - began < 10
    assert events_of(batch) == 600
    await reader.ahead.close()


class Counting(MemoryLog):
    """A log that knows how much was read of it."""

    bytes = events = 0

    async def read(self, partition: int, offset: int, *, events: int, wait_seconds: float) -> Sequence[Record]:
        found = await super().read(partition, offset, events=events, wait_seconds=wait_seconds)
        self.bytes += sum(len(each.data) for each in found)
        self.events += sum(each.events for each in found)
        return found


@pytest.mark.parametrize(("partitions", "size", "events"), [(24, 700_000, 20), (48, 100_000, 300), (8, 100, 20_000)])
async def test_what_is_read_ahead_is_bounded(partitions: int, size: int, events: int) -> None:
    """Many partitions with large records, of few events or of many: a batch and a bit are read ahead, no more."""
    log = Counting(partitions)
    data = b"x" * size
    for _ in range(max(4, 120_000_000 // size // partitions)):
        await log.append([NewRecord(1, partition, events, data) for partition in range(partitions)])
        if sum(each.end for each in await log.bounds()) * events > 10 * EVENTS_MAX:
            break
    reader, metered = Reader(log), [0, 0]
    for _ in range(8):
        reader.take(batch := await reader.next())
        for _ in range(200):
            await asyncio.sleep(0)  # what is going to be read ahead is read now
        metered[0] += sum(len(each.data) for records in batch.values() for each in records)
        metered[1] += events_of(batch)
        assert events_of(batch) < EVENTS_MAX + events
        assert log.bytes - metered[0] <= BYTES_AHEAD + partitions * (BYTES_PER_READ + size)
        assert log.events - metered[1] <= 2 * EVENTS_MAX + 2 * partitions * events
    await reader.ahead.close()


async def test_what_the_meter_leaves_comes_again() -> None:
    """It may take a part only (a day ends, a routing changes), or nothing (a partition waits for others)."""
    log = MemoryLog(3)
    await log.append([record(number % 3) for number in range(30)])
    reader = Reader(log)
    left = await reader.next()
    assert sum(map(len, left.values())) == 30
    assert await reader.next() == left
    reader.take({0: left[0], 1: left[1][:4]})
    await log.append([record(1), record(2)])
    again = await reader.next()
    assert [each.offset for each in again[1]] == [4, 5, 6, 7, 8, 9, 10]
    assert [each.offset for each in again[2]] == list(range(11))
    assert 0 not in again
    await reader.ahead.close()


async def test_partitions_come_and_go_and_move() -> None:
    """A partition that was lost is read no longer; one that stands elsewhere now is read from there."""
    log = MemoryLog(3)
    await log.append([record(number % 3) for number in range(30)])
    reader = Reader(log)
    await reader.next()
    lost = reader.holdings.pop(0)
    reader.holdings[1].next_offset = 7
    reader.holdings[2].next_offset = 10
    batch = await reader.next()
    assert {partition: [each.offset for each in some] for partition, some in batch.items()} == {1: [7, 8, 9]}
    reader.take(batch)
    reader.holdings[0] = lost
    reader.holdings[1].next_offset = 2
    batch = await reader.next()
    while 0 not in batch or 1 not in batch:
        batch |= await reader.next()
    assert [each.offset for each in batch[0]] == list(range(10))
    assert [each.offset for each in batch[1]] == list(range(2, 10))
    reader.holdings.clear()
    assert await reader.next() == {}
    await reader.ahead.close()


async def test_a_gap_in_the_log_is_no_silence() -> None:
    """What is gone before it was metered is told: the error comes out of `next`."""
    log = MemoryLog(2)
    await log.append([record(0), record(0), record(1)])
    await log.trim((await log.read(0, 0, events=1, wait_seconds=0))[0].appended_at.replace(year=9999), [1, 0])
    reader = Reader(log)
    with pytest.raises(LookupError, match="is gone"):
        await reader.everything(9)
    await reader.ahead.close()


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 30_000)), min_size=1, max_size=60), st.integers(0, 999))
def test_everything_comes_once_and_in_order(records: list[tuple[int, int]], seed: int) -> None:
    """Whatever is appended when, and however little of a batch is taken: each partition's records come in order."""

    async def run() -> None:
        log = MemoryLog(5)
        reader = Reader(log)
        waiting, chance = list(records), random.Random(seed)
        left = len(records)
        while left:
            some = [waiting.pop(0) for _ in range(min(len(waiting), chance.randint(0, 9)))]
            await log.append([record(partition, events) for partition, events in some])
            async with asyncio.timeout(10):
                batch = await reader.next()
            assert events_of(batch) < EVENTS_MAX + 30_000
            taken = {partition: found[: chance.randint(0, len(found))] for partition, found in batch.items()}
            reader.take(taken)
            left -= sum(map(len, taken.values()))
        await reader.ahead.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ahead, "REST_SECONDS", 0.001)
        patch.setattr(ahead, "WAIT_SECONDS", 0.001)
        asyncio.run(run())


def test_a_read_ends_early_at_each_of_its_limits() -> None:
    """Records, bytes or events: then there may be more; otherwise it had all there was."""
    at = MemoryLog()._clock()

    def records(count: int, events: int, size: int) -> list[Record]:
        return [Record(1, 0, offset, events, 1, at, b"x" * size) for offset in range(count)]

    assert len(logs.whole_until(records(9, 10, 1), 25)) == 3
    assert len(logs.whole_until(records(9, 1, BYTES_PER_READ // 2), 100)) == 2
    assert len(logs.whole_until(records(600, 1, 1), 1000)) == logs.RECORDS_PER_READ
    assert len(logs.whole_until(records(2, 1, 2 * BYTES_PER_READ), 100)) == 1
    assert logs.ended_early(records(3, 10, 1), 25)
    assert logs.ended_early(records(1, 1, BYTES_PER_READ), 25)
    assert logs.ended_early(records(512, 1, 1), 1000)
    assert not logs.ended_early(records(2, 10, 1), 25)
    assert not logs.ended_early([], 25)
