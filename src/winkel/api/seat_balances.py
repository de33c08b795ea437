"""POST /v1/contracts/seatBalances/list: what each seat has left (metronome-api.md §4.7, §10.2)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, post
from msgspec import Meta, Struct

from winkel.api import fields, pages, wire
from winkel.api.auth import reader
from winkel.api.contract_requests import ContractKey
from winkel.api.seats import seated, spans
from winkel.api.state import Api
from winkel.bill import seats
from winkel.bill.actions import standing
from winkel.bill.balance import balance_of, ledger
from winkel.model.commit import AccessType, Balance, BalanceType, access_type
from winkel.model.ledger import PREFIX, EntryKind, LedgerEntry
from winkel.model.money import plain, total
from winkel.model.period import EPOCH
from winkel.model.subscription import Subscription
from winkel.model.tenant import Caller
from winkel.store import contracts

PAGE, PAGE_MAX = 25, 100
"""How many seats are on a page, and the most (metronome-api.md §2)."""
BALANCES_MAX = 100
"""When a page tells of so many commits and credits, it ends."""


class ListSeatBalances(ContractKey, Struct, kw_only=True):
    """The body of seatBalances/list."""

    subscription_ids: list[UUID] = []
    seat_ids: list[str] = []
    skip_missing_seat_ids: bool = False
    covering_date: fields.Instant | None = None
    starting_at: fields.Instant | None = None
    effective_before: fields.Instant | None = None
    include_credits_and_commits: bool = False
    include_ledgers: bool = False
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = PAGE
    cursor: str | None = None


class SeatEntryView(Struct):
    """One entry of the ledger of a seat's part."""

    type: str
    amount: Decimal
    timestamp: datetime


class PartView(Struct, omit_defaults=True, kw_only=True):
    """What one seat has of a commit or credit."""

    id: str
    balance: Decimal
    start_date: datetime
    end_date: datetime
    credit_type_id: str
    access_type: AccessType
    ledger_entries: list[SeatEntryView] | None = None


class UnitView(Struct):
    """What one seat has in one pricing unit."""

    credit_type_id: str
    balance: Decimal
    starting_balance: Decimal
    access_type: AccessType


class SeatBalanceView(Struct, omit_defaults=True, kw_only=True):
    """What one seat has."""

    seat_id: str
    balances: list[UnitView]
    commits: list[PartView] | None = None
    credits: list[PartView] | None = None


class PaginationView(Struct):
    """Where the page stands in the list."""

    seats_included: int
    seats_available_for_next_page: int
    next_page: str | None


class SeatBalancesView(Struct):
    """A page of seats."""

    data: list[SeatBalanceView]
    pagination: PaginationView


class Window(Struct, frozen=True):
    """The time for which balances are told: all that overlap it."""

    low: datetime | None
    high: datetime | None

    def meets(self, start: datetime, end: datetime | None) -> bool:
        """Whether it overlaps [start, end)."""
        begins = self.high is None or start < self.high or start == self.low
        return begins and (self.low is None or end is None or end > self.low)


class Part(Struct, frozen=True):
    """What one seat has of a balance."""

    balance: Balance
    """As if it were the seat's alone."""
    entries: Sequence[LedgerEntry]
    at: datetime

    @property
    def left(self) -> Decimal:
        """What the seat may use."""
        return balance_of(self.balance, self.entries, (), self.at)

    @property
    def given(self) -> Decimal:
        """What the seat was given."""
        grown = [each.amount for each in self.entries if each.kind is EntryKind.SEAT_BASED_ADJUSTMENT]
        return total([*(each.amount for each in self.balance.segments), *grown])

    def view(self, *, include_ledger: bool) -> PartView:
        """Return it for the wire."""
        (segment,) = self.balance.segments
        told = [each for each in ledger(self.balance, self.entries, self.at) if each.amount]
        prefix = PREFIX[self.balance.type]
        some = [SeatEntryView(f"{prefix}{each.kind}", plain(each.amount), each.timestamp) for each in told]
        return PartView(
            id=self.balance.id,
            balance=plain(self.left),
            start_date=segment.starting_at,
            end_date=segment.ending_before,
            credit_type_id=self.balance.credit_type_id,
            access_type=self.balance.access_type,
            ledger_entries=some if include_ledger else None,
        )


