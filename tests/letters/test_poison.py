"""Whatever stands in a record, whoever wrote it to the log: it is set aside with a reason, and the rest counts."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from letters.conftest import CALLS, TOKENS, Desk
from meter.blocks import NOON, event
from winkel.ingest.block import blocks
from winkel.letters import actions
from winkel.log import codec
from winkel.log.log import NewRecord
from winkel.model.batch import EventBlock
from winkel.model.routing import first

pytestmark = pytest.mark.anyio


def block_of(desk: Desk, properties: bytes | None = None, number: int = 1) -> EventBlock:
    """Return a block of one event, with these bytes for its properties."""
    sound = event(number, {"n": 1, "model": "m"})
    ((_, block),) = blocks(desk.tenant_id, [sound], desk.log.secret, first(1))
    return block if properties is None else msgspec.structs.replace(block, properties=properties)


def changed(**columns: Any) -> Callable[[Desk], bytes]:
    return lambda desk: codec.encode(msgspec.structs.replace(block_of(desk), **columns))


RECORDS: dict[str, tuple[Callable[[Desk], bytes], str]] = {
    "no bytes": (lambda _: b"", "undecodable"),
    "wrong magic byte": (lambda desk: b"\x09" + codec.encode(block_of(desk))[1:], "undecodable"),
    "cut off": (lambda desk: codec.encode(block_of(desk))[:-5], "undecodable"),
    "a flipped byte": (lambda desk: flipped(codec.encode(block_of(desk))), "undecodable"),
    "not compressed": (lambda desk: b"\x01" + msgspec.msgpack.encode(block_of(desk)), "undecodable"),
    "another shape": (lambda _: b"\x01" + packed(msgspec.msgpack.encode({"events": []})), "undecodable"),
    "text": (lambda _: b'[{"transaction_id": "1"}]', "undecodable"),
    "too few keys": (changed(keys=b""), "undecodable"),
    "too few lines": (changed(properties=b"{}\n{}"), "undecodable"),
    "a code beyond its texts": (changed(customers=()), "undecodable"),
    "another tenant's block": (changed(tenant_id=99), "other_tenant"),
    "a time beyond the calendar": (changed(timestamps=(2**63 - 1).to_bytes(8, "little")), "uncountable"),
    "a time before the calendar": (
        changed(timestamps=(-(2**63)).to_bytes(8, "little", signed=True)), "uncountable"
    ),
}  # fmt: skip


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0x40]) + data[middle + 1 :]


def packed(data: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor().compress(data)


@pytest.mark.parametrize("name", RECORDS)
async def test_a_poisoned_record_is_set_aside_alone(desk: Desk, name: str) -> None:
    """One letter, with its place and all its bytes; what stands before and behind it is counted; a retry works."""
    make, reason = RECORDS[name]
    data = make(desk)
    sound = [codec.encode(block_of(desk, number=number)) for number in (10, 11, 12)]
    records = [NewRecord(desk.tenant_id, 0, 1, each) for each in (sound[0], data, *sound[1:])]
    await desk.append(*records)
    (letter,) = await desk.letters()
    assert (letter.partition, letter.offset, letter.index, letter.reason) == (0, 1, -1, reason)
    assert letter.payload == data
    assert letter.detail
    assert await desk.used(TOKENS.id) == {("m",): Decimal(3)}
    async with desk.owner.transaction():
        text = msgspec.json.encode([event(20, {"n": 4, "model": "m"})])
        done = await actions.retry(desk.owner, desk.owner, desk.get_log, None, letter.id, at=NOON, correction=text)
    assert done.resolved is (reason != "other_tenant"), done.said
    await desk.drain()
    assert await desk.used(TOKENS.id) == {("m",): Decimal(7 if done.resolved else 3)}


DEEP = b"[" * 10_000 + b"]" * 10_000
PROPERTIES: dict[str, tuple[bytes, str | None]] = {
    "truncated": (b'{"n": 5, "mo', "undecodable"),
    "not UTF-8": (b'{"n": "\xff\xfe"}', "not_a_number"),
    "NaN": (b'{"n": NaN}', "undecodable"),
    "Infinity": (b'{"n": -Infinity}', "undecodable"),
    "10^400": (b'{"n": 1e400}', "number_too_long"),
    "400 digits": (b'{"n": ' + b"9" * 400 + b"}", "number_too_long"),
    "5000 digits": (b'{"n": ' + b"9" * 5000 + b"}", "number_too_long"),
    "a fraction of 400 digits": (b'{"n": 0.' + b"1" * 400 + b"}", "number_too_long"),
    "depth 10^4": (b'{"n": ' + DEEP + b"}", "undecodable"),
    "depth 10^4 beside it": (b'{"n": 5, "x": ' + DEEP + b"}", "undecodable"),
    "NUL": (b'{"n": "\\u0000"}', "not_a_number"),
    "half a surrogate": (b'{"n": "\\ud800"}', "undecodable"),
    "an array": (b"[1]", "undecodable"),
    "nothing": (b"", "undecodable"),
    "1 MB": (b'{"n": 5, "x": "' + b"y" * 1_000_000 + b'"}', None),
    "duplicate keys": (b'{"n": 1, "n": 5}', None),
}
"""Properties, and why they cannot be summed; None: n is 5."""


@pytest.mark.parametrize("name", PROPERTIES)
async def test_poisoned_properties_are_set_aside_for_the_metrics_that_need_them(desk: Desk, name: str) -> None:
    """The event is counted by who looks at no property; a correction counts for the others."""
    text, reason = PROPERTIES[name]
    records = [block_of(desk, number=10), block_of(desk, text), block_of(desk, number=11)]
    await desk.append(*[NewRecord(desk.tenant_id, 0, 1, codec.encode(each)) for each in records])
    assert await desk.used(CALLS.id) == {(): 3}
    letters = [each for each in await desk.letters() if each.metric_id in {TOKENS.id, None}]
    if reason is None:
        assert letters == []
        assert sum((await desk.used(TOKENS.id)).values()) == 7
        return
    (letter,) = letters
    assert (letter.partition, letter.offset, letter.index, letter.reason) == (0, 1, 0, reason)
    assert ("nested too deeply" in letter.detail) is name.startswith("depth")
    assert sum((await desk.used(TOKENS.id)).values()) == 2
    whole = {"transaction_id": "1", "customer_id": "acme", "event_type": "call", "timestamp": "2026-01-15T12:00:00Z"}
    fixed = json.dumps({**whole, "properties": {"n": 5, "model": "m"}}).encode()
    async with desk.owner.transaction():
        done = await actions.retry(desk.owner, desk.owner, desk.get_log, None, letter.id, at=NOON, correction=fixed)
    assert done.resolved, done.said
    assert await desk.used(TOKENS.id) == {("m",): Decimal(7)}


async def test_what_claims_any_number_of_events_is_set_aside_too(desk: Desk) -> None:
    """The number comes from whoever wrote the record; on a topic it may be beyond what a column holds."""
    from winkel.log.log import Record
    from winkel.meter.read import refuse

    record = Record(desk.tenant_id, 0, 0, 2**32 - 1, 1, NOON, b"")
    (letter,) = refuse(0, record, {desk.tenant_id}, "undecodable", "half a pair: \ud800").refused
    assert letter.events == 2**31 - 1
    assert letter.detail.encode()
