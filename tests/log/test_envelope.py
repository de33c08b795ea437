"""What a Kafka message of ours holds, and what becomes of others (log/envelope.py)."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winkel.log import codec, envelope
from winkel.log.envelope import NOBODY
from winkel.log.log import NewRecord

AT = datetime(2026, 1, 15, 12, tzinfo=UTC)
whole = st.integers(0, 2**31 - 1)


@given(whole, whole, whole, st.binary())
def test_a_record_comes_back_as_it_was(tenant_id: int, events: int, routing: int, data: bytes) -> None:
    value = envelope.seal(NewRecord(tenant_id, 3, events, data, routing))
    record = envelope.opened(value, 3, 17, AT)
    assert (record.tenant_id, record.events, record.routing, record.data) == (tenant_id, events, routing, data)
    assert (record.partition, record.offset, record.next_offset, record.appended_at) == (3, 17, 18, AT)


@given(st.none() | st.binary().filter(lambda value: not value.startswith(envelope.MAGIC)))
def test_what_is_not_ours_is_nobodys_and_loses_no_byte(value: bytes | None) -> None:
    record = envelope.opened(value, 0, 5, AT)
    assert (record.tenant_id, record.events, record.routing, record.next_offset) == (NOBODY, 1, 0, 6)
    assert record.data == (value or b"")


@pytest.mark.parametrize("value", [b"", b"W", b"W\x01", b"W\x01" + b"\x00" * 11, b"W\x02" + b"\x00" * 12, b"{}"])
def test_a_cut_or_strange_head_is_not_ours_and_never_decodes(value: bytes) -> None:
    record = envelope.opened(value, 0, 0, AT)
    assert record.tenant_id == NOBODY
    with pytest.raises(codec.CorruptBlockError):
        codec.decode(record.data)
