"""What stands on the paper of an invoice: the invoice in words, ready to be set. Pure: data in, texts out.

Lines keep every digit (docs/pricing.md §1). On paper an amount has the two decimals of its currency, rounded by
`credit_type.payable`; where that changes it, the exact amount stands below it. Subtotals and the total are exact sums
that are rounded once, so nothing adds up rounded numbers. Amounts in a custom pricing unit name it and keep their
digits: nobody pays in it, and no sum of money has them. Of a composite product the quantity and the bounds of tiers are
spend, so they are shown as money with all their digits, and the unit price is a share: a percentage (§5).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from itertools import groupby

from msgspec import Struct

from winkel.model.contract import Contract
from winkel.model.credit_type import CreditType, Units, code, in_currency, payable
from winkel.model.customer import Customer
from winkel.model.invoice import (
    Invoice,
    InvoiceRef,
    InvoiceStatus,
    InvoiceType,
    LineItem,
    LineType,
    TierPart,
    asked_for,
)
from winkel.model.money import add, multiply, plain
from winkel.model.product import ProductType
from winkel.paper.when import moment, span

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
_REPEATED = "A consolidated invoice asks for what this statement asks for. Please pay only that one, and not this one."
_CONSOLIDATED = "This invoice asks for what the statements on it ask for. Please pay it in place of them."
_HUNDRED = Decimal(100)
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


class Statement(Struct, frozen=True):
    """A statement that a consolidated invoice repeats: whose it is, under which contract, its id, and its total."""

    customer: str
    contract: str
    id: str
    total: Amount


class Section(Struct, frozen=True):
    """The lines of one product, with what balances pay of them; a single line needs no subtotal."""

    name: str
    rows: list[Row]
    subtotal: Amount
    statement: Statement | None = None
    """On a consolidated invoice: where the lines come from. The sections of one statement follow one another."""


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


class Relatives(Struct, frozen=True):
    """What the paper of an invoice says of others in its hierarchy; nothing, outside of hierarchies."""

    names: Mapping[str, str] = {}
    """Of its payer, and of the customers and contracts of its constituents, by id; what has none is told by its id."""
    repeated: bool = False
    """Whether it is on a consolidated invoice, and only that one is to be paid (docs/pricing.md §20)."""

    def name(self, its_id: str) -> str:
        """Return what a customer or a contract is called."""
        return self.names.get(its_id, its_id)


ALONE = Relatives()
"""Of an invoice outside of hierarchies."""


def page(
    invoice: Invoice,
    customer: Customer,
    contract: Contract,
    seller: str,
    units: Units,
    relatives: Relatives = ALONE,
    zone: tzinfo = UTC,
) -> Page:
    """Return an invoice in words. `invoice.issued_at` must be set: for a draft, when it will be issued.

    Its times are told in the zone. Nothing else depends on that: the date of payment is the same day for everybody.
    """
    assert invoice.issued_at is not None, "an invoice on paper has a date"
    return Page(
        title=_TITLES[invoice.type],
        seller=seller,
        mark="" if invoice.status is InvoiceStatus.FINALIZED else str(invoice.status),
        customer=[customer.name, customer.id],
        facts=[Fact(label, value) for label, value in _facts(invoice, contract, relatives, zone)],
        currency=code(invoice.credit_type_id),
        sections=list(_sections(invoice, units, relatives, zone)),
        sums=_sums(invoice, units[invoice.credit_type_id]),
        total=_amount(invoice.total, units[invoice.credit_type_id]),
        notes=list(_notes(invoice, units, relatives)),
        foot=f"Invoice {invoice.id}",
        dated=invoice.issued_at,
    )


def _notes(invoice: Invoice, units: Units, relatives: Relatives) -> Iterator[str]:
    """Yield what needs a sentence: what is not to be paid first."""
    if invoice.status is InvoiceStatus.DRAFT:
        yield _DRAFT
    elif invoice.status is InvoiceStatus.VOID:
        yield _VOID
    elif invoice.type is InvoiceType.USAGE_CONSOLIDATED:
        yield _CONSOLIDATED
    if relatives.repeated:
        yield _REPEATED
    if any(line.credit_type_id != invoice.credit_type_id for line in invoice.line_items):
        yield _UNITS
    if any(map(_only_counted, invoice.line_items)):
        yield _COUNTED
    if any(_amount(line.total, units[line.credit_type_id]).exact for line in invoice.line_items):
        yield _ROUNDED


def _facts(invoice: Invoice, contract: Contract, relatives: Relatives, zone: tzinfo) -> Iterator[tuple[str, str]]:
    """Yield the labels and values of the header."""
    assert invoice.issued_at is not None, "checked by page()"
    yield "Invoice", invoice.id
    if contract.name:
        yield "Contract", contract.name
    yield "Contract id", contract.id
    if invoice.start is not None and invoice.end is not None:
        yield "Billing period", span(invoice.start, invoice.end, zone)
    yield "To be issued" if invoice.status is InvoiceStatus.DRAFT else "Issued", moment(invoice.issued_at, zone)
    if invoice.payer is not None and invoice.payer.customer_id != invoice.customer_id:
        yield "Paid by", relatives.name(invoice.payer.customer_id)
    if relatives.repeated:
        yield "Payment", "on the consolidated invoice only"
    elif (days := invoice.net_payment_terms_days) is not None:
        yield "Payment terms", f"{plain(days):f} days net"
        if days in range(DUE_DAYS_MAX):
            due = f"{invoice.issued_at.astimezone(UTC) + timedelta(days=int(days)):%Y-%m-%d}"
            yield "Due", due if zone is UTC else f"{due} (UTC)"
    yield "Currency", code(invoice.credit_type_id)
    if zone is not UTC:
        yield "Time zone", str(zone)


def _sections(invoice: Invoice, units: Units, relatives: Relatives, zone: tzinfo) -> Iterator[Section]:
    """Yield the lines by product; on a consolidated invoice those of each statement apart, as they follow in it."""
    for origin, copied in groupby(invoice.line_items, key=_origin):
        lines = list(copied)
        statement = None
        if origin is not None:
            asked = _amount(asked_for(lines, invoice.credit_type_id), units[invoice.credit_type_id])
            customer, contract = relatives.name(origin.customer_id), relatives.name(origin.contract_id)
            statement = Statement(customer, contract, origin.invoice_id, asked)
        yield from _by_product(lines, units, statement, zone)


def _origin(line: LineItem) -> InvoiceRef | None:
    """Return the statement from which a consolidated invoice has a line."""
    its = line.origin
    return None if its is None else InvoiceRef(its.customer_id, its.contract_id, its.invoice_id)


def _by_product(
    lines: Sequence[LineItem], units: Units, statement: Statement | None, zone: tzinfo
) -> Iterator[Section]:
    """Yield lines by product, or conversion, in their order; what a balance pays or counts stays with its line."""
    owners: list[tuple[str, str]] = []
    for line in lines:
        owner = line.product_id or line.name, line.credit_type_id
        owners.append(owners[-1] if line.type is LineType.APPLIED and owners else owner)
    for (_, unit_id), pairs in groupby(zip(owners, lines, strict=True), key=lambda each: each[0]):
        together, unit = [line for _, line in pairs], units[unit_id]
        rows = [_row(line, together[0].name, unit, zone) for line in together]
        yield Section(together[0].name, rows, _amount(asked_for(together, unit_id), unit), statement)


def _row(line: LineItem, heading: str, unit: CreditType, zone: tzinfo) -> Row:
    """Return a line under the heading of its product."""
    amount, period = _amount(line.total, unit), ""
    if _only_counted(line):
        amount = Amount(f"({amount.shown})", amount.exact)
    if line.starting_at and line.ending_before and line.type is not LineType.APPLIED:
        period = span(line.starting_at, line.ending_before, zone)
    return Row(
        text=_text(line, heading, unit),
        period=period,
        quantity="" if line.quantity is None else _quantity(line.quantity, line, unit),
        unit_price="" if line.unit_price is None else _price(line.unit_price, line, unit),
        amount=amount,
        applied=line.type is LineType.APPLIED,
    )


def _text(line: LineItem, heading: str, unit: CreditType) -> str:
    """Return what tells a line from the others of its product: its groups and tier, or a name of its own."""
    groups = {**(line.pricing_group_values or {}), **(line.presentation_group_values or {})}
    parts = [line.name] if line.name != heading else []
    parts += [f"{name}: {'–' if value is None else value}" for name, value in groups.items()]
    if line.tier:
        parts.append(f"tier {line.tier.level} ({_bounds(line.tier, line, unit)})")
    return " · ".join(parts)


def _bounds(tier: TierPart, line: LineItem, unit: CreditType) -> str:
    """Return the bounds of a tier: the lower one is exclusive, the upper one inclusive (metronome-api.md §4.6)."""
    start = _quantity(tier.starting_at, line, unit)
    if tier.size is None:
        return f"above {start}" if tier.starting_at else f"all {'spend' if _of_spend(line) else 'units'}"
    end = _quantity(add(tier.starting_at, tier.size), line, unit)
    return f"above {start} up to {end}" if tier.starting_at else f"up to {end}"


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


def _of_spend(line: LineItem) -> bool:
    """Whether a line asks for a share of what others cost: its quantities are amounts (docs/pricing.md §5)."""
    return line.product_type == ProductType.COMPOSITE


def _quantity(quantity: Decimal, line: LineItem, unit: CreditType) -> str:
    """Return a quantity of a line, or a bound of its tier: a number, or spend."""
    return _money(quantity, unit) if _of_spend(line) else number(quantity)


def _price(price: Decimal, line: LineItem, unit: CreditType) -> str:
    """Return the unit price of a line, or the share that it asks for."""
    return f"{number(multiply(price, _HUNDRED))}%" if _of_spend(line) else _money(price, unit)


def _money(amount: Decimal, unit: CreditType) -> str:
    """Return an amount with all its digits, two decimals at least unless its unit is a custom one."""
    return number(in_currency(amount, unit.id), 2 if unit.is_currency else 0)


def number(value: Decimal, places: int = 0) -> str:
    """Return a number with thousands separators and all its digits, and at least so many decimal places."""
    value = plain(value)
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int), "finite"
    return f"{value:,.{max(places, -exponent)}f}".replace("-", "−")
