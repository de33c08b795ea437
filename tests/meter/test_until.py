"""When a period may be closed, as the bill worker asks it (`metered_until`)."""

import pytest

from meter.conftest import World
from meter.test_repartition import drain, everything, numbered, send
from winkel.bill.worker import metered_until
from winkel.fleet.actions import repartition
from winkel.model.routing import first

pytestmark = pytest.mark.anyio


async def test_what_was_sent_on_counts_before_a_period_is_closed(world: World, clock) -> None:
    """A record of a gateway that slept was in the log at `at`; the meter appends it anew, behind the ends just read."""
    meter = await everything(world)
    await repartition(world.connection, world.log, 9)
    for partition in range(3, 9):
        await meter.assign(partition)
    await drain(world, meter)
    await send(world, first(3), numbered(range(100)))  # acknowledged to its sender before `at`
    original = world.log.bounds

    async def bounds():
        found = await original()
        await meter.step()  # the meter's next batch: it sends the records on, and passes their old places
        return found

    world.log.bounds = bounds
    until = await metered_until([world.connection], world.log, clock())
    assert until is None or await world.usage() == world.oracle.usage, "the bill worker would finalize now"
