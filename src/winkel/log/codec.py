"""What a record holds ⇄ its bytes: a version byte, then a block, or messages that are events in JSON.

A block is zstd over MessagePack. Messages are never written to a log: `log/kafka_events.py` makes records of what it
found in somebody else's topic.
"""

import threading
from collections.abc import Sequence

import msgspec
import numpy as np
import zstandard
from msgspec import Struct

from winkel.model.batch import EventBlock

VERSION = 1
"""The first byte of every record; a later format gets another one, and old records stay readable."""
LEVEL = 1
BYTES_MAX = 256 * 1024 * 1024
"""The largest block that is unpacked: an order of magnitude above the largest that is ever written."""

MESSAGES = 2
"""The first byte of a record that is many messages."""


class Messages(Struct, frozen=True, gc=False, array_like=True):
    """Consecutive messages of a topic in which each is one event in JSON."""

    values: Sequence[bytes | None]
    """None is a message without a value."""
    offsets: Sequence[int]
    """Where each stands, counted from the record's own offset; empty: without gaps."""

    def place(self, index: int) -> int:
        """Return where a message stands, counted from the record's own offset."""
        return self.offsets[index] if self.offsets else index


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(EventBlock)
_messages = msgspec.msgpack.Decoder(Messages)
_of_thread = threading.local()  # zstd contexts are dear to make and must not be shared between threads


class CorruptBlockError(ValueError):
    """The bytes are not a block that `encode` made."""


def encode(block: EventBlock) -> bytes:
    """Return the block as the data of a record."""
    return bytes((VERSION,)) + _compressor().compress(_encoder.encode(block))


def decode(data: bytes) -> EventBlock:
    """Return the block of a record. Raises `CorruptBlockError` for anything that `encode` did not make."""
    if not data or data[0] != VERSION:
        raise CorruptBlockError(
            f"unknown block format {data[:1].hex() or 'of no bytes'}; this program reads {VERSION:02}"
        )
    try:
        block = _decoder.decode(_unpack(memoryview(data)[1:]))
    except (zstandard.ZstdError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CorruptBlockError(f"the block cannot be unpacked: {error}") from error
    _check(block)
    return block


def encode_messages(messages: Messages) -> bytes:
    """Return the messages as the data of a record."""
    return bytes((MESSAGES,)) + _encoder.encode(messages)


def messages_in(data: bytes) -> Messages | None:
    """Return the messages that a record holds; None: it holds something else. Raises `CorruptBlockError`."""
    if not data or data[0] != MESSAGES:
        return None
    try:
        found = _messages.decode(memoryview(data)[1:])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise CorruptBlockError(f"the messages cannot be unpacked: {error}") from error
    if len(found.offsets) not in {0, len(found.values)}:
        raise CorruptBlockError(f"{len(found.offsets)} offsets for {len(found.values)} messages")
    return found


def _unpack(frame: memoryview) -> bytes:
    size = zstandard.frame_content_size(frame)
    if not 0 < size <= BYTES_MAX:
        raise CorruptBlockError(f"the block claims to hold {size} bytes")
    unpacked: bytes = _decompressor().decompress(frame, read_across_frames=False, allow_extra_data=False)
    return unpacked


def _check(block: EventBlock) -> None:
    """Raise `CorruptBlockError` unless every column has a value for every event and every code has a text."""
    count = len(block)
    sizes = {
        "keys": (len(block.keys), 16 * count),
        "fingerprints": (len(block.fingerprints), 4 * count),
        "timestamps": (len(block.timestamps), 8 * count),
        "customer_codes": (len(block.customer_codes), 4 * count),
        "event_type_codes": (len(block.event_type_codes), 4 * count),
        "source_codes": (len(block.source_codes), 4 * count),
        "properties": (block.properties.count(b"\n") + 1, max(count, 1)),
    }
    for column, (found, expected) in sizes.items():
        if found != expected:
            raise CorruptBlockError(f"the column {column} is {found} long, not {expected} as {count} events need")
    for codes, texts in (
        (block.customer_codes, block.customers),
        (block.event_type_codes, block.event_types),
        (block.source_codes, block.sources),
    ):
        if count and int(np.frombuffer(codes, "<u4").max()) >= len(texts):
            raise CorruptBlockError("a code points beyond its texts")


def _compressor() -> zstandard.ZstdCompressor:
    try:
        made: zstandard.ZstdCompressor = _of_thread.compressor
    except AttributeError:
        made = _of_thread.compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
    return made


def _decompressor() -> zstandard.ZstdDecompressor:
    try:
        made: zstandard.ZstdDecompressor = _of_thread.decompressor
    except AttributeError:
        made = _of_thread.decompressor = zstandard.ZstdDecompressor()
    return made
