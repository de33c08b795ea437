"""POST /v1/ingest and /winkel/v1/events: usage events in; what came in and what became of it, out."""

import asyncio
import re
from datetime import datetime
from typing import Any

from litestar import Request, Response, get, post
from msgspec import Raw, Struct

from winkel.api import auth, pages, wire
from winkel.api.pages import Position
from winkel.api.requests import Paging, query
from winkel.api.state import Api
from winkel.api.wire import Data, JsonResponse, Page
from winkel.ingest import cloudevents, rows
from winkel.ingest.actions import Intake, Room
from winkel.ingest.check import ARRAY, LARGE, LINES, Checked, Invalid, Shape, all_or_none, check, quick, thorough
from winkel.log import codec, log
from winkel.log.log import Record
from winkel.model.errors import InvalidError, TooLargeError, UnsupportedTypeError
from winkel.model.tenant import Caller
from winkel.store import shards
from winkel.store.events import ConflictingDuplicate, EventSummary

METRONOME_EVENTS_MAX = 100
"""The most events of one /v1/ingest (metronome-api.md §2)."""
EVENTS_MAX = 10_000
"""The most events of one /winkel/v1/events."""

SHAPES: dict[str, Shape] = {
    "application/json": ARRAY,
    "text/json": ARRAY,
    "application/x-ndjson": LINES,
    "application/jsonl": LINES,
    "application/cloudevents+json": cloudevents.SINGLE,
    "application/cloudevents-batch+json": cloudevents.BATCH,
}
"""How a body of each content type is read."""
_HEX = re.compile("[0-9a-f]{32}")
_ONLY_JSON = {name: shape for name, shape in SHAPES.items() if shape is ARRAY}


class Accepted(Struct):
    """What became of the events of one request: those not in `invalid` are durable."""

    accepted: int
    invalid: list[Invalid]


@post("/v1/ingest", status_code=200, guards=[auth.ingester])
async def ingest(request: Request[Any, Any, Any]) -> Response[Any]:
    """Take 1–100 events, all or none (metronome-api.md §4.1); a request without a body has none and is fine."""
    api, intake, caller = _surroundings(request)
    with intake.admit(caller.tenant_id, _announced(request)) as room:
        body, shape = await _body(request, room, _ONLY_JSON)
        if not body or body.isspace():
            return wire.empty()
        try:
            found = all_or_none(await _check(body, shape, api.clock(), METRONOME_EVENTS_MAX))
        except TooLargeError as error:
            raise InvalidError(str(error)) from None
    if not found:
        raise InvalidError(f"send between 1 and {METRONOME_EVENTS_MAX} events, not 0")
    await intake.accept(caller.tenant_id, found, len(body))
    return wire.empty()


@post("/winkel/v1/events", status_code=200, guards=[auth.ingester])
async def send(request: Request[Any, Any, Any]) -> Response[Any]:
    """Take up to 10,000 events as a JSON array, as lines of JSON or as CloudEvents.

    An invalid event is told of and does not hold up the others. Sending a request again is always safe.
    """
    api, intake, caller = _surroundings(request)
    with intake.admit(caller.tenant_id, _announced(request)) as room:
        body, shape = await _body(request, room, SHAPES)
        empty = not body or body.isspace()
        checked = Checked([], []) if empty else await _check(body, shape, api.clock(), EVENTS_MAX)
    await intake.accept(caller.tenant_id, checked.events, len(body))
    return JsonResponse(Accepted(len(checked.events), checked.invalid))


def _surroundings(request: Request[Any, Any, Any]) -> tuple[Api, Intake, Caller]:
    """Return what other handlers get injected; three tasks for each request cost more than a hundred events do."""
    state = request.app.state
    return state.api, state.intake, auth.caller_of(request.scope)


def _announced(request: Request[Any, Any, Any]) -> int:
    """Return how large the body will be, as it travels; 0 when that is not said."""
    size = request.headers.get("content-length", "")
    return int(size) if size.isdigit() else 0


async def _body(request: Request[Any, Any, Any], room: Room, shapes: dict[str, Shape]) -> tuple[bytes, Shape]:
    """Return the body, unpacked, and the shape in which its events come. Raises what makes it 400, 413 or 415."""
    packed = await request.body()
    shape = _shape(wire.content_type(request), shapes) if packed else ARRAY
    body = wire.unpacked(request, packed)
    room.resize(len(body))
    return body, shape


async def _check(body: bytes, shape: Shape, now: datetime, most: int) -> Checked:
    """Check a body; a large one, and the search for faults, which is slower, beside the event loop."""
    if len(body) > LARGE:
        return await asyncio.to_thread(check, body, shape, now, most)
    found = quick(body, shape, now, most)
    return Checked(found, []) if found is not None else await asyncio.to_thread(thorough, body, shape, now, most)


def _shape(content_type: str, shapes: dict[str, Shape]) -> Shape:
    name, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charset = next((each.partition("=")[2].strip('"') for each in parameters if each.startswith("charset=")), "utf-8")
    if name not in shapes or charset not in {"utf-8", "utf8", "us-ascii"}:
        raise UnsupportedTypeError(f"this route reads {', '.join(shapes)} in UTF-8, not {content_type}")
    return shapes[name]


# ── Reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────

RECORDS_AT_ONCE = 16
RECORDS_MAX = 256
"""How many records one request looks through, at most, for events that match its filters."""


class Wanted(Paging, kw_only=True):
    """Which events to show: those that match all that is given."""

    customer_id: str | None = None
    event_type: str | None = None
    transaction_id: str | None = None


class FoundEvent(Struct):
    """An event as it was accepted, and where the log keeps it."""

    transaction_id: str
    customer_id: str
    event_type: str
    timestamp: datetime
    properties: Raw
    source: str
    partition: int
    offset: int
    index: int
    """Position in its record, from 0."""
    received_at: datetime


@get("/winkel/v1/events", guards=[auth.reader])
async def newest(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Response[Any]:
    """Show the tenant's newest events as the log keeps them, duplicates too, the newest first.

    One request looks through `RECORDS_MAX` records: with filters, a page may be short, even empty, and `next_page`
    goes on.
    """
    asked = query(request, Wanted)
    count, place = pages.limit_of(asked.limit), _place(asked.next_page)
    found: list[FoundEvent] = []
    for _ in range(0, RECORDS_MAX, RECORDS_AT_ONCE):
        before = place.until if place else None
        seen = await api.log.newest(caller.tenant_id, before=before, limit=RECORDS_AT_ONCE)
        for record in seen.records:
            below = place.index if place and place.same(record) else None
            found += _matching(record, asked, below)
            place = Place(record.appended_at, record.partition, record.offset, 0)
            if len(found) >= count:
                last = found[count - 1]
                place = Place(last.received_at, last.partition, last.offset, last.index)
                return JsonResponse(Page(found[:count], _cursor(place)))
        if seen.before is None:
            return JsonResponse(Page(found))
        place = Place(seen.before.at, seen.before.partition, seen.before.offset, 0)
    return JsonResponse(Page(found, _cursor(place) if place else None))


class Place(Struct, frozen=True):
    """Where a page ended: before the event `index` of a record; 0: the record is done with."""

    at: datetime
    partition: int
    offset: int
    index: int

    @property
    def until(self) -> log.Place:
        """The place in the order of records from which on those that are older have to be looked at."""
        return log.Place(self.at, self.partition, self.offset + (self.index > 0))

    def same(self, record: Record) -> bool:
        """Whether this place is in the record."""
        return (self.partition, self.offset) == (record.partition, record.offset)


def _matching(record: Record, asked: Wanted, below: int | None) -> list[FoundEvent]:
    """Return the events of a record that are wanted, newest first, those before the row `below` only."""
    try:
        block = codec.decode(record.data)
    except codec.CorruptBlockError:
        return []  # the meter has put it among the dead letters
    if block.tenant_id != record.tenant_id:
        return []  # likewise
    every = rows.rows_of(
        block, customer_id=asked.customer_id, event_type=asked.event_type, transaction_id=asked.transaction_id
    )
    chosen = [row for row in every if below is None or row < below]
    return [
        FoundEvent(
            transaction_id=event.transaction_id,
            customer_id=event.customer_id,
            event_type=event.event_type,
            timestamp=event.timestamp,
            properties=event.properties or Raw(b"{}"),
            source=event.source,
            partition=record.partition,
            offset=record.offset,
            index=row,
            received_at=record.appended_at,
        )
        for row, event in zip(chosen, rows.events_at(block, chosen), strict=True)
    ]


def _cursor(place: Place) -> str:
    return pages.encode(Position(place.at, f"{place.partition}:{place.offset}:{place.index}"))


def _place(cursor: str | None) -> Place | None:
    position = pages.decode(cursor)
    if position is None:
        return None
    try:
        partition, offset, index = map(int, position.id.split(":"))
    except ValueError:
        raise InvalidError("next_page is not a cursor that this list gave out") from None
    return Place(position.at, partition, offset, index)


@get("/winkel/v1/ingest/summary", guards=[auth.reader])
async def summary(api: Api, caller: Caller) -> Response[Any]:
    """Count what became of the tenant's events so far."""
    async with (
        api.database.transaction(caller.tenant_id) as tx,
        shards.reading(tx, api.further, caller.tenant_id) as reader,
    ):
        found: EventSummary = await reader.summary()
    return JsonResponse(Data(found))


@get("/winkel/v1/conflicting-duplicates", guards=[auth.reader])
async def conflicting_duplicates(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Response[Any]:
    """List ids that came again with other content; the first content counts, the newest is shown."""
    asked = query(request, Paging)
    count, position = pages.limit_of(asked.limit), pages.decode(asked.next_page)
    if position and not _HEX.fullmatch(position.id):
        raise InvalidError("next_page is not a cursor that this list gave out")
    async with (
        api.database.transaction(caller.tenant_id) as tx,
        shards.reading(tx, api.further, caller.tenant_id) as reader,
    ):
        before = (position.at, position.id) if position else None
        found = await reader.conflicting_duplicates(before=before, limit=count + 1)
    shown: list[ConflictingDuplicate]
    shown, more = pages.cut(found, count)
    return JsonResponse(Page(shown, pages.encode(Position(shown[-1].last_at, shown[-1].id)) if more else None))


routes = [ingest, send, newest, summary, conflicting_duplicates]
