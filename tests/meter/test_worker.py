"""Every event exactly once: through crashes, rivals, zombies, replays and lost answers."""

import asyncio
import random
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from meter.blocks import NOON, SECRET, event, metric, new_records
from meter.conftest import METRICS, World
from support.line import Line
from winkel.fleet import worker
from winkel.ingest.block import blocks
from winkel.log import codec
from winkel.log.log import NewRecord
from winkel.meter import actions
from winkel.meter.worker import LostPartitionsError, Meter
from winkel.model.errors import FencedError, SchemaError
from winkel.model.event import Event
from winkel.model.metric import Aggregation
from winkel.model.routing import first
from winkel.model.usage import NOBODY
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


async def test_who_takes_a_partition_after_a_newer_version_changed_the_schema_gives_up(world: World) -> None:
    """Events wait for a meter that knows the schema."""
    await world.send(some_events(random.Random(3), 20))
    meter = await world.meter()
    await world.connection.execute("INSERT INTO migration (name) VALUES ('9999_tomorrow')")
    for take in (meter.assign, meter.claim):
        with pytest.raises(SchemaError, match="9999_tomorrow"):
            await take(0)
    assert meter.holdings == {}


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


@pytest.mark.parametrize("cut", ["request", "answer"])
async def test_a_commit_without_an_answer_is_never_repeated_blindly(world: World, cut: str) -> None:
    """The batch was committed, or it was not: the position says which, and everything is counted once."""
    with tempfile.TemporaryDirectory(prefix="winkel-line-") as folder:
        line = Line()
        async with line.at(world.url, Path(folder)) as url:
            connection = await database.connect(url)
            meter = Meter(connection, world.log, owner="one")
            for partition in range(world.log.partitions):
                await meter.assign(partition)
            await world.send(some_events(random.Random(cut), 60))
            line.cut = cut
            with pytest.raises(psycopg.OperationalError):
                await meter.step()
            await connection.close()
            assert (await world.usage() == {}) is (cut == "request")
    await drain(await restart(world))
    await world.check()


async def test_a_metric_counts_every_event_accepted_after_it_was_made(world: World) -> None:
    """The meter looks for new metrics after reading and before deciding; what came before is not counted."""
    meter = await restart(world)
    late = metric(9, Aggregation.SUM, "n")
    await world.send([event(1, {"n": 1})])
    await drain(meter)
    await metrics.insert(world.connection, world.tenant_id, late)
    world.oracle.metrics.append(late)
    await world.send([event(2, {"n": 2})])
    await drain(meter)
    await world.check()


async def test_records_that_cannot_be_decoded_are_set_aside_whole(world: World) -> None:
    """One dead letter each, with the record as its payload, and the partition moves on."""
    meter = await restart(world)
    good = new_records(world.tenant_id, [event(1)], 1)[0].data
    foreign = new_records(world.tenant_id + 1, [event(1)], 1)[0].data
    broken = [b"", b"\x07what", good[:-3], foreign]
    await world.log.append([NewRecord(world.tenant_id, 0, 5, data) for data in broken])
    await world.send([event(number) for number in range(20)])
    await drain(meter)
    assert await world.usage() == world.oracle.usage
    rows = await (await world.connection.execute("SELECT * FROM dead_letter ORDER BY id")).fetchall()
    assert [(row["offset"], row["index"], row["payload"], row["events"]) for row in rows] == [
        (offset, -1, data, 5) for offset, data in enumerate(broken)
    ]
    assert [(row["reason"], row["tenant_id"]) for row in rows] == [
        *[("undecodable", world.tenant_id)] * 3, ("other_tenant", NOBODY)
    ]  # fmt: skip
    assert (await world.counts())["letters"] == 5 * len(broken)


async def test_a_record_that_the_database_refuses_stops_nobody_else(world: World) -> None:
    """It is found by halving the batch, and set aside alone."""
    meter = await restart(world)
    await world.send([event(number) for number in range(5)])
    ((partition, block),) = blocks(world.tenant_id, [event("far")], SECRET, first(1))
    far = msgspec.structs.replace(block, timestamps=(2**63 - 1).to_bytes(8, "little"))
    await world.log.append([NewRecord(world.tenant_id, partition, 1, codec.encode(far))])
    await world.send([event(number) for number in range(3, 9)])
    await drain(meter)
    assert await world.usage() == world.oracle.usage
    rows = await (await world.connection.execute("SELECT reason, index FROM dead_letter")).fetchall()
    assert [(row["reason"], row["index"]) for row in rows] == [("uncountable", -1)]


async def test_the_window_is_34_days_of_arrival(world: World, clock: Any) -> None:
    """Sent again on the 34th day it is a repeat, on the 35th it counts again; the event's own time is no matter."""
    meter = await restart(world)
    for days in (0, 34, 1, 34):
        clock.move(days=days)
        await world.send([event("same", timestamp=clock())])
        await drain(meter)
        for holding in meter.holdings.values():
            await actions.expire(world.connection, holding.memory, holding.partition, holding.epoch)
    assert (await world.counts())["counted"] == 2
    runs = await (await world.connection.execute("SELECT day FROM dedupe_run")).fetchall()
    assert [row["day"] for row in runs] == [(NOON + timedelta(days=35)).date()]


