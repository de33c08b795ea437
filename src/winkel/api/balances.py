"""/v1/contracts/customerBalances and manual ledger entries (metronome-api.md §4.8)."""

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, post
from msgspec import Meta, Struct

from winkel.api import commits, fields, pages, schedules
from winkel.api.auth import reader, writer
from winkel.api.balance_views import BalanceView
from winkel.api.parse import text_of
from winkel.api.state import Api
from winkel.api.wire import Data, Page, body, empty
from winkel.bill import seats
from winkel.bill.actions import kept, standing
from winkel.bill.balance import balance_of
from winkel.model.commit import AccessType, Balance, BalanceType
from winkel.model.errors import InvalidError, NotFoundError
from winkel.model.ledger import EntryKind, LedgerEntry
from winkel.model.money import fits, plain, total
from winkel.model.tenant import Caller
from winkel.model.word import Word
from winkel.store import billing, contracts, customers, uniqueness_keys
from winkel.store import ledger as entries
from winkel.store.balances import Filter
from winkel.store.database import Connection

PAGE = 25
"""The largest page of balances (metronome-api.md §2)."""


class Inclusion(Word):
    """Whose deductions count in a net balance."""

    FINALIZED = "FINALIZED"
    FINALIZED_AND_DRAFT = "FINALIZED_AND_DRAFT"


