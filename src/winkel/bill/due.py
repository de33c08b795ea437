"""When an invoice becomes final, and when a customer must be looked at again."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from msgspec import structs

from winkel.bill import subscription
from winkel.bill.draft import Draft
from winkel.bill.purse import reaches
from winkel.bill.recurring import next_start
from winkel.bill.rollover import Rollover, is_awaited
from winkel.bill.scheduled import schedules
from winkel.bill.statement import statements
from winkel.model.account import Account
from winkel.model.commit import Balance
from winkel.model.invoice import InvoiceType

UNPRICED = timedelta(hours=1)
"""When to look again whether a subscription has a rate by now: no change of a rate card makes a customer due."""
RETRY = timedelta(minutes=5)
"""When to try again contracts whose billing failed."""


def due_at(draft: Draft, grace: timedelta) -> datetime:
    """Return when a draft becomes final (metronome-api.md §4.9).

    What depends on usage waits for late events until `grace` after it: a usage statement, and a true-up, whose last
    statement is final before it. Other scheduled invoices wait for nothing.
    """
    assert draft.invoice.issued_at is not None, "every draft has a date"
    if draft.usage_until is None:
        return draft.invoice.issued_at
    return max(draft.invoice.issued_at, draft.usage_until + grace)


def settled(account: Account, rollovers: Iterable[Rollover], still: Iterable[Draft]) -> list[Rollover]:
    """Return what rolls over for good when only these drafts are still open.

    Nothing of the older contract, or of its children, may draw on the older balance any more; true-ups only ask for
    what is left.
    """
    drawing = [each.invoice for each in still if each.usage_until is None or each.invoice.type is InvoiceType.USAGE]
    held = {each.id: each for each in account.balances}
    found = []
    for each in rollovers:
        old, end = held[each.entry.balance_id], each.entry.timestamp
        payable = {contract.id for contract in account.contracts if reaches(account, old, contract)}
        dates = [invoice.issued_at for invoice in drawing if invoice.contract_id in payable]
        if not any(date is not None and date <= end for date in dates):
            found.append(each)
    return found


def settling(account: Account, at: datetime) -> Account:
    """Return the account without the balances of which cannot be settled yet what they hold.

    Those whose older balance an open statement may still draw on.
    """
    drawing = [each.contract for each in statements(account, at)]
    held = {each.id: each for each in account.balances}

    def waits(balance: Balance) -> bool:
        old = held.get(balance.rolled_over_from.balance_id) if balance.rolled_over_from else None
        return is_awaited(account, balance) and old is not None and any(reaches(account, old, each) for each in drawing)

    return structs.replace(account, balances=tuple(each for each in account.balances if not waits(each)))


def next_look(account: Account, drafts: Iterable[Draft], grace: timedelta, at: datetime) -> datetime | None:
    """Return when the first of these drafts becomes final, or the next contract or period of a term begins.

    A term is a recurring commit or credit, or a subscription. None: nothing will happen.
    """
    moments = [due_at(draft, grace) for draft in drafts]
    moments += [contract.starting_at for contract in account.contracts if contract.starting_at > at]
    first = [each.usage_statement_schedule.invoice_generation_starting_at for each in account.contracts]
    moments += [each for each in first if each is not None and each > at]
    moments += [start for contract in account.contracts if (start := next_start(contract, at)) is not None]
    for contract in account.contracts:
        starts = (subscription.next_start(contract, each, at) for each in contract.subscriptions)
        moments += [start for start in starts if start is not None]
        if any(subscription.unpriced(account, contract, each, at) for each in contract.subscriptions):
            moments.append(at + UNPRICED)
    for schedule in schedules(account):
        if not schedule.do_not_invoice:
            moments += [item.timestamp for item in schedule.schedule_items if item.timestamp > at]
    return min(moments, default=None)
