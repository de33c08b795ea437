"""Blocks ⇄ the bytes of records: a version byte, then zstd over MessagePack.

Messages of somebody else's topic (`log/kafka_events.py`) are in records as they are, and never written to a log; where
bytes are kept of a record that was set aside, they are MessagePack under a version byte of their own.
"""

import threading

import msgspec
import numpy as np
import zstandard

from winkel.log.log import Messages
from winkel.model.batch import EventBlock

VERSION = 1
"""The first byte of every record; a later format gets another one, and old records stay readable."""
LEVEL = 1
BYTES_MAX = 256 * 1024 * 1024
"""The largest block that is unpacked: an order of magnitude above the largest that is ever written."""

MESSAGES = 2
"""The first byte of what is kept of many messages."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(EventBlock)
_of_thread = threading.local()  # zstd contexts are dear to make and must not be shared between threads


class CorruptBlockError(ValueError):
    """The bytes are not a block that `encode` made."""


def encode(block: EventBlock) -> bytes:
    """Return the block as the data of a record."""
    return bytes((VERSION,)) + _compressor().compress(_encoder.encode(block))


def decode(data: bytes | Messages) -> EventBlock:
    """Return the block of a record. Raises `CorruptBlockError` for anything that `encode` did not make."""
    if isinstance(data, Messages):
        raise CorruptBlockError("messages of a topic are no block")
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


def kept(data: bytes | Messages) -> bytes:
    """Return what a record holds as bytes that can be kept."""
    return bytes((MESSAGES,)) + _encoder.encode(data) if isinstance(data, Messages) else data


def messages(data: bytes) -> Messages | None:
    """Return the messages that `kept` kept; None: it kept something else."""
    return msgspec.msgpack.decode(memoryview(data)[1:], type=Messages) if data[:1] == bytes((MESSAGES,)) else None


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
