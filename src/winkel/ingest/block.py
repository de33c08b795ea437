"""Events → blocks of columns, one for each partition: what the log keeps and the meter reads."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zlib import crc32

import msgspec
import numpy as np
from msgspec import UNSET, Raw, Struct
from numpy.typing import NDArray

from winkel.model.batch import BUCKETS, EventBlock
from winkel.model.event import Event
from winkel.model.routing import Routing

_msgpack = msgspec.msgpack.Encoder()
_LAST_FOUR = np.arange(4, 0, -1)
_NOTHING = Raw(b"{}")
# Odd constants that spread the parts of a fingerprint over 64 bits (those of SplitMix64 and xxHash).
_MIX = [np.uint64(each) for each in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0xC2B2AE3D27D4EB4F)]


def blocks(tenant_id: int, events: Sequence[Event], secret: bytes, routing: Routing) -> list[tuple[int, EventBlock]]:
    """Return the events of one tenant as one block for each partition that has any, in the order of the partitions.

    Events keep their order within a partition, so the first of two with the same identity stays the first. Properties
    must be JSON objects (`ingest/check.py`).
    """
    if not events:
        return []
    keys = np.frombuffer(identities(tenant_id, events, secret), dtype=np.uint8).reshape(-1, 16)
    routes = partitions_of(keys, routing)
    order = np.argsort(routes, kind="stable")
    found, starts = np.unique(routes[order], return_index=True)
    timestamps = microseconds([event.timestamp for event in events])
    result = []
    for partition, rows in zip(found.tolist(), np.split(order, starts[1:]), strict=True):
        members = events if len(found) == 1 else [events[row] for row in rows.tolist()]
        result.append((partition, _block(tenant_id, members, keys[rows].tobytes(), timestamps[rows])))
    return result


class Keying(Struct, frozen=True):
    """How the identities of events that nobody routed are made, so that they lie where their partition looks."""

    secret: bytes
    bucket_low: int
    bucket_high: int
    """Buckets [low, high) are the partition's."""


def block_within(tenant_id: int, events: Sequence[Event], keying: Keying) -> EventBlock:
    """Return events of one partition, one at least, as a block whose keys lie in that partition's buckets.

    The bucket of a key, its first 12 bits, becomes the one that stands as far into the range as it did among all.
    """
    keys = np.frombuffer(identities(tenant_id, events, keying.secret), np.uint8).reshape(-1, 16).copy()
    buckets = keying.bucket_low + _buckets(keys) * (keying.bucket_high - keying.bucket_low) // BUCKETS
    keys[:, 0] = buckets >> 4
    keys[:, 1] = (buckets & 15) << 4 | keys[:, 1] & 15
    return _block(tenant_id, events, keys.tobytes(), microseconds([event.timestamp for event in events]))


def split(block: EventBlock, routing: Routing) -> list[tuple[int, EventBlock]]:
    """Return a block as one block for each partition to which its events belong."""
    routes = partitions_of(np.frombuffer(block.keys, np.uint8).reshape(-1, 16), routing)
    return [(partition, _rows(block, np.flatnonzero(routes == partition))) for partition in np.unique(routes).tolist()]


