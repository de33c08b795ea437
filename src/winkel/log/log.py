"""The Log protocol: append, read, positions; and what an offset means."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct


class NewRecord(Struct, frozen=True, gc=False):
    """What is to be appended to one partition: an encoded block of one tenant's events (`log/codec.py`)."""

    tenant_id: int
    partition: int
    events: int
    """How many events the block holds, for lag and quotas; the log itself does not look inside."""
    data: bytes


class Record(Struct, frozen=True, gc=False):
    """What was appended. `offset` counts the records of one partition from 0, without gaps."""

    tenant_id: int
    partition: int
    offset: int
    events: int
    appended_at: datetime
    """The log's own clock: the arrival of the events, from which the dedupe window counts."""
    data: bytes


def whole_until(records: Iterable[Record], events: int) -> list[Record]:
    """Return records until they hold at least `events` events: one record at least, if there is one."""
    found: list[Record] = []
    count = 0
    for record in records:
        if count >= events and found:
            break
        found.append(record)
        count += record.events
    return found


class Log(Protocol):
    """An append-only log of records in numbered partitions.

    An *offset* is always the number of the next record to be read: after reading records 0…4 the position is 5.
    Records of one partition have one order, the same for every reader, for ever. Reading never removes anything.
    """

    @property
    def partitions(self) -> int:
        """How many partitions there are, fixed while this object lives."""
        ...

    @property
    def secret(self) -> bytes:
        """Sixteen random bytes, made with the log and never changed: the key of event identities (`ingest/block.py`).

        Every gateway of one log must hash alike, or an event that is sent again through another one is counted again.
        """
        ...

    async def append(self, records: Sequence[NewRecord]) -> None:
        """Make the records durable, all or none; return only then.

        Raises `UnavailableError` when they could not be made durable or when that is not known: the caller must
        tell *its* caller to send again, and deduplication removes what was appended after all.
        """
        ...

    async def read(self, partition: int, offset: int, *, events: int, wait_seconds: float) -> Sequence[Record]:
        """Return records from `offset` on, in order, without a gap: whole records until `events` events are reached.

        Waits at most `wait_seconds` for a first record, then returns none. An offset before `start` raises
        `LookupError`: what it asks for is gone, and skipping it silently would lose events.
        """
        ...

    async def start(self, partition: int) -> int:
        """Return the offset of the oldest record that is still kept."""
        ...

    async def end(self, partition: int) -> int:
        """Return the offset that the next appended record will get."""
        ...

    async def trim(self, before: datetime, positions: Sequence[int]) -> int:
        """Drop records appended before an instant that lie before their partition's position; return how many.

        A log may keep more than asked (it drops whole segments), never less.
        """
        ...

    async def close(self) -> None:
        """Let go of connections. Nothing that was appended is touched."""
        ...
