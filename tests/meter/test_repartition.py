"""Partitions split and merge while events are metered, some of them sent by gateways that slept: exact all the same."""

import random
from collections.abc import Sequence
from contextlib import suppress

import pytest

from meter.blocks import SECRET, event
from meter.conftest import World
from winkel.fleet.actions import repartition
from winkel.ingest.block import blocks
from winkel.log import codec
from winkel.log.log import NewRecord
from winkel.meter import actions
from winkel.meter.worker import Meter, RoutingChangedError
from winkel.model.errors import FencedError
from winkel.model.event import Event
from winkel.model.routing import Routing, first
from winkel.store import metering, progress

pytestmark = pytest.mark.anyio
STEPS = [
    *("read", "crossing", "forward", "forwarded", "decided", "begun", "claimed", "run", "deltas"),
    *("before_commit", "after_commit"),
]


class Crash(BaseException):
    """The process ends here."""


def numbered(numbers: Sequence[int]) -> list[Event]:
    """Return events that are the same whenever they are sent, so that it does not matter which comes first."""
    return [event(number, {"n": number, "g": f"g{number % 3}", "u": f"u{number % 5}"}) for number in numbers]


async def send(world: World, routing: Routing, events: Sequence[Event]) -> None:
    """Append events as a gateway does that believes in a routing."""
    made = blocks(world.tenant_id, events, SECRET, routing)
    await world.log.append(
        [NewRecord(world.tenant_id, at, len(block), codec.encode(block), routing.version) for at, block in made]
    )
    world.oracle.take(events)


async def everything(world: World, owner: str = "one") -> Meter:
    """Return a meter that owns all partitions."""
    meter = await world.meter(owner)
    for partition in range(world.log.partitions):
        await meter.assign(partition)
    return meter


async def drain(world: World, meter: Meter) -> None:
    """Meter until every partition is at its end; one that waits for another gets its turn again."""
    for _ in range(20):
        while await meter.step():
            pass
        stand = await progress.positions(world.connection, world.log.name, world.log.partitions)
        if stand == [each.end for each in await world.log.bounds()]:
            return
    raise AssertionError(f"stuck at {stand}")


async def test_a_new_partition_waits_for_the_one_that_had_its_buckets(world: World) -> None:
    """An event before the cut and its repeat behind it, in another partition: counted once, whoever is quicker."""
    old = first(3)
    new_owner, old_owner = await world.meter("new"), await world.meter("old")
    await send(world, old, numbered(range(200)))
    new = await repartition(world.connection, world.log, 9)
    await send(world, new, numbered(range(100, 300)))
    for partition in range(3, 9):
        await new_owner.assign(partition)
    assert await new_owner.step() == 0
    for partition in range(3):
        await old_owner.assign(partition)
    assert await old_owner.step(events=1) > 0
    assert await old_owner.step() > 0
    while await old_owner.step() or await new_owner.step():
        pass
    await world.check()


async def test_partitions_that_lose_buckets_never_wait(world: World) -> None:
    """32 → 96 pauses only what moves: the old partitions go on at once."""
    await send(world, first(3), numbered(range(50)))
    new = await repartition(world.connection, world.log, 9)
    meter = await world.meter()
    for partition in range(3):
        await meter.assign(partition)
    await send(world, new, numbered(range(50, 100)))
    while await meter.step():
        pass
    stand = await progress.positions(world.connection, world.log.name, 9)
    assert stand[:3] == [each.end for each in await world.log.bounds()][:3]


async def test_records_of_a_gateway_that_slept_are_sent_on(world: World) -> None:
    """They came behind the cut, routed by an old version: they are appended where they belong, and counted once."""
    old = first(3)
    meter = await everything(world)
    new = await repartition(world.connection, world.log, 9)
    await send(world, new, numbered(range(100)))
    await send(world, old, numbered(range(50, 150)))
    for partition in range(3, 9):
        await meter.assign(partition)
    await drain(world, meter)
    assert meter.tally.forwarded > 0
    assert await world.usage() == world.oracle.usage
    await send(world, old, numbered(range(150)))
    await drain(world, meter)
    assert await world.usage() == world.oracle.usage


