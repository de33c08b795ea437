"""The heart: one pure function from an account and its usage to every open invoice.

Live spend is its total, the final invoice is it, kept. It knows no clock and no database.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial

from msgspec import Struct

from winkel.bill.balance import all_remaining
from winkel.bill.draw import Paid, Payment, draw, rest, taken
from winkel.bill.identity import derived
from winkel.bill.line import usage_lines
from winkel.bill.purse import Purse, applying, is_paid, purses
from winkel.bill.scheduled import scheduled_invoices
from winkel.bill.statement import Need, Pricing, Statement, group_key_index, needs, statements
from winkel.bill.trueup import true_ups
from winkel.model.account import Account
from winkel.model.credit_type import USD
from winkel.model.invoice import Invoice, InvoiceStatus, InvoiceType, LineItem, LineType, asked_for
from winkel.model.ledger import EntryKind, LedgerEntry
from winkel.model.money import ZERO, add, negated, total
from winkel.model.product import ProductType
from winkel.model.usage import HourUsage
from winkel.rate.composite import Spend
from winkel.rate.rate import Charge

__all__ = ["Draft", "Need", "drafts", "group_key_index", "needs"]


class Draft(Struct, frozen=True):
    """An open invoice, and the deductions that finalizing it would post."""

    invoice: Invoice
    entries: tuple[LedgerEntry, ...]
    usage_until: datetime | None
    """The end of the usage on which the invoice depends; None: it depends on none."""

    @property
    def settled_at(self) -> datetime:
        """When everything has happened that it depends on, late events apart."""
        assert self.invoice.issued_at is not None, "every draft has a date"
        return max(self.invoice.issued_at, self.usage_until or self.invoice.issued_at)


def drafts(account: Account, usage: Mapping[str, Sequence[HourUsage]], at: datetime) -> list[Draft]:
    """Return all open invoices of the customer, in the order in which they draw balances down.

    `usage` holds the rows of every customer key for each of `needs(account, at)`, under `Need.key`; usage that is
    needed and missing there raises `KeyError`, for nothing must be billed as zero by mistake. Earlier drafts reduce
    what later ones find in a balance. Scheduled invoices stand among them by date; they draw nothing down. True-ups ask
    for what all usage statements leave of a postpaid commit.
    """
    left = all_remaining(account)
    found = []
    for statement in statements(account, at):
        draft = _usage_draft(account, statement, usage, left)
        for entry in draft.entries:
            left[entry.segment_id] = add(left[entry.segment_id], entry.amount)
        found.append(draft)
    found += [Draft(each.invoice, each.entries, each.usage_until) for each in true_ups(account, left)]
    found += [Draft(invoice, (), None) for invoice in scheduled_invoices(account)]
    return sorted(found, key=lambda each: each.settled_at)


def _usage_draft(
    account: Account,
    statement: Statement,
    usage: Mapping[str, Sequence[HourUsage]],
    left: Mapping[str, Decimal],
) -> Draft:
    """Return the usage statement of one billing period; `left` is what each segment still holds."""
    paying = purses(account, statement.contract, statement.period)
    paid = _paid_charges(Pricing(account, statement, partial(applying, paying)), usage, paying, left)
    lines = tuple(usage_lines(paid, account.products))
    draft = Draft(_invoice(account, statement, lines), _deductions(statement, paid), statement.period.end)
    _check(draft)
    return draft


def _paid_charges(
    pricing: Pricing,
    usage: Mapping[str, Sequence[HourUsage]],
    paying: Sequence[Purse],
    left: Mapping[str, Decimal],
) -> list[Paid]:
    """Return all charges of a billing period with what balances pay of them.

    Balances pay for usage first, then for composite products (metronome-api.md §4.7, which line first), whose spend may
    depend on who paid for it.
    """
    remaining = dict(left)
    paid = draw(pricing.usage(usage), paying, remaining)
    for charges in pricing.composites():
        paid += draw(charges([_spend(*each) for each in paid]), paying, remaining)
    return paid


def _spend(charge: Charge, payments: Sequence[Payment]) -> Spend:
    """Return a charge as spend, of which composite products ask for a share: what it costs those who pay."""
    covered = total([each.amount for each in payments])
    free = total([each.amount for each in payments if not is_paid(each.purse.balance)])
    return Spend(
        use=charge.use,
        period=charge.period,
        amount=add(covered, rest(charge, payments)[1]),
        paid_free=free,
        composite=charge.kind is ProductType.COMPOSITE,
    )


def _invoice(account: Account, statement: Statement, lines: tuple[LineItem, ...]) -> Invoice:
    """Return the draft invoice of a billing period with these lines."""
    contract, period = statement.contract, statement.period
    return Invoice(
        id=statement.invoice_id,
        customer_id=contract.customer_id,
        contract_id=contract.id,
        type=InvoiceType.USAGE,
        status=InvoiceStatus.DRAFT,
        credit_type_id=_currency(account, statement),
        line_items=lines,
        total=asked_for(lines),
        start=period.start,
        end=period.end,
        issued_at=period.end,
        net_payment_terms_days=contract.net_payment_terms_days,
    )


def _currency(account: Account, statement: Statement) -> str:
    """Return the currency of a contract's rates; they all share one (metronome-api.md §4.6). USD without any rate."""
    card = account.rates.get(statement.contract.rate_card_id or "", ())
    return card[0].credit_type_id if card else USD.id


def _deductions(statement: Statement, paid: Sequence[Paid]) -> tuple[LedgerEntry, ...]:
    """Return one entry for each segment that pays, dated at the end of the service period (metronome-api.md §4.8)."""
    return tuple(
        LedgerEntry(
            id=derived(statement.invoice_id, segment_id),
            balance_id=purse.balance.id,
            segment_id=segment_id,
            kind=EntryKind.AUTOMATED_INVOICE_DEDUCTION,
            amount=negated(amount),
            timestamp=statement.period.end,
            invoice_id=statement.invoice_id,
            contract_id=statement.contract.id,
        )
        for segment_id, (purse, amount) in taken(paid).items()
    )


def _check(draft: Draft) -> None:
    """Assert what is always true of a usage statement."""
    applied = total([line.total for line in draft.invoice.line_items if line.type is LineType.APPLIED])
    assert applied == total([entry.amount for entry in draft.entries]), "deductions equal applied lines"
    assert all(line.credit_type_id == draft.invoice.credit_type_id for line in draft.invoice.line_items), (
        "an invoice has one currency"
    )
    assert all(entry.amount < ZERO for entry in draft.entries), "a draft only takes"
