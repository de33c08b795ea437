"""Bounds of what is accepted: the last that is inside, and the first that is not."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from winkel.ingest.check import ARRAY, check
from winkel.model.event import EVENT_BYTES_MAX, NEWEST, OLDEST

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)


def event(number: int, at: datetime = NOW, properties: str = "{}", **changes: Any) -> str:
    fields = {"transaction_id": f"t-{number}", "customer_id": "c", "event_type": "call", "timestamp": at.isoformat()}
    return json.dumps({**fields, **changes})[:-1] + f', "properties": {properties}}}'


def test_beside_an_invalid_event_the_edges_of_the_window_are_inside() -> None:
    """`thorough` has bounds of its own: _check_window `>` → `>=`."""
    some = [event(1, NOW - OLDEST), event(2, NOW + NEWEST), event(3, customer_id="")]
    checked = check(f"[{','.join(some)}]".encode(), ARRAY, NOW, 10)
    assert [each.index for each in checked.invalid] == [2]


def test_beside_an_invalid_event_one_may_be_as_large_as_the_limit() -> None:
    """`_check_size`: `>` → `>=`."""
    room = EVENT_BYTES_MAX - len("call") - len('{"x":""}')
    some = [event(1, properties=json.dumps({"x": "y" * room}, separators=(",", ":"))), event(2, customer_id="")]
    checked = check(f"[{','.join(some)}]".encode(), ARRAY, NOW, 10)
    assert [each.index for each in checked.invalid] == [1]


@pytest.mark.parametrize("before", range(8))
def test_a_number_of_39_digits_is_refused_wherever_its_point_stands(before: int) -> None:
    """`_may_have_long_numbers`: without the point among the sampled bytes, one number in eight slips through."""
    properties = json.dumps({"a": "x" * before})[:-1] + ', "n": ' + "1" * 20 + "." + "1" * 19 + "}"
    checked = check(f"[{event(1, properties=properties)}]".encode(), ARRAY, NOW, 10)
    assert [each.index for each in checked.invalid] == [0], "39 digits are one too many"