@post("/v1/contracts/seatBalances/list", guards=[reader], status_code=200)
async def list_seat_balances(request: Request[Any, Any, Any], api: Api, caller: Caller) -> SeatBalancesView:
    """List the seats of a contract with what each has left, open drafts counted, by id."""
    asked = await wire.body(request, ListSeatBalances)
    at = api.clock()
    window = _window(asked, at)
    async with api.database.transaction(caller.tenant_id, snapshot=True) as tx:
        contract = await contracts.get(tx, caller.tenant_id, str(asked.customer_id), str(asked.contract_id))
        now = await standing(tx, api.further, caller.tenant_id, str(asked.customer_id), at)
    chosen = [
        seated(contract, str(each), f"$.subscription_ids[{index}]") for index, each in enumerate(asked.subscription_ids)
    ] or [each for each in contract.subscriptions if each.seat_group_key is not None]
    ids = {each.id for each in chosen}
    held = [
        each
        for each in now.account.balances
        if each.allocation is not None
        and each.seat_group_key is not None
        and each.allocation.link.subscription_id in ids
        if each.segments and window.meets(each.segments[0].starting_at, each.segments[0].ending_before)
    ]
    by_seat = _by_seat(chosen, held, [*now.account.entries, *now.deductions], window, at)
    return _page({each: by_seat.get(each, []) for each in _named(asked, chosen, by_seat)}, asked)


def _window(asked: ListSeatBalances, at: datetime) -> Window:
    """Return the time that is asked about; now, when none is named."""
    if asked.covering_date is not None:
        if asked.starting_at is not None or asked.effective_before is not None:
            fields.refuse("cannot be used together with starting_at or effective_before", "$.covering_date")
        return Window(asked.covering_date, asked.covering_date)
    if asked.starting_at is None and asked.effective_before is None:
        return Window(at, at)
    return Window(asked.starting_at, asked.effective_before)


def _by_seat(
    chosen: Iterable[Subscription],
    held: Iterable[Balance],
    entries: Sequence[LedgerEntry],
    window: Window,
    at: datetime,
) -> dict[str, list[Part]]:
    """Return what there is of each seat that somebody has in the window, or that has a part of one of the balances."""
    found: dict[str, list[Part]] = defaultdict(list)
    for subscription in chosen:
        for span in spans(subscription):
            if window.meets(span.starting_at, span.ending_before):
                for each in span.assigned_seat_ids:
                    found[each]  # perhaps with nothing
    for balance in held:
        its = [each for each in entries if each.balance_id == balance.id]
        for seat in seats.parts(balance, its):
            found[seat].append(Part(*seats.own(balance, its, seat), at))
    return found


def _named(asked: ListSeatBalances, chosen: Iterable[Subscription], found: Iterable[str]) -> list[str]:
    """Return the seats that are asked for, by id. Raises `InvalidError` for one that there never was."""
    if not asked.seat_ids:
        return sorted(found)
    known = {each for subscription in chosen for span in spans(subscription) for each in span.assigned_seat_ids}
    for index, each in enumerate(asked.seat_ids):
        if each not in known and not asked.skip_missing_seat_ids:
            fields.refuse(f"no subscription of this contract has the seat {each!r}", f"$.seat_ids[{index}]")
    return sorted({*asked.seat_ids} & known)


def _page(found: Mapping[str, Sequence[Part]], asked: ListSeatBalances) -> SeatBalancesView:
    """Return the seats behind the cursor, as many as are asked for, or until they have many commits and credits."""
    after = pages.decode(asked.cursor)
    names = [each for each in found if after is None or each > after.id]
    shown: list[SeatBalanceView] = []
    told = 0
    for name in names[: asked.limit]:
        if asked.include_credits_and_commits and told >= BALANCES_MAX:
            break
        told += len(found[name])
        shown.append(_view(name, found[name], asked))
    left = len(names) - len(shown)
    cursor = pages.encode(pages.Position(EPOCH, shown[-1].seat_id)) if left else None
    return SeatBalancesView(shown, PaginationView(len(shown), left, cursor))


def _view(seat: str, its: Sequence[Part], asked: ListSeatBalances) -> SeatBalanceView:
    units: dict[str, list[Part]] = defaultdict(list)
    for each in its:
        units[each.balance.credit_type_id].append(each)
    view = SeatBalanceView(
        seat_id=seat,
        balances=[
            UnitView(
                unit,
                plain(total([one.left for one in some])),
                plain(total([one.given for one in some])),
                access_type(unit),
            )
            for unit, some in units.items()
        ],
    )
    if asked.include_credits_and_commits:
        told = [(each.balance.type, each.view(include_ledger=asked.include_ledgers)) for each in its]
        view.commits = [each for kind, each in told if kind is not BalanceType.CREDIT]
        view.credits = [each for kind, each in told if kind is BalanceType.CREDIT]
    return view


routes = [list_seat_balances]
