"""Columns hold exactly the events, and identities are what they must be."""

import json
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET, Raw

from winkel.ingest.block import blocks, identities, microseconds
from winkel.ingest.rows import events_at, rows_of
from winkel.log import codec
from winkel.model.batch import bucket_of
from winkel.model.event import Event
from winkel.model.period import EPOCH
from winkel.model.routing import first

SECRET = bytes(range(16))
NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=12)
times = st.integers(0, 136 * 365 * 86_400 * 10**6).map(lambda each: EPOCH + timedelta(microseconds=each)) | st.integers(
    0, 10**9
).map(lambda each: EPOCH + timedelta(seconds=each))
properties = st.dictionaries(text, st.integers() | text, max_size=3).map(lambda each: Raw(json.dumps(each).encode()))
events = st.builds(
    Event,
    transaction_id=text,
    customer_id=st.sampled_from(["a", "b"]) | text,
    event_type=st.sampled_from(["x", "y"]),
    timestamp=times,
    properties=st.just(UNSET) | properties,
    source=st.sampled_from(["", "s"]),
)


def made(transaction_id: str = "t", **changes: object) -> Event:
    return msgspec.structs.replace(Event(transaction_id, "c", "e", NOW, Raw(b'{"a": 1}')), **changes)


@given(st.lists(events, min_size=1, max_size=30), st.integers(1, 8))
@settings(max_examples=100)
def test_blocks_hold_every_event_once_in_its_own_partition(given_events: list[Event], partitions: int) -> None:
    """What goes in comes out through the codec: each event in the partition of its key, order kept within it."""
    found: dict[int, list[Event]] = {}
    for partition, made_block in blocks(3, given_events, SECRET, first(partitions)):
        block = codec.decode(codec.encode(made_block))
        assert block.tenant_id == 3
        rows = events_at(block, range(len(block)))
        assert block.keys == identities(3, rows, SECRET)
        for row in range(len(block)):
            key = block.keys[16 * row : 16 * row + 16]
            assert first(partitions).partition_of(bucket_of(key)) == partition
        found[partition] = list(rows)
    keys = identities(3, given_events, SECRET)
    routes = [first(partitions).partition_of(bucket_of(keys[16 * n : 16 * n + 16])) for n in range(len(given_events))]
    expected: dict[int, list[Event]] = {}
    for route, event in zip(routes, given_events, strict=True):
        whole = event if event.properties is not UNSET else msgspec.structs.replace(event, properties=Raw(b"{}"))
        expected.setdefault(route, []).append(whole)
    assert found == expected


@given(st.lists(times, min_size=1, max_size=20))
def test_timestamps_are_exact(instants: list[datetime]) -> None:
    """Microseconds since 1970, in any time zone, without a float."""
    assert microseconds(instants).tolist() == [(each - EPOCH) // timedelta(microseconds=1) for each in instants]


def test_timestamps_with_an_offset_are_the_same_instant() -> None:
    """13:00+01:00 is 12:00 UTC."""
    local = msgspec.json.decode(b'"2026-01-15T13:00:00.000001+01:00"', type=datetime)
    assert microseconds([local, NOW]).tolist() == [1_768_478_400_000_001, 1_768_478_400_000_000]


def test_an_identity_is_tenant_source_and_id_as_separate_fields() -> None:
    """Moving a character from one field to the next gives another identity; nothing else does."""
    one = identities(1, [made("bc", source="a")], SECRET)
    assert one != identities(1, [made("c", source="ab")], SECRET)
    assert one != identities(1, [made("abc", source="")], SECRET)
    assert one != identities(2, [made("bc", source="a")], SECRET)
    assert one != identities(1, [made("bc", source="a")], SECRET[::-1])
    other = made("bc", source="a", customer_id="x", event_type="y", timestamp=NOW - timedelta(1), properties=UNSET)
    assert one == identities(1, [other], SECRET)
    assert len(one) == 16


def test_identities_never_change() -> None:
    """Keys are kept for 34 days and compared with those of later versions of this program."""
    key = identities(1, [made("bc", source="a")], SECRET)
    assert key.hex() == "84c4eebdc2a579cfa619abaef4227d58"
    [(_, block)] = blocks(1, [made("bc", source="a")], SECRET, first(1))
    assert block.fingerprints.hex() == "4f287f13"


def test_a_fingerprint_tells_any_other_content() -> None:
    """Customer, type, time and properties are all part of it; the id and the source are not."""
    same = [made("1"), made("2", source="s")]
    other = [
        made("3", customer_id="d"),
        made("4", event_type="f"),
        made("5", timestamp=NOW + timedelta(microseconds=1)),
        made("6", properties=Raw(b'{"a": 2}')),
        made("7", customer_id="e", event_type="c"),
    ]
    [(_, block)] = blocks(1, same + other, SECRET, first(1))
    values = np.frombuffer(block.fingerprints, "<u4").tolist()
    assert values[0] == values[1]
    assert len(set(values)) == 6


def test_a_newline_in_properties_is_only_white_space() -> None:
    """Each event is one line, whatever white space its properties had."""
    events = [made("1", properties=Raw(b'{\r\n"a":\n1}')), made("2", properties=UNSET)]
    [(_, block)] = blocks(1, events, SECRET, first(1))
    assert block.properties == b'{  "a": 1}\n{}'


def test_rows_are_found_by_any_field() -> None:
    """The newest first; an unknown text matches nothing."""
    batch = [made("1"), made("2", customer_id="d"), made("3", event_type="f"), made("4")]
    [(_, block)] = blocks(1, batch, SECRET, first(1))

    def rows(customer_id: str | None = None, event_type: str | None = None, transaction_id: str | None = None) -> list:
        return rows_of(block, customer_id=customer_id, event_type=event_type, transaction_id=transaction_id)

    assert rows() == [3, 2, 1, 0]
    assert rows(customer_id="c") == [3, 2, 0]
    assert rows(customer_id="c", event_type="f") == [2]
    assert rows(transaction_id="2") == [1]
    assert rows(customer_id="nobody") == []


def test_rows_of_a_customer_s_id_are_found_in_capitals_too() -> None:
    """A UUID means the same in either; any other text is another customer's."""
    small = "0f8fad5b-d9cb-469f-a165-70867728950e"
    batch = [made(str(number), customer_id=each) for number, each in enumerate((small, small.upper(), "c", "C"))]
    [(_, block)] = blocks(1, batch, SECRET, first(1))
    for customer_id, rows in ((small, [1, 0]), (small.upper(), [1, 0]), ("c", [2])):
        assert rows_of(block, customer_id=customer_id, event_type=None, transaction_id=None) == rows


def test_nothing_makes_no_block() -> None:
    """Without events there are no blocks."""
    assert blocks(1, [], SECRET, first(4)) == []
