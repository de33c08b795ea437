"""Which events are new: sorted 128-bit keys, compared as columns (streaming.md §3.4–3.6). Pure.

A key is the keyed hash of (tenant, source, transaction id), made by the gateway. It is kept as two unsigned 64-bit
halves, so that NumPy can sort, search and merge it; its first 12 bits are its virtual bucket.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from winkel.meter.numbers import Bools, Ints
from winkel.model.batch import BUCKETS

Words = NDArray[np.uint64]

WIDTH = 2**64 // BUCKETS
"""How many first halves a bucket has."""
KEY_BYTES = 20
"""16 of key and 4 of fingerprint."""
_PACKED = np.dtype([("high", ">u8"), ("low", ">u8"), ("print", ">u4")])
BITS_PER_KEY = 16
HASHES = 5
"""With 16 bits a key in words of 64 bits, 5 hashes let 0.4 % of other keys through (measured)."""


class Keys(Struct, frozen=True):
    """Keys and their fingerprints, as columns of one length."""

    high: Words
    low: Words
    prints: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.high)

    def take(self, where: Any) -> "Keys":
        """Return the keys at the indexes, slice or mask."""
        return Keys(self.high[where], self.low[where], self.prints[where])

    def place(self, bucket_low: int, bucket_high: int) -> slice:
        """Return where those of the buckets [low, high) stand, if they are sorted."""
        first = np.searchsorted(self.high, np.uint64(bucket_low * WIDTH), side="left")
        after = np.searchsorted(self.high, np.uint64(bucket_high * WIDTH - 1), side="right")
        return slice(int(first), int(after))

    def within(self, bucket_low: int, bucket_high: int) -> "Keys":
        """Return those of the buckets [low, high), if they are sorted."""
        return self.take(self.place(bucket_low, bucket_high))

    def pack(self) -> bytes:
        """Return 20 bytes a key: 16 of key and 4 of fingerprint, big-endian, so that their order is the keys' order."""
        packed = np.empty(len(self), _PACKED)
        packed["high"], packed["low"], packed["print"] = self.high, self.low, self.prints
        return packed.tobytes()


def unpack(data: bytes) -> Keys:
    """Return what `Keys.pack` packed."""
    packed = np.frombuffer(data, _PACKED)
    return Keys(packed["high"].astype(np.uint64), packed["low"].astype(np.uint64), packed["print"].astype(np.uint32))


def from_block(keys: bytes, fingerprints: bytes) -> Keys:
    """Return the keys of an `EventBlock`."""
    halves = np.frombuffer(keys, ">u8").reshape(-1, 2).astype(np.uint64)
    return Keys(halves[:, 0], halves[:, 1], np.frombuffer(fingerprints, "<u4").astype(np.uint32))


def join(parts: Sequence[Keys]) -> Keys:
    """Return the keys one after the other."""
    return Keys(
        np.concatenate([each.high for each in parts]),
        np.concatenate([each.low for each in parts]),
        np.concatenate([each.prints for each in parts]),
    )


def order(keys: Keys) -> Ints:
    """Return the indexes that sort the keys; equal keys keep the order in which they came."""
    result = np.argsort(keys.high, kind="stable")
    high, low = keys.high[result], keys.low[result]
    if np.any((high[1:] == high[:-1]) & (low[1:] < low[:-1])):
        return np.lexsort((keys.low, keys.high))
    return result


def merge(parts: Sequence[Keys]) -> Keys:
    """Return one sorted run of several; together they hold what they held apart."""
    joined = join(parts)
    return joined.take(order(joined))


def find(keys: Keys, wanted: Keys) -> Ints:
    """Return, for each wanted key, where it stands among the sorted keys, or −1."""
    result = np.full(len(wanted), -1, np.int64)
    at = np.searchsorted(keys.high, wanted.high)
    open_ = np.arange(len(wanted))
    while len(open_):
        open_ = open_[at[open_] < len(keys)]
        open_ = open_[keys.high[at[open_]] == wanted.high[open_]]
        equal = keys.low[at[open_]] == wanted.low[open_]
        result[open_[equal]] = at[open_[equal]]
        open_ = open_[~equal]
        at[open_] += 1
    return result


