"""Letters of messages that came by somebody else's topic: what a retry says is done, is done."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from letters.conftest import CALLS, Desk
from letters.test_actions import retry
from meter.blocks import NOON
from winkel.ingest.block import Keying
from winkel.log.log import Messages, Record
from winkel.meter.decide import CRASHED, UNCOUNTABLE
from winkel.meter.read import decode, refuse
from winkel.model.errors import InvalidError
from winkel.store import metering, usage

pytestmark = pytest.mark.anyio


def message(number: int, timestamp: str = NOON.isoformat()) -> bytes:
    made = {"transaction_id": f"t-{number}", "customer_id": "acme", "event_type": "call", "timestamp": timestamp}
    return json.dumps(made | {"properties": {"n": 5, "model": "m"}}).encode()


def outside(desk: Desk, *values: bytes) -> Record:
    """Return a record as `EventFetcher` makes it."""
    return Record(desk.tenant_id, 0, 100, len(values), 1, NOON, Messages.of(values), len(values))


@pytest.mark.parametrize("reason", [CRASHED, UNCOUNTABLE])
async def test_messages_that_were_set_aside_unread_are_counted_by_a_retry(desk: Desk, reason: str) -> None:
    """`winkel dead-letters retry --all --reason crashed_the_meter` has them counted, once."""
    reading = refuse(0, outside(desk, *map(message, range(3))), {desk.tenant_id}, reason, "6 meters died of it")
    await metering.copy_dead_letters(desk.owner, "their-topic@x", reading.refused)
    (letter,) = await desk.letters()
    outcome = await retry(desk, letter)
    await desk.drain()
    assert outcome.resolved, outcome.said
    assert [each.reason for each in await desk.letters()] == [], "and it is not a dead letter again"
    assert await desk.used(CALLS.id) == {(): 3}


@pytest.mark.parametrize("timestamp", ["0001-01-01T00:00:00Z", "1969-12-31T23:00:00Z", "2200-01-01T00:00:00Z"])
async def test_a_retry_never_moves_usage_into_another_hour(desk: Desk, timestamp: str) -> None:
    """Go's zero time is no event of 2042: it stays, or it is counted where it says."""
    keying = Keying(desk.log.secret, 0, 4096)
    record = outside(desk, message(1, timestamp))
    reading = decode(0, [record], [record], {desk.tenant_id}, keying)
    assert [each.reason for each in reading.refused] == ["invalid_event"]
    await metering.copy_dead_letters(desk.owner, "their-topic@x", reading.refused)
    (letter,) = await desk.letters()
    outcome = await retry(desk, letter)
    await desk.drain()
    rows = await usage.hours(desk.owner, desk.tenant_id, ["acme"], [CALLS.id], {}, -(2**31), 2**31 - 1)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    wanted = (datetime.fromisoformat(timestamp) - epoch) // timedelta(hours=1)
    found = [(epoch + timedelta(hours=each.hour)).isoformat() for each in rows[CALLS.id]]
    assert [each.hour for each in rows[CALLS.id]] in ([], [wanted]), (outcome.said, found)


async def test_an_odd_instant_leaves_its_neighbours_alone(desk: Desk) -> None:
    """Of a replacement of several events each is counted in its own hour."""
    record = outside(desk, b"no event")
    reading = refuse(0, record, {desk.tenant_id}, UNCOUNTABLE, "")
    await metering.copy_dead_letters(desk.owner, "their-topic@x", reading.refused)
    (letter,) = await desk.letters()
    text = b"[" + message(1) + b"," + message(2, "1969-12-31T23:00:00Z") + b"]"
    with pytest.raises(InvalidError, match="no instant that can be billed"):
        await retry(desk, letter, text)
    await desk.drain()
    assert await desk.used(CALLS.id) == {}
