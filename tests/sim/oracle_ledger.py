"""The oracle's ledgers (docs/pricing.md, section 7)."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from fractions import Fraction

from sim.oracle_bill import Bill
from sim.oracle_number import exact
from sim.oracle_rollover import Rolled
from sim.oracle_trueup import agreed_true_up_of, true_up_of
from sim.world import Balance, Entry, Segment

Told = tuple[datetime, str, str, Fraction]
"""(when, what, segment id, amount) of a ledger entry."""


def changes(
    balance: Balance, entries: Iterable[Entry], bills: Iterable[Bill], rolled: Iterable[Rolled] = ()
) -> list[Told]:
    """Return the deductions of these invoices, dated at the end of their periods or as they, and manual entries.

    What rolled over leaves when the new contract begins.
    """
    own = {each.id for each in balance.segments}
    found = [
        (each.at, "MANUAL", each.segment_id, exact(each.amount)) for each in entries if each.balance_id == balance.id
    ]
    for each in rolled:
        if each.segment_id in own:
            found += [(each.at, "ROLLOVER", each.segment_id, -amount) for amount in each.told]
    for bill in bills:
        taken = list(_taken(balance, own, bill))
        found += taken
        if bill.void:  # what it took comes back; of a promise by an entry of the same kind
            promise = balance.type == "POSTPAID"
            found += [(at, kind if promise else "CREDITED", one, -amount) for at, kind, one, amount in taken]
    return found


def _taken(balance: Balance, own: set[str], bill: Bill) -> Iterator[Told]:
    """Yield what an invoice takes from a balance whose own segments these are."""
    for segment_id, amount in bill.paid.items():
        if segment_id in own:
            yield bill.end or bill.start, "AUTOMATED_INVOICE_DEDUCTION", segment_id, -amount
    yield from asked_for(balance, bill)


def asked_for(balance: Balance, bill: Bill) -> Iterator[Told]:
    """Yield what the true-up of a promise takes, if this is the invoice that asks for it."""
    for item, segment in agreed_true_up_of(balance):
        for line in bill.lines:
            if line.item_id == item.id and line.total:
                yield bill.start, "TRUEUP", segment.id, -line.total


def remaining(balance: Balance, changed: Iterable[Told]) -> dict[str, Fraction]:
    """Return segment id → what is left of it: the sum of its entries."""
    left = {each.id: exact(each.amount) for each in balance.segments}
    for _, _, segment_id, amount in changed:
        if segment_id in left:
            left[segment_id] += amount
    return left


def ledger(balance: Balance, changed: list[Told], at: datetime) -> list[Told]:
    """Return all entries as seen at an instant. A segment that has expired sums to zero."""
    found = list(changed)
    left = remaining(balance, changed)
    for segment in balance.segments:
        if segment.starting_at >= ends_at(balance, segment):  # archived before it began
            left[segment.id] -= exact(segment.amount)
        elif segment.starting_at <= at:
            kind = "INITIAL_BALANCE" if balance.type == "POSTPAID" else "SEGMENT_START"
            found.append((segment.starting_at, kind, segment.id, exact(segment.amount)))
        if ends_at(balance, segment) <= at and left[segment.id] and not true_up_of(balance):
            found.append((ends_at(balance, segment), "EXPIRATION", segment.id, -left[segment.id]))
    return sorted(found)


def usable(balance: Balance, changed: list[Told], at: datetime) -> Fraction:
    """Return what the customer may use of a balance at an instant; what is overdrawn counts as nothing."""
    left = remaining(balance, changed)
    able = (each for each in balance.segments if each.starting_at <= at < ends_at(balance, each))
    return sum((max(Fraction(0), left[each.id]) for each in able), Fraction(0))


def ends_at(balance: Balance, segment: Segment) -> datetime:
    """Return when a segment ends: an archived balance has expired (section 14)."""
    return segment.ending_before if balance.archived_at is None else min(segment.ending_before, balance.archived_at)
