"""Records become blocks; those that cannot be decoded become dead letters. Pure."""

from collections.abc import Sequence
from datetime import date

from msgspec import Struct

from winkel.log import codec
from winkel.log.log import Record
from winkel.meter.batch import Arrived
from winkel.meter.decide import UNDECODABLE
from winkel.model.usage import DeadLetter


class Reading(Struct, frozen=True):
    """What a batch takes from one partition: records of one arrival day, in order, up to the offset `end`."""

    partition: int
    day: date
    start: int
    end: int
    arrived: Sequence[Arrived]
    refused: Sequence[tuple[DeadLetter, int]]
    """Records that are set aside, with the number of their events."""


def one_day(records: Sequence[Record]) -> list[Record]:
    """Return the records up to the first that arrived on another day (UTC): deduplication is by arrival day."""
    day = records[0].appended_at.date()
    for index, record in enumerate(records):
        if record.appended_at.date() != day:
            return list(records[:index])
    return list(records)


def decode(partition: int, records: Sequence[Record], here: Sequence[Record]) -> Reading:
    """Decode records of one partition and day; those that are not `here` were sent on and are only passed."""
    arrived: list[Arrived] = []
    refused: list[tuple[DeadLetter, int]] = []
    for record in here:
        try:
            block = codec.decode(record.data)
        except codec.CorruptBlockError as error:
            refused.append((_letter(record, str(error)), record.events))
            continue
        if block.tenant_id == record.tenant_id:
            arrived.append(Arrived(partition, record.offset, record.appended_at, block))
        else:
            refused.append((_letter(record, f"the block says that it is tenant {block.tenant_id}'s"), record.events))
    return _reading(partition, records, arrived, refused)


def refuse(partition: int, record: Record, reason: str) -> Reading:
    """Set a record aside that decodes, but that nothing can be done with."""
    return _reading(partition, [record], [], [(_letter(record, reason), record.events)])


def _reading(
    partition: int,
    records: Sequence[Record],
    arrived: Sequence[Arrived],
    refused: Sequence[tuple[DeadLetter, int]],
) -> Reading:
    first, last = records[0], records[-1]
    return Reading(partition, first.appended_at.date(), first.offset, last.next_offset, arrived, refused)


def _letter(record: Record, detail: str) -> DeadLetter:
    return DeadLetter(
        tenant_id=record.tenant_id,
        partition=record.partition,
        offset=record.offset,
        index=-1,
        reason=UNDECODABLE,
        detail=detail[:500],
        payload=record.data,
        at=record.appended_at,
    )
