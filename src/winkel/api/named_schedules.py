"""POST …/getNamedSchedule, …/updateNamedSchedule and /v1/contracts/listNamedSchedules (metronome-api.md §4.15)."""

import uuid
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, post
from msgspec import Meta, Struct, structs

from winkel.api import commits, fields, pages, wire
from winkel.api.auth import reader, writer
from winkel.api.parse import text_of
from winkel.api.state import Api
from winkel.api.wire import Data, Page
from winkel.model.named_schedule import NamedSchedule, NamedSegment, ScheduleOwner, updated
from winkel.model.tenant import Caller
from winkel.store import contracts, customers, named_schedules, rate_cards
from winkel.store.database import Connection
from winkel.store.named_schedules import Filter

SEGMENTS_MAX = 1000
"""The most segments of one schedule."""
VALUE_BYTES_MAX = 64 * 1024
"""The longest value, as JSON text."""

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Properties = Annotated[dict[Name, Annotated[str, Meta(max_length=200)]], Meta(max_length=20)]


class ScheduleKey(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which schedule; the owner comes with it."""

    schedule_name: Name


class GetSchedule(ScheduleKey, kw_only=True):
    """What the bodies of get have in common: all segments, or the one that covers a date."""

    covering_date: fields.Instant | None = None


class SetSegment(ScheduleKey, kw_only=True):
    """What the bodies of update have in common: a value and when it holds; without `ending_before` for ever."""

    starting_at: fields.Instant
    value: msgspec.Raw
    ending_before: fields.Instant | None = None


class GetOfCustomer(GetSchedule, kw_only=True):
    """The body of get for a customer."""

    customer_id: UUID


class GetOfContract(GetOfCustomer, kw_only=True):
    """The body of get for a contract."""

    contract_id: UUID
    properties: Properties = {}


class GetOfRateCard(GetSchedule, kw_only=True):
    """The body of get for a rate card."""

    rate_card_id: UUID


class SetOfCustomer(SetSegment, kw_only=True):
    """The body of update for a customer."""

    customer_id: UUID


class SetOfContract(SetOfCustomer, kw_only=True):
    """The body of update for a contract."""

    contract_id: UUID
    properties: Properties = {}


class SetOfRateCard(SetSegment, kw_only=True):
    """The body of update for a rate card."""

    rate_card_id: UUID


class ListOfContracts(Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of list: schedules of a customer's contracts that have at least these properties."""

    customer_id: UUID
    contract_id: UUID | None = None
    schedule_name: Name | None = None
    properties: Properties = {}
    covering_date: fields.Instant | None = None
    limit: int | None = None
    next_page: str | None = None


class SegmentView(Struct, omit_defaults=True, kw_only=True):
    """A segment on the wire, its value as it was sent."""

    starting_at: datetime
    value: msgspec.Raw
    ending_before: datetime | None = None


class ContractScheduleView(Struct, omit_defaults=True, kw_only=True):
    """A schedule of a contract on the wire."""

    contract_id: str
    schedule_name: str
    segments: list[SegmentView]
    properties: dict[str, str] = {}


@post("/v1/customers/getNamedSchedule", guards=[reader], status_code=200)
async def get_of_customer(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[list[SegmentView]]:
    """Return the values of a schedule of a customer."""
    asked = await wire.body(request, GetOfCustomer)
    async with api.database.transaction(caller.tenant_id) as tx:
        owner_id = (await customers.get(tx, caller.tenant_id, str(asked.customer_id))).id
        return await _get(tx, caller, ScheduleOwner.CUSTOMER, owner_id, asked)


@post("/v1/contracts/getNamedSchedule", guards=[reader], status_code=200)
async def get_of_contract(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[list[SegmentView]]:
    """Return the values of a schedule of a contract: of the one with exactly these properties."""
    asked = await wire.body(request, GetOfContract)
    async with api.database.transaction(caller.tenant_id) as tx:
        contract = await contracts.get(tx, caller.tenant_id, str(asked.customer_id), str(asked.contract_id))
        return await _get(tx, caller, ScheduleOwner.CONTRACT, contract.id, asked)


@post("/v1/contract-pricing/rate-cards/getNamedSchedule", guards=[reader], status_code=200)
async def get_of_rate_card(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[list[SegmentView]]:
    """Return the values of a schedule of a rate card."""
    asked = await wire.body(request, GetOfRateCard)
    async with api.database.transaction(caller.tenant_id) as tx:
        owner_id = (await rate_cards.get(tx, caller.tenant_id, str(asked.rate_card_id))).id
        return await _get(tx, caller, ScheduleOwner.RATE_CARD, owner_id, asked)


@post("/v1/customers/updateNamedSchedule", guards=[writer], status_code=200)
async def update_of_customer(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Response[Any]:
    """Set the value of a customer's schedule for a time."""
    asked = await wire.body(request, SetOfCustomer)
    async with api.database.transaction(caller.tenant_id) as tx:
        await commits.open_customer(tx, caller.tenant_id, str(asked.customer_id))
        return await _update(tx, api, caller, ScheduleOwner.CUSTOMER, str(asked.customer_id), asked)


@post("/v1/contracts/updateNamedSchedule", guards=[writer], status_code=200)
async def update_of_contract(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Response[Any]:
    """Set the value of a contract's schedule for a time."""
    asked = await wire.body(request, SetOfContract)
    async with api.database.transaction(caller.tenant_id) as tx:
        await commits.open_customer(tx, caller.tenant_id, str(asked.customer_id))
        contract = await commits.open_contract(tx, caller.tenant_id, str(asked.customer_id), str(asked.contract_id))
        return await _update(tx, api, caller, ScheduleOwner.CONTRACT, contract.id, asked)


@post("/v1/contract-pricing/rate-cards/updateNamedSchedule", guards=[writer], status_code=200)
async def update_of_rate_card(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Response[Any]:
    """Set the value of a rate card's schedule for a time."""
    asked = await wire.body(request, SetOfRateCard)
    async with api.database.transaction(caller.tenant_id) as tx:
        card = await rate_cards.get(tx, caller.tenant_id, str(asked.rate_card_id))
        if card.archived_at is not None:
            fields.refuse("this rate card is archived", "$.rate_card_id")
        return await _update(tx, api, caller, ScheduleOwner.RATE_CARD, card.id, asked)


@post("/v1/contracts/listNamedSchedules", guards=[reader], status_code=200)
async def list_of_contracts(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Page[ContractScheduleView]:
    """List the schedules of a customer's contracts, oldest first, with all their segments or those of a date."""
    asked = await wire.body(request, ListOfContracts)
    size, after = pages.limit_of(asked.limit, place="`$.limit`"), fields.position(asked.next_page)
    customer_id, contract_id = str(asked.customer_id), text_of(asked.contract_id)
    wanted = Filter(contract_id=contract_id, schedule_name=asked.schedule_name, properties=asked.properties)
    async with api.database.transaction(caller.tenant_id) as tx:
        await customers.get(tx, caller.tenant_id, customer_id)
        if contract_id is not None:
            await contracts.get(tx, caller.tenant_id, customer_id, contract_id)
        found = await named_schedules.of_contracts(tx, caller.tenant_id, customer_id, wanted, after, size + 1)
    shown, more = pages.cut(found, size)
    at = _covering(asked.covering_date)
    views = [
        ContractScheduleView(
            contract_id=each.owner_id,
            schedule_name=each.schedule_name,
            segments=_segments(each, at),
            properties=each.properties,
        )
        for each in shown
    ]
    return Page(views, fields.next_page(shown, more))


async def _get(
    tx: Connection, caller: Caller, owner: ScheduleOwner, owner_id: str, asked: GetSchedule
) -> Data[list[SegmentView]]:
    """Return the segments of a schedule; a name under which nothing was set has none."""
    at, properties = _covering(asked.covering_date), _properties(asked)
    found = await named_schedules.find(tx, caller.tenant_id, owner, owner_id, asked.schedule_name, properties)
    return Data([] if found is None else _segments(found, at))


async def _update(
    tx: Connection, api: Api, caller: Caller, owner: ScheduleOwner, owner_id: str, asked: SetSegment
) -> Response[Any]:
    """Set a segment of a schedule, which is made if it is not there. Raises `InvalidError`."""
    made, properties = _segment(asked), _properties(asked)
    await named_schedules.lock(tx, caller.tenant_id, owner_id)
    found = await named_schedules.find(tx, caller.tenant_id, owner, owner_id, asked.schedule_name, properties)
    if found is None:
        first = NamedSchedule(
            id=str(uuid.uuid4()),
            owner=owner,
            owner_id=owner_id,
            schedule_name=asked.schedule_name,
            created_at=api.clock(),
            properties=properties,
            segments=(made,),
        )
        await named_schedules.insert(tx, caller.tenant_id, first)
        return wire.empty()
    segments = updated(found.segments, made)
    if len(segments) > SEGMENTS_MAX:
        fields.refuse(f"the schedule would have more than {SEGMENTS_MAX} segments", "$.starting_at")
    await named_schedules.update(tx, caller.tenant_id, structs.replace(found, segments=segments))
    return wire.empty()


def _segment(asked: SetSegment) -> NamedSegment:
    """Return the new segment. Raises `InvalidError` when it ends before it begins, or for a value that is too long."""
    start = fields.instant(asked.starting_at, "$.starting_at")
    end = None if asked.ending_before is None else fields.instant(asked.ending_before, "$.ending_before")
    if end is not None and end <= start:
        fields.refuse("ending_before must lie after starting_at", "$.ending_before")
    value = bytes(asked.value)
    if len(value) > VALUE_BYTES_MAX:
        fields.refuse(f"must not be longer than {VALUE_BYTES_MAX} bytes", "$.value")
    return NamedSegment(start, value.decode(), end)


def _properties(asked: GetSchedule | SetSegment) -> dict[str, str]:
    """Return what tells schedules of one name apart: only contracts have several."""
    return asked.properties if isinstance(asked, GetOfContract | SetOfContract) else {}


def _covering(asked: datetime | None) -> datetime | None:
    return None if asked is None else fields.instant(asked, "$.covering_date")


def _segments(schedule: NamedSchedule, at: datetime | None) -> list[SegmentView]:
    """Return the segments for the wire: all, or the one that covers the instant."""
    return [
        SegmentView(
            starting_at=each.starting_at, value=msgspec.Raw(each.value.encode()), ending_before=each.ending_before
        )
        for each in schedule.segments
        if at is None or each.covers(at)
    ]


routes = [
    get_of_customer,
    get_of_contract,
    get_of_rate_card,
    update_of_customer,
    update_of_contract,
    update_of_rate_card,
    list_of_contracts,
]
