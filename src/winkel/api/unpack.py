"""Compressed request bodies: Content-Encoding gzip or zstd, never more than the limit of a plain one."""

import zlib

import zstandard

from winkel.model.errors import InvalidError, TooLargeError, UnsupportedTypeError

_STEP = 256 * 1024
WINDOW_MAX = 8 * 1024 * 1024
"""The most memory that a zstd frame may ask for, in bytes."""
PARTS_MAX = 64
"""The most parts of one body: to begin one copies all that follows it."""


def unpack(data: bytes, encoding: str, limit: int) -> bytes:
    """Return the body as it was before Content-Encoding `encoding`.

    Stops as soon as more than `limit` bytes have come out, so a body that unpacks to gigabytes costs no more than the
    limit: `TooLargeError`. Raises `InvalidError` for a body that is not what the header says, and
    `UnsupportedTypeError` for another encoding.
    """
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        return data
    if name in {"gzip", "x-gzip"}:
        plain = _gunzip(data, limit)
    elif name == "zstd":
        plain = _unzstd(data, limit)
    else:
        raise UnsupportedTypeError(f"this route reads Content-Encoding gzip, zstd and identity, not {encoding}")
    if len(plain) > limit:
        raise TooLargeError(f"the body unpacks to more than {limit} bytes")
    return plain


def _gunzip(data: bytes, limit: int) -> bytes:
    """Return at most `limit` + 1 bytes; a gzip file may consist of several, one after the other."""
    plain = bytearray()
    rest, parts = data, 0
    while rest and len(plain) <= limit:
        parts += 1
        _check_parts(parts)
        member = zlib.decompressobj(wbits=31)
        try:
            plain += member.decompress(rest, limit + 1 - len(plain))
        except zlib.error as error:
            raise InvalidError(f"the body is not gzip: {error}") from None
        if not member.eof and len(plain) <= limit:
            raise InvalidError("the body is not gzip: it ends in the middle")
        rest = member.unused_data
    return bytes(plain)


def _unzstd(data: bytes, limit: int) -> bytes:
    """Return at most `limit` + 1 bytes; there may be several frames, one after the other."""
    try:
        with _zstd().stream_reader(data, read_across_frames=True) as reader:
            size = sum(map(len, iter(lambda: reader.read(_STEP) if reader.tell() <= limit else b"", b"")))
        if size > limit:
            return bytes(limit + 1)
        # The reader does not tell a body that ends in the middle; an object does, but it knows no limit.
        plain: list[bytes] = []
        rest = data
        while rest:
            _check_parts(len(plain) + 1)
            frame = _zstd().decompressobj()
            plain.append(frame.decompress(rest))
            if not frame.eof:
                raise InvalidError("the body is not zstd: it ends in the middle")
            rest = frame.unused_data
    except zstandard.ZstdError as error:
        raise InvalidError(f"the body is not zstd: {error}") from None
    return b"".join(plain)


def _check_parts(parts: int) -> None:
    if parts > PARTS_MAX:
        raise InvalidError(f"the body has more than {PARTS_MAX} compressed parts: make it one")


def _zstd() -> zstandard.ZstdDecompressor:
    return zstandard.ZstdDecompressor(max_window_size=WINDOW_MAX)
