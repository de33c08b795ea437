"""The oracle's seats: who has one, and what seats give (docs/pricing.md, section 17)."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from fractions import Fraction

from msgspec import Struct
from msgspec.structs import replace

from sim.oracle_bill import Bill
from sim.oracle_number import exact, share
from sim.oracle_target import Use
from sim.world import Balance, SeatChange, Subscription, Tenant

HOUR = timedelta(hours=1)
KIND = "SEAT_BASED_ADJUSTMENT"


class Gift(Struct, frozen=True):
    """What seats give from an instant on: in all, and of an individual allocation to whom how much."""

    at: datetime
    amount: Fraction
    per_seat: tuple[tuple[str, Fraction], ...] = ()


def seats_at(one: Subscription, at: datetime) -> tuple[list[str], int]:
    """Return who has a seat at an instant, and how many seats nobody has.

    What goes takes its seat with it; who comes takes one that nobody has while there is one. What was a quantity are
    seats that nobody has.
    """
    assigned: list[str] = []
    unassigned, had = 0, 0
    for moment in sorted(each for each in changed_at(one) if each <= at):
        asked_for = int(quantity_asked(one, moment))
        unassigned, had = unassigned + asked_for - had, asked_for
        for each in one.seat_changes:
            if each.starting_at == moment:
                assigned = [name for name in assigned if name not in each.removed]
                unassigned -= each.removed_unassigned
                for name in each.added:
                    assigned.append(name)
                    unassigned = max(0, unassigned - 1)
                unassigned += each.added_unassigned
    return assigned, unassigned


def quantity_of(one: Subscription, at: datetime) -> Fraction:
    """Return the quantity of a subscription at an instant: its seats, or the quantity that was asked for."""
    if one.seat_key is not None:
        assigned, unassigned = seats_at(one, at)
        return Fraction(len(assigned) + unassigned)
    return quantity_asked(one, at)


def quantity_asked(one: Subscription, at: datetime) -> Fraction:
    """Return the quantity that was asked for; changes of one instant count in the order they came in."""
    found = Fraction(0)
    for each in sorted(one.changes, key=lambda each: each.starting_at):
        if each.starting_at <= at:
            found = exact(each.quantity) if each.quantity is not None else found + exact(each.delta or "0")
    return found


def known(one: Subscription, at: datetime, *, before: bool = False) -> Subscription:
    """Return a subscription as it is known at an instant, or just before it.

    Changes that were asked for later are not. It is one of a quantity until it is agreed that it has seats.
    """

    def is_said(said_at: datetime | None) -> bool:
        return said_at is None or (said_at < at if before else said_at <= at)

    found = replace(
        one,
        changes=tuple(each for each in one.changes if is_said(each.said_at)),
        seat_changes=tuple(each for each in one.seat_changes if is_said(each.said_at)),
    )
    return found if is_said(one.seats_from) else replace(found, seat_key=None, seat_changes=())


def is_possible(one: Subscription) -> bool:
    """Whether no id has two seats at a time, no more free seats go than there are, and no quantity is negative."""
    instants = sorted(changed_at(one))
    if one.seat_key is None:
        return all(quantity_asked(one, at) >= 0 for at in instants)
    for at in instants:
        before = tuple(each for each in one.seat_changes if each.starting_at < at)
        if seats_at(replace(one, seat_changes=before), at)[1] < 0:
            return False
    done: tuple[SeatChange, ...] = ()
    for each in sorted(one.seat_changes, key=lambda each: each.starting_at):
        assigned, unassigned = seats_at(replace(one, seat_changes=done), each.starting_at)
        if each.removed_unassigned > unassigned or (set(assigned) - set(each.removed)) & set(each.added):
            return False
        done = (*done, each)
    return True


def changed_at(one: Subscription) -> set[datetime]:
    """Return the instants at which its quantity, or who has a seat, may change."""
    return {each.starting_at for each in (*one.changes, *one.seat_changes)}


def gifts(child: Balance, one: Subscription) -> list[Gift]:
    """Return what the seats of a subscription give to a child: the first when it begins, perhaps nothing."""
    assert child.seats is not None
    [segment] = child.segments
    start = segment.starting_at
    end = min(segment.ending_before, child.seats.part[1], one.ending_before or segment.ending_before)
    found = []
    most, known = Fraction(0), set[str]()
    for at in [start, *sorted(each for each in changed_at(one) if start < each < end)]:
        if child.seats.follows.individual:
            new = [each for each in seats_at(one, at)[0] if each not in known]
            known.update(new)
            its = gift(child, Fraction(1), at)
            per_seat = tuple((each, its) for each in new if its)
            found.append(Gift(at, its * len(new), per_seat))
        else:
            more = max(Fraction(0), quantity_of(one, at) - most)
            most += more
            found.append(Gift(at, gift(child, more, at)))
    return [each for each in found if each.amount or each.at == start]


def gift(child: Balance, seats: Fraction, at: datetime) -> Fraction:
    """Return what so many seats give from an instant on, rounded once: a share of the hours, if that was agreed."""
    its = child.seats
    assert its is not None
    [segment] = child.segments
    since = at if its.follows.prorated and at > segment.starting_at else its.part[0]
    amount = exact(its.amount) * seats
    if (since, its.part[1]) == its.whole:
        return amount
    hours, whole = ((end - begin) // HOUR for begin, end in ((since, its.part[1]), its.whole))
    return share(amount, Fraction(hours, whole), its.rounding)


def followed(tenant: Tenant, child: Balance, at: datetime) -> Subscription | None:
    """Return the subscription whose seats give to a balance, as it is known at an instant; None: it follows none."""
    if child.seats is None or not child.segments:
        return None
    every = (each for contract in tenant.contracts for each in contract.subscriptions)
    return known(next(each for each in every if each.id == child.seats.follows.subscription_id), at)


def begun_with(child: Balance, one: Subscription) -> Gift:
    """Return what seats give to a child with which it begins: those of its start that were told before it."""
    return gifts(child, known(one, child.segments[0].starting_at, before=True))[0]


def later_gifts(tenant: Tenant, child: Balance, at: datetime) -> Iterator[tuple[datetime, str, str, Fraction]]:
    """Yield the ledger entries of what seats give besides what the child began with, until an instant.

    Seats of its start that were told later give, or give no more, from its start on.
    """
    one = followed(tenant, child, at)
    if one is None:
        return
    [segment] = child.segments
    first, *later = gifts(child, one)
    begun = begun_with(child, one)
    if (first.amount, dict(first.per_seat)) != (begun.amount, dict(begun.per_seat)) and first.at <= at:
        yield first.at, KIND, segment.id, first.amount - begun.amount
    for each in later:
        if each.at <= at:
            yield each.at, KIND, segment.id, each.amount


def seat_of(balance: Balance, use: Use) -> str | None:
    """Return whose use it is, for a balance of which each seat has a part; None: nobody's, or it has no parts."""
    if balance.seats is None or not balance.seats.follows.individual:
        return None
    return dict((*use.pricing, *use.presentation)).get(balance.seats.key)


