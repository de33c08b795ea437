"""Builds events, blocks and logs for tests of the meter."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Raw

from winkel.ingest.block import blocks
from winkel.log import codec
from winkel.log.log import Log, NewRecord, Record
from winkel.model.event import Event
from winkel.model.metric import Aggregation, BillableMetric, PropertyFilter
from winkel.model.routing import first

SECRET = b"0123456789abcdef"
NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


def event(number: int | str, properties: str | dict[str, Any] | None = None, **changes: Any) -> Event:
    """Return an event; `properties` may be the JSON text itself."""
    text = properties if isinstance(properties, str) else msgspec.json.encode(properties or {}).decode()
    values = {"transaction_id": str(number), "customer_id": "acme", "event_type": "call", "timestamp": NOON}
    return Event(**(values | changes), properties=Raw(text.encode()))


def new_records(tenant_id: int, events: Sequence[Event], partitions: int) -> list[NewRecord]:
    """Return the events as the gateway would append them."""
    made = blocks(tenant_id, events, SECRET, first(partitions))
    return [NewRecord(tenant_id, partition, len(block), codec.encode(block)) for partition, block in made]


def records(tenant_id: int, batches: Sequence[Sequence[Event]], at: datetime = NOON) -> list[Record]:
    """Return records of one partition, one for each batch."""
    return [
        Record(tenant_id, 0, offset, len(events), 1, at, new_records(tenant_id, events, 1)[0].data)
        for offset, events in enumerate(batches)
    ]


async def send(log: Log, tenant_id: int, events: Sequence[Event]) -> None:
    """Append events to a log."""
    await log.append(new_records(tenant_id, events, log.partitions))


def metric(
    number: int, kind: Aggregation, key: str | None = None, *filters: PropertyFilter, **changes: Any
) -> BillableMetric:
    """Return a metric; the aggregation key and group keys get a filter if they have none."""
    group_keys = changes.get("group_keys", ())
    named = {each.name for each in filters}
    missing = {name for group in group_keys for name in group} | ({key} if key else set())
    every = (*filters, *(PropertyFilter(name) for name in sorted(missing - named)))
    made = BillableMetric(
        id=f"00000000-0000-4000-8000-{number:012}",
        name=f"metric {number}",
        aggregation_type=kind,
        aggregation_key=key,
        property_filters=every,
        created_at=NOON - timedelta(days=1),
        **changes,
    )
    made.check()
    return made


def plain(number: Decimal) -> Decimal:
    """Return the number in one form, for comparison in messages."""
    return number.normalize() if number else Decimal(0)
