"""What a retry of a dead letter does: which record is appended again, or what an event adds to usage now. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from msgspec import structs

from winkel.ingest.block import blocks
from winkel.ingest.check import ARRAY, all_or_none, check
from winkel.log import codec
from winkel.log.log import NewRecord
from winkel.meter.aggregate import aggregate
from winkel.meter.batch import batch_of
from winkel.meter.decide import CRASHED, OTHER_TENANT, detail
from winkel.meter.group import SeriesIds
from winkel.meter.match import matching, plan
from winkel.meter.pack import Keyed, pack
from winkel.model.errors import InvalidError, WinkelError
from winkel.model.event import Event
from winkel.model.metric import BillableMetric
from winkel.model.period import EPOCH
from winkel.model.routing import Routing
from winkel.model.usage import NOBODY, Delta

UNROUTED = 0
"""The version of the routing of a record whose partition nobody chose: the meter sends it to where it belongs."""
LATEST = datetime(2106, 1, 1, tzinfo=UTC)
"""Instants before 1970 or from then on have no place in a block (ingest/block.py, `microseconds`)."""
_event = msgspec.json.Decoder(Event)
_texts = msgspec.json.Decoder(list[msgspec.Raw])


class StaysError(WinkelError):
    """The letter cannot be resolved by this retry; the message says why, and what could be done."""


# ── An event that a metric could not use ────────────────────────────────────────────────────────────────────────────


def event_of(payload: bytes, correction: bytes | None) -> Event:
    """Return the event to count: as it was, or as it is corrected.

    A correction may change properties only. The rest is the event's identity, or was counted already by metrics that
    could use it. Raises `InvalidError` for a correction that is none, `StaysError` for an event nobody can read.
    """
    try:
        event = _event.decode(payload)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise StaysError(f"the event cannot be read: {error}") from None
    if correction is None:
        return event
    better = _checked(correction)
    for field in structs.fields(Event):
        name = field.name
        if name != "properties" and getattr(better, name) != getattr(event, name):
            raise InvalidError(
                f"a correction may change properties only, but {name} is {getattr(better, name)!s} and was "
                f"{getattr(event, name)!s}: for another event, discard this one and send that"
            )
    return better


def _checked(text: bytes) -> Event:
    """Return the event in a text. Raises `InvalidError`; whenever it happened is fine, it was accepted once."""
    try:
        event = _event.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidError(f"this is no event: {error}") from None
    if not EPOCH <= event.timestamp < LATEST:
        raise InvalidError(f"{event.timestamp.isoformat()} is no instant that can be billed - at `$.timestamp`")
    (event,) = all_or_none(check(b"[" + text + b"]", ARRAY, event.timestamp, 1))
    return event


def wanting(
    metrics: Sequence[BillableMetric], metric_id: str | None, arrived_at: datetime
) -> tuple[BillableMetric, ...]:
    """Return the metrics that have not counted the event of a letter yet.

    The one that the letter is about; or, if nobody could read the event's properties, all those that look at any and
    were there when it arrived: a later metric never counts what came before it.
    """
    if metric_id is not None:
        return tuple(each for each in metrics if each.id == metric_id)
    return tuple(
        each for each in metrics if each.looks_at and (each.created_at is None or each.created_at <= arrived_at)
    )


def count(
    tenant_id: int, event: Event, metrics: Sequence[BillableMetric], ids: SeriesIds, *, about: str | None
) -> list[Delta]:
    """Return what the event adds to usage by these metrics; `about`: the one metric that the letter is about.

    Raises `StaysError` when one of them still cannot use it: all of them, or none.
    """
    try:
        all_or_none(check(b"[" + msgspec.json.encode(event) + b"]", ARRAY, event.timestamp, 1))
    except InvalidError as error:
        raise StaysError(f"{error}; correct it: retry --with FILE") from None
    batch = batch_of(tenant_id, [event], plan(metrics).names)
    keyed: list[Keyed] = []
    for metric in metrics:
        rows = matching(metric, batch)
        if metric.id == about and not len(rows):
            raise StaysError(f"the metric {metric.name!r} does not want this event: if that is right, discard it")
        found = aggregate(metric, batch, rows, ids)
        for row, reason in found.problems.items():
            raise StaysError(f"the metric {metric.name!r} cannot use it, {reason}: {detail(metric, batch, row)}")
        keyed += found.keyed
    return pack(keyed)


# ── A whole record ──────────────────────────────────────────────────────────────────────────────────────────────────


def record_of(tenant_id: int, reason: str, data: bytes, events: int, secret: bytes, partition: int) -> NewRecord:
    """Return the record to append again. Raises `StaysError` when that would only be the same dead letter again.

    What killed meters is not decoded here either.
    """
    if reason == OTHER_TENANT:
        raise StaysError("nobody can say which of two tenants it belongs to: have it sent again, and discard this")
    if tenant_id != NOBODY and (messages := codec.messages(data)) is not None:
        return _of_messages(tenant_id, messages.values, secret, partition)
    if reason == CRASHED:
        if tenant_id == NOBODY:
            raise StaysError("its tenant does not exist: discard it")
        return NewRecord(tenant_id, partition, events, data, UNROUTED)
    try:
        block = codec.decode(data)
    except codec.CorruptBlockError as error:
        raise StaysError(str(error)) from None
    if tenant_id not in {NOBODY, block.tenant_id}:
        raise StaysError(f"the block in it is tenant {block.tenant_id}'s: discard it")
    return NewRecord(block.tenant_id, partition, len(block), data, UNROUTED)


def _of_messages(tenant_id: int, values: Sequence[bytes], secret: bytes, partition: int) -> NewRecord:
    """Return a record with the events of messages of somebody else's topic. Raises `StaysError` when one is none."""
    events = []
    for index, value in enumerate(values):
        try:
            events.append(_checked(value))
        except InvalidError as error:
            raise StaysError(f"message {index}: {error}; correct all of them: retry --with FILE") from None
    ((_, block),) = blocks(tenant_id, events, secret, _all_to(partition))
    return NewRecord(tenant_id, partition, len(block), codec.encode(block), UNROUTED)