class ListBalances(Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of customerBalances/list."""

    customer_id: UUID
    id: UUID | None = None
    access_type: AccessType | None = None
    covering_date: fields.Instant | None = None
    effective_before: fields.Instant | None = None
    starting_at: fields.Instant | None = None
    include_archived: bool = False
    include_balance: bool = False
    include_contract_balances: bool = False
    include_ledgers: bool = False
    exclude_zero_balances: bool = False
    limit: int = PAGE
    next_page: str | None = None


class BalanceFilter(Struct, forbid_unknown_fields=True):
    """All parts that are given must hold."""

    balance_types: tuple[str, ...] | None = None
    ids: tuple[UUID, ...] | None = None
    custom_fields: dict[str, str] = {}


class GetNetBalance(Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of customerBalances/getNetBalance; filters are alternatives."""

    customer_id: UUID
    access_type: AccessType = AccessType.SPEND
    credit_type_id: UUID | None = None
    filters: tuple[BalanceFilter, ...] | None = None
    invoice_inclusion_mode: Inclusion = Inclusion.FINALIZED_AND_DRAFT


class AddEntry(Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of addManualBalanceLedgerEntry."""

    id: UUID
    customer_id: UUID
    segment_id: UUID
    amount: Decimal
    reason: Annotated[str, Meta(min_length=1)]
    contract_id: UUID | None = None
    timestamp: fields.Instant | None = None
    uniqueness_key: fields.UniquenessKey | None = None
    per_group_amounts: dict[str, Decimal] = {}
    """Of a commit or credit that each seat has a part of: how much of the amount is whose."""


class NetBalance(Struct):
    """One number: what a customer may use now."""

    balance: Decimal
    credit_type_id: str


@post("/v1/contracts/customerBalances/list", guards=[reader], status_code=200)
async def list_balances(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Page[BalanceView]:
    """List commits and credits together, with what is left of them."""
    asked = await body(request, ListBalances)
    limit, customer_id = pages.limit_of(asked.limit, PAGE, "`$.limit`"), str(asked.customer_id)
    wanted = Filter(
        id=text_of(asked.id),
        access_type=asked.access_type,
        covering=asked.covering_date,
        starting_at=asked.starting_at,
        effective_before=asked.effective_before,
        include_archived=asked.include_archived,
        include_contracts=asked.include_contract_balances,
    )
    async with api.database.transaction(caller.tenant_id, snapshot=True) as tx:
        await customers.get(tx, caller.tenant_id, customer_id)
        after = fields.position(asked.next_page)
        found = await commits.page(
            tx, api.further, caller.tenant_id, customer_id, wanted, after, limit + 1, api.clock()
        )
        shown, more = pages.cut(found, limit)
        views = await commits.views(
            tx,
            api.further,
            caller.tenant_id,
            shown,
            at=api.clock(),
            include_ledgers=asked.include_ledgers,
            include_balance=asked.include_balance or asked.exclude_zero_balances,
        )
    if asked.exclude_zero_balances:
        views = [each for each in views if each.balance]
    if not asked.include_balance:
        views = [msgspec.structs.replace(each, balance=None) for each in views]
    return Page(views, fields.next_page(shown, more))


@post("/v1/contracts/customerBalances/getNetBalance", guards=[reader], status_code=200)
async def get_net_balance(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[NetBalance]:
    """Return one number: the balances of a customer in one pricing unit, or in units of usage, together."""
    asked = await body(request, GetNetBalance)
    unit = schedules.access_unit(asked.access_type, asked.credit_type_id, "$")
    filters = [_checked(each, f"$.filters[{index}]") for index, each in enumerate(asked.filters or ())]
    async with api.database.transaction(caller.tenant_id, snapshot=True) as tx:
        at = api.clock()
        now = await standing(tx, api.further, caller.tenant_id, str(asked.customer_id), at)
    if asked.access_type is AccessType.SPEND and unit not in now.account.units:
        fields.refuse(f"there is no pricing unit {unit}", "$.credit_type_id")
    drafted = now.deductions if asked.invoice_inclusion_mode is Inclusion.FINALIZED_AND_DRAFT else []
    own = [each for each in now.account.balances if each.customer_id == now.account.customer.id]
    wanted = [each for each in own if each.credit_type_id == unit and _wanted(each, filters)]
    net = total([balance_of(each, now.account.entries, drafted, at) for each in wanted])
    return Data(NetBalance(plain(net), unit))


@post("/v1/contracts/addManualBalanceLedgerEntry", guards=[writer], status_code=200)
async def add_manual_entry(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Response[Any]:
    """Change a balance by hand, with a reason that stays in its ledger for ever."""
    asked = await body(request, AddEntry)
    customer_id, key = str(asked.customer_id), str(asked.id)
    if not asked.amount or not fits(asked.amount):
        raise InvalidError("amount must be a number of at most 38 digits, and not zero - at `$.amount`")
    async with api.database.transaction(caller.tenant_id) as tx:
        await billing.lock_customer(tx, caller.tenant_id, customer_id)
        balance = await kept(tx, caller.tenant_id, customer_id, key, api.clock())
        commits.check_not_retired(balance)
        entry = _manual(balance, asked, await _seats(tx, caller.tenant_id, balance, api.clock()))
        await uniqueness_keys.claim(tx, caller.tenant_id, "manual_entry", asked.uniqueness_key, entry.id)
        await entries.post(tx, caller.tenant_id, [entry])
    return empty()


async def _seats(tx: Connection, tenant_id: int, balance: Balance, at: datetime) -> set[str]:
    """Return the ids of the seats that have a part of the balance; none: it has no parts."""
    if balance.seat_group_key is None or balance.contract_id is None:
        return set()
    contract = await contracts.get(tx, tenant_id, balance.customer_id, balance.contract_id)
    return seats.parts(balance, seats.adjustments([contract], [balance], at))


def _check_parts(balance: Balance, asked: AddEntry, known: set[str]) -> None:
    """Raise `InvalidError` unless the amounts of seats sum to the amount, for a balance that seats have parts of."""
    place = "$.per_group_amounts"
    if balance.seat_group_key is None:
        if asked.per_group_amounts:
            fields.refuse("is for what gives each seat a part of its own: leave it out", place)
        return
    for seat, amount in asked.per_group_amounts.items():
        fields.finite(amount, f"{place}.{seat}")
        if seat not in known:
            fields.refuse(f"the seat {seat!r} has no part of this commit or credit", place)
    if total(list(asked.per_group_amounts.values())) != asked.amount:
        fields.refuse("must say how much of the amount is whose, and sum to it", place)


def _manual(balance: Balance, asked: AddEntry, known: set[str]) -> LedgerEntry:
    """Return the entry that was asked for; `known` are the seats that have a part of the balance.

    Raises when it names another segment or contract than the balance has, or another seat.
    """
    if asked.contract_id is not None and str(asked.contract_id) != balance.contract_id:
        raise NotFoundError(f"the contract {asked.contract_id} has no commit or credit {balance.id}")
    segment = next((each for each in balance.segments if each.id == str(asked.segment_id)), None)
    if segment is None:
        raise NotFoundError(f"the commit or credit {balance.id} has no segment {asked.segment_id}")
    at = asked.timestamp or segment.starting_at
    if not segment.starting_at <= at < segment.ending_before:
        raise InvalidError("timestamp must lie within the segment - at `$.timestamp`")
    _check_parts(balance, asked, known)
    return LedgerEntry(
        id=str(uuid.uuid4()),
        balance_id=balance.id,
        segment_id=segment.id,
        kind=EntryKind.MANUAL,
        amount=asked.amount,
        timestamp=at,
        contract_id=balance.contract_id,
        reason=asked.reason,
        per_seat=asked.per_group_amounts,
    )


def _checked(wanted: BalanceFilter, place: str) -> BalanceFilter:
    """Return the filter with its types in capitals. Raises `InvalidError` for a type that there is not."""
    known = _TYPES
    types = tuple(each.upper() for each in wanted.balance_types or ())
    for each in types:
        if each not in known:
            fields.refuse(f"a balance type must be one of {', '.join(sorted(known))}", f"{place}.balance_types")
    return msgspec.structs.replace(wanted, balance_types=types or None)


_TYPES = {
    "PREPAID_COMMIT": BalanceType.PREPAID,
    "POSTPAID_COMMIT": BalanceType.POSTPAID,
    "CREDIT": BalanceType.CREDIT,
}


def _wanted(balance: Balance, filters: list[BalanceFilter]) -> bool:
    """Whether any of the filters wants the balance; without filters all are wanted."""
    return not filters or any(_matches(balance, each) for each in filters)


def _matches(balance: Balance, wanted: BalanceFilter) -> bool:
    """Whether all parts of one filter hold."""
    if wanted.balance_types is not None and balance.type not in {_TYPES.get(each) for each in wanted.balance_types}:
        return False
    if wanted.ids is not None and balance.id not in {str(each) for each in wanted.ids}:
        return False
    return wanted.custom_fields.items() <= balance.custom_fields.items()


routes = [list_balances, get_net_balance, add_manual_entry]
