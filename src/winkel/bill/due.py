"""When an invoice becomes final, and when a customer must be looked at again."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from winkel.bill.scheduled import schedules
from winkel.model.account import Account
from winkel.model.invoice import Invoice, InvoiceType

RETRY = timedelta(minutes=5)
"""When to try again contracts whose billing failed."""


def due_at(invoice: Invoice, grace: timedelta) -> datetime:
    """Return when a draft becomes final (metronome-api.md §4.9).

    A usage statement waits for late events until `grace` after its period; a scheduled invoice waits for nothing.
    """
    if invoice.type is InvoiceType.USAGE:
        assert invoice.end is not None, "a usage statement has a period"
        return invoice.end + grace
    assert invoice.issued_at is not None, "a scheduled invoice has a date"
    return invoice.issued_at


def next_look(account: Account, drafts: Iterable[Invoice], grace: timedelta, at: datetime) -> datetime | None:
    """Return when the first of these drafts becomes final or the next contract begins; None: nothing will happen."""
    moments = [due_at(invoice, grace) for invoice in drafts]
    moments += [contract.starting_at for contract in account.contracts if contract.starting_at > at]
    for schedule in schedules(account):
        if not schedule.do_not_invoice:
            moments += [item.timestamp for item in schedule.schedule_items if item.timestamp > at]
    return min(moments, default=None)