def drawn_on(balance: Balance, segment_id: str, use: Use) -> str:
    """Return what a use draws on: a segment, or the part of it that a seat has."""
    seat = seat_of(balance, use)
    return segment_id if seat is None else part_of(segment_id, seat)


def part_of(segment_id: str, seat: str) -> str:
    """Return the name of what one seat has of a segment."""
    return f"{segment_id} of {seat}"


def parts(tenant: Tenant, balance: Balance, bills: Iterable[Bill], at: datetime) -> dict[str, Fraction]:
    """Return seat → what these invoices leave of its part, of those that seats were given until an instant."""
    one = followed(tenant, balance, at)
    if one is None or balance.seats is None or not balance.seats.follows.individual:
        return {}
    left = dict.fromkeys(dict(begun_with(balance, one).per_seat), Fraction(0))
    for each in gifts(balance, one):
        if each.at <= at or each.at == balance.segments[0].starting_at:
            left |= dict(each.per_seat)
    for bill in bills:
        for line in bill.lines:
            if line.segment_id == balance.segments[0].id and line.type == "usage" and not line.origin:
                seat = dict((*line.pricing, *line.presentation))[balance.seats.key] or ""
                left[seat] = left.get(seat, Fraction(0)) - (0 if bill.void else line.total)
    return left