def replacement_of(tenant_id: int, text: bytes, secret: bytes, partition: int) -> NewRecord:
    """Return a record with these events, a JSON array or one object, in place of what nobody can read.

    They get the identities that the gateway gives them, so those that were counted meanwhile are repeats. Raises
    `InvalidError` that names the place of a fault, `StaysError` when the record is no tenant's.
    """
    if tenant_id == NOBODY:
        raise StaysError("it is no tenant's record: send the events as the tenant whose they are, and discard this")
    try:
        parts = _texts.decode(text) if text.lstrip().startswith(b"[") else [msgspec.Raw(text)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidError(f"give an event, or a JSON array of events: {error}") from None
    events = []
    for index, part in enumerate(parts):
        try:
            events.append(_checked(bytes(part)))
        except InvalidError as error:
            raise InvalidError(f"event {index}: {str(error).removeprefix('event 0: ')}") from None
    if not events:
        raise InvalidError("there is no event in it: discard the letter instead")
    ((_, block),) = blocks(tenant_id, events, secret, _all_to(partition))
    return NewRecord(tenant_id, partition, len(block), codec.encode(block), UNROUTED)


def resent(tenant_id: int, text: bytes, secret: bytes, partition: int) -> NewRecord:
    """Return a record with an event as it came, which nobody has counted. Raises `StaysError` when it still is none."""
    try:
        return replacement_of(tenant_id, text, secret, partition)
    except InvalidError as error:
        raise StaysError(f"{error}; correct it: retry --with FILE") from None


def _all_to(partition: int) -> Routing:
    return Routing(UNROUTED, (0,), (partition,))