class Sorted(Struct, frozen=True):
    """The keys of a batch in order, and the distinct ones among them."""

    order: Ints
    number: Ints
    """By position in that order: which distinct key it is."""
    first: Bools
    """By position in that order: whether it is the first of its key."""
    prints: NDArray[np.uint32]
    """By position in that order."""
    distinct: Keys
    """The distinct keys, sorted, each with the fingerprint of its first event."""


def sort(keys: Keys) -> Sorted:
    """Sort the keys of a batch, which are given in the order of the log: within a batch the first event wins."""
    by = order(keys)
    ordered = keys.take(by)
    first = np.ones(len(keys), np.bool_)
    first[1:] = (ordered.high[1:] != ordered.high[:-1]) | (ordered.low[1:] != ordered.low[:-1])
    return Sorted(by, np.cumsum(first) - 1, first, ordered.prints, ordered.take(first))


class Verdict(Struct, frozen=True):
    """What became of each event of a batch, in the order of the log, and the keys to remember from now on."""

    fresh: Bools
    conflicting: Bools
    """Repeats whose fingerprint is not the first one's: the same id with other content."""
    new: Keys
    """Sorted."""


def judge(batch: Sorted, known: Bools, prints: NDArray[np.uint32]) -> Verdict:
    """Decide, given which distinct keys are remembered and with which fingerprint."""
    fresh = np.zeros(len(batch.order), np.bool_)
    conflicting = np.zeros(len(batch.order), np.bool_)
    isnew = batch.first & ~known[batch.number]
    reference = np.where(known, prints, batch.distinct.prints)
    fresh[batch.order] = isnew
    conflicting[batch.order] = ~isnew & (batch.prints != reference[batch.number])
    return Verdict(fresh, conflicting, batch.distinct.take(~known))


class Sieve(Struct, frozen=True):
    """A register-blocked Bloom filter: each key sets `HASHES` bits of one 64-bit word.

    The word follows from the key's first half *in order*, so that sorted keys walk through memory instead of jumping;
    the bits follow from the second half. Keys are hashes under a secret key: nobody can choose where they fall.
    """

    words: Words
    bucket_low: int
    bucket_high: int

    def holds(self, keys: Keys, bits: Words) -> Bools:
        """Return which keys may be in the set; those it denies are certainly not. `bits` is `bits_of(keys)`."""
        words = self.words[_places(keys.high, len(self.words), self.bucket_low, self.bucket_high)]
        result: Bools = np.equal(words & bits, bits)
        return result


def sieve(keys: Keys, bucket_low: int, bucket_high: int) -> Sieve:
    """Make the filter of a run whose keys lie in the buckets [low, high)."""
    words = np.zeros(max(1, len(keys) * BITS_PER_KEY // 64), np.uint64)
    np.bitwise_or.at(words, _places(keys.high, len(words), bucket_low, bucket_high), bits_of(keys))
    return Sieve(words, bucket_low, bucket_high)


def bits_of(keys: Keys) -> Words:
    """Return the bits that each key sets in its word."""
    result = np.zeros(len(keys), np.uint64)
    for index in range(HASHES):
        result |= np.uint64(1) << ((keys.low >> np.uint64(6 * index)) & np.uint64(63))
    return result


def _places(high: Words, words: int, bucket_low: int, bucket_high: int) -> Ints:
    """Return the word of each key. Keys outside the buckets get some word: they are not in the set anyway."""
    span = (bucket_high - bucket_low) * WIDTH
    shift = max(0, (span - 1).bit_length() - 32)
    share = (high - np.uint64(bucket_low * WIDTH)) >> np.uint64(shift)
    places = share * np.uint64(words) // np.uint64(span >> shift)
    result: Ints = np.minimum(places, np.uint64(words - 1)).astype(np.int64)
    return result
