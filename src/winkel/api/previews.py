"""POST /v1/customers/{id}/previewEvents: draft invoices that events would give (metronome-api.md §4.10, §10.2)."""

import asyncio
import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from litestar import Request, post
from msgspec import UNSET, Meta, Raw, Struct, UnsetType, structs

from winkel.api.auth import reader
from winkel.api.fields import Text, refuse
from winkel.api.invoice_views import InvoiceView, invoice_view
from winkel.api.parse import id_of
from winkel.api.state import Api
from winkel.api.wire import Data, body
from winkel.bill.actions import Hypothetical, previewed
from winkel.bill.due import due_at
from winkel.ingest.block import identities
from winkel.ingest.check import ARRAY, all_or_none, check
from winkel.model.event import Event, Identifier
from winkel.model.tenant import Caller
from winkel.model.word import Word
from winkel.store import balances, credit_types, customers

EVENTS_MAX = 100
"""The most events of one preview (metronome-api.md §2)."""


class Mode(Word):
    """REPLACE: as if these were the customer's only events. MERGE: they are added to its usage."""

    REPLACE = "REPLACE"
    MERGE = "MERGE"


class PreviewEvent(Struct, forbid_unknown_fields=True, kw_only=True):
    """An event of the customer in the path; without a time it happens now, without an id it is a new one."""

    event_type: Text
    timestamp: str | None = None
    transaction_id: Identifier | None = None
    properties: Raw | UnsetType = UNSET


class PreviewEvents(Struct, forbid_unknown_fields=True, kw_only=True):
    """The body."""

    events: Annotated[tuple[PreviewEvent, ...], Meta(min_length=1, max_length=EVENTS_MAX)]
    mode: Mode = Mode.REPLACE
    skip_zero_qty_line_items: bool = False


@post("/v1/customers/{customer_id:str}/previewEvents", status_code=200, guards=[reader])
async def preview_events(
    request: Request[Any, Any, Any], api: Api, caller: Caller, customer_id: str
) -> Data[list[InvoiceView]]:
    """Return the draft of each contract for its current period, as it would be with these events. Nothing is stored."""
    asked, key, at = await body(request, PreviewEvents), id_of(customer_id, "customer_id"), api.clock()
    given = _given(asked.events)
    events = await asyncio.to_thread(_events, asked.events, key, at)
    named = [each for each in events if each.transaction_id in given]
    keys = identities(caller.tenant_id, named, api.log.secret)
    wanted = Hypothetical(
        events=events,
        identities={each.transaction_id: keys[16 * row : 16 * row + 16] for row, each in enumerate(named)},
        space=api.log.space,
        merge=asked.mode is Mode.MERGE,
    )
    async with api.database.transaction(caller.tenant_id, snapshot=True) as tx:
        customer = await customers.get(tx, caller.tenant_id, key)
        held = {each.id: each for each in await balances.of_customer(tx, caller.tenant_id, key, include_archived=True)}
        units = await credit_types.units(tx, caller.tenant_id)
        found = await previewed(tx, api.further, caller.tenant_id, key, wanted, at)
    grace = timedelta(hours=api.settings.grace_hours)
    drafts = [structs.replace(each.invoice, issued_at=due_at(each, grace)) for each in found]
    return Data(
        [invoice_view(each, customer, held, units, skip_zero=asked.skip_zero_qty_line_items) for each in drafts]
    )


def _given(events: Sequence[PreviewEvent]) -> set[str]:
    """Return the transaction ids that were given. Raises `InvalidError` for one that is there twice (§4.10)."""
    found = Counter(each.transaction_id for each in events if each.transaction_id is not None)
    for index, each in enumerate(events):
        if each.transaction_id is not None and found[each.transaction_id] > 1:
            refuse(f"the transaction id {each.transaction_id!r} is given twice", f"$.events[{index}].transaction_id")
    return set(found)


def _events(events: Sequence[PreviewEvent], customer_id: str, at: datetime) -> list[Event]:
    """Return the events as they would be ingested. Raises `InvalidError` for one that ingest would not take."""
    prefix = uuid.uuid4().hex
    made: list[dict[str, Any]] = [
        {
            "transaction_id": each.transaction_id or f"{prefix} {index:03}",
            "customer_id": customer_id,
            "event_type": each.event_type,
            "timestamp": each.timestamp or at,
            **({} if each.properties is UNSET else {"properties": each.properties}),
        }
        for index, each in enumerate(events)
    ]
    return all_or_none(check(msgspec.json.encode(made), ARRAY, at, EVENTS_MAX))


routes = [preview_events]
