"""Of few events, a large request takes as much of its tenant's turn as many small ones (ingest/actions.py)."""

import asyncio
from datetime import UTC, datetime

import pytest

from ingest.test_actions import SlowLog, routes, settle
from winkel.ingest.actions import EVENT_BYTES, EVENTS_PER_APPEND, Intake
from winkel.model.event import Event

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)


async def test_one_append_takes_a_bounded_number_of_bytes() -> None:
    """Three requests of one event each, of which one alone is as dear as a whole append."""
    log = SlowLog()
    intake = Intake(log, routes(log), flush_seconds=0)
    some = [[Event(f"t-{number}", "c", "e", NOW)] for number in range(4)]
    first = asyncio.create_task(intake.accept(1, some[0], 10))
    await settle()
    others = [asyncio.create_task(intake.accept(1, each, EVENTS_PER_APPEND * EVENT_BYTES)) for each in some[1:]]
    await settle()
    log.go.set()
    await asyncio.gather(first, *others)
    assert log.appends == [1, 1, 1, 1], "they did not share one append"
