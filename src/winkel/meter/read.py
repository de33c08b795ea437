"""Records become blocks; those that cannot be decoded become dead letters. Pure."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import date

import msgspec
from msgspec import Struct

from winkel.ingest.block import Keying, block_within
from winkel.ingest.check import check_each
from winkel.log import codec
from winkel.log.log import Messages, Record
from winkel.meter.batch import Arrived
from winkel.meter.decide import INVALID, OTHER_TENANT, UNDECODABLE, UNKNOWN_TENANT
from winkel.model.usage import NOBODY, DeadLetter

DETAIL_MAX = 500
EVENTS_MAX = 2**31 - 1
"""What a dead letter can say of its events; a record of somebody else may claim any number."""


class Reading(Struct, frozen=True):
    """What a batch takes from one partition: records of one arrival day, in order, up to the offset `end`."""

    partition: int
    day: date
    start: int
    end: int
    arrived: Sequence[Arrived]
    refused: Sequence[DeadLetter]
    """Records that are set aside."""


def one_day(records: Sequence[Record]) -> list[Record]:
    """Return the records up to the first that arrived on another day (UTC): deduplication is by arrival day."""
    day = records[0].appended_at.date()
    for index, record in enumerate(records):
        if record.appended_at.date() != day:
            return list(records[:index])
    return list(records)


def decode(
    partition: int, records: Sequence[Record], here: Sequence[Record], tenants: AbstractSet[int], keying: Keying
) -> Reading:
    """Decode records of one partition and day; those that are not `here` were sent on and are only passed.

    A record is set aside when it is no block, or when it belongs to none of the tenants, or to two. Of a record that is
    many messages, those are set aside that are no events; `keying` makes the identities of the others.
    """
    arrived: list[Arrived] = []
    refused: list[DeadLetter] = []
    for record in here:
        owner = record.tenant_id if record.tenant_id in tenants else NOBODY
        messages = record.data if isinstance(record.data, Messages) else None
        try:
            block = None if messages is not None else codec.decode(record.data)
        except codec.CorruptBlockError as error:
            refused.append(_letter(record, owner, UNDECODABLE, str(error)))
            continue
        if block is not None and block.tenant_id != record.tenant_id:
            detail = f"the record is tenant {record.tenant_id}'s, the block in it tenant {block.tenant_id}'s"
            refused.append(_letter(record, NOBODY, OTHER_TENANT, detail))
        elif block is not None and not len(block):
            continue  # it stands for offsets without events
        elif owner == NOBODY:
            refused.append(_letter(record, NOBODY, UNKNOWN_TENANT, f"there is no tenant {record.tenant_id}"))
        elif messages is not None:
            events, letters = _events(record, messages, keying)
            arrived += events
            refused += letters
        elif block is not None:
            arrived.append(Arrived(partition, record.offset, record.appended_at, block))
    return _reading(partition, records, arrived, refused)


def _events(record: Record, messages: Messages, keying: Keying) -> tuple[list[Arrived], list[DeadLetter]]:
    """Return the events among messages, as one block, and letters for the others."""
    checked = check_each(messages.values, record.appended_at)
    places = messages.places(record.offset)
    letters = [
        DeadLetter(
            tenant_id=record.tenant_id,
            partition=record.partition,
            offset=places[each.index],
            index=0,
            reason=INVALID,
            detail=each.message[:500],
            transaction_id=each.transaction_id,
            payload=messages.values[each.index],
            at=record.appended_at,
        )
        for each in checked.invalid
    ]
    if not checked.events:
        return [], letters
    if letters:
        faulty = {each.index for each in checked.invalid}
        places = [place for index, place in enumerate(places) if index not in faulty]
    block = block_within(record.tenant_id, checked.events, keying)
    return [Arrived(record.partition, record.offset, record.appended_at, block, places)], letters


def halved(record: Record) -> Record | None:
    """Return the first half of a record of many messages, as one of its own; None: it cannot be divided."""
    messages = record.data if isinstance(record.data, Messages) else None
    count = len(messages.values) // 2 if messages is not None else 0
    if messages is None or not count:
        return None
    half = Messages.of(messages.values[:count], messages.offsets[:count])
    return msgspec.structs.replace(record, events=count, span=messages.places(0)[count], data=half)


def refuse(partition: int, record: Record, tenants: AbstractSet[int], reason: str, detail: str) -> Reading:
    """Set a whole record aside, without looking into it."""
    owner = record.tenant_id if record.tenant_id in tenants else NOBODY
    return _reading(partition, [record], [], [_letter(record, owner, reason, detail)])


def _reading(
    partition: int,
    records: Sequence[Record],
    arrived: Sequence[Arrived],
    refused: Sequence[DeadLetter],
) -> Reading:
    first, last = records[0], records[-1]
    return Reading(partition, first.appended_at.date(), first.offset, last.next_offset, arrived, refused)


def _letter(record: Record, owner: int, reason: str, detail: str) -> DeadLetter:
    return DeadLetter(
        tenant_id=owner,
        partition=record.partition,
        offset=record.offset,
        index=-1,
        reason=reason,
        detail=detail[:DETAIL_MAX].encode(errors="replace").decode(),
        payload=codec.kept(record.data),
        at=record.appended_at,
        events=min(record.events, EVENTS_MAX),
    )
