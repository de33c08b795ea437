"""Which open invoice an id means, so that its date of issue can be moved. Pure.

Drafts are never kept, and their ids do not say whose they are. No usage is needed to know the ids.
"""

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct, structs

from winkel.bill.balance import all_remaining
from winkel.bill.scheduled import scheduled
from winkel.bill.statement import statements
from winkel.bill.trueup import true_ups
from winkel.model.account import Account
from winkel.model.contract import Contract
from winkel.model.errors import InvalidError
from winkel.model.invoice import InvoiceType


class Open(Struct, frozen=True):
    """An open invoice that has a date of its own."""

    contract: Contract
    ids: tuple[str, ...]
    """Its id, and those that it would have if what stands first on it were edited away."""


def open_invoice(account: Account, invoice_id: str, at: datetime) -> Open | None:
    """Return the open invoice of an id that has a date of its own; None: the account has no such invoice.

    Raises `InvalidError` for a usage statement.
    """
    for contract_id, ids, kind in _open(account, at):
        if ids[0] == invoice_id:
            if kind is InvoiceType.USAGE:
                raise InvalidError("a usage invoice is issued when its period ends: only scheduled ones can be moved")
            return Open(next(each for each in account.contracts if each.id == contract_id), ids)
    return None


def moved(invoice: Open, date: datetime) -> Contract:
    """Return the contract with another date for one open invoice.

    Raises `InvalidError` when that lies after the end of the contract.
    """
    contract = invoice.contract
    if contract.ending_before is not None and date > contract.ending_before:
        raise InvalidError(f"must not lie after the end of the contract, {contract.ending_before.isoformat()}")
    return structs.replace(contract, issue_dates={**contract.issue_dates, **dict.fromkeys(invoice.ids, date)})


def _open(account: Account, at: datetime) -> Iterator[tuple[str, tuple[str, ...], InvoiceType]]:
    """Yield the contract, the ids (`Open`) and the type of all open invoices, without consolidated ones."""
    for statement in statements(account, at):
        yield statement.contract.id, (statement.invoice_id,), InvoiceType.USAGE
    for asked in scheduled(account, at):
        yield asked.contract.id, asked.known_as, InvoiceType.SCHEDULED
    for trued_up in true_ups(account, all_remaining(account)):
        yield trued_up.invoice.contract_id, (trued_up.invoice.id,), InvoiceType.SCHEDULED
