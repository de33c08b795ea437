"""Blocks of columns → events again, for people who look at what came in."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

import numpy as np
from msgspec import Raw

from winkel.model.batch import EventBlock
from winkel.model.customer import spellings
from winkel.model.event import Event
from winkel.model.period import EPOCH


def rows_of(
    block: EventBlock, *, customer_id: str | None, event_type: str | None, transaction_id: str | None
) -> list[int]:
    """Return the rows of the events that match all that is given, the newest first.

    A customer's id is found in each of its spellings.
    """
    matching = np.ones(len(block), dtype=bool)
    for wanted, texts, codes in (
        (None if customer_id is None else spellings(customer_id), block.customers, block.customer_codes),
        (None if event_type is None else (event_type,), block.event_types, block.event_type_codes),
    ):
        if wanted is not None:
            found = [code for code, text in enumerate(texts) if text in wanted]
            matching &= np.isin(np.frombuffer(codes, "<u4"), found)
    rows: list[int] = np.flatnonzero(matching)[::-1].tolist()
    return [row for row in rows if transaction_id is None or block.transaction_ids[row] == transaction_id]


def events_at(block: EventBlock, rows: Iterable[int]) -> Sequence[Event]:
    """Return the events in these rows."""
    timestamps = np.frombuffer(block.timestamps, "<i8")
    customers = np.frombuffer(block.customer_codes, "<u4")
    event_types = np.frombuffer(block.event_type_codes, "<u4")
    sources = np.frombuffer(block.source_codes, "<u4")
    properties = block.properties.split(b"\n")
    return [
        Event(
            transaction_id=block.transaction_ids[row],
            customer_id=block.customers[customers[row]],
            event_type=block.event_types[event_types[row]],
            timestamp=EPOCH + timedelta(microseconds=int(timestamps[row])),
            properties=Raw(properties[row]),
            source=block.sources[sources[row]],
        )
        for row in rows
    ]
