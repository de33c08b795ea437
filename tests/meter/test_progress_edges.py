"""What `log_progress` says of owners and of the dead."""

import pytest

from meter.blocks import event
from meter.conftest import World
from winkel.model.progress import Move
from winkel.store import progress

pytestmark = pytest.mark.anyio


async def test_whoever_lost_a_partition_gives_no_sign_for_it(world: World) -> None:
    """store/progress.sql, heartbeat: `AND epoch = …`. Or else a zombie believes that it owns it, and keeps it alive."""
    before = await (await world.meter("one")).assign(0)
    now = await (await world.meter("two")).assign(0)
    name = world.log.name
    assert await progress.heartbeat(world.connection, name, {0: before.epoch}) == set()
    assert await progress.heartbeat(world.connection, name, {0: now.epoch}) == {0}


async def test_a_batch_that_was_counted_is_not_being_tried_any_more(world: World) -> None:
    """store/progress.sql, advance: `trying_until = NULL`. Or else the next death is blamed on what was counted."""
    await world.send([event(1)])
    holding = await (await world.meter("one")).assign(0)
    name = world.log.name
    assert await progress.try_until(world.connection, name, 0, holding.epoch, 1)
    async with world.connection.transaction():
        assert await progress.advance(world.connection, name, [Move(0, holding.epoch, 0, 1)])
    (found,) = [each for each in await progress.everything(world.connection, name) if each.partition == 0]
    assert (found.next_offset, found.trying_until) == (1, None)
