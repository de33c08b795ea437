"""The events of every benchmark: an AI company's calls, made ahead of time, with their exact sums.

1,000 customers, 8 models, uniformly random (the worst case for batching); 2 % of the events are exact copies of an
earlier one; about 250 bytes of JSON each, with five properties.
"""

from collections.abc import Iterator

import numpy as np
import zstandard
from msgspec import Struct
from numpy.typing import NDArray

CUSTOMERS = 1000
MODELS = ("gpt-x", "gpt-x-mini", "opal-4", "opal-4-lite", "quartz", "quartz-long", "embed-s", "embed-l")
REGIONS = ("eu-west-1", "us-east-1", "us-west-2", "ap-south-1")
DUPLICATES = 0.02
EVENT_TYPE = "llm.completion"
ZSTD_LEVEL = 1


def customer(index: int) -> str:
    """Return the ingest alias of a customer."""
    return f"customer-{index:04d}"


class Workload(Struct, frozen=True, kw_only=True):
    """Events as columns: row i is the i-th event on the wire."""

    seed: int
    customers: NDArray[np.uint16]
    models: NDArray[np.uint8]
    input_tokens: NDArray[np.int32]
    output_tokens: NDArray[np.int32]
    copied_from: NDArray[np.int64]
    """The row whose exact copy this is; −1: an original."""
    first_microsecond: int
    """The time of the first event, since 1970; the next ones follow as the rate says."""
    per_second: float

    def __len__(self) -> int:
        return len(self.customers)


def make(count: int, *, seed: int, first_microsecond: int, per_second: float) -> Workload:
    """Return `count` events that happen evenly from an instant on."""
    random = np.random.default_rng(seed)
    copied_from = np.full(count, -1, np.int64)
    copies = np.flatnonzero(random.random(count) < DUPLICATES)
    copies = copies[copies > 0]
    earlier = (random.random(len(copies)) * copies).astype(np.int64)
    for copy, original in zip(copies.tolist(), earlier.tolist(), strict=True):
        source = copied_from[original]
        copied_from[copy] = original if source < 0 else source
    columns = {
        "customers": random.integers(0, CUSTOMERS, count, np.uint16),
        "models": random.integers(0, len(MODELS), count, np.uint8),
        "input_tokens": random.integers(1, 8000, count, np.int32),
        "output_tokens": random.integers(1, 2000, count, np.int32),
    }
    for column in columns.values():
        column[copies] = column[copied_from[copies]]
    return Workload(
        seed=seed, copied_from=copied_from, first_microsecond=first_microsecond, per_second=per_second, **columns
    )


def lines(work: Workload, low: int, high: int) -> list[str]:
    """Return rows [low, high) as JSON texts, without newlines inside."""
    row = np.arange(low, high)
    row = np.where(work.copied_from[low:high] >= 0, work.copied_from[low:high], row)
    micros = work.first_microsecond + (row * (1e6 / work.per_second)).astype(np.int64)
    times = np.datetime_as_string(micros.astype("datetime64[us]"), unit="ms").tolist()
    region = (row % len(REGIONS)).tolist()
    return [
        f'{{"transaction_id":"{first:016x}{second:016x}",'
        f'"customer_id":"customer-{customer:04d}","event_type":"{EVENT_TYPE}","timestamp":"{time}Z",'
        f'"properties":{{"model":"{MODELS[model]}","input_tokens":{given},"output_tokens":{made},'
        f'"region":"{REGIONS[place]}","cached":false}}}}'
        for first, second, customer, model, given, made, time, place in zip(
            scramble(row, work.seed).tolist(),
            scramble(row, ~work.seed).tolist(),
            work.customers[low:high].tolist(),
            work.models[low:high].tolist(),
            work.input_tokens[low:high].tolist(),
            work.output_tokens[low:high].tolist(),
            times,
            region,
            strict=True,
        )
    ]


def scramble(row: NDArray[np.int64], seed: int) -> NDArray[np.uint64]:
    """Return 64 bits a row that look random and never repeat (SplitMix64): ids that do not compress, as real ones."""
    bits = row.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed * 0xBF58476D1CE4E5B9 & (1 << 64) - 1)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def bodies(work: Workload, batch: int, *, form: str) -> Iterator[bytes]:
    """Return the request bodies, `batch` events each: "ndjson" (zstd) for our own route, "json" for /v1/ingest."""
    compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL)
    for low in range(0, len(work), batch):
        texts = lines(work, low, min(low + batch, len(work)))
        if form == "ndjson":
            yield compressor.compress("\n".join(texts).encode())
        else:
            yield f"[{','.join(texts)}]".encode()


class Expected(Struct, frozen=True):
    """The exact answer: [customer, model] → events, input tokens, output tokens."""

    counts: NDArray[np.int64]
    input_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]
    duplicates: int

    def __add__(self, other: "Expected") -> "Expected":
        return Expected(
            self.counts + other.counts,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.duplicates + other.duplicates,
        )


def expected(work: Workload, sent: int) -> Expected:
    """Return what the first `sent` rows add up to. Copies follow their originals, so every original is among them."""
    original = np.flatnonzero(work.copied_from[:sent] < 0)
    cell = work.customers[original].astype(np.int64) * len(MODELS) + work.models[original]
    size = CUSTOMERS * len(MODELS)

    def add(column: NDArray[np.int32]) -> NDArray[np.int64]:
        sums = np.zeros(size, np.int64)
        np.add.at(sums, cell, column[original])
        return sums.reshape(CUSTOMERS, len(MODELS))

    return Expected(
        np.bincount(cell, minlength=size).reshape(CUSTOMERS, len(MODELS)),
        add(work.input_tokens),
        add(work.output_tokens),
        sent - len(original),
    )
