"""What every log promises (log/log.py)."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from anyio import create_task_group
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from log.conftest import open_log
from winkel.log.log import Log, NewRecord, Place, Record

pytestmark = pytest.mark.anyio


def new(partition: int, text: str = "", events: int = 1, tenant_id: int = 1) -> NewRecord:
    return NewRecord(tenant_id, partition, events, text.encode())


async def everything(log: Log, partition: int) -> list[Record]:
    found: list[Record] = []
    position = (await log.bounds())[partition].start
    while records := await log.read(partition, position, events=5, wait_seconds=0):
        found += records
        position = records[-1].offset + 1
    return found


async def test_records_come_back_in_order(log: Log) -> None:
    """What is appended can be read, in order, with every field, and each partition counts from 0."""
    await log.append([new(0, "a", 3, tenant_id=7), new(2, "b"), new(0, "c", 2)])
    await log.append([new(0, "d")])
    first, second, third = await everything(log, 0)
    assert (first.tenant_id, first.partition, first.offset, first.events, first.data) == (7, 0, 0, 3, b"a")
    assert [second.data, third.data, second.offset, third.offset] == [b"c", b"d", 1, 2]
    assert abs(datetime.now(UTC) - first.appended_at) < timedelta(minutes=1)
    assert first.appended_at <= second.appended_at <= third.appended_at
    assert await everything(log, 1) == []
    assert [(each.start, each.end) for each in await log.bounds()] == [
        (0, 3),
        (0, 0),
        (0, 1),
    ]


async def test_any_bytes_survive(log: Log) -> None:
    """Data is bytes, and large data too."""
    data = [bytes(range(256)), b"", b"\x00" * 3_000_000]
    await log.append([NewRecord(1, 1, 1, each) for each in data])
    found = await log.read(1, 0, events=100, wait_seconds=0)
    assert [len(each.data) for each in found] == [len(each) for each in data]  # said of a failure before 3 MB are
    assert all(each.data == wanted for each, wanted in zip(found, data, strict=True))


async def test_a_read_stops_once_it_has_enough_events(log: Log) -> None:
    """Records are never cut: a read returns whole ones until the number of events is reached, one at least."""
    await log.append([new(0, str(number), events=10) for number in range(5)])
    assert len(await log.read(0, 0, events=1, wait_seconds=0)) == 1
    assert len(await log.read(0, 0, events=10, wait_seconds=0)) == 1
    assert len(await log.read(0, 0, events=11, wait_seconds=0)) == 2
    assert [each.offset for each in await log.read(0, 3, events=1000, wait_seconds=0)] == [3, 4]


async def test_a_read_at_the_end_waits(log: Log) -> None:
    """Without a record a read waits as long as it may and returns none; a record that comes wakes it up."""
    began = asyncio.get_running_loop().time()
    assert list(await log.read(0, 0, events=1, wait_seconds=0.05)) == []
    assert asyncio.get_running_loop().time() - began >= 0.05
    waiting = asyncio.create_task(log.read(0, 0, events=1, wait_seconds=30))
    while not waiting.done():
        await asyncio.sleep(0)
        if (await log.bounds())[0].end == 0:
            await log.append([new(0, "now")])
        await asyncio.sleep(0.001)
    assert [each.data for each in waiting.result()] == [b"now"]


async def test_unknown_partitions_are_refused(log: Log) -> None:
    """A partition that does not exist is an error, and nothing of the append remains."""
    with pytest.raises(IndexError):
        await log.append([new(0), new(3)])
    with pytest.raises(IndexError):
        await log.read(-1, 0, events=1, wait_seconds=0)
    assert (await log.bounds())[0].end == 0


async def test_appending_nothing_changes_nothing(log: Log) -> None:
    """An append without records is a no-op."""
    await log.append([])
    assert [each.end for each in await log.bounds()] == [0, 0, 0]


async def test_concurrent_appenders_leave_no_gap_and_readers_skip_nothing(log: Log, log_url: str) -> None:
    """While many append to all partitions at once, a reader that follows sees every offset, in order, once."""
    appends, writers = 25, 4
    seen: dict[int, list[Record]] = {0: [], 1: [], 2: []}

    async def write(writer: int) -> None:
        other = await another(log, log_url)
        for number in range(appends):
            partitions = [(number + each) % 3 for each in range(1 + number % 3)]
            await other.append([new(each, f"{writer}-{number}") for each in partitions])
        if other is not log:
            await other.close()

    async def follow(partition: int, total: int) -> None:
        position = 0
        while len(seen[partition]) < total:
            records = await log.read(partition, position, events=3, wait_seconds=5)
            assert [each.offset for each in records] == list(range(position, position + len(records)))
            seen[partition] += records
            position += len(records)

    totals = [0, 0, 0]
    for number in range(appends):
        for each in range(1 + number % 3):
            totals[(number + each) % 3] += writers
    async with create_task_group() as group:
        for partition in range(3):
            group.start_soon(follow, partition, totals[partition])
        for writer in range(writers):
            group.start_soon(write, writer)
    for partition, records in seen.items():
        assert len({each.data for each in records}) == totals[partition] == (await log.bounds())[partition].end
        times = [each.appended_at for each in records]
        assert times == sorted(times)


async def another(log: Log, url: str) -> Log:
    """Return a second process's view of the same log, where that can be."""
    return await open_log(url) if url else log


