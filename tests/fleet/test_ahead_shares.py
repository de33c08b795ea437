"""Who is read and who is served when one partition has more than a batch."""

import asyncio

import pytest

from fleet.test_ahead import Reader, record
from winkel.fleet.ahead import BYTES_AHEAD
from winkel.log.memory import MemoryLog
from winkel.meter.worker import EVENTS_MAX

pytestmark = pytest.mark.anyio


async def test_of_partitions_whose_first_record_is_a_batch_each_has_its_turn() -> None:
    """`_fill`: of several the one that was served longest ago, not the one with the smallest number."""
    log = MemoryLog(3)
    for partition in range(3):
        await log.append([record(partition, EVENTS_MAX) for _ in range(4)])
    reader, served = Reader(log), []
    for _ in range(6):
        reader.take(batch := await reader.next())
        served += list(batch)
        for _ in range(100):
            await asyncio.sleep(0)
    await reader.ahead.close()
    assert [served.count(partition) for partition in range(3)] == [2, 2, 2], served


async def test_a_partition_is_read_however_many_bytes_of_others_wait() -> None:
    """`_room`: of one of which none waits it is an equal share, always."""
    log = MemoryLog(2)
    await log.append([record(0, 1, BYTES_AHEAD // 8) for _ in range(24)])
    reader = Reader(log)
    await reader.next()
    for _ in range(100):
        await asyncio.sleep(0)
    lines = reader.ahead._lines
    assert reader.ahead._bytes() >= BYTES_AHEAD or lines[0].records, "there is a backlog"
    lines[0].bytes = BYTES_AHEAD  # as if
    assert reader.ahead._room(lines[1]) == EVENTS_MAX // 2
    await reader.ahead.close()
