"""Invoices to be set: of the usual kind, long, and with names that try to be markup."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal

from msgspec import structs

from winkel.model.contract import Contract, StatementSchedule
from winkel.model.credit_type import BY_ID, CURRENCIES, USD, CreditType
from winkel.model.customer import Customer
from winkel.model.hierarchy import ContractRef
from winkel.model.invoice import Invoice, InvoiceStatus, InvoiceType, LineItem, LineType, Origin, TierPart, asked_for
from winkel.model.money import multiply, negated
from winkel.model.period import Frequency
from winkel.model.product import ProductType
from winkel.paper.page import ALONE, Page, Relatives, page

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
HOSTILE = (
    '#eval("1")',
    "$x^2$",
    "*bold* _em_ `raw`",
    "= Heading",
    "<label> @ref",
    "// comment",
    "/* open",
    "\\u{41} \\",
    '#read("/etc/passwd")',
    "]#pagebreak()[",
    '"; #panic()',
    "~ -- ---",
)
"""Names that mean something to Typst; on paper they must read as they are written."""


EUR = next(each for each in CURRENCIES if each.name == "EUR")
CREDITS = CreditType("3d2c1b0a-aaaa-4bbb-8ccc-9dddeeeeffff", "AI Credits", is_currency=False)
UNITS = {**BY_ID, CREDITS.id: CREDITS}


def usage(
    name: str, quantity: str, price: str, *, tier: TierPart | None = None, starting: datetime = START, **groups: str
) -> LineItem:
    """Return a line of usage; the price is in cents."""
    many, each = Decimal(quantity), Decimal(price)
    return LineItem(
        type=LineType.USAGE,
        name=name,
        total=multiply(many, each),
        credit_type_id=USD.id,
        product_id=name,
        quantity=many,
        unit_price=each,
        starting_at=starting,
        ending_before=END,
        pricing_group_values=groups or None,
        tier=tier,
    )


def applied(line: LineItem, name: str = "Welcome credit", balance_type: str = "CREDIT") -> LineItem:
    """Return the line that takes off what a balance pays of another one, or tells what a postpaid commit counts."""
    return LineItem(
        type=LineType.APPLIED,
        name=f"{name} applied",
        total=negated(line.total),
        credit_type_id=USD.id,
        product_id="fixed",
        starting_at=line.starting_at,
        ending_before=line.ending_before,
        balance_type=balance_type,
    )


def share(name: str, spend: str, of_it: str, *, unit: str = USD.id, tier: TierPart | None = None) -> LineItem:
    """Return a line of a composite product: a share of spend, which is in cents of dollars, or in units of another."""
    line = usage(name, spend, of_it, tier=tier)
    return structs.replace(line, credit_type_id=unit, product_type=ProductType.COMPOSITE)


def copied(lines: Sequence[LineItem], customer_id: str, contract_id: str, statement_id: str) -> list[LineItem]:
    """Return the lines of a statement as a consolidated invoice has them."""
    numbered = enumerate(lines)
    return [
        structs.replace(each, origin=Origin(customer_id, contract_id, statement_id, str(n))) for n, each in numbered
    ]


def usual() -> list[LineItem]:
    """Return lines with groups, tiers, fractions of a cent and a credit."""
    first = usage("Input tokens (millions)", "40", "250", model="sonnet", region="eu")
    return [
        first,
        applied(first),
        usage("Input tokens (millions)", "1234.567891", "250", model="sonnet", region="eu"),
        usage("Input tokens (millions)", "88.25", "1500", model="opus", region="us"),
        usage("API calls", "1000000", "0", tier=TierPart(1, Decimal(0), Decimal(1_000_000))),
        usage("API calls", "4000000", "0.04", tier=TierPart(2, Decimal(1_000_000), Decimal(4_000_000))),
        usage("API calls", "3210987", "0.03", tier=TierPart(3, Decimal(5_000_000))),
        usage("Storage (GB)", "512.5", "2.3"),
        usage("Storage (GB)", "-12.5", "2.3", starting=datetime(2026, 1, 15, tzinfo=UTC)),
        usage("Seats", "12", "2900"),
    ]


def sample(
    lines: Sequence[LineItem],
    *,
    status: InvoiceStatus = InvoiceStatus.FINALIZED,
    customer: str = "Acme Robotics GmbH",
    contract: str | None = "Enterprise 2026",
    seller: str = "Winkel Cloud, Inc.",
    kind: InvoiceType = InvoiceType.USAGE,
    unit: str = USD.id,
    payer: ContractRef | None = None,
    relatives: Relatives = ALONE,
    start: datetime = START,
    zone: tzinfo = UTC,
) -> Page:
    """Return the page of an invoice with these lines."""
    invoice = Invoice(
        id="0b0f4a9e-1111-5222-8333-944455556666",
        customer_id="5c7b1d2a-aaaa-4bbb-8ccc-9dddeeeeffff",
        contract_id="7e1f2a3b-aaaa-4bbb-8ccc-9dddeeeeffff",
        type=kind,
        status=status,
        credit_type_id=unit,
        line_items=tuple(lines),
        total=asked_for(lines, unit),
        start=None if kind is InvoiceType.SCHEDULED else start,
        end=None if kind is InvoiceType.SCHEDULED else END,
        issued_at=datetime(2026, 2, 2, tzinfo=UTC),
        net_payment_terms_days=Decimal(30),
        payer=payer,
    )
    who = Customer(id=invoice.customer_id, name=customer, created_at=START, updated_at=START)
    agreed = Contract(
        id=invoice.contract_id,
        customer_id=who.id,
        name=contract,
        starting_at=START,
        created_at=START,
        created_by="test",
        usage_statement_schedule=StatementSchedule(Frequency.MONTHLY, START),
    )
    return page(invoice, who, agreed, seller, UNITS, relatives, zone)