async def test_trim_drops_only_what_was_consumed(log: Log) -> None:
    """Records that a position has not passed stay, however old; what is gone raises LookupError."""
    await log.append([new(each, f"{each}{number}") for each in range(3) for number in range(4)])
    later = datetime.now(UTC) + timedelta(days=3)
    assert await log.trim(datetime.now(UTC) - timedelta(days=2), [4, 4, 4]) == 0
    await log.trim(later, [4, 2, 4])
    assert (await log.bounds())[1].start <= 2
    assert [each.data for each in await log.read(1, 2, events=9, wait_seconds=0)] == [b"12", b"13"]
    dropped = await log.trim(later, [4, 4, 4])
    assert dropped > 0
    assert [(each.start, each.end) for each in await log.bounds()] == [(4, 4)] * 3
    with pytest.raises(LookupError):
        await log.read(1, 3, events=1, wait_seconds=0)
    assert await log.trim(later, [4, 4, 4]) == 0
    await log.append([new(1, "next")])
    assert [(each.offset, each.data) for each in await log.read(1, 4, events=1, wait_seconds=0)] == [(4, b"next")]


async def test_the_newest_records_of_one_tenant(log: Log) -> None:
    """Newest first over all partitions, page by page, each once, and nothing of another tenant."""
    for number in range(12):
        await log.append([new(number % 3, f"{number}", tenant_id=1 + number % 2)])
    found: list[Record] = []
    before: Place | None = None
    for _ in range(10):
        page = await log.newest(2, before=before, limit=2)
        assert len(page.records) <= 2
        found += page.records
        before = page.before
        if before is None:
            break
    assert before is None
    assert [Place.of(each) for each in found] == sorted(map(Place.of, found), reverse=True)
    assert {each.data for each in found} == {str(number).encode() for number in range(1, 12, 2)}
    assert len(found) == 6
    assert {each.tenant_id for each in found} == {2}
    assert (await log.newest(3, before=None, limit=5)).records == []


async def test_partitions_are_added_and_others_learn_of_them(log: Log, log_url: str) -> None:
    """A log grows, never shrinks; new partitions begin empty, and who had the log open already can use them."""
    other = await another(log, log_url)
    await other.append([new(0, "old")])
    await other.read(0, 0, events=1, wait_seconds=0)
    await log.grow(5)
    await log.grow(2)
    assert log.partitions == 5
    await log.append([new(4, "new")])
    await other.refresh()
    assert other.partitions == 5
    assert [(each.start, each.end) for each in await other.bounds()][3:] == [(0, 0), (0, 1)]
    assert [each.data for each in await other.read(4, 0, events=1, wait_seconds=0)] == [b"new"]
    await other.append([new(3, "newer")])
    assert [each.data for each in await log.read(3, 0, events=1, wait_seconds=0)] == [b"newer"]
    if other is not log:
        await other.close()


async def test_what_was_read_can_be_read_again(log: Log) -> None:
    """A reader may go back and forth as it likes; nothing is taken away by reading."""
    await log.append([new(0, f"{number}") for number in range(20)])
    for offset in (0, 10, 5, 19, 0, 3):
        found = await log.read(0, offset, events=100, wait_seconds=0)
        assert [each.offset for each in found] == list(range(offset, 20))


@given(
    appends=st.lists(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9)), max_size=5), max_size=6),
    events=st.integers(1, 20),
)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_a_log_is_a_list_per_partition(log: Log, appends: list[list[tuple[int, int]]], events: int) -> None:
    """Whatever is appended, reading in steps of any size gives exactly that."""
    before = [each.end for each in await log.bounds()]
    model: dict[int, list[bytes]] = {0: [], 1: [], 2: []}
    for number, records in enumerate(appends):
        await log.append([new(partition, f"{number}", count) for partition, count in records])
        for partition, _ in records:
            model[partition].append(f"{number}".encode())
    for partition in range(3):
        found, position = [], before[partition]
        while records := await log.read(partition, position, events=events, wait_seconds=0):
            assert len(records) == 1 or sum(each.events for each in records[:-1]) < events
            found += [each.data for each in records]
            position = records[-1].offset + 1
        assert found == model[partition]
