"""What seats give: the amounts of recurring commits and credits that follow a subscription (docs/pricing.md, Seats).

A child is made with what the seats give with which its period begins. What changes after that follows from the
subscription: ledger entries that are never stored, as starts and expirations are not. So they always agree with the
seats, however late those are told.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

from msgspec import Struct, structs

from winkel.bill.balance import remaining_of
from winkel.bill.identity import derived
from winkel.bill.proration import prorated
from winkel.model.allocation import Allocation, SeatAllocation
from winkel.model.commit import Balance
from winkel.model.contract import Contract
from winkel.model.ledger import EntryKind, LedgerEntry
from winkel.model.money import ZERO, multiply, subtract, total
from winkel.model.period import Period
from winkel.model.recurring import RecurringBalance
from winkel.model.subscription import Subscription

T = TypeVar("T")


class Given(Struct, frozen=True):
    """What seats give from an instant on."""

    at: datetime
    amount: Decimal
    per_seat: dict[str, Decimal]
    """Of an INDIVIDUAL allocation: to which seat how much; the amount is their sum."""


def allocated(term: RecurringBalance, subscription: Subscription, part: Period, whole: Period) -> SeatAllocation:
    """Return how a child of the term follows the subscription in this part of a whole period."""
    assert term.subscription is not None, "it follows one"
    individual = term.subscription.allocation is Allocation.INDIVIDUAL
    return SeatAllocation(
        link=term.subscription,
        amount=term.access_amount.total,
        whole=whole,
        part=part,
        rounding=term.access_rounding,
        seat_group_key=subscription.seat_group_key if individual else None,
    )


def given(allocation: SeatAllocation, subscription: Subscription, span: Period) -> list[Given]:
    """Return what the seats of a subscription give to a child that may be used in the span, by time.

    The first are the seats with which the span begins, perhaps none. What comes within the child's own period gives
    from then on: of a pool what goes above the most so far, as it is charged; of an individual allocation every id that
    had no seat in it before. Whoever goes takes nothing away: what was paid for may be used until the period ends.
    """
    end = min(span.end, allocation.part.end, subscription.ending_before or span.end)
    if allocation.link.allocation is Allocation.POOLED:
        return list(_pooled(allocation, subscription, span.start, end))
    return list(_individual(allocation, subscription, span.start, end))


def first(allocation: SeatAllocation, subscription: Subscription, span: Period) -> Given:
    """Return what the seats give with which the span begins; the child is made with that."""
    return given(allocation, subscription, span)[0]


def adjustments(contracts: Iterable[Contract], balances: Iterable[Balance], at: datetime) -> list[LedgerEntry]:
    """Return the SEAT_BASED_ADJUSTMENT entries of all children until the instant (metronome-api.md §4.8)."""
    subscriptions = {each.id: each for contract in contracts for each in contract.subscriptions}
    return [
        entry
        for balance in balances
        if balance.allocation is not None and balance.segments
        if (subscription := subscriptions.get(balance.allocation.link.subscription_id)) is not None
        for entry in _adjustments(balance, balance.allocation, subscription)
        if entry.timestamp <= min(at, balance.archived_at or at)
    ]


def parts(balance: Balance, entries: Iterable[LedgerEntry]) -> set[str]:
    """Return the ids of the seats that have, or had, a part of a child; `entries` are those that follow from seats."""
    its = balance.allocation.given if balance.allocation else {}
    return {*its, *(seat for each in entries if each.balance_id == balance.id for seat in each.per_seat)}


def own(balance: Balance, entries: Iterable[LedgerEntry], seat: str) -> tuple[Balance, list[LedgerEntry]]:
    """Return a child and its entries as one seat has them: its part as a balance of its own."""
    assert balance.allocation is not None, "it has parts"
    amount = balance.allocation.given.get(seat, ZERO)
    segments = tuple(structs.replace(each, amount=amount) for each in balance.segments)
    some = [each for each in entries if each.balance_id == balance.id and seat in each.per_seat]
    return structs.replace(balance, segments=segments), [
        structs.replace(each, amount=each.per_seat[seat], per_seat={}) for each in some
    ]


def overdrawn(contract: Contract, balances: Iterable[Balance], entries: Iterable[LedgerEntry], at: datetime) -> bool:
    """Whether final invoices took more than the seats of the contract give, from some child or some seat's part."""
    children = [each for each in balances if each.allocation is not None]
    posted = [each for each in entries if each.kind is not EntryKind.MANUAL]
    return any(
        amount < ZERO for amount in remaining_of(children, [*posted, *adjustments([contract], children, at)]).values()
    )


def _adjustments(balance: Balance, allocation: SeatAllocation, subscription: Subscription) -> Iterator[LedgerEntry]:
    """Yield what seats give beyond what the child was made with; other seats at its start count from its start on."""
    (segment,) = balance.segments
    begun, *later = given(allocation, subscription, Period(segment.starting_at, segment.ending_before))
    names = dict.fromkeys([*allocation.given, *begun.per_seat])
    changed = {each: subtract(begun.per_seat.get(each, ZERO), allocation.given.get(each, ZERO)) for each in names}
    changed = {each: amount for each, amount in changed.items() if amount}
    corrected = Given(begun.at, subtract(begun.amount, segment.amount), changed)
    for each in (corrected, *later):
        if each.amount or each.per_seat:
            yield LedgerEntry(
                id=derived(segment.id, EntryKind.SEAT_BASED_ADJUSTMENT, each.at.astimezone(UTC).isoformat()),
                balance_id=balance.id,
                segment_id=segment.id,
                kind=EntryKind.SEAT_BASED_ADJUSTMENT,
                amount=each.amount,
                timestamp=each.at,
                contract_id=balance.contract_id,
                per_seat=each.per_seat,
            )


def _pooled(allocation: SeatAllocation, subscription: Subscription, start: datetime, end: datetime) -> Iterator[Given]:
    most = ZERO
    for moment, quantity in _steps(subscription.quantities(), ZERO, start, end):
        if quantity > most or moment == start:
            yield Given(moment, _amount(allocation, subtract(quantity, most), start, moment), {})
            most = quantity


def _individual(
    allocation: SeatAllocation, subscription: Subscription, start: datetime, end: datetime
) -> Iterator[Given]:
    known: set[str] = set()
    seats = ((each.starting_at, each.assigned) for each in subscription.seats())
    for moment, assigned in _steps(seats, (), start, end):
        new = [each for each in assigned if each not in known]
        if new or moment == start:
            one = _amount(allocation, Decimal(1), start, moment)
            per_seat = dict.fromkeys(new, one) if one else {}
            yield Given(moment, total(list(per_seat.values())), per_seat)
            known.update(new)


def _steps(
    changes: Iterable[tuple[datetime, T]], nothing: T, start: datetime, end: datetime
) -> Iterator[tuple[datetime, T]]:
    """Yield what holds at the start, then every change between it and the end; nothing holds after the end."""
    every = list(changes)
    before = [each for moment, each in every if moment <= start < end]
    yield start, before[-1] if before else nothing
    yield from ((moment, each) for moment, each in every if start < moment < end)


def _amount(allocation: SeatAllocation, count: Decimal, start: datetime, moment: datetime) -> Decimal:
    """Return what so many seats give that came at the moment, rounded once."""
    part = allocation.part
    if allocation.link.is_prorated and moment > start:
        part = Period(max(moment, part.start), part.end)
    return prorated(multiply(allocation.amount, count), part, allocation.whole, allocation.rounding)