async def test_a_batch_that_is_open_while_the_routing_changes_begins_again(world: World) -> None:
    """The change came between reading and writing: under the lock of its position the meter finds out."""
    old, meter = first(3), await everything(world)
    await send(world, old, numbered(range(10)))
    changed: list[Routing] = []

    async def change() -> None:
        changed.append(await repartition(world.connection, world.log, 9))

    original = meter.refresh

    async def refresh() -> None:
        await original()
        if not changed:
            await change()
            await send(world, old, numbered(range(5, 15)))

    meter.refresh = refresh  # type: ignore[method-assign]
    seen: list[str] = []
    meter.failpoint = seen.append
    await meter.step()
    assert seen.count("claimed") == 2, "rolled back once"
    for partition in range(3, 9):
        await meter.assign(partition)
    await drain(world, meter)
    assert await world.usage() == world.oracle.usage
    assert issubclass(RoutingChangedError, Exception)


@pytest.mark.parametrize("seed", range(30))
async def test_any_history_of_routings_is_exact(world: World, seed: int) -> None:
    """Random versions, stale senders, crashes at every step, rivals and merges: usage is that of the oracle."""
    rng = random.Random(seed)
    routings = [first(3)]
    crash = [""]

    def failpoint(step: str) -> None:
        if step == crash[0]:
            crash[0] = ""
            raise Crash(step)

    meters = [await world.meter(name, failpoint) for name in ("one", "two")]
    for _ in range(60):
        kind = rng.random()
        if kind < 0.35:
            stale = rng.random() < 0.2
            await send(world, rng.choice(routings) if stale else routings[-1], numbered(rng.choices(range(400), k=20)))
        elif kind < 0.43:
            routings.append(await repartition(world.connection, world.log, rng.choice([1, 2, 3, 5, 6, 9, 12])))
        else:
            crash[0] = rng.choice(STEPS) if rng.random() < 0.3 else ""
            with suppress(Crash, FencedError):
                await act(rng, rng.choice(meters))
    crash[0] = ""
    await drain(world, await everything(world, "last"))
    assert await world.usage() == world.oracle.usage
    assert (await world.counts())["counted"] == world.oracle.counted
    assert not await (await world.connection.execute("SELECT FROM dead_letter")).fetchall()


async def act(rng: random.Random, meter: Meter) -> None:
    """Do what a worker does next: take a partition, meter a little, or merge what is remembered."""
    if not meter.holdings or rng.random() < 0.4:
        await meter.assign(rng.randrange(meter.events.partitions))
    elif rng.random() < 0.2:
        holding = meter.holdings[rng.choice(list(meter.holdings))]
        if holding.memory is not None:
            try:
                await actions.merge(meter.connection, holding.memory, holding.partition, holding.epoch)
            except FencedError:
                meter.drop([holding.partition])
    else:
        try:
            await meter.step(events=rng.choice([5, 100, 1000]))
        except FencedError:
            meter.drop(list(meter.holdings))


async def test_all_that_is_remembered_is_in_one_place(world: World) -> None:
    """After splitting, merging and meeting again, runs of both shapes are asked: nothing is counted twice."""
    meter = await everything(world)
    for count in (9, 3, 12, 2, 3):
        await send(world, (await current(world)), numbered(range(0, 300, 2)))
        await repartition(world.connection, world.log, count)
        for partition in range(world.log.partitions):
            await meter.assign(partition)
        await send(world, (await current(world)), numbered(range(300)))
        await drain(world, meter)
    await world.check()
    assert await metering.runs(world.connection, world.log.space, 0, 4096)


async def current(world: World) -> Routing:
    """Return the routing in force."""
    from winkel.store import routing

    return (await routing.current(world.connection, world.log.name)).active
