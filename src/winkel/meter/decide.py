"""What a batch of records changes: usage, dead letters and the books. Pure: the same records, the same decision."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import numpy as np
from msgspec import Raw, Struct

from winkel.meter.aggregate import aggregate
from winkel.meter.batch import Arrived, Batch, gather
from winkel.meter.group import SeriesIds
from winkel.meter.match import Plan, matching
from winkel.meter.numbers import Bools
from winkel.meter.pack import Keyed, pack
from winkel.model.batch import EventBlock
from winkel.model.event import LEVELS_MAX
from winkel.model.metric import BillableMetric
from winkel.model.period import EPOCH, hour_number
from winkel.model.progress import Conflict, EventCount
from winkel.model.text import nests_deeper
from winkel.model.usage import DeadLetter, Delta

UNDECODABLE = "undecodable"
"""Bytes that are no block of this program's, or properties that are no JSON object."""
UNKNOWN_TENANT = "unknown_tenant"
"""The record names a tenant that does not exist."""
OTHER_TENANT = "other_tenant"
"""The record is one tenant's, the block in it another's."""
INVALID = "invalid_event"
"""A message of somebody else's topic that is no event which the API would accept."""
UNCOUNTABLE = "uncountable"
"""It decodes, but something in it cannot be computed with or kept: a time beyond the calendar, for example."""
CRASHED = "crashed_the_meter"
"""It was not decoded: whoever did died (meter/caution.py)."""
SAMPLES = 100
"""Conflicting duplicates that are kept of one batch; all are counted."""
NO_METRICS = Plan((), ())


class Judged(Struct, frozen=True):
    """A decoded record and what deduplication says about each of its events."""

    arrived: Arrived
    fresh: Bools
    conflicting: Bools


class Decision(Struct, frozen=True):
    """All that a batch writes, apart from positions, runs of keys and new series."""

    deltas: dict[int, list[Delta]]
    """By tenant."""
    letters: list[DeadLetter]
    counts: list[EventCount]
    conflicts: list[Conflict]


def decide(
    judged: Sequence[Judged], refused: Sequence[DeadLetter], plans: Mapping[int, Plan], ids: SeriesIds
) -> Decision:
    """Decide what the records change; `refused` are whole records that are set aside already."""
    deltas: dict[int, list[Delta]] = {}
    letters = list(refused)
    of_tenant: dict[int, list[Judged]] = defaultdict(list)
    for each in judged:
        of_tenant[each.arrived.block.tenant_id].append(each)
    for tenant_id, some in of_tenant.items():
        plan = plans.get(tenant_id, NO_METRICS)
        if plan.metrics:
            fresh = [each.fresh for each in some]
            batch = gather(tenant_id, [each.arrived for each in some], fresh, plan.names)
            deltas[tenant_id] = _metered(plan, batch, ids, letters)
    conflicts = [conflict for each in judged if each.conflicting.any() for conflict in _conflicts(each)]
    return Decision(deltas, letters, _counts(judged, letters), conflicts[:SAMPLES])


def _metered(plan: Plan, batch: Batch, ids: SeriesIds, letters: list[DeadLetter]) -> list[Delta]:
    keyed: list[Keyed] = []
    broken = [row for row in batch.properties.broken if batch.fresh[row]]
    letters += [_letter(batch, row, UNDECODABLE, _why_broken(batch.properties.line(row)), None) for row in broken]
    for metric in plan.metrics:
        rows = matching(metric, batch)
        if broken and metric.looks_at:
            rows = rows[~np.isin(rows, broken)]  # it cannot look at them; a retry counts them for it
        found = aggregate(metric, batch, rows, ids)
        keyed += found.keyed
        letters += [
            _letter(batch, row, reason, detail(metric, batch, row), metric.id) for row, reason in found.problems.items()
        ]
    return pack(keyed)


