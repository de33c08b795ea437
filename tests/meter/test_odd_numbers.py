"""One event must not take the others of its record with it; an instant keeps its hour."""

from datetime import UTC, datetime

import pytest

from meter.blocks import event
from meter.conftest import World
from winkel.ingest.check import ARRAY, all_or_none, check

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("zero", ['"0e999999"', "0e999999", '"-0E+999994"'])
async def test_a_zero_with_a_huge_exponent_takes_no_other_event_with_it(world: World, zero: str) -> None:
    """The gateway accepts it, so that its neighbours are acknowledged too: they have to be counted."""
    odd = event("odd", f'{{"n": {zero}, "g": "a", "h": "b"}}')
    body = b'[{"transaction_id":"odd","customer_id":"acme","event_type":"call","timestamp":"2026-01-15T12:00:00Z",'
    body += b'"properties":' + bytes(odd.properties) + b"}]"
    assert all_or_none(check(body, ARRAY, odd.timestamp, 100)) == [odd], "it is acknowledged"

    await world.send([odd, *(event(number, {"n": 1, "g": "a", "h": "b"}) for number in range(30))])
    meter = await world.meter()
    for partition in range(3):
        await meter.assign(partition)
    while await meter.step():
        pass
    rows = await (await world.connection.execute("SELECT reason, detail, events FROM dead_letter")).fetchall()
    assert not rows, rows
    assert (await world.counts())["counted"] == 31


def test_an_instant_stays_in_its_hour() -> None:
    """Go writes nine digits, and the last instant of a month is written with nines."""
    now = datetime(2026, 2, 1, 12, tzinfo=UTC)
    body = b'[{"transaction_id":"a","customer_id":"b","event_type":"c","timestamp":"2026-01-31T23:59:59.999999999Z"}]'
    (found,) = all_or_none(check(body, ARRAY, now, 1))
    assert (found.timestamp.month, found.timestamp.hour) == (1, 23)
