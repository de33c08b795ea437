"""Batch: the event blocks of one tenant, put together as columns."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from winkel.ingest.block import blocks
from winkel.meter.numbers import Bools, Ints
from winkel.meter.properties import Properties
from winkel.model.batch import EventBlock
from winkel.model.event import Event
from winkel.model.routing import Routing
from winkel.model.usage import clean, slot_of

HOUR = 3_600_000_000
"""Microseconds of an hour, the unit of timestamps."""
_NO_SECRET = bytes(16)
_ONE_PARTITION = Routing(0, (0,), (0,))


class Arrived(Struct, frozen=True):
    """A decoded record: where it stands in the log, when it came, and what it holds."""

    partition: int
    offset: int
    appended_at: datetime
    block: EventBlock
    offsets: Sequence[int] = ()
    """Where each event stands, when it came as a message of its own."""

    def place(self, index: int) -> tuple[int, int]:
        """Return the offset at which an event stands, and its position in the record there."""
        return (self.offsets[index], 0) if self.offsets else (self.offset, index)


class Coded(Struct, frozen=True):
    """A column of texts of which many are equal: row i is `texts[codes[i]]`."""

    codes: Ints
    texts: list[str]


class Batch(Struct, frozen=True):
    """Events of one tenant as columns. `fresh[i]`: event i is the first with its identity, so it counts."""

    tenant_id: int
    arrived: Sequence[Arrived]
    bounds: Ints
    """Rows `bounds[i]` … `bounds[i + 1]` are those of `arrived[i]`."""
    fresh: Bools
    timestamps: Ints
    """Microseconds since 1970, UTC."""
    hours: Ints
    customers: Coded
    slots: Ints
    """By customer text: where its open deltas lie."""
    event_types: Coded
    transaction_ids: list[str]
    properties: Properties
    groups: dict[tuple[str, ...], list[tuple[Ints, Any]]] = {}
    """What `meter/group.py` found so far: by names of properties, the rows and their groups."""

    def __len__(self) -> int:
        return len(self.fresh)

    def origin(self, row: int) -> tuple[Arrived, int]:
        """Return the record in which an event came, and the event's position in it."""
        index = int(np.searchsorted(self.bounds, row, side="right")) - 1
        return self.arrived[index], row - int(self.bounds[index])


def gather(tenant_id: int, arrived: Sequence[Arrived], fresh: Sequence[Bools], names: tuple[str, ...]) -> Batch:
    """Put the blocks of one tenant together; `names` are the properties that will be asked for."""
    blocks = [each.block for each in arrived]
    counts = [len(block) for block in blocks]
    timestamps = _column([block.timestamps for block in blocks], "<i8")
    customers = _coded([block.customers for block in blocks], [block.customer_codes for block in blocks])
    properties = b"\n".join(block.properties for block in blocks if len(block))
    return Batch(
        tenant_id=tenant_id,
        arrived=arrived,
        bounds=np.cumsum([0, *counts], dtype=np.int64),
        fresh=np.concatenate(fresh),
        timestamps=timestamps,
        hours=timestamps // HOUR,
        customers=customers,
        slots=np.array([slot_of(clean(each)) for each in customers.texts], np.int64),
        event_types=_coded([block.event_types for block in blocks], [block.event_type_codes for block in blocks]),
        transaction_ids=[each for block in blocks for each in block.transaction_ids],
        properties=Properties(properties, sum(counts), names),
    )


def batch_of(tenant_id: int, events: Sequence[Event], names: tuple[str, ...]) -> Batch:
    """Return events that are in no log, one at least, as a batch in their order; all of them count."""
    ((_, block),) = blocks(tenant_id, events, _NO_SECRET, _ONE_PARTITION)
    arrived = Arrived(0, 0, events[0].timestamp, block)
    return gather(tenant_id, [arrived], [np.ones(len(events), np.bool_)], names)


def _column(parts: Sequence[bytes], kind: str) -> NDArray[Any]:
    return np.frombuffer(b"".join(parts), kind)


def _coded(texts: Sequence[Sequence[str]], codes: Sequence[bytes]) -> Coded:
    """Join coded columns: each block's dictionary is translated into one for all."""
    index: dict[str, int] = {}
    parts = []
    for words, part in zip(texts, codes, strict=True):
        translation = np.array([index.setdefault(word, len(index)) for word in words], np.int64)
        parts.append(translation[np.frombuffer(part, "<u4")])
    return Coded(np.concatenate(parts), list(index))
