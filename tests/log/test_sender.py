"""Whoever waits for a producer that is given up hears of it."""

import asyncio

import pytest
from confluent_kafka import KafkaError

from winkel.log.broker import Broker
from winkel.log.sender import Delivery, Line, Sender
from winkel.model.errors import UnavailableError

pytestmark = pytest.mark.anyio
FATAL = KafkaError(KafkaError._FATAL, "out of order", True)


async def test_a_producer_that_is_given_up_leaves_nobody_waiting() -> None:
    """Two appends are under way, an intake's and that of a retried letter; one of them is told of a fatal error."""
    sender = Sender(Broker("127.0.0.1:1", "events"))  # nobody is there any more
    line = await sender._current(-1)
    line.partitions = 2
    first = asyncio.create_task(sender.send([(0, b"one")]))
    await _has(line, 1)
    second = asyncio.create_task(sender.send([(1, b"two")]))
    await _has(line, 2)
    _delivery_of(first).done.set_result(FATAL)
    async with asyncio.timeout(30):
        for each in (first, second):
            with pytest.raises(UnavailableError):
                await each


async def _has(line: Line, messages: int) -> None:
    async with asyncio.timeout(10):
        while len(line.producer) < messages:
            await asyncio.sleep(0.01)


def _delivery_of(task: "asyncio.Task[None]") -> Delivery:
    found = task.get_coro().cr_frame.f_locals["delivery"]  # type: ignore[union-attr]
    assert isinstance(found, Delivery)
    return found
