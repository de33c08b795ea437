"""The books: what an invoice says that balances paid, and what was posted to the ledger for it, are the same."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from winkel.model.commit import AccessType, Balance, BalanceType
from winkel.model.invoice import Invoice, InvoiceStatus, InvoiceType, LineItem, LineType
from winkel.model.ledger import EntryKind, LedgerEntry
from winkel.model.money import ZERO, add, negated, subtract, total


def check(invoice: Invoice, entries: Iterable[LedgerEntry]) -> None:
    """Assert that all entries of an invoice sum, for each balance, to what its lines take; of a void one, to zero.

    So do those of a consolidated one: what its lines repeat was posted for its constituents.

    `store/invoices.sql, unbalanced` asks the same of a whole database.
    """
    apart: dict[str | None, Decimal] = defaultdict(lambda: ZERO)
    for entry in entries:
        assert entry.invoice_id == invoice.id, "an entry belongs to the invoice that it was posted for"
        parts = list(entry.per_seat.values())
        assert not parts or total(parts) == entry.amount, "what seats take sums to what is taken"
        apart[entry.balance_id] = add(apart[entry.balance_id], entry.amount)
    takes = invoice.status is not InvoiceStatus.VOID and invoice.type is not InvoiceType.USAGE_CONSOLIDATED
    for line in invoice.line_items if takes else ():
        apart[line.balance_id] = subtract(apart[line.balance_id], _taken(line))
    assert not any(apart.values()), "what an invoice takes from balances is what was posted for it"


def check_rollover(balance: Balance, entries: Iterable[LedgerEntry]) -> None:
    """Assert that a balance has what rolled over to it: `entries` are all of the balance that it has it from.

    `store/balances.sql, unbalanced` asks the same of a whole database.
    """
    lost = [each.amount for each in entries if (each.kind, each.new_contract_id) == _to(balance)]
    assert not total([*lost, *(each.amount for each in balance.segments)]), "what rolls over is neither more nor less"


def _to(balance: Balance) -> tuple[EntryKind, str | None]:
    return EntryKind.ROLLOVER, balance.contract_id


def _taken(line: LineItem) -> Decimal:
    """Return what a line takes from a balance, below zero: what that pays or counts, or what its true-up asks for.

    Of a balance of units it takes units.
    """
    if line.type is LineType.APPLIED:
        if line.access_type is AccessType.QUANTITY:
            assert line.quantity is not None, "it says how many units"
            return line.quantity
        return line.total
    if line.type is LineType.COMMIT_PURCHASE and line.balance_type == BalanceType.POSTPAID:
        return negated(line.total)
    return ZERO
