"""Records that wait for a reader (log/buffer.py)."""

from datetime import UTC, datetime

import pytest

from winkel.log.buffer import RECORD_BYTES, Buffer
from winkel.log.log import Record

AT = datetime(2026, 1, 15, 12, tzinfo=UTC)


def record(offset: int, events: int = 1, span: int = 1) -> Record:
    return Record(1, 0, offset, events, 1, AT, b"x" * 10, span)


def test_looking_takes_nothing_away_and_dropping_does() -> None:
    buffer = Buffer(5)
    for offset in range(5, 9):
        buffer.add(record(offset, events=10))
    assert (buffer.end, buffer.events, buffer.bytes) == (9, 40, 4 * (10 + RECORD_BYTES))
    assert [each.offset for each in buffer.look(6, 20)] == [6, 7]
    assert [each.offset for each in buffer.look(5, 1000)] == [5, 6, 7, 8]
    buffer.drop(7)
    assert (buffer.events, buffer.bytes) == (20, 2 * (10 + RECORD_BYTES))
    assert [each.offset for each in buffer.look(7, 1000)] == [7, 8]
    assert buffer.look(9, 1000) == []


def test_an_offset_is_covered_where_a_record_begins_or_the_next_one_will() -> None:
    buffer = Buffer(5)
    assert buffer.covers(5)
    assert not buffer.covers(4)
    buffer.add(record(5))
    buffer.add(record(6, span=3))
    assert [offset for offset in range(12) if buffer.covers(offset)] == [5, 6, 9]
    buffer.drop(6)
    assert not buffer.covers(5)


def test_a_record_that_does_not_follow_is_refused() -> None:
    buffer = Buffer(5)
    with pytest.raises(AssertionError, match="follow"):
        buffer.add(record(6))
