"""Every event exactly once: through crashes, rivals, zombies, replays and lost answers."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from meter.blocks import NOON, SECRET, event, metric, new_records
from meter.conftest import METRICS, World

from winkel.ingest.block import blocks
from winkel.log import codec
from winkel.log.log import NewRecord
from winkel.log.memory import MemoryLog
from winkel.meter import actions, worker
from winkel.meter.worker import LostPartitionsError, Meter
from winkel.model.errors import FencedError
from winkel.model.event import Event
from winkel.model.metric import Aggregation
from winkel.store import database, metrics, progress, usage

pytestmark = pytest.mark.anyio

STEPS = ["read", "decided", "begun", "claimed", "run", "series", "deltas", "counted", "before_commit", "after_commit"]


class Crash(BaseException):
    """The process ends here."""


def crash_at(name: str, times: int = 1) -> Callable[[str], None]:
    """Return a failpoint that ends the worker when it comes to a step for the n-th time."""
    left = [times]

    def failpoint(step: str) -> None:
        if step == name:
            left[0] -= 1
            if left[0] == 0:
                raise Crash(step)

    return failpoint


def some_events(rng: random.Random, count: int, ids: int = 200) -> list[Event]:
    """Return events of all kinds, some with an id that others have as well."""
    made = []
    for _ in range(count):
        properties: dict[str, Any] = {
            "n": rng.choice([1, 2, -3, "4.5", "1e3", "lots", 10**20, "0.1234567", None]),
            "g": rng.choice(["a", "b", 5, "5", None, True, {}]),
            "h": rng.choice(["x", 'y"\\\t\n', None]),
            "u": rng.choice(["p", "q", "r\\N", 7, []]),
        }
        for name in rng.sample(sorted(properties), rng.randrange(3)):
            del properties[name]
        at = NOON + timedelta(hours=rng.randrange(-30, 3), seconds=rng.randrange(3))
        made.append(
            event(rng.randrange(ids), properties, customer_id=rng.choice(["acme", "bolt", "c\td"]), timestamp=at)
        )
    return made


async def drain(meter: Meter) -> None:
    """Meter until nothing is left."""
    while await meter.step():
        pass


async def restart(world: World) -> Meter:
    """Start a new worker that owns everything."""
    meter = await world.meter("next")
    for partition in range(world.log.partitions):
        await meter.assign(partition)
    return meter


@pytest.mark.parametrize("seed", range(4))
async def test_any_history_gives_what_the_oracle_gives(world: World, clock: Any, seed: int) -> None:
    """Batches of any size, over days, with merges, compaction and take-overs between them."""
    rng = random.Random(seed)
    meter = await restart(world)
    for _ in range(25):
        match rng.randrange(6):
            case 0 | 1:
                for _ in range(rng.randrange(1, 4)):
                    await world.send(some_events(rng, rng.randrange(1, 40)))
                    clock.move(minutes=rng.choice([0, 7, 300]))
            case 2 | 3:
                await meter.step(events=rng.choice([1, 50, 1000]))
            case 4:
                await usage.compact(world.connection, rng.choice([1, 20, 10_000]))
            case 5:
                meter = await restart(world)
                for holding in meter.holdings.values():
                    while await actions.merge(world.connection, holding.memory, holding.partition, holding.epoch):
                        pass
    await drain(meter)
    await world.check()
    while await usage.compact(world.connection, 100):
        pass
    await world.check()


@pytest.mark.parametrize("step", STEPS)
async def test_a_crash_at_any_step_loses_and_doubles_nothing(world: World, step: str) -> None:
    """Whatever was under way is either there as a whole or not at all; the next worker goes on."""
    rng = random.Random(step)
    await world.send(some_events(rng, 60))
    await world.send(some_events(rng, 60))
    for times in (1, 2, 3):
        meter = await world.meter(failpoint=crash_at(step, times))
        with suppress(Crash):
            for partition in range(world.log.partitions):
                await meter.assign(partition)
            await meter.step(events=30)
            await meter.step(events=30)
        await meter.connection.close()
    await drain(await restart(world))
    await world.check()


@pytest.mark.parametrize("step", ["merge_decided", "merge_inserted", "merge_deleted", "merge_committed"])
async def test_a_crash_while_merging_forgets_no_key(world: World, step: str) -> None:
    """Every event that is sent again afterwards is still a repeat."""
    rng = random.Random(step)
    meter = await restart(world)
    sent = some_events(rng, 100, ids=10_000)
    for start in range(0, 100, 5):
        await world.send(sent[start : start + 5])
        await drain(meter)
    beside = await world.meter()
    for holding in meter.holdings.values():
        with suppress(Crash):
            await actions.merge(
                beside.connection, holding.memory, holding.partition, holding.epoch, failpoint=crash_at(step)
            )
    await world.send(sent)
    await drain(await restart(world))
    await world.check()


async def test_a_zombie_changes_nothing_and_drops_what_it_lost(world: World) -> None:
    """A worker that was replaced while it slept hits no row, and says which partitions it lost."""
    rng = random.Random(1)
    zombie = await restart(world)
    await world.send(some_events(rng, 50))
    heir = await world.meter("heir")
    await heir.assign(0)
    with pytest.raises(LostPartitionsError) as lost:
        await zombie.step()
    assert lost.value.partitions == [0]
    assert sorted(zombie.holdings) == [1, 2]
    assert await world.usage() == {}
    await drain(zombie)
    await drain(heir)
    await world.check()


async def test_a_replay_with_the_same_epoch_is_refused(world: World) -> None:
    """The position must be where the batch begins; a batch that was counted cannot be counted again."""
    meter = await restart(world)
    await world.send(some_events(random.Random(2), 50))
    before = {partition: holding.next_offset for partition, holding in meter.holdings.items()}
    await drain(meter)
    for partition, holding in meter.holdings.items():
        holding.next_offset = before[partition]
        holding.memory.runs.clear()
    with pytest.raises(LostPartitionsError):
        await meter.step()
    await world.check()


async def test_a_new_owner_ends_a_batch_that_hangs(world: World) -> None:
    """A worker that stopped in the middle of its transaction holds the row, until its connection is ended."""
    asleep = await world.meter("asleep")
    await asleep.assign(0)
    await asleep.connection.execute("BEGIN")
    assert await progress.hold(asleep.connection, "events", 0, asleep.holdings[0].epoch)
    heir = await world.meter("heir")
    async with asyncio.timeout(5):
        await heir.assign(0)
    with pytest.raises(psycopg.OperationalError):
        await asleep.connection.execute("SELECT 1")


@asynccontextmanager
async def cuttable(url: str, folder: Path) -> AsyncIterator[tuple[str, dict[str, bool]]]:
    """Yield an address before the database, and switches: `request` and `answer` cut the line at the next COMMIT."""
    parts = psycopg.conninfo.conninfo_to_dict(url)
    port = parts.get("port", 5432)
    cut = {"request": False, "answer": False}

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ends: list[Any], client: bool) -> None:
        while data := await reader.read(65536):
            commit = client and b"COMMIT\0" in data
            if commit and cut["request"]:
                break
            writer.write(data)
            await writer.drain()
            if commit and cut["answer"]:
                await ends[0].read(1)  # the server answers: it has committed
                break
        for end in ends[1:]:
            end.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(f"{parts['host']}/.s.PGSQL.{port}")
        ends = [far_reader, writer, far_writer]
        pumps = [asyncio.create_task(pump(reader, far_writer, ends, True))]
        answers = asyncio.create_task(_answers(far_reader, writer, cut))
        await asyncio.gather(*pumps)
        answers.cancel()

    server = await asyncio.start_unix_server(serve, folder / f".s.PGSQL.{port}")
    try:
        yield psycopg.conninfo.make_conninfo(**{**parts, "host": str(folder)}), cut
    finally:
        server.close()
