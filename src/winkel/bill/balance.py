"""What is left of a balance, and its ledger. Both are sums and lists of entries, never facts of their own."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from winkel.bill.identity import derived
from winkel.model.account import Account
from winkel.model.commit import Balance, BalanceType, Segment
from winkel.model.ledger import EntryKind, LedgerEntry
from winkel.model.money import ZERO, add, negated, total

_ORDER = (
    EntryKind.SEGMENT_START,
    EntryKind.INITIAL_BALANCE,
    EntryKind.MANUAL,
    EntryKind.AUTOMATED_INVOICE_DEDUCTION,
    EntryKind.TRUEUP,
    EntryKind.EXPIRATION,
)
"""Entries of one instant, in the order in which they are told."""
_START = {
    BalanceType.PREPAID: EntryKind.SEGMENT_START,
    BalanceType.POSTPAID: EntryKind.INITIAL_BALANCE,
    BalanceType.CREDIT: EntryKind.SEGMENT_START,
}


def remaining(segment: Segment, entries: Iterable[LedgerEntry]) -> Decimal:
    """Return what is left of a segment: its amount and every stored entry of it, whatever the entry's date.

    Time plays no part: usage of the segment's last hours may be invoiced after it ended. Below zero only when manual
    entries took more than there was.
    """
    return add(segment.amount, total([each.amount for each in entries if each.segment_id == segment.id]))


def all_remaining(account: Account) -> dict[str, Decimal]:
    """Return what is left of every segment of the account, by its id."""
    left = {segment.id: segment.amount for balance in account.balances for segment in balance.segments}
    for entry in account.entries:
        if entry.segment_id in left:
            left[entry.segment_id] = add(left[entry.segment_id], entry.amount)
    return left


def balance_of(
    balance: Balance, entries: Iterable[LedgerEntry], drafted: Iterable[LedgerEntry], at: datetime
) -> Decimal:
    """Return the amount of a balance that the customer may use at `at` (metronome-api.md §4.8).

    `entries` are posted; `drafted` are the deductions of open drafts, or () to leave them out. Segments that have ended
    or not begun count nothing, and a segment that is overdrawn by manual entries counts as zero.
    """
    changes = [*entries, *drafted]
    return total(
        [
            max(ZERO, remaining(segment, changes))
            for segment in balance.segments
            if segment.starting_at <= at < segment.ending_before
        ]
    )


def ledger(balance: Balance, entries: Iterable[LedgerEntry], at: datetime) -> list[LedgerEntry]:
    """Return the whole ledger of a balance at `at`, in order of time (metronome-api.md §4.8, §8 example 9).

    `entries` are its stored entries, and the deductions of drafts if those shall be seen. The start and the expiration
    of a segment are not stored: they follow from the segment, so an amount that comes back after the end, or usage that
    is invoiced late, can't contradict them. A segment that has expired sums to zero.
    """
    changes = [each for each in entries if each.balance_id == balance.id]
    found = list(changes)
    for segment in balance.segments:
        if segment.starting_at <= at:
            found.append(_entry(balance, segment, _START[balance.type], segment.amount, segment.starting_at))
        left = remaining(segment, changes)
        if segment.ending_before <= at and left and not _awaits_true_up(balance):
            found.append(_entry(balance, segment, EntryKind.EXPIRATION, negated(left), segment.ending_before))
    return sorted(found, key=lambda each: (each.timestamp, _ORDER.index(each.kind), each.id))


def _awaits_true_up(balance: Balance) -> bool:
    """Whether what is left of an ended segment is, or was, asked for by a true-up: then it never expires."""
    schedule = balance.invoice_schedule
    if balance.type is not BalanceType.POSTPAID or schedule is None:
        return False
    return bool(schedule.schedule_items) and not schedule.do_not_invoice


def _entry(balance: Balance, segment: Segment, kind: EntryKind, amount: Decimal, at: datetime) -> LedgerEntry:
    """Return an entry that follows from a segment."""
    return LedgerEntry(
        id=derived(segment.id, kind),
        balance_id=balance.id,
        segment_id=segment.id,
        kind=kind,
        amount=amount,
        timestamp=at,
        contract_id=balance.contract_id,
    )
