"""What is left of a balance, and its ledger. Both are sums and lists of entries, never facts of their own."""

from collections.abc import Collection, Iterable, MutableMapping
from datetime import datetime
from decimal import Decimal

from winkel.bill.identity import derived
from winkel.model.account import Account
from winkel.model.commit import Balance, BalanceType, Segment
from winkel.model.ledger import EntryKind, LedgerEntry
from winkel.model.money import ZERO, add, negated, subtract, total

_ORDER = (
    EntryKind.SEGMENT_START,
    EntryKind.INITIAL_BALANCE,
    EntryKind.SEAT_BASED_ADJUSTMENT,
    EntryKind.MANUAL,
    EntryKind.AUTOMATED_INVOICE_DEDUCTION,
    EntryKind.CREDITED,
    EntryKind.ROLLOVER,
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
    """Return what is left of every segment of the account, by its id, and of every seat's part by `part_id`."""
    return remaining_of(account.balances, account.entries)


def remaining_of(balances: Iterable[Balance], entries: Iterable[LedgerEntry]) -> dict[str, Decimal]:
    """Return what these entries leave of every segment of the balances, and of every seat's part."""
    left: dict[str, Decimal] = {}
    for balance in balances:
        for segment in balance.segments:
            left[segment.id] = segment.amount
            for seat, amount in balance.allocation.given.items() if balance.allocation else ():
                left[part_id(segment.id, seat)] = amount
    for entry in entries:
        if entry.segment_id in left:
            note(left, entry)
    return left


def note(left: MutableMapping[str, Decimal], entry: LedgerEntry) -> None:
    """Take an entry into what is left of its segment, and of the parts of seats."""
    left[entry.segment_id] = add(left[entry.segment_id], entry.amount)
    for seat, amount in entry.per_seat.items():
        its_id = part_id(entry.segment_id, seat)
        left[its_id] = add(left.get(its_id, ZERO), amount)


def part_id(segment_id: str, seat: str) -> str:
    """Return the id of what one seat has of a segment."""
    return f"{segment_id}/{seat}"


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
            if segment.starting_at <= at < _end(balance, segment)
        ]
    )


def ledger(balance: Balance, entries: Iterable[LedgerEntry], at: datetime) -> list[LedgerEntry]:
    """Return the whole ledger of a balance at `at`, in order of time (metronome-api.md §4.8, §8 example 9).

    `entries` are its stored entries, and the deductions of drafts if those shall be seen. The start and the expiration
    of a segment are not stored: they follow from the segment, so an amount that comes back after the end, or usage that
    is invoiced late, can't contradict them. A segment that has expired sums to zero. When a balance is archived its
    segments expire, and those that were still to come never start (metronome-api.md §4.7, archive).
    """
    changes = [each for each in entries if each.balance_id == balance.id]
    found = list(changes)
    for segment in balance.segments:
        end, left = _end(balance, segment), remaining(segment, changes)
        if segment.starting_at <= at and segment.starting_at < end:
            found.append(_entry(balance, segment, _START[balance.type], segment.amount, segment.starting_at))
        else:
            left = subtract(left, segment.amount)
        if end <= at and left and not _awaits_true_up(balance):
            found.append(_entry(balance, segment, EntryKind.EXPIRATION, negated(left), end))
    undone = {each.invoice_id for each in changes if each.invoice_id is not None and each.amount > ZERO}
    return sorted(found, key=lambda each: _turn(each, undone))


def _end(balance: Balance, segment: Segment) -> datetime:
    """Return when access to a segment ends: at its end, or when its balance is archived."""
    return min(segment.ending_before, balance.archived_at or segment.ending_before)


def _turn(entry: LedgerEntry, undone: Collection[str]) -> tuple[object, ...]:
    """Return the sort key of an entry: what `undone` invoices took and gave back stands together, so sums never dip."""
    if entry.invoice_id is not None and entry.invoice_id in undone:
        first = _ORDER.index(EntryKind.AUTOMATED_INVOICE_DEDUCTION)
        return entry.timestamp, first, 0, entry.invoice_id, entry.amount > ZERO, entry.id
    leaves = entry.kind is EntryKind.ROLLOVER and entry.amount < ZERO  # after what came back
    return entry.timestamp, _ORDER.index(entry.kind), 1, "", leaves, entry.id


def _awaits_true_up(balance: Balance) -> bool:
    """Whether what is left of an ended segment is, or was, asked for by a true-up: then it never expires."""
    schedule = balance.invoice_schedule
    if balance.type is not BalanceType.POSTPAID or schedule is None or balance.archived_at is not None:
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
