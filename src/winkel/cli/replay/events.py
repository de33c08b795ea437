"""Rows to events: what they mean, which transaction id they get, and when they happened. Pure.

**Transaction ids are deterministic**, so that running a replay again, or going on after an interruption, bills nothing
twice, as long as ids are remembered: 34 days. With `--id COLUMN` the id is that column's. Without it, it is a hash of
what the row says (customer, event type, timestamp as in the file, properties) and of how many equal rows came before it
in the file. So it does not depend on the name of the file, on the order of its rows, on what was appended to it since,
or on `--shift-to`; two exports that overlap bill their common rows once; and equal rows of one file are billed as often
as they stand in it.
"""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Struct

from winkel.cli.replay.rows import Row, Value
from winkel.model.event import NEWEST, OLDEST

ID_MAX = 128
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Source(Struct, frozen=True):
    """Where a value comes from: a column, or the same constant for every row."""

    column: str | None
    constant: str = ""

    @classmethod
    def parse(cls, text: str) -> "Source":
        """Return the source that an option names: `@COLUMN`, or a constant (`@@x` for the constant `@x`)."""
        if text.startswith("@@"):
            return cls(None, text[1:])
        return cls(text[1:]) if text.startswith("@") else cls(None, text)

    def of(self, row: Row) -> str:
        """Return the value for a row. Raises `ValueError` when the column is empty."""
        if self.column is None:
            return self.constant
        return _plain_text(row, self.column)


class Mapping(Struct, frozen=True, kw_only=True):
    """Which columns mean what. `properties` maps names of properties to columns."""

    timestamp: str
    customer: Source
    event_type: Source
    properties: dict[str, str]
    id: str | None = None

    def columns(self) -> set[str]:
        """Return all columns that are needed."""
        optional = {self.customer.column, self.event_type.column, self.id}
        return {self.timestamp, *self.properties.values(), *(each for each in optional if each is not None)}


class Usage(Struct, frozen=True, gc=False):
    """What a row says. `transaction_id` is None when the file has none."""

    row: int
    customer_id: str
    event_type: str
    at: datetime
    properties: dict[str, Value]
    transaction_id: str | None = None

    def digest(self) -> bytes:
        """Return 16 bytes that stand for everything it says."""
        properties = sorted(self.properties.items())
        text = msgspec.json.encode((self.customer_id, self.event_type, microseconds(self.at), properties))
        return hashlib.blake2b(text, digest_size=16).digest()


def usage(row: Row, mapping: Mapping) -> Usage:
    """Return what a row says. Raises `ValueError` with the reason for a row that cannot be an event."""
    if row.problem is not None:
        raise ValueError(row.problem)
    at = instant(_plain_text(row, mapping.timestamp))
    transaction_id = None
    if mapping.id is not None:
        transaction_id = _plain_text(row, mapping.id)
        if len(transaction_id) > ID_MAX:
            raise ValueError(f"the transaction id is longer than {ID_MAX} characters")
    customer_id = mapping.customer.of(row)
    if not 1 <= len(customer_id) <= ID_MAX:
        raise ValueError(f"the customer must have 1 to {ID_MAX} characters")
    properties = {name: row.values[column] for name, column in mapping.properties.items() if column in row.values}
    event_type = mapping.event_type.of(row)
    texts = (customer_id, event_type, transaction_id or "", *properties, *properties.values())
    _check_utf8(text for text in texts if isinstance(text, str))
    return Usage(row.number, customer_id, event_type, at, properties, transaction_id)


def instant(text: str) -> datetime:
    """Return the instant that a text names, in UTC, exact to the microsecond; digits beyond are cut off.

    ISO 8601 with `T` or a space; without a zone it is UTC. Raises `ValueError`.
    """
    try:
        at = datetime.fromisoformat(text.strip())
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):  # the year 1, seen from a zone east of Greenwich, is the year before
        raise ValueError(f"{text!r} is not a timestamp such as 2026-01-15 12:34:56.789") from None


def microseconds(at: datetime) -> int:
    """Return the microseconds since 1970, exactly."""
    return (at - _EPOCH) // _MICROSECOND


def check_window(at: datetime, now: datetime) -> None:
    """Raise `ValueError` for an instant that the gateway would not take."""
    if at < now - OLDEST:
        raise ValueError(f"{at:%Y-%m-%d %H:%M:%S} is more than {OLDEST.days} days ago; --shift-to now moves all rows")
    if at > now + NEWEST:
        raise ValueError(f"{at:%Y-%m-%d %H:%M:%S} is more than 24 hours ahead")


def line(what: Usage, transaction_id: str, shift: timedelta) -> bytes:
    """Return the event as one line of NDJSON."""
    event = {
        "transaction_id": transaction_id,
        "customer_id": what.customer_id,
        "event_type": what.event_type,
        "timestamp": what.at + shift,
        "properties": what.properties,
    }
    return msgspec.json.encode(event) + b"\n"


class Occurrences:
    """How many equal things came before, for a whole file, at 8 bytes a row.

    Digests are kept as sorted runs of 64-bit numbers. Should two different digests share theirs, one row's count is
    off by one: its id stays its own, because the id contains the whole digest.
    """

    def __init__(self) -> None:
        self._runs: list[npt.NDArray[np.uint64]] = []
        self._repeated: dict[int, int] = {}

    def count(self, digests: list[bytes]) -> list[int]:
        """Return for each digest how often it came before, in this call or an earlier one."""
        numbers = np.frombuffer(b"".join(digest[:8] for digest in digests), dtype=np.uint64)
        known = np.zeros(len(numbers), dtype=bool)
        for run in self._runs:
            known |= run[np.minimum(np.searchsorted(run, numbers), len(run) - 1)] == numbers
        result, fresh = [], set()
        for number, seen in zip(numbers.tolist(), known.tolist(), strict=True):
            if seen or number in fresh:
                self._repeated[number] = before = self._repeated.get(number, 0) + 1
            else:
                before = 0
                fresh.add(number)
            result.append(before)
        if fresh:
            self._add(np.array(sorted(fresh), dtype=np.uint64))
        return result

    def _add(self, run: npt.NDArray[np.uint64]) -> None:
        """Keep a run; merge it with those that are not much longer, so that there are never many."""
        while self._runs and len(self._runs[-1]) <= 2 * len(run):
            run = np.sort(np.concatenate([self._runs.pop(), run]))
        self._runs.append(run)


def transaction_ids(batch: list[Usage], occurrences: Occurrences) -> list[str]:
    """Return the transaction ids of a batch; batches must come in the order of the file."""
    nameless = [what.digest() for what in batch if what.transaction_id is None]
    counted = zip(nameless, occurrences.count(nameless) if nameless else [], strict=True)
    made = (f"replay-{digest.hex()}" + (f"-{before}" if before else "") for digest, before in counted)
    return [what.transaction_id if what.transaction_id is not None else next(made) for what in batch]


def _plain_text(row: Row, column: str) -> str:
    """Return a value as text: a JSON number as its digits."""
    value = row.values.get(column)
    if value is None:
        raise ValueError(f"column {column!r} is empty")
    return value if isinstance(value, str) else bytes(value).decode()


def _check_utf8(texts: Iterable[str]) -> None:
    try:
        for text in texts:
            text.encode()
    except UnicodeEncodeError:
        raise ValueError("it is not UTF-8") from None
