"""When a period may be closed, as the bill worker asks it (`Closing`)."""

import pytest

from meter.conftest import World
from meter.test_repartition import drain, everything, numbered, send
from winkel.bill.worker import Closing
from winkel.fleet.actions import repartition
from winkel.model.errors import ReplacedError
from winkel.model.log_in_use import LogInUse
from winkel.model.routing import first
from winkel.store import logs

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
    until = await Closing(world.log).until([world.connection], clock())
    assert until is None or await world.usage() == world.oracle.usage, "the bill worker would finalize now"


async def test_a_lag_that_never_ends_delays_and_no_more(world: World, clock) -> None:
    """There is always something in the log that is not metered yet; what was there an instant ago is, soon after."""
    meter, closing, began = await everything(world), Closing(world.log), clock()
    found = []
    for number in range(3):
        await send(world, first(3), numbered([number]))
        found.append(await closing.until([world.connection], clock()))
        clock.move(seconds=3)
        await drain(world, meter)
    assert found == [None, None, began]


async def test_no_period_is_closed_by_a_log_that_is_in_use_no_more(world: World, clock) -> None:
    """A bill that runs on while events move to Kafka finds everything metered in the log that it knows."""
    closing = Closing(world.log)
    await logs.note(world.connection, LogInUse(world.log.name))
    assert await closing.until([world.connection], clock()) == clock()
    await logs.note(world.connection, LogInUse("usage@id", "kafka://a:9092/usage"))
    with pytest.raises(ReplacedError, match="kafka://a:9092/usage now"):
        await closing.until([world.connection], clock())
