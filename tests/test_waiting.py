"""To wait for a while, whatever else happens meanwhile."""

import asyncio

import pytest

from winkel.waiting import wait

pytestmark = pytest.mark.anyio


async def test_it_ends_with_the_event_or_with_the_time() -> None:
    """An event that never comes ends nothing; its time does."""
    event = asyncio.Event()
    await wait(event, 0.001)
    await wait(event, -1)
    waiting = asyncio.create_task(wait(event, 60))
    await asyncio.sleep(0)
    event.set()
    async with asyncio.timeout(5):
        await waiting


async def test_a_cancellation_at_the_very_moment_of_the_event_counts() -> None:
    """Who cancels a task waits for its end: one that went on would never let them go."""
    event = asyncio.Event()
    waiting = asyncio.create_task(wait(event, 60))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    event.set()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
