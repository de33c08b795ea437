"""The heart: one pure function from an account and its usage to every open invoice.

Live spend is its total, the final invoice is it, kept. It knows no clock and no database.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial

from msgspec import Struct

from winkel.bill import books
from winkel.bill.balance import all_remaining, note
from winkel.bill.consolidated import consolidated, payer
from winkel.bill.conversion import charged_lines
from winkel.bill.draw import Paid, Payment, draw, rest, taken
from winkel.bill.identity import derived
from winkel.bill.purse import Purse, applying, is_free, purses
from winkel.bill.rollover import Rollover, roll, with_amounts, without_awaited
from winkel.bill.scheduled import Scheduled, placed, scheduled
from winkel.bill.statement import Pricing, Statement, currency_of, statements
from winkel.bill.subscription import on_statement
from winkel.bill.trueup import true_ups
from winkel.model.account import Account
from winkel.model.contract import Contract
from winkel.model.credit_type import is_custom
from winkel.model.invoice import Invoice, InvoiceStatus, InvoiceType, LineItem, asked_for
from winkel.model.ledger import EntryKind, LedgerEntry
from winkel.model.money import ZERO, add, negated, total
from winkel.model.period import HOUR, Period
from winkel.model.product import ProductType
from winkel.model.usage import HourUsage
from winkel.rate.composite import Spend
from winkel.rate.rate import Charge


class Draft(Struct, frozen=True, gc=False):
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


class Drafted(Struct, frozen=True):
    """All that is open of a family at an instant."""

    drafts: list[Draft]
    rollovers: list[Rollover]
    """What rolls over to contracts that renew others, as far as it is not settled yet."""


def drafts(account: Account, usage: Mapping[str, Sequence[HourUsage]], at: datetime) -> list[Draft]:
    """Return all open invoices of the family, as `drafted` does."""
    return drafted(account, usage, at).drafts


def drafted(account: Account, usage: Mapping[str, Sequence[HourUsage]], at: datetime) -> Drafted:
    """Return all open invoices of the family, in the order in which they draw balances down, and what rolls over.

    `usage` holds the rows of every customer key for each of `needs(account, at)`, under `Need.key`; usage that is
    needed and missing there raises `KeyError`, for nothing must be billed as zero by mistake. Earlier drafts reduce
    what later ones find in a balance. Scheduled invoices stand among them by date; what subscriptions ask for there
    draws balances down too, once the date has come. True-ups ask for what all others leave of a postpaid commit, and
    consolidated invoices repeat what is drafted. A contract gets what the one before leaves (`bill/rollover.py`) before
    the first statement draws on it: its own, or a child's that ends after it began.
    """
    left = all_remaining(account)
    rolled: list[Rollover] = []
    waiting = {each.id: each for each in account.contracts if each.transition is not None and each.starting_at <= at}
    found = []
    settled = without_awaited(account)  # what is final on its date waits for no statement of the contract before
    known = settled  # with what has rolled over by now; of nothing there is no balance
    turns: list[Statement | Scheduled] = [*statements(account, at), *scheduled(account, at)]
    for each in sorted(turns, key=_turn):
        if isinstance(each, Statement):
            for renewed in each.contract.draws_on:
                if renewed in waiting and each.period.end > waiting[renewed].starting_at:
                    rolled += roll(account, waiting.pop(renewed), left)
                    known = with_amounts(account, rolled)
            draft = usage_draft(known, each, usage, left)
        else:
            draft = scheduled_draft(settled, each, left, at)
        for entry in draft.entries:
            note(left, entry)
        found.append(draft)
    for contract in waiting.values():
        rolled += roll(account, contract, left)
    promised = true_ups(with_amounts(account, rolled), left)
    found += [Draft(each.invoice, each.entries, each.usage_until) for each in promised]
    repeated = consolidated(account, [each.invoice for each in found])
    found += [Draft(each, (), each.period.end) for each in repeated]
    return Drafted(sorted(found, key=lambda each: each.settled_at), rolled)


def _turn(of: Statement | Scheduled) -> tuple[object, ...]:
    """Return when it draws balances down: by date; of one date usage statements first, then older contracts."""
    date = of.period.end if isinstance(of, Statement) else of.date
    return date, isinstance(of, Scheduled), of.contract.created_at, of.contract.id


def usage_draft(
    account: Account,
    statement: Statement,
    usage: Mapping[str, Sequence[HourUsage]],
    left: Mapping[str, Decimal],
) -> Draft:
    """Return the usage statement of one billing period; `left` is what each segment still holds."""
    paying = purses(account, statement.contract, statement.period, statement.period.start)
    pricing = Pricing(account, statement, partial(applying, paying))
    remaining, end = dict(left), statement.period.end
    paid = _paid_charges(account, statement, pricing, usage, paying, remaining)
    last = Period(end - HOUR, end)
    counted_at = statement.period.start
    made = charged_lines(account, statement.contract, paid, last, statement.period, remaining, counted_at)
    invoice = _invoice(account, statement, (*made.lines, *placed(account, statement)))
    draft = Draft(invoice, _deductions(invoice, made.paid), end)
    _check(draft)
    return draft


def scheduled_draft(account: Account, asked: Scheduled, left: Mapping[str, Decimal], at: datetime) -> Draft:
    """Return the scheduled invoice of one date; `left` is what each segment still holds.

    An upcoming one draws nothing down yet: until its date, usage may.
    """
    paid: list[Paid] = [(charge, []) for charge in asked.charges]
    remaining = dict(left) if asked.date <= at else None
    if remaining is not None:
        paid = _paid_instalments(account, asked.contract, asked.charges, remaining, asked.date)
    hour = max((each.paid_during for each in asked.charges), default=Period(asked.date - HOUR, asked.date))
    made = charged_lines(account, asked.contract, paid, hour, None, remaining, asked.date)
    lines = (*asked.lines, *made.lines)
    invoice = Invoice(
        id=asked.invoice_id,
        customer_id=asked.contract.customer_id,
        contract_id=asked.contract.id,
        type=InvoiceType.SCHEDULED,
        status=InvoiceStatus.DRAFT,
        credit_type_id=asked.credit_type_id,
        line_items=lines,
        total=asked_for(lines, asked.credit_type_id),
        issued_at=asked.date,
        net_payment_terms_days=asked.contract.net_payment_terms_days,
        payer=payer(account, asked.contract),
    )
    draft = Draft(invoice, _deductions(invoice, made.paid), None)
    _check(draft)
    return draft


def _paid_charges(
    account: Account,
    statement: Statement,
    pricing: Pricing,
    usage: Mapping[str, Sequence[HourUsage]],
    paying: Sequence[Purse],
    remaining: MutableMapping[str, Decimal],
) -> list[Paid]:
    """Return all charges of a usage statement with what balances pay of them; `remaining` is left before and after.

    Balances pay for usage first, then for subscriptions, then for composite products (metronome-api.md §4.7, which line
    first), whose spend may depend on who paid for it. Lines of composite products stand in the card's order, which has
    no part in who pays.
    """
    paid = draw(pricing.usage(usage), paying, remaining)
    subscribed = on_statement(account, statement.contract, statement.period)
    paid += _paid_instalments(account, statement.contract, subscribed, remaining, statement.period.start)
    shares: list[Paid] = []
    for charges in pricing.composites():
        shares += draw(charges([_spend(*each) for each in (*paid, *shares)]), paying, remaining)
    return paid + sorted(shares, key=lambda each: pricing.place(each[0]))


def _paid_instalments(
    account: Account,
    contract: Contract,
    charges: Sequence[Charge],
    remaining: MutableMapping[str, Decimal],
    counted_at: datetime,
) -> list[Paid]:
    """Return charges of subscriptions with what balances pay of them; `remaining` is what is left before and after.

    `counted_at` as in `purses`.
    """
    if not charges:
        return []
    hours = [each.paid_during for each in charges]
    reach = Period(min(each.start for each in hours), max(each.end for each in hours))
    return draw(charges, purses(account, contract, reach, counted_at), remaining)


def _spend(charge: Charge, payments: Sequence[Payment]) -> Spend:
    """Return a charge as spend, of which composite products ask for a share: what it costs those who pay.

    That of a subscription is spent in the last hour before it is charged, whatever it is for.
    """
    part = charge.instalment
    covered = total([each.amount for each in payments])
    free = total([each.amount for each in payments if is_free(each.purse.balance)])
    return Spend(
        use=charge.use,
        period=charge.period if part is None else Period(part.date - HOUR, part.date),
        amount=add(covered, rest(charge, payments)[1]),
        paid_free=free,
        composite=charge.kind is ProductType.COMPOSITE,
    )


def _invoice(account: Account, statement: Statement, lines: tuple[LineItem, ...]) -> Invoice:
    """Return the draft invoice of a billing period with these lines."""
    contract, period = statement.contract, statement.period
    currency = currency_of(account, contract)
    return Invoice(
        id=statement.invoice_id,
        customer_id=contract.customer_id,
        contract_id=contract.id,
        type=InvoiceType.USAGE,
        status=InvoiceStatus.DRAFT,
        credit_type_id=currency,
        line_items=lines,
        total=asked_for(lines, currency),
        start=period.start,
        end=period.end,
        issued_at=period.end,
        net_payment_terms_days=contract.net_payment_terms_days,
        payer=payer(account, contract),
    )


def _deductions(invoice: Invoice, paid: Sequence[Paid]) -> tuple[LedgerEntry, ...]:
    """Return one entry for each segment that pays, dated at the end of the service period (metronome-api.md §4.8)."""
    assert invoice.issued_at is not None, "every draft has a date"
    return tuple(
        LedgerEntry(
            id=derived(invoice.id, segment_id),
            balance_id=its.purse.balance.id,
            segment_id=segment_id,
            kind=EntryKind.AUTOMATED_INVOICE_DEDUCTION,
            amount=negated(its.amount),
            timestamp=invoice.issued_at,
            invoice_id=invoice.id,
            contract_id=invoice.contract_id,
            per_seat={seat: negated(amount) for seat, amount in its.per_seat.items()},
        )
        for segment_id, its in taken(paid).items()
    )


def _check(draft: Draft) -> None:
    """Assert what is always true of an invoice."""
    invoice = draft.invoice
    books.check(invoice, draft.entries)
    others = {line.credit_type_id for line in invoice.line_items} - {invoice.credit_type_id}
    assert all(map(is_custom, others)), "an invoice has one currency"
    assert all(entry.amount < ZERO for entry in draft.entries), "a draft only takes"
