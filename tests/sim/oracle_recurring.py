"""The oracle's recurring commits and credits (docs/pricing.md, section 9)."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from fractions import Fraction

from msgspec.structs import replace

from sim.oracle_number import exact, share
from sim.oracle_period import last_cycle, next_cycle
from sim.oracle_seats import begun_with
from sim.world import Balance, Contract, Follows, Item, Recurring, Schedule, SeatTerms, Segment

HOUR = timedelta(hours=1)


def children(contract: Contract, at: datetime) -> Iterator[Balance]:
    """Yield the children of a contract that are there at an instant: those that have begun, and each term's next."""
    for term in contract.recurring:
        anchor, frequency = cycles_of(contract, term)
        start = term.starting_at
        while ends_at(contract, term) is None or start < ends_at(contract, term):
            if start > at and last_cycle(anchor, frequency, start - HOUR) > at:
                break  # not even the period before it has begun
            child = _child(contract, term, start)
            if child is not None:
                yield child
            if start > at:
                break
            start = next_cycle(anchor, frequency, start)


def cycles_of(contract: Contract, term: Recurring) -> tuple[datetime, str]:
    """Return from when and how its periods are counted: as usage statements, or with a frequency from its start."""
    return (contract.anchor, contract.frequency) if term.frequency is None else (term.starting_at, term.frequency)


def ends_at(contract: Contract, term: Recurring) -> datetime | None:
    """Return when it stops giving: at its own end or the contract's."""
    return min((each for each in (contract.ending_before, term.ending_before) if each is not None), default=None)


def _child(contract: Contract, term: Recurring, start: datetime) -> Balance | None:
    """Return what the period gives that begins then; None: a share that rounds to nothing."""
    anchor, frequency = cycles_of(contract, term)
    part = part_of(contract, term, start)
    amount = _of(term.amount, part, term.rounding)
    if amount == 0 and term.follows is None:
        return None
    until = start
    for _ in range(term.duration):
        until = next_cycle(anchor, frequency, until)
    if contract.ending_before is not None:
        until = min(until, contract.ending_before)
    name = f"{term.id} {start:%Y-%m-%dT%H}"
    child = Balance(
        id=name,
        type=term.type,
        customer_id=contract.customer_id,
        product_id=term.product_id,
        currency=term.currency,
        contract_id=contract.id,
        priority=term.priority,
        segments=(Segment(name, str(amount), start, until),),
        created_at=contract.created_at,
        name=term.name,
        product_ids=term.product_ids,
        tags=term.tags,
        specifiers=term.specifiers,
        schedule=_schedule(term, name, start, part),
        rate_type=term.rate_type,
        rollover=term.rollover,
        child_access=term.child_access,
        child_ids=term.child_ids,
    )
    return child if term.follows is None else _of_seats(contract, term, child, term.follows)


def _of_seats(contract: Contract, term: Recurring, child: Balance, follows: Follows) -> Balance | None:
    """Return it with what the seats give with which its period begins; None: there are none any more."""
    [one] = [each for each in contract.subscriptions if each.id == follows.subscription_id]
    [segment] = child.segments
    if one.ending_before is not None and one.ending_before <= segment.starting_at:
        return None
    quantity, unit_price = map(exact, term.amount)
    whole, part = bounds_of(contract, term, segment.starting_at)
    its = SeatTerms(follows, str(quantity * unit_price), whole, part, term.rounding, one.seat_key or "")
    child = replace(child, seats=its)
    return replace(child, segments=(replace(segment, amount=str(begun_with(child, one).amount)),))


def part_of(contract: Contract, term: Recurring, start: datetime) -> Fraction:
    """Return for which part of the whole period something is given: 1, unless it is partial and prorated."""
    (begin, end), (first, last) = bounds_of(contract, term, start)
    return Fraction((last - first) // HOUR, (end - begin) // HOUR)


def bounds_of(
    contract: Contract, term: Recurring, start: datetime
) -> tuple[tuple[datetime, datetime], tuple[datetime, datetime]]:
    """Return the whole period of a child, and the part of it for which something is given."""
    anchor, frequency = cycles_of(contract, term)
    begin, end = last_cycle(anchor, frequency, start), next_cycle(anchor, frequency, start)
    stop = ends_at(contract, term)
    first = start if term.proration in {"FIRST", "FIRST_AND_LAST"} else begin
    last = min(end, stop or end) if term.proration in {"LAST", "FIRST_AND_LAST"} else end
    return (begin, end), (first, last)


def _of(amount: tuple[str, str], part: Fraction, rounding: tuple[str, int] | None) -> Fraction:
    quantity, unit_price = map(exact, amount)
    return quantity * unit_price if part == 1 else share(quantity * unit_price, part, rounding)


def _schedule(term: Recurring, name: str, start: datetime, part: Fraction) -> Schedule | None:
    """Return what is asked for on the day on which the child begins; None: it is free."""
    if term.asked is None:
        return None
    quantity, unit_price = term.asked
    amount = _of(term.asked, part, term.asked_rounding)
    if amount != exact(quantity) * exact(unit_price):
        quantity, unit_price = "1", str(amount)
    return Schedule(term.asked_currency, (Item(name, start, quantity, unit_price),))
