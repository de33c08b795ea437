"""What stands on the paper of an invoice: the invoice in words, ready to be set. Pure: data in, texts out.

Lines keep every digit (docs/pricing.md §1). On paper an amount has the two decimals of its currency, rounded by
`credit_type.payable`; where that changes it, the exact amount stands below it. Subtotals and the total are exact sums
that are rounded once, so nothing adds up rounded numbers. Amounts in a custom pricing unit name it and keep their
digits: nobody pays in it, and no sum of money has them.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby

from msgspec import Struct

from winkel.model.contract import Contract
from winkel.model.credit_type import CreditType, Units, code, in_currency, payable
from winkel.model.customer import Customer
from winkel.model.invoice import Invoice, InvoiceStatus, InvoiceType, LineItem, LineType, TierPart, asked_for
from winkel.model.money import add, plain

_TITLES = {
    InvoiceType.USAGE: "Usage invoice",
    InvoiceType.USAGE_CONSOLIDATED: "Consolidated usage invoice",
    InvoiceType.SCHEDULED: "Scheduled invoice",
}
_ROUNDED = (
    "Amounts are exact and are not rounded line by line. To be shown they are rounded to two decimals, half to even; "
    "where that changes an amount, the exact one stands below it. Subtotals and the total are exact sums, rounded once."
)
_COUNTED = "Amounts in parentheses count towards a postpaid commit; they are not taken off what is to be paid."
_UNITS = "Amounts that name a unit are not money. What is left of them is asked for by a conversion."
_DRAFT = "This is a draft: it follows usage until the invoice is issued. Please do not pay it."
_VOID = "This invoice was voided. Please do not pay it."
DUE_DAYS_MAX = 3660
"""Payment terms of more days than these have no date: nothing keeps a contract from naming a million."""


class Amount(Struct, frozen=True):
    """An amount with two decimals; `exact` is what it is where that differs, else empty."""

    shown: str
    exact: str = ""


class Row(Struct, frozen=True, kw_only=True):
    """One line item."""

    text: str
    period: str
    quantity: str
    unit_price: str
    amount: Amount
    applied: bool
    """Whether a balance takes off here what it pays."""


class Section(Struct, frozen=True):
    """The lines of one product, with what balances pay of them; a single line needs no subtotal."""

    name: str
    rows: list[Row]
    subtotal: Amount


class Fact(Struct, frozen=True):
    """A label and a value of the header, or a sum below the table."""

    label: str
    value: str


class Sum(Struct, frozen=True):
    """A label and an amount below the table."""

    label: str
    amount: Amount


class Page(Struct, frozen=True, kw_only=True):
    """Everything that is printed of one invoice."""

    title: str
    seller: str
    mark: str
    """DRAFT or VOID, across every page; empty for an invoice that counts."""
    customer: list[str]
    """Name and id."""
    facts: list[Fact]
    currency: str
    sections: list[Section]
    sums: list[Sum]
    total: Amount
    notes: list[str]
    foot: str
    dated: datetime
    """When it is issued; it is the time in the file as well, so that the same invoice gives the same bytes."""


def page(invoice: Invoice, customer: Customer, contract: Contract, seller: str, units: Units) -> Page:
    """Return an invoice in words. `invoice.issued_at` must be set: for a draft, when it will be issued."""
    assert invoice.issued_at is not None, "an invoice on paper has a date"
    rounding = any(_amount(line.total, units[line.credit_type_id]).exact for line in invoice.line_items)
    counted = any(map(_only_counted, invoice.line_items))
    in_units = any(line.credit_type_id != invoice.credit_type_id for line in invoice.line_items)
    status = {InvoiceStatus.DRAFT: _DRAFT, InvoiceStatus.VOID: _VOID}.get(invoice.status)
    return Page(
        title=_TITLES[invoice.type],
        seller=seller,
        mark="" if invoice.status is InvoiceStatus.FINALIZED else str(invoice.status),
        customer=[customer.name, customer.id],
        facts=[Fact(label, value) for label, value in _facts(invoice, contract)],
        currency=code(invoice.credit_type_id),
        sections=list(_sections(invoice, units)),
        sums=_sums(invoice, units[invoice.credit_type_id]),
        total=_amount(invoice.total, units[invoice.credit_type_id]),
        notes=[
            note
            for note, needed in ((status, status), (_UNITS, in_units), (_COUNTED, counted), (_ROUNDED, rounding))
            if note and needed
        ],
        foot=f"Invoice {invoice.id}",
        dated=invoice.issued_at,
    )


def _facts(invoice: Invoice, contract: Contract) -> Iterator[tuple[str, str]]:
    """Yield the labels and values of the header."""
    assert invoice.issued_at is not None, "checked by page()"
    yield "Invoice", invoice.id
    if contract.name:
        yield "Contract", contract.name
    yield "Contract id", contract.id
    if invoice.start is not None and invoice.end is not None:
        yield "Billing period", span(invoice.start, invoice.end)
    yield "To be issued" if invoice.status is InvoiceStatus.DRAFT else "Issued", f"{invoice.issued_at:%Y-%m-%d}"
    if (days := invoice.net_payment_terms_days) is not None:
        yield "Payment terms", f"{plain(days):f} days net"
        if days in range(DUE_DAYS_MAX):
            yield "Due", f"{invoice.issued_at + timedelta(days=int(days)):%Y-%m-%d}"
    yield "Currency", code(invoice.credit_type_id)


def span(start: datetime, end: datetime) -> str:
    """Return a half-open time as its first and last day, or with hours where it does not begin and end at midnight."""
    if start.hour or end.hour:
        return f"{start:%Y-%m-%d %H:%M} – {end:%Y-%m-%d %H:%M} UTC"
    last = end - timedelta(days=1)
    return f"{start:%Y-%m-%d}" if last == start else f"{start:%Y-%m-%d} – {last:%Y-%m-%d}"


def _sections(invoice: Invoice, units: Units) -> Iterator[Section]:
    """Yield the lines by product, or conversion, in their order; what a balance pays or counts stays with its line."""
    owners: list[tuple[str, str]] = []
    for line in invoice.line_items:
        owner = line.product_id or line.name, line.credit_type_id
        owners.append(owners[-1] if line.type is LineType.APPLIED and owners else owner)
    together = groupby(zip(owners, invoice.line_items, strict=True), key=lambda each: each[0])
    for (_, unit_id), pairs in together:
        lines, unit = [line for _, line in pairs], units[unit_id]
        rows = [_row(line, lines[0].name, unit) for line in lines]
        yield Section(lines[0].name, rows, _amount(asked_for(lines, unit_id), unit))


def _row(line: LineItem, heading: str, unit: CreditType) -> Row:
    """Return a line under the heading of its product."""
    amount, period = _amount(line.total, unit), ""
    if _only_counted(line):
        amount = Amount(f"({amount.shown})", amount.exact)
    if line.starting_at and line.ending_before and line.type is not LineType.APPLIED:
        period = span(line.starting_at, line.ending_before)
    return Row(
        text=_text(line, heading),
        period=period,
        quantity="" if line.quantity is None else number(line.quantity),
        unit_price="" if line.unit_price is None else _price(line.unit_price, unit),
        amount=amount,
        applied=line.type is LineType.APPLIED,
    )


def _text(line: LineItem, heading: str) -> str:
    """Return what tells a line from the others of its product: its groups and tier, or a name of its own."""
    groups = {**(line.pricing_group_values or {}), **(line.presentation_group_values or {})}
    parts = [line.name] if line.name != heading else []
    parts += [f"{name}: {'–' if value is None else value}" for name, value in groups.items()]
    if line.tier:
        parts.append(_tier(line.tier))
    return " · ".join(parts)


def _tier(tier: TierPart) -> str:
    """Return a tier with its bounds: the lower one is exclusive, the upper one inclusive (metronome-api.md §4.6)."""
    if tier.size is None:
        bounds = f"above {number(tier.starting_at)}" if tier.starting_at else "all units"
    elif tier.starting_at:
        bounds = f"above {number(tier.starting_at)} up to {number(add(tier.starting_at, tier.size))}"
    else:
        bounds = f"up to {number(tier.size)}"
    return f"tier {tier.level} ({bounds})"


def _sums(invoice: Invoice, currency: CreditType) -> list[Sum]:
    """Return charges and applied balances apart, where there are both in the currency of the invoice."""
    lines = [line for line in invoice.line_items if line.credit_type_id == currency.id]
    applied = [line for line in lines if line.type is LineType.APPLIED and not _only_counted(line)]
    if not applied:
        return []
    charges = [line for line in lines if line.type is not LineType.APPLIED]
    return [
        Sum("Charges", _amount(asked_for(charges, currency.id), currency)),
        Sum("Paid from commits and credits", _amount(asked_for(applied, currency.id), currency)),
    ]


def _only_counted(line: LineItem) -> bool:
    """Whether a line tells what a postpaid commit counts: no total takes it off (metronome-api.md §4.9)."""
    return line.type is LineType.APPLIED and not asked_for([line], line.credit_type_id) and bool(line.total)


def _amount(amount: Decimal, unit: CreditType) -> Amount:
    """Return an amount with two decimals, and exactly where that differs; in a custom unit as it is, with its name."""
    if not unit.is_currency:
        return Amount(f"{number(amount)} {unit.name}")
    exact, shown = in_currency(amount, unit.id), payable(amount, unit.id)
    return Amount(number(shown, 2), number(exact) if exact != shown else "")


def _price(price: Decimal, unit: CreditType) -> str:
    """Return a unit price with all its digits, two decimals at least unless its unit is a custom one."""
    return number(in_currency(price, unit.id), 2 if unit.is_currency else 0)


def number(value: Decimal, places: int = 0) -> str:
    """Return a number with thousands separators and all its digits, and at least so many decimal places."""
    value = plain(value)
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int), "finite"
    return f"{value:,.{max(places, -exponent)}f}".replace("-", "−")
