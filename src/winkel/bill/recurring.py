"""Recurring commits and credits: which balances a contract gives, one for each recurrence period.

A child follows from its contract alone, ids included: made twice it is the same twice. So it may be known without being
kept. It is kept once it has begun (`bill/actions.py`); the one that follows is only shown ahead, and changes when the
terms do.
"""

from collections.abc import Container, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from msgspec import Struct, structs

from winkel.bill import seats
from winkel.bill.identity import derived
from winkel.bill.proration import prorated
from winkel.model.account import Account
from winkel.model.commit import Balance, InvoiceSchedule, ScheduleItem, Segment
from winkel.model.contract import Contract
from winkel.model.period import Period, cycle, cycle_at
from winkel.model.recurring import RecurringBalance


class Recurrence(Struct, frozen=True):
    """One period of a term: the cycle in which it lies, and when its child begins."""

    number: int
    start: datetime
    created_at: datetime
    """When the child could first be seen, not when it was kept. The children of a term are listed in their order."""


def with_children(account: Account, at: datetime) -> Account:
    """Return the account with the children that are not kept yet, and with what seats give to all children.

    What is drawn down does not wait for a worker.
    """
    balances = (*account.balances, *children(account.contracts, account.kept_balances, at))
    entries = (*account.entries, *seats.adjustments(account.contracts, balances, at))
    return structs.replace(account, balances=balances, entries=entries)


def children(contracts: Iterable[Contract], kept: Container[str], at: datetime) -> list[Balance]:
    """Return the children of the contracts that have begun at `at`, and the next of each term, without kept ones.

    The next one is there from the beginning of the recurrence period before: at most one period ahead (§4.7).
    """
    return [
        child
        for contract in contracts
        if contract.archived_at is None
        for term in contract.recurring_balances
        for child in _children(contract, term, kept, at)
    ]


def begun(unkept: Iterable[Balance], at: datetime) -> list[Balance]:
    """Return those of the children whose time has come: they are to be kept."""
    return [each for each in unkept if each.segments[0].starting_at <= at]


def next_start(contract: Contract, at: datetime) -> datetime | None:
    """Return when the first child begins that has not begun at `at`; None: there is none to come."""
    starts = [_next_start(contract, term, at) for term in contract.recurring_balances]
    return min((each for each in starts if each is not None), default=None)


def _next_start(contract: Contract, term: RecurringBalance, at: datetime) -> datetime | None:
    when, end = contract.recurrence(term), _end(contract, term)
    start = term.starting_at if at < term.starting_at else cycle(*when, cycle_at(*when, at) + 1)
    return start if end is None or start < end else None


def _children(contract: Contract, term: RecurringBalance, kept: Container[str], at: datetime) -> Iterator[Balance]:
    """Yield the children of one term that are there at `at` and not kept, oldest first."""
    for each in _recurrences(contract, term, at):
        its_id = derived(term.id, each.start.astimezone(UTC).isoformat())
        if its_id not in kept:
            child = _child(its_id, contract, term, each)
            if child is not None:
                yield child


def _recurrences(contract: Contract, term: RecurringBalance, at: datetime) -> Iterator[Recurrence]:
    """Yield the periods of a term whose children are seen at `at`: each from the beginning of the one before it."""
    when, end = contract.recurrence(term), _end(contract, term)
    number, start = cycle_at(*when, term.starting_at), term.starting_at
    before = cycle(*when, number if cycle(*when, number) < start else number - 1)
    earliest = contract.created_at
    while (end is None or start < end) and before <= at:
        yield Recurrence(number, start, max(before, earliest))
        before, number, earliest = start, number + 1, earliest + timedelta(microseconds=1)
        start = cycle(*when, number)


def _end(contract: Contract, term: RecurringBalance) -> datetime | None:
    """Return when the term stops giving: at its own end or at the contract's, whichever comes first."""
    return min((each for each in (term.ending_before, contract.ending_before) if each is not None), default=None)


def _child(its_id: str, contract: Contract, term: RecurringBalance, of: Recurrence) -> Balance | None:
    """Return the child of one period; None when its share rounds to nothing, or the subscription has ended."""
    when = contract.recurrence(term)
    whole = Period(cycle(*when, of.number), cycle(*when, of.number + 1))
    part = _charged(contract, term, whole)
    end = cycle(*when, of.number + term.commit_duration)
    span = Period(of.start, min(end, contract.ending_before or end))
    allocation = None
    if term.subscription is None:
        amount = prorated(term.access_amount.total, part, whole, term.access_rounding)
        if not amount:
            return None
    else:
        subscription = next(each for each in contract.subscriptions if each.id == term.subscription.subscription_id)
        if subscription.ending_before is not None and subscription.ending_before <= of.start:
            return None
        allocation = seats.allocated(term, subscription, part, whole)
        begun = seats.first(allocation, subscription, span)
        amount, allocation = begun.amount, structs.replace(allocation, given=begun.per_seat)
    access = Segment(derived(its_id, "access"), amount, span.start, span.end)
    return Balance(
        id=its_id,
        type=term.type,
        customer_id=contract.customer_id,
        contract_id=contract.id,
        product_id=term.product_id,
        credit_type_id=term.access_amount.credit_type_id,
        segments=(access,),
        created_at=of.created_at,
        created_by=contract.created_by,
        priority=term.priority,
        name=term.name,
        description=term.description,
        applicable_product_ids=term.applicable_product_ids,
        applicable_product_tags=term.applicable_product_tags,
        specifiers=term.specifiers,
        rate_type=term.rate_type,
        invoice_schedule=_invoicing(its_id, term, of.start, part, whole),
        rollover_fraction=term.rollover_fraction,
        netsuite_sales_order_id=term.netsuite_sales_order_id,
        recurring_id=term.id,
        allocation=allocation,
        child_access=term.child_access,
    )


def _charged(contract: Contract, term: RecurringBalance, whole: Period) -> Period:
    """Return the part of a cycle for which the term gives: all of it, but for what proration takes off."""
    start = term.starting_at if term.proration.of_first else whole.start
    end = _end(contract, term) if term.proration.of_last else None
    part = whole.meet(start, end)
    assert part is not None, "a child begins within the term"
    return part


def _invoicing(
    its_id: str, term: RecurringBalance, start: datetime, part: Period, whole: Period
) -> InvoiceSchedule | None:
    """Return what the child asks for on the day on which it begins: a share of the amount, as of its access."""
    asked = term.invoice_amount
    if asked is None:
        return None
    amount = prorated(asked.total, part, whole, term.invoice_rounding)
    entire = amount == asked.total
    item = ScheduleItem(
        id=derived(its_id, "invoice"),
        timestamp=start,
        amount=amount,
        quantity=asked.quantity if entire else Decimal(1),
        unit_price=asked.unit_price if entire else amount,
    )
    return InvoiceSchedule(credit_type_id=asked.credit_type_id, schedule_items=(item,))
