"""What a case shows of seats, and of what they give."""

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from sim.oracle_seats import changed_at, followed, gifts, known, quantity_of, seats_at
from sim.world import Balance, Case, Subscription

if TYPE_CHECKING:
    from sim.features import Sight

SEATS = (
    "seats charged", "seat takes an unassigned one", "seat is one more", "seat goes", "seat goes and comes at once",
    "unassigned seats go",
    "id without a seat goes", "seat comes again", "quantity becomes seats", "somebody takes what was a quantity",
    "pool of a quantity", "pool of seats", "pool with unassigned seats", "pool rises", "pool does not fall",
    "individual", "unassigned gives nothing", "seat gives from when it comes", "who comes again gets nothing more",
    "increase prorated", "increase as a whole", "first period of seats is partial", "seats are given rounded",
    "child of nobody", "no child after the subscription", "later than the child's own period",
    "part pays", "part is used up", "another pays for a seat", "usage of nobody", "usage of who has no seat",
    "part of who has gone pays", "part comes back", "part pays at a commit rate",
)  # fmt: skip


def of_seats(case: Case, sight: "Sight") -> Iterator[str]:
    """Yield what an instant shows of seats."""
    agreed = sight.books.tenant.contracts
    subscriptions = {each.id: known(each, sight.at) for contract in agreed for each in contract.subscriptions}
    for one in subscriptions.values():
        if one.seat_key is not None and one.starting_at <= sight.at:
            if one.seats_from is None or one.seats_from <= sight.at:
                yield from _of_changes(one)
            if one.seats_from is not None and one.seats_from <= sight.at:
                yield from ("quantity becomes seats",) * any(each < one.seats_from for each in case.looks)
            taken = one.seats_from is not None and bool(seats_at(one, sight.at)[0])
            yield from ("somebody takes what was a quantity",) * taken
    for bill in sight.drafts:
        for line in bill.lines:
            one = subscriptions.get(str(line.item_id).split(" ")[0])
            yield from ("seats charged",) * (line.type == "subscription" and one is not None and bool(one.seat_key))
    for balance in sight.balances:
        one = followed(sight.books.tenant, balance, sight.at)
        if one is not None and balance.segments[0].starting_at <= sight.at:
            yield from _of_gifts(balance, one)
            if balance.seats is not None and balance.seats.follows.individual:
                yield from _of_parts(sight, balance, one)
    for contract in case.tenant.contracts:
        for term in contract.recurring:
            if term.follows is not None:
                end = subscriptions[term.follows.subscription_id].ending_before
                lasts = term.ending_before is None or (end is not None and end < term.ending_before)
                yield from ("no child after the subscription",) * (end is not None and end < sight.at and lasts)


def _of_changes(one: Subscription) -> Iterator[str]:
    """Yield how seats come and go."""
    gone: set[str] = set()
    for before, at in pairwise(sorted(changed_at(one))):
        (had, free), (has, _) = seats_at(one, before), seats_at(one, at)
        new = set(has) - set(had)
        yield from ("seat takes an unassigned one",) * bool(new and free)
        yield from ("seat is one more",) * (len(new) > free)
        yield from ("seat goes",) * bool(set(had) - set(has))
        yield from ("seat comes again",) * bool(new & gone)
        gone |= set(had) - set(has)
        for each in one.seat_changes:
            if each.starting_at == at:
                yield from ("seat goes and comes at once",) * bool(set(each.removed) & set(had) & set(each.added))
                yield from ("unassigned seats go",) * bool(each.removed_unassigned)
                yield from ("id without a seat goes",) * bool(set(each.removed) - set(had))


def _of_gifts(balance: Balance, one: Subscription) -> Iterator[str]:
    """Yield what seats give to a child."""
    assert balance.seats is not None
    [segment], its = balance.segments, balance.seats
    first, *later = gifts(balance, one)
    start = segment.starting_at
    end = min(segment.ending_before, its.part[1])
    within = [each for each in changed_at(one) if start < each < end]
    if its.follows.individual:
        yield "individual"
        _, free = seats_at(one, start)
        yield from ("unassigned gives nothing",) * bool(free)
        yield from ("seat gives from when it comes",) * bool(later)
        known = {seat for each in (first, *later) for seat, _ in each.per_seat}
        for before, at in pairwise(sorted({start, *within})):
            again = (set(seats_at(one, at)[0]) - set(seats_at(one, before)[0])) & known
            had = {seat for each in (first, *later) if each.at < at for seat, _ in each.per_seat}
            yield from ("who comes again gets nothing more",) * bool(again & had)
    else:
        yield "pool of seats" if one.seat_key else "pool of a quantity"
        yield from ("pool with unassigned seats",) * (one.seat_key is not None and seats_at(one, start)[1] > 0)
        yield from ("pool rises",) * bool(later)
        yield from ("pool does not fall",) * any(quantity_of(one, each) < quantity_of(one, start) for each in within)
    if later:
        yield "increase prorated" if its.follows.prorated else "increase as a whole"
    yield from ("first period of seats is partial",) * (its.part != its.whole and bool(first.amount))
    yield from ("seats are given rounded",) * (its.rounding is not None and its.part != its.whole)
    yield from ("child of nobody",) * (not first.amount)
    yield from ("later than the child's own period",) * any(
        its.part[1] <= each < segment.ending_before for each in changed_at(one)
    )


def _of_parts(sight: "Sight", balance: Balance, one: Subscription) -> Iterator[str]:
    """Yield who draws on the parts of a child."""
    assert balance.seats is not None
    [segment], key = balance.segments, balance.seats.key
    has = {seat: amount for each in gifts(balance, one) if each.at <= sight.at for seat, amount in each.per_seat}
    for bill in sight.drafts:
        if bill.type != "USAGE" or bill.end is None or not bill.start < segment.ending_before:
            continue
        for line in bill.lines:
            if line.type != "usage" or bill.end <= segment.starting_at or bill.contract_id != balance.contract_id:
                continue
            values = dict((*line.pricing, *line.presentation))
            if key not in values:
                continue
            seat = values[key]
            if line.segment_id == segment.id:
                yield "part pays"
                yield from ("part is used up",) * (line.total == has[seat or ""])
                yield from ("part pays at a commit rate",) * (balance.rate_type == "COMMIT_RATE")
                now = seats_at(one, min(segment.ending_before, sight.at))[0]
                yield from ("part of who has gone pays",) * (seat not in now)
            elif seat is None:
                yield "usage of nobody"
            elif seat not in has:
                yield "usage of who has no seat"
            elif line.segment_id is not None:
                yield "another pays for a seat"
    for _, bill, _, _ in sight.corrected:
        yield from ("part comes back",) * (segment.id in bill.paid)
