"""Rollover: what a contract that renews another gets of its commits and credits (metronome-api.md §4.7). Pure.

Which balances roll over follows from the contracts, so they may be known without being kept, as children are
(`bill/recurring.py`). What they hold is settled when the last statement of the old contract is final: until then each
draft computes it anew (`roll`). A correction of the old contract's invoices settles it once more (`settled_again`).
"""

from collections.abc import Iterator, MutableMapping, Sequence
from datetime import datetime
from decimal import Decimal

from msgspec import Struct, structs

from winkel.bill.balance import all_remaining
from winkel.bill.identity import derived
from winkel.model.account import Account
from winkel.model.commit import Balance, BalanceType, InvoiceSchedule, RolledOverFrom, ScheduleItem, Segment
from winkel.model.contract import Contract
from winkel.model.ledger import EntryKind, LedgerEntry
from winkel.model.money import ZERO, add, divide, multiply, negated, subtract, total
from winkel.model.period import Period, add_months


class Rollover(Struct, frozen=True):
    """What rolls over from one balance: the balance that gets it, as it is with that, and what the old one loses."""

    balance: Balance
    entry: LedgerEntry


def with_rollovers(account: Account, at: datetime) -> Account:
    """Return the account with the balances of what rolled over by `at` and is not settled; they hold nothing yet."""
    begun = [each for each in account.contracts if each.starting_at <= at]
    made = [each for contract in begun for each in _awaited(account, contract)]
    return structs.replace(account, balances=(*account.balances, *made))


def is_awaited(account: Account, balance: Balance) -> bool:
    """Whether it is not settled yet what has rolled over to a balance."""
    return balance.rolled_over_from is not None and balance.id not in account.kept_balances


def without_awaited(account: Account) -> Account:
    """Return the account without the balances of which is not settled yet what they hold."""
    return structs.replace(account, balances=tuple(each for each in account.balances if not is_awaited(account, each)))


def with_amounts(account: Account, rolled: Sequence[Rollover]) -> Account:
    """Return the account with what has rolled over as it would be settled now; of nothing there is no balance."""
    return structs.replace(account, balances=(*without_awaited(account).balances, *(each.balance for each in rolled)))


def roll(account: Account, contract: Contract, left: MutableMapping[str, Decimal]) -> list[Rollover]:
    """Return what rolls over to a contract, as far as it is not settled yet.

    `left` is what each segment holds after all deductions of the older contract, and what it holds then. An old balance
    leaves its fraction of the *original* amount, and never more than is left of it.
    """
    found = []
    for balance in account.balances:
        if balance.contract_id == contract.id and is_awaited(account, balance):
            old, source = _source(account, balance)
            amount = max(ZERO, min(_most(old, source), left[source.id]))
            left[source.id] = subtract(left[source.id], amount)
            left[balance.segments[0].id] = amount
            if amount:
                found.append(Rollover(_holding(balance, amount), _entry(old, source, balance, negated(amount), "")))
    return found


def taken_back(account: Account, contract_id: str) -> Account:
    """Return the account as if nothing had rolled over from a contract but what was used since."""
    left = all_remaining(account)
    balances, entries = list(account.balances), list(account.entries)
    for index, balance in enumerate(account.balances):
        for old, source in _sources(account, balance, contract_id):
            (segment,) = balance.segments
            unused = max(ZERO, min(segment.amount, left[segment.id]))
            balances[index] = _holding(balance, subtract(segment.amount, unused))
            entries.append(_entry(old, source, balance, unused, "taken back"))
    return structs.replace(account, balances=tuple(balances), entries=tuple(entries))


def settled_again(account: Account, contract_id: str, entries: Sequence[LedgerEntry], cause: str) -> list[Rollover]:
    """Return what changes of what rolled over from a contract, when these entries of it are posted.

    What is not used yet comes back first, and then rolls over as if the entries had always been there. The same `cause`
    gives the same ids.
    """
    free = taken_back(account, contract_id)
    left = all_remaining(structs.replace(free, entries=(*free.entries, *entries)))
    found = []
    for before, now in zip(account.balances, free.balances, strict=True):
        for old, source in _sources(account, before, contract_id):
            had, used = before.segments[0].amount, now.segments[0].amount
            more = max(ZERO, min(subtract(_most(old, source), used), left[source.id]))
            change = subtract(add(used, more), had)
            if change:
                entry = _entry(old, source, before, negated(change), cause)
                found.append(Rollover(_holding(before, add(used, more)), entry))
    return found


