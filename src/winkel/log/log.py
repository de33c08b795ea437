"""The Log protocol: append, read, positions; and what an offset means."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from winkel.log.membership import Membership

RECORDS_PER_READ = 512
"""The most records that one read returns."""
BYTES_PER_READ = 1024 * 1024
"""A read ends with the record that reaches so many bytes of data: what is read ahead is bounded whatever is in it."""


class NewRecord(Struct, frozen=True, gc=False):
    """What is to be appended to one partition: an encoded block of one tenant's events (`log/codec.py`)."""

    tenant_id: int
    partition: int
    events: int
    """How many events the block holds, for lag and quotas; the log itself does not look inside."""
    data: bytes
    routing: int = 1
    """The version of the routing that chose the partition (model/routing.py)."""


class Messages(Struct, frozen=True, gc=False, array_like=True):
    """Consecutive messages of somebody else's topic, of which each should be one event in JSON."""

    values: Sequence[bytes]
    """Empty for a message without a value."""
    offsets: Sequence[int] = ()
    """Where each stands, counted from the record's own offset; empty: without gaps."""
    size: int = 0
    """The bytes of all values."""

    @classmethod
    def of(cls, values: Sequence[bytes], offsets: Sequence[int] = ()) -> "Messages":
        """Return messages with these values."""
        return cls(values, offsets, sum(map(len, values)))

    def __len__(self) -> int:
        return self.size

    def places(self, offset: int) -> Sequence[int]:
        """Return where each message stands, in a record at this offset."""
        if not self.offsets:
            return range(offset, offset + len(self.values))
        return [offset + each for each in self.offsets]


class Record(Struct, frozen=True, gc=False):
    """What was appended. Offsets of one partition rise; `next_offset` is where to read on."""

    tenant_id: int
    partition: int
    offset: int
    events: int
    routing: int
    appended_at: datetime
    """The log's own clock: the arrival of the events, from which the dedupe window counts."""
    data: bytes | Messages
    """An encoded block (`log/codec.py`), or messages that others wrote (`log/kafka_events.py`)."""
    span: int = 1
    """How many offsets it takes up. More than 1: it stands for offsets without a record, and has no events (Kafka)."""

    @property
    def next_offset(self) -> int:
        """The offset at which to read on."""
        return self.offset + self.span


class Place(Struct, frozen=True, order=True, gc=False):
    """Where a record stands among those of all partitions, by the time at which they were appended."""

    at: datetime
    partition: int
    offset: int

    @classmethod
    def of(cls, record: Record) -> "Place":
        """Return the place of a record."""
        return cls(record.appended_at, record.partition, record.offset)


class Newest(Struct, frozen=True):
    """Records of one tenant, the newest first, and before which place to look on; None: there are no older ones."""

    records: Sequence[Record]
    before: Place | None


class Bounds(Struct, frozen=True, gc=False):
    """What one partition holds: the offset of the oldest record that is kept, and the one that the next will get."""

    start: int
    end: int


def whole_until(records: Iterable[Record], events: int) -> list[Record]:
    """Return what one read may: records until they hold `events` events, one at least if there is one."""
    found: list[Record] = []
    count = size = 0
    for record in records:
        if found and (count >= events or size >= BYTES_PER_READ or len(found) >= RECORDS_PER_READ):
            break
        found.append(record)
        count += record.events
        size += len(record.data)
    return found


def ended_early(found: Sequence[Record], events: int) -> bool:
    """Whether a read of `events` events stopped at one of its limits: then there may be more behind what it found."""
    return (
        len(found) >= RECORDS_PER_READ
        or sum(each.events for each in found) >= events
        or sum(len(each.data) for each in found) >= BYTES_PER_READ
    )


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
        """Make the records durable; return only when all are. Those of one partition keep their order.

        Raises `UnavailableError` when some could not be made durable or when that is not known. Then none, some or all
        of them may be there, now or a little later: the caller must tell *its* caller to send all again, and
        deduplication removes what was appended after all. (In PostgreSQL an append is all or none. Kafka would need a
        transaction for that, which buys nothing here: the answer to an unknown outcome is the same.)
        """
        ...

    async def read(self, partition: int, offset: int, *, events: int, wait_seconds: float) -> Sequence[Record]:
        """Return records from `offset` on, in order, without a gap: whole records until `events` events are reached.

        Fewer when there are no more, or at `BYTES_PER_READ` and `RECORDS_PER_READ`; one at least, if there is one.
        Waits at most `wait_seconds` for a first record, then returns none. An offset before `start` raises
        `LookupError`: what it asks for is gone, and skipping it silently would lose events.
        """
        ...

    async def newest(self, tenant_id: int, *, before: Place | None, limit: int) -> Newest:
        """Return the newest records of one tenant before a place, at most so many, for people who look at them.

        A log that has no index by tenant looks through a bounded number of records of all tenants and may return
        fewer, even none, with a place to go on from. Records of one instant may be listed in any order of their own.
        """
        ...

    async def bounds(self) -> Sequence[Bounds]:
        """Return where each partition begins and ends now."""
        ...

    async def grow(self, partitions: int) -> None:
        """Have at least so many partitions; new ones are empty. Raises `UnavailableError`."""
        ...

    async def refresh(self) -> None:
        """Learn of partitions that somebody else made.

        Raises `UnavailableError`, and `ReplacedError` when this is not the log any more that it was.
        """
        ...

    async def trim(self, before: datetime, positions: Sequence[int]) -> int:
        """Drop records appended before an instant that lie before their partition's position; return how many.

        A log may keep more than asked (it drops whole segments), never less.
        """
        ...

    def join(self) -> Membership:
        """Take a meter's place among those that share the partitions; whoever joins leaves it at the end."""
        ...

    async def close(self) -> None:
        """Let go of connections. Nothing that was appended is touched."""
        ...