async def test_expired_and_merged_runs_are_fenced(world: World, clock: Any) -> None:
    """A worker that lost the partition neither merges nor forgets."""
    meter = await restart(world)
    for number in range(10):
        await world.send([event(f"{number} {each}") for each in range(9)])
        await drain(meter)
    holding = meter.holdings[0]
    await restart(world)
    with pytest.raises(FencedError):
        await actions.merge(world.connection, holding.memory, 0, holding.epoch)
    holding.memory.runs[0] = msgspec.structs.replace(holding.memory.runs[0], day=NOON.date() - timedelta(days=99))
    with pytest.raises(FencedError):
        await actions.expire(world.connection, holding.memory, 0, holding.epoch)
    await world.send(some_events(random.Random(5), 50))
    await drain(await restart(world))
    row = await (await world.connection.execute("SELECT count(*) AS runs FROM dedupe_run")).fetchone()
    assert row is not None
    assert row["runs"] > 25, "nothing was merged or removed"


async def test_a_memory_that_others_have_merged_is_read_again(world: World) -> None:
    """Of partitions whose ranges overlap another worker may merge; whoever asks then goes on with all that it holds."""
    meter = await restart(world)
    sent = [event(number) for number in range(90)]
    for start in range(0, 90, 9):
        await world.send(sent[start : start + 9])
        await drain(meter)
    meter = await restart(world)  # it has no keys at hand
    held = set(meter.holdings)
    own = meter.holdings[0].memory
    assert own is not None
    other = await actions.Memory.load(
        world.connection, own.log, own.space, own.bucket_low, own.bucket_high, actions.Shelf()
    )
    assert await actions.merge(world.connection, other, 0, meter.holdings[0].epoch)
    await world.send(sent)
    await drain(meter)
    await world.check()
    assert set(meter.holdings) == held


async def test_conflicting_repeats_are_sampled(world: World) -> None:
    """The newest other content of each key is kept, and how often it came."""
    meter = await restart(world)
    for content in (1, 2, 2, 1, 3):
        await world.send([event("same", {"n": content})])
    await drain(meter)
    rows = await (await world.connection.execute("SELECT * FROM conflicting_duplicate")).fetchall()
    assert [(row["transaction_id"], row["times"], row["properties"]) for row in rows] == [("same", 3, '{"n":3}')]
    await world.check()


async def eventually(check: Callable[[], Any], seconds: float = 20) -> None:
    """Wait until the check holds."""
    async with asyncio.timeout(seconds):
        while not await check():
            await asyncio.sleep(0.02)


async def test_workers_share_and_take_over(world: World) -> None:
    """Two workers share the partitions; when one goes, the other goes on; nothing is lost or doubled."""
    rng = random.Random(7)
    stops = [asyncio.Event(), asyncio.Event()]
    runs = [
        asyncio.create_task(worker.run(world.url, world.log, owner=f"worker {each}", stop=stop))
        for each, stop in enumerate(stops)
    ]

    async def owners() -> list[int]:
        held = [each.owner for each in await progress.everything(world.connection, "events")]
        return sorted(held.count(each) for each in set(held) if each)

    async def shared() -> bool:
        return await owners() == [1, 2]

    async def alone() -> bool:
        return await owners() == [3]

    async def done() -> bool:
        return await world.usage() == world.oracle.usage

    await eventually(shared)
    for _ in range(5):
        await world.send(some_events(rng, 40))
        await asyncio.sleep(0.05)
    await eventually(done)
    stops[0].set()
    await runs[0]
    await eventually(alone)
    await world.send(some_events(rng, 40))
    await eventually(done)
    await world.check()
    stops[1].set()
    await runs[1]
    assert await owners() == []


async def test_a_worker_outlives_its_connection(world: World) -> None:
    """When the database ends its connections, it makes new ones and goes on."""
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(world.url, world.log, owner="one", stop=stop))

    async def done() -> bool:
        return await world.usage() == world.oracle.usage

    for seed in range(3):
        await world.send(some_events(random.Random(seed), 50))
        await eventually(done)
        query = "SELECT pg_terminate_backend(backend_pid) FROM log_progress WHERE backend_pid IS NOT NULL"
        await world.connection.execute(query)
    await world.send(some_events(random.Random(4), 50))
    await eventually(done)
    await world.check()
    stop.set()
    await task


async def test_a_gap_in_the_log_is_an_error(world: World, clock: Any) -> None:
    """When events that were not metered are gone from the log, the worker says so instead of skipping them."""
    await world.send([event(number) for number in range(50)])
    meter = await restart(world)
    await meter.connection.execute("UPDATE log_progress SET owner = NULL")
    clock.move(days=1)
    await world.log.trim(clock(), [10**6] * 3)
    with pytest.raises(ExceptionGroup) as error:
        await worker.run(world.url, world.log, owner="one", stop=asyncio.Event())
    assert error.group_contains(LookupError)


def test_the_test_metrics_cover_every_aggregation() -> None:
    """A new aggregation must be added here."""
    assert {each.aggregation_type for each in METRICS} == set(Aggregation)