def halves(block: EventBlock) -> tuple[EventBlock, EventBlock]:
    """Return a block of several events as two, the first events and the others."""
    rows = np.arange(len(block))
    return _rows(block, rows[: len(rows) // 2]), _rows(block, rows[len(rows) // 2 :])


def _rows(block: EventBlock, rows: NDArray[np.int64]) -> EventBlock:
    """Return some of a block's events. It keeps the dictionaries as they are."""
    columns = {
        name: np.frombuffer(getattr(block, name), kind)[rows].tobytes()
        for name, kind in (
            ("keys", "S16"), ("fingerprints", "<u4"), ("timestamps", "<i8"), ("customer_codes", "<u4"),
            ("event_type_codes", "<u4"), ("source_codes", "<u4"),
        )
    }  # fmt: skip
    lines = block.properties.split(b"\n")
    return msgspec.structs.replace(
        block,
        **columns,
        transaction_ids=[block.transaction_ids[row] for row in rows.tolist()],
        properties=b"\n".join(lines[row] for row in rows.tolist()),
    )


def identities(tenant_id: int, events: Sequence[Event], secret: bytes) -> bytes:
    """Return 16 bytes for each event: BLAKE2b-128, keyed, of its tenant, source and transaction id.

    Keyed, so that nobody can choose ids that collide. The tenant has a fixed width and the source its length in front;
    the id is the rest: no two different triples are the same bytes.
    """
    copies = {source: _state(tenant_id, source, secret).copy for source in {event.source for event in events}}
    digests = []
    for event in events:
        state = copies[event.source]()
        state.update(event.transaction_id.encode())
        digests.append(state.digest())
    return b"".join(digests)


def _state(tenant_id: int, source: str, secret: bytes) -> Any:
    name = source.encode()
    prefix = tenant_id.to_bytes(8, "big") + len(name).to_bytes(4, "big") + name
    return hashlib.blake2b(prefix, digest_size=16, key=secret)


def partitions_of(keys: NDArray[np.uint8], routing: Routing) -> NDArray[np.int64]:
    """Return the partition of each key (rows of 16 bytes): `Routing.partition_of(bucket_of(key))` for all at once."""
    ranges = np.searchsorted(np.array(routing.lows), _buckets(keys), side="right") - 1
    return np.array(routing.partitions, np.int64)[ranges]


def _buckets(keys: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the bucket of each key: `bucket_of` for all at once."""
    return (keys[:, 0].astype(np.int64) << 4) | (keys[:, 1] >> 4)


def microseconds(times: list[datetime]) -> NDArray[np.int64]:
    """Return the exact microseconds since 1970 of instants from then to 2106.

    Subtracting one datetime from another costs more than hashing an event does. So MessagePack writes them all: six
    bytes for a full second, else ten, and the last four are the seconds. The microseconds we have.
    """
    fractions = np.array([time.microsecond for time in times], dtype=np.int64)
    packed = np.frombuffer(_msgpack.encode(times), dtype=np.uint8)
    widths = np.where(fractions == 0, 6, 10)
    ends = np.cumsum(widths) + (len(packed) - int(widths.sum()))
    seconds = np.ascontiguousarray(packed[ends[:, None] - _LAST_FOUR]).view(">u4")[:, 0]
    return (seconds.astype(np.int64) * 1_000_000 + fractions).astype("<i8")


def _block(tenant_id: int, events: Sequence[Event], keys: bytes, timestamps: NDArray[np.int64]) -> EventBlock:
    customers, customer_codes = _codes([event.customer_id for event in events])
    event_types, event_type_codes = _codes([event.event_type for event in events])
    sources, source_codes = _codes([event.source for event in events])
    properties = [_NOTHING if event.properties is UNSET else event.properties for event in events]
    fingerprints = _fingerprints(
        [_texts(customers)[customer_codes], _texts(event_types)[event_type_codes], _crcs(properties), timestamps]
    )
    return EventBlock(
        tenant_id=tenant_id,
        keys=keys,
        fingerprints=fingerprints.astype("<u4").tobytes(),
        timestamps=timestamps.tobytes(),
        customers=customers,
        customer_codes=customer_codes.tobytes(),
        event_types=event_types,
        event_type_codes=event_type_codes.tobytes(),
        transaction_ids=[event.transaction_id for event in events],
        sources=sources,
        source_codes=source_codes.tobytes(),
        properties=_lines(properties),
    )


def _codes(texts: list[str]) -> tuple[list[str], NDArray[np.uint32]]:
    """Return the distinct texts and, for each text, its place among them."""
    if texts.count(texts[0]) == len(texts):
        return texts[:1], np.zeros(len(texts), dtype="<u4")
    distinct = dict.fromkeys(texts)
    places = dict(zip(distinct, range(len(distinct)), strict=True))
    return list(places), np.fromiter(map(places.__getitem__, texts), dtype="<u4", count=len(texts))


def _crcs(parts: Sequence[bytes] | Sequence[Raw]) -> NDArray[np.uint64]:
    """Return a CRC-32 of each part. It need not be secret: it only tells that something differs."""
    return np.array(list(map(crc32, parts)), dtype=np.uint64)


def _texts(texts: Sequence[str]) -> NDArray[np.uint64]:
    return _crcs([text.encode() for text in texts])


def _fingerprints(parts: Sequence[NDArray[Any]]) -> NDArray[np.uint64]:
    """Return 32 bits of each row of numbers: the same for the same row, in every process, for ever."""
    mixed = np.zeros(len(parts[0]), dtype=np.uint64)
    for part, factor in zip(parts, _MIX, strict=True):
        mixed = (mixed ^ part.astype(np.uint64)) * factor
        mixed ^= mixed >> np.uint64(32)
    return mixed & np.uint64(0xFFFFFFFF)


def _lines(objects: Sequence[Raw]) -> bytes:
    """Return the JSON objects as one line each: a newline inside of one is only white space."""
    lines = b"\n".join(objects)
    if lines.count(b"\n") != len(objects) - 1 or b"\r" in lines:
        lines = b"\n".join(bytes(each).replace(b"\n", b" ").replace(b"\r", b" ") for each in objects)
    return lines