def _why_broken(properties: bytes) -> str:
    """Return why nobody can read an event's properties, for people. (Gateways once took any depth that they could.)"""
    if nests_deeper(properties, LEVELS_MAX):
        return f"the properties have more than {LEVELS_MAX} levels of objects and arrays: nested too deeply"
    return "the properties are not a JSON object"


def detail(metric: BillableMetric, batch: Batch, row: int) -> str:
    """Return what a metric that needs something else found in an event, for people."""
    assert metric.aggregation_key, "COUNT has no problems"
    return f"{metric.aggregation_key} is {batch.properties.values(metric.aggregation_key)[row]!r}"[:200]


def _letter(batch: Batch, row: int, reason: str, detail: str, metric_id: str | None) -> DeadLetter:
    arrived, index = batch.origin(row)
    offset, position = arrived.place(index)
    return DeadLetter(
        tenant_id=batch.tenant_id,
        partition=arrived.partition,
        offset=offset,
        index=position,
        reason=reason,
        detail=detail,
        metric_id=metric_id,
        transaction_id=batch.transaction_ids[row],
        payload=event_json(arrived.block, index, batch.properties.line(row)),
        at=arrived.appended_at,
    )


def event_json(block: EventBlock, index: int, properties: bytes) -> bytes:
    """Return one event of a block in the shape in which it can be sent again.

    Properties that are no JSON object become a string with what is there, so that the event can be read and corrected.
    """
    event: dict[str, Any] = {
        "transaction_id": block.transaction_ids[index],
        "customer_id": _text(block.customers, block.customer_codes, index),
        "event_type": _text(block.event_types, block.event_type_codes, index),
        "timestamp": EPOCH + _since_epoch(block, index),
        "properties": _object_or_text(properties),
    }
    source = _text(block.sources, block.source_codes, index)
    return msgspec.json.encode(event | {"source": source} if source else event)


def _object_or_text(properties: bytes) -> Raw | str:
    try:
        msgspec.json.decode(properties, type=dict[str, Raw])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return properties.decode(errors="replace")
    return Raw(properties)


def _text(texts: Sequence[str], codes: bytes, index: int) -> str:
    return texts[int.from_bytes(codes[4 * index : 4 * index + 4], "little")]


def _since_epoch(block: EventBlock, index: int) -> timedelta:
    return timedelta(microseconds=int.from_bytes(block.timestamps[8 * index : 8 * index + 8], "little", signed=True))


def _conflicts(judged: Judged) -> Iterable[Conflict]:
    """Yield samples of the events whose id came before with other content."""
    block = judged.arrived.block
    lines = block.properties.split(b"\n")
    for index in np.flatnonzero(judged.conflicting)[:SAMPLES].tolist():
        yield Conflict(
            tenant_id=block.tenant_id,
            key=block.keys[16 * index : 16 * index + 16],
            transaction_id=block.transaction_ids[index],
            customer_id=_text(block.customers, block.customer_codes, index),
            event_type=_text(block.event_types, block.event_type_codes, index),
            timestamp=EPOCH + _since_epoch(block, index),
            properties=lines[index].decode(errors="replace"),
            at=judged.arrived.appended_at,
        )


def _counts(judged: Sequence[Judged], letters: Sequence[DeadLetter]) -> list[EventCount]:
    """Keep the books, by tenant, partition and hour of arrival."""
    sums: dict[tuple[int, int, int], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for each in judged:
        arrived = each.arrived
        entry = sums[arrived.block.tenant_id, arrived.partition, hour_number(arrived.appended_at)]
        fresh = int(np.count_nonzero(each.fresh))
        entry[0] += fresh
        entry[1] += len(each.fresh) - fresh
        entry[2] += int(np.count_nonzero(each.conflicting))
    for letter in letters:
        assert letter.at is not None, "a letter says when its record arrived"
        sums[letter.tenant_id, letter.partition, hour_number(letter.at)][3] += letter.events
    return [EventCount(*place, *numbers) for place, numbers in sorted(sums.items())]
