"""Invoice and line item."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from winkel.model.hierarchy import ContractRef
from winkel.model.money import total
from winkel.model.period import Period
from winkel.model.price import Price
from winkel.model.word import Word


class InvoiceStatus(Word):
    """DRAFT → FINALIZED → VOID, and never back (metronome-api.md §4.9)."""

    DRAFT = "DRAFT"
    FINALIZED = "FINALIZED"
    VOID = "VOID"


class InvoiceType(Word):
    """USAGE: a usage statement of one billing period. SCHEDULED: what commits and charges ask on a date.

    USAGE_CONSOLIDATED: the usage statements of a parent contract and its children, copied one after the other.
    """

    USAGE = "USAGE"
    USAGE_CONSOLIDATED = "USAGE_CONSOLIDATED"
    SCHEDULED = "SCHEDULED"


class LineType(StrEnum):
    """What a line stands for (metronome-api.md §4.9)."""

    USAGE = "usage"
    SUBSCRIPTION = "subscription"
    COMMIT_PURCHASE = "commit_purchase"
    SCHEDULED = "scheduled"
    APPLIED = "applied_commit_or_credit"
    CONVERSION = "cpu_conversion"
    """What is left to be paid in a custom pricing unit, in the invoice's currency."""


class TierPart(Struct, frozen=True, omit_defaults=True, gc=False):
    """Which tier a line belongs to: `level` from 1, the quantity at which it begins, and its size (None: open)."""

    level: int
    starting_at: Decimal
    size: Decimal | None = None


class Origin(Struct, frozen=True):
    """The line of a constituent invoice that a line of a consolidated one copies."""

    customer_id: str
    contract_id: str
    invoice_id: str
    line_item_id: str


class LineItem(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One line: quantity × unit price = total, exactly.

    One exception: where a balance pays for part of a charge and the amount is not a multiple of the unit price, the
    quantity of that part is given to 20 decimal places; its total stays exact, and quantities still add up.

    Usage that a balance pays for is a positive line that names the balance, and an APPLIED line takes the same amount
    off again; what no balance pays for is a line of its own. Usage that a postpaid commit counts has the same two
    lines, but its APPLIED line only tells: the total leaves it out (`asked_for`).

    Lines for a custom pricing unit are in that unit, and no total of money has them: a CONVERSION line has what they
    come to in the currency of the invoice (docs/pricing.md, Custom pricing units).
    """

    type: LineType
    name: str
    total: Decimal
    credit_type_id: str
    product_id: str | None = None
    product_type: str | None = None
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    list_price: Price | None = None
    """The whole price from which the line was rated, before any override."""
    starting_at: datetime | None = None
    ending_before: datetime | None = None
    pricing_group_values: dict[str, str] | None = None
    presentation_group_values: dict[str, str | None] | None = None
    tier: TierPart | None = None
    balance_id: str | None = None
    balance_type: str | None = None
    """PREPAID, POSTPAID or CREDIT."""
    segment_id: str | None = None
    product_tags: tuple[str, ...] = ()
    schedule_item_id: str | None = None
    """The item of an invoice schedule that a COMMIT_PURCHASE or SCHEDULED line is for; of a SUBSCRIPTION line what
    was charged at one time. Nothing is asked for twice."""
    subscription_id: str | None = None
    is_prorated: bool = False
    """Whether the unit price is that of a part of a period."""
    scheduled_charge_id: str | None = None
    discount_id: str | None = None
    """Of a SCHEDULED line: the discount that it takes off; its unit price and total are not above zero then."""
    origin: Origin | None = None
    """On a consolidated invoice: what it copies."""
    professional_service_id: str | None = None
    """Of a SCHEDULED line: the service that it asks for (`model/pro_service.py`, as the rest)."""
    metadata: str | None = None
    netsuite_invoice_billing_start: datetime | None = None
    netsuite_invoice_billing_end: datetime | None = None


def asked_for(lines: Iterable[LineItem], credit_type_id: str) -> Decimal:
    """Return what lines ask for in one pricing unit, those in others left out; the total of an invoice is in its own.

    What postpaid commits count stays to be paid (metronome-api.md §4.9).
    """
    return total(
        [
            line.total
            for line in lines
            if line.credit_type_id == credit_type_id
            and (line.type is not LineType.APPLIED or line.balance_type != "POSTPAID")
        ]
    )


class ImportedUsage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A quantity from which an imported invoice was made: so many sold units, used from `starting_at` on."""

    product_id: str
    starting_at: datetime
    quantity: Decimal
    pricing_group_values: dict[str, str] = {}
    presentation_group_values: dict[str, str] = {}


class InvoiceRef(Struct, frozen=True):
    """An invoice, and of which contract of which customer it is."""

    customer_id: str
    contract_id: str
    invoice_id: str


class Invoice(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The line items of one customer for one period (USAGE) or one date (SCHEDULED).

    A consolidated one (USAGE_CONSOLIDATED) copies others for one period of a parent; no balance pays anything for it.
    """

    id: str
    customer_id: str
    contract_id: str
    type: InvoiceType
    status: InvoiceStatus
    credit_type_id: str
    """A currency."""
    line_items: tuple[LineItem, ...]
    total: Decimal
    start: datetime | None = None
    end: datetime | None = None
    issued_at: datetime | None = None
    created_at: datetime | None = None
    net_payment_terms_days: Decimal | None = None
    regenerated_from_invoice_id: str | None = None
    """The void invoice whose place this one takes."""
    imported_usage: tuple[ImportedUsage, ...] = ()
    """What it was made from in place of metered usage (`bill/imported.py`); empty: it was not imported."""
    payer: ContractRef | None = None
    """In a hierarchy: the contract, and its customer, that pays; None: its own, outside of hierarchies."""
    constituent_invoices: tuple[InvoiceRef, ...] = ()
    """Of a consolidated one: what it copies, the parent's own first."""

    @property
    def period(self) -> Period:
        """The billing period; only a usage statement has one."""
        assert self.start is not None, "a usage statement has a period"
        assert self.end is not None, "a usage statement has a period"
        return Period(self.start, self.end)

    def __post_init__(self) -> None:
        assert self.total == asked_for(self.line_items, self.credit_type_id), "lines sum to the total"