def _awaited(account: Account, contract: Contract) -> Iterator[Balance]:
    """Yield the balances of a contract that are what the one before leaves, without kept ones."""
    if contract.transition is None or contract.archived_at is not None:
        return
    for old in account.balances:
        if old.contract_id == contract.transition.from_contract_id and old.rollover_fraction:
            for segment in old.segments:
                # What could not be used any more has expired; what was still to come never begins.
                if segment.starting_at < contract.starting_at <= segment.ending_before:
                    made = _made(old, segment, contract)
                    if made.id not in account.kept_balances:
                        yield made


def _made(old: Balance, source: Segment, contract: Contract) -> Balance:
    """Return the balance that gets what an old one leaves, with nothing in it yet.

    It pays for what the old one did, until the new contract ends, or for a year where no end was agreed.
    """
    its_id, start = derived(old.id, contract.id, EntryKind.ROLLOVER), contract.starting_at
    end = contract.ending_before or add_months(start, 12)
    return structs.replace(
        old,
        id=its_id,
        contract_id=contract.id,
        segments=(Segment(derived(its_id, "access"), ZERO, start, end),),
        created_at=start,
        invoice_schedule=_invoicing(its_id, old, source, Period(start, end)),
        rollover_fraction=None,
        recurring_id=None,
        uniqueness_key=None,
        rolled_over_from=RolledOverFrom(old.id, contract.transition.from_contract_id) if contract.transition else None,
    )


def _invoicing(its_id: str, old: Balance, source: Segment, access: Period) -> InvoiceSchedule | None:
    """Return what is asked for what rolls over: of a promise the true-up when access ends; else nothing once more.

    A schedule that asks for nothing tells what was paid for a unit: who pays for a commit has not got it for free.
    """
    schedule, given = old.invoice_schedule, total([each.amount for each in old.segments])
    if old.type is BalanceType.POSTPAID:
        date, price = access.end, Decimal(1)
        silent = schedule is not None and schedule.do_not_invoice
    elif schedule is None or not given:
        return None
    else:
        asked = total([each.amount for each in schedule.schedule_items])
        date, price, silent = access.start, divide(asked, given), True
    item = ScheduleItem(
        id=derived(its_id, "invoice"),
        timestamp=date,
        amount=multiply(source.amount, price),
        quantity=source.amount,
        unit_price=price,
    )
    unit = old.credit_type_id if schedule is None else schedule.credit_type_id
    return InvoiceSchedule(credit_type_id=unit, schedule_items=(item,), do_not_invoice=silent)


def _holding(balance: Balance, amount: Decimal) -> Balance:
    """Return a balance with so much of what has rolled over."""
    (segment,), schedule = balance.segments, balance.invoice_schedule
    if schedule is not None:
        items = tuple(
            structs.replace(each, quantity=amount, amount=multiply(amount, each.unit_price))
            for each in schedule.schedule_items
        )
        schedule = structs.replace(schedule, schedule_items=items)
    return structs.replace(balance, segments=(structs.replace(segment, amount=amount),), invoice_schedule=schedule)


def _most(old: Balance, source: Segment) -> Decimal:
    """Return how much of a segment may roll over at most."""
    return multiply(old.rollover_fraction or ZERO, source.amount)


def _source(account: Account, balance: Balance) -> tuple[Balance, Segment]:
    """Return the old balance from which another has what it holds, and the segment of it."""
    assert balance.rolled_over_from is not None, "something has rolled over to it"
    (found,) = _sources(account, balance, balance.rolled_over_from.contract_id)
    return found


def _sources(account: Account, balance: Balance, contract_id: str) -> Iterator[tuple[Balance, Segment]]:
    """Yield the balance and the segment from which another has what it holds, if that is one of this contract.

    None is found when the old balance was archived.
    """
    its = balance.rolled_over_from
    if its is None or its.contract_id != contract_id:
        return
    start = balance.segments[0].starting_at
    for old in account.balances:
        if old.id == its.balance_id:
            yield from ((old, each) for each in old.segments if each.starting_at < start <= each.ending_before)


def _entry(old: Balance, source: Segment, balance: Balance, amount: Decimal, cause: str) -> LedgerEntry:
    """Return the entry of what an old balance loses, below zero, or gets back."""
    return LedgerEntry(
        id=derived(source.id, EntryKind.ROLLOVER, balance.id, cause),
        balance_id=old.id,
        segment_id=source.id,
        kind=EntryKind.ROLLOVER,
        amount=amount,
        timestamp=balance.segments[0].starting_at,
        contract_id=old.contract_id,
        new_contract_id=balance.contract_id,
    )
