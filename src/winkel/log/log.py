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
    routing: int = 1
    """The version of the routing that chose the partition (model/routing.py)."""


class Record(Struct, frozen=True, gc=False):
    """What was appended. Offsets of one partition rise; `next_offset` is where to read on."""

    tenant_id: int
    partition: int
    offset: int
    events: int
    routing: int
    appended_at: datetime
    """The log's own clock: the arrival of the events, from which the dedupe window counts."""
    data: bytes
    span: int = 1
    """How many offsets it takes up; more than 1 where a log has offsets without records (Kafka's control records)."""

    @property
    def next_offset(self) -> int:
        """The offset at which to read on."""
        return self.offset + self.span


class Bounds(Struct, frozen=True, gc=False):
    """What one partition holds: the offset of the oldest record that is kept, and the one that the next will get."""

    start: int
    end: int


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
    def name(self) -> str:
        """Under which name positions in this log are kept. Another log, another name: offsets begin anew there."""
        ...

    @property
    def space(self) -> str:
        """Which logs share a memory of event identities: an event that came by one of them is a repeat in another."""
        ...

    @property
    def partitions(self) -> int:
        """How many partitions there are, as far as this object knows; `refresh` learns of new ones. Never fewer."""
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

    async def bounds(self) -> Sequence[Bounds]:
        """Return where each partition begins and ends now."""
        ...

    async def grow(self, partitions: int) -> None:
        """Have at least so many partitions; new ones are empty. Raises `UnavailableError`."""
        ...

    async def refresh(self) -> None:
        """Learn of partitions that somebody else made."""
        ...

    async def trim(self, before: datetime, positions: Sequence[int]) -> int:
        """Drop records appended before an instant that lie before their partition's position; return how many.

        A log may keep more than asked (it drops whole segments), never less.
        """
        ...

    async def close(self) -> None:
        """Let go of connections. Nothing that was appended is touched."""
        ...
