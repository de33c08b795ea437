"""Events that came as messages of somebody else's topic: which count, which are set aside, and whose keys they get."""

from datetime import timedelta
from typing import Any

import msgspec
import numpy as np

from meter.blocks import NOON, SECRET
from winkel.ingest.block import Keying, block_within
from winkel.log import codec
from winkel.log.log import Messages, Record
from winkel.meter.read import Reading, decode, halved
from winkel.model.batch import bucket_of

KEYING = Keying(SECRET, 512, 1024)


def message(number: int, **changes: Any) -> bytes:
    """Return an event in JSON."""
    made = {"transaction_id": f"t-{number}", "customer_id": "acme", "event_type": "call", "timestamp": NOON}
    return msgspec.json.encode(made | {"properties": {"n": number}} | changes)


def record(*values: bytes, offsets: tuple[int, ...] = (), offset: int = 100) -> Record:
    span = offsets[-1] + 1 if offsets else len(values)
    return Record(7, 3, offset, len(values), 1, NOON, Messages.of(values, offsets), span)


def read(*records: Record, tenants: frozenset[int] = frozenset({7})) -> Reading:
    return decode(3, records, records, tenants, KEYING)


def ids(reading: Reading) -> list[str]:
    return [each for arrived in reading.arrived for each in arrived.block.transaction_ids]


def nested(levels: int) -> msgspec.Raw:
    """Return properties of so many levels."""
    return msgspec.Raw(b'{"n":1,"x":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}")


def test_each_message_is_an_event_at_its_own_offset() -> None:
    """Also where a transaction's marker, or what was compacted, left a gap."""
    reading = read(record(message(1), message(2), message(3), offsets=(0, 1, 5)))
    assert ids(reading) == ["t-1", "t-2", "t-3"]
    assert [reading.arrived[0].place(index) for index in range(3)] == [(100, 0), (101, 0), (105, 0)]
    assert (reading.start, reading.end) == (100, 106)
    assert not reading.refused


def test_a_message_that_is_no_event_is_a_dead_letter_and_the_others_count() -> None:
    """Each with its offset, its bytes and what is wrong with it."""
    bad = {
        101: (b"{", "not JSON"),
        103: (b"", "not JSON"),
        104: (message(4, timestamp=NOON - timedelta(days=40)), "more than 34 days ago"),
        105: (message(5) + message(6), "not JSON"),
        106: (message(7, properties=[1]), "object"),
        107: (b"\xff" + message(8), "UTF-8"),
        108: (message(9, properties=msgspec.Raw(b'{"n":1e400}')), "out of range"),
        109: (b'{"transaction_id":"t-1","customer_id":"a\\u0000"}', "required"),
        110: (message(11, properties=nested(65)), "more than 64 levels of objects and arrays: nested too deeply"),
        111: (message(12, properties=nested(5000)), "nested too deeply"),
    }
    values = [bad[at][0] if at in bad else message(at, properties=nested(64)) for at in range(100, 114)]
    reading = read(record(*values))
    assert ids(reading) == [f"t-{at}" for at in range(100, 114) if at not in bad]
    assert [reading.arrived[0].place(index)[0] for index in range(4)] == [100, 102, 112, 113]
    assert {each.offset: each.payload for each in reading.refused} == {at: each[0] for at, each in bad.items()}
    for letter in reading.refused:
        assert bad[letter.offset][1] in letter.detail, letter.detail
        assert (letter.tenant_id, letter.partition, letter.index, letter.events) == (7, 3, 0, 1)
        assert letter.reason == "invalid_event"


def test_two_messages_never_become_one_event() -> None:
    """What is cut in the middle is broken in both halves, whatever they would be together."""
    whole = message(1)
    reading = read(record(whole[:40], whole[40:], message(2)))
    assert ids(reading) == ["t-2"]
    assert [each.offset for each in reading.refused] == [100, 101]


def test_nobody_elses_tenant() -> None:
    """A topic that was given to a tenant who is not there is set aside whole."""
    reading = read(record(message(1)), tenants=frozenset({8}))
    assert not reading.arrived
    assert [(each.tenant_id, each.reason) for each in reading.refused] == [(0, "unknown_tenant")]


def test_messages_that_are_set_aside_whole_are_kept_as_bytes() -> None:
    """They are no block: in a log of ours nobody would take them for one."""
    letter = read(record(message(1), message(2), offsets=(0, 4)), tenants=frozenset()).refused[0]
    assert letter.payload[0] == codec.MESSAGES
    assert msgspec.msgpack.decode(letter.payload[1:])[:2] == [[message(1), message(2)], [0, 4]]
    broken = msgspec.structs.replace(record(message(1)), data=letter.payload)
    assert [each.reason for each in read(broken).refused] == ["undecodable"]


def test_keys_lie_in_the_partitions_buckets_and_stay_the_same() -> None:
    """So that runs and filters of a partition work as ever, and a repeat is found in another record."""
    many = read(record(*(message(number) for number in range(500)))).arrived[0].block.keys
    keys = [many[index : index + 16] for index in range(0, len(many), 16)]
    buckets = [bucket_of(each) for each in keys]
    assert min(buckets) >= 512
    assert max(buckets) < 1024
    assert len(set(buckets)) > 250
    assert len(set(keys)) == 500
    assert read(record(message(17))).arrived[0].block.keys == keys[17]


def test_all_buckets_leave_keys_as_they_are() -> None:
    """A topic of one partition: the same keys as the gateway's."""
    from winkel.ingest.block import identities

    events = [msgspec.json.decode(message(1), type=__import__("winkel.model.event", fromlist=["Event"]).Event)]
    assert block_within(7, events, Keying(SECRET, 0, 4096)).keys == identities(7, events, SECRET)


def test_a_record_of_messages_can_be_halved_until_one_is_left() -> None:
    """Whatever cannot be counted is found without setting its neighbours aside."""
    left = record(message(1), message(2), message(3), offsets=(0, 4, 6))
    first = halved(left)
    assert first is not None
    assert (first.events, first.offset, first.next_offset) == (1, 100, 104)
    assert ids(read(first)) == ["t-1"]
    assert halved(first) is None
    block = read(left).arrived[0].block
    assert halved(msgspec.structs.replace(left, data=codec.encode(block))) is None
    assert np.frombuffer(block.timestamps, "<i8")[0] == int(NOON.timestamp() * 1e6)
