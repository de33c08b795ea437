"""Invoices as the API shows them (metronome-api.md §4.9, §10.1: Invoice, LineItem)."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from winkel.api.rate_views import RateView, list_rate
from winkel.api.wire import Id, Ref, credit_type_ref
from winkel.model.commit import AccessType, Balance, BalanceType
from winkel.model.credit_type import Units
from winkel.model.customer import Customer
from winkel.model.hierarchy import ContractRef
from winkel.model.invoice import Invoice, InvoiceRef, LineItem, LineType, Origin, TierPart
from winkel.model.money import plain

PRODUCT_TYPES = {
    "USAGE": "UsageProductListItem",
    "SUBSCRIPTION": "SubscriptionProductListItem",
    "COMPOSITE": "CompositeProductListItem",
    "FIXED": "FixedProductListItem",
    "PRO_SERVICE": "ProServiceProductListItem",
}
COMMIT_TYPES = {"PREPAID": "PrepaidCommit", "CREDIT": "PrepaidCommit", "POSTPAID": "PostpaidCommit"}
"""What the API calls balances on a line: prepaid commits and credits alike (metronome-api.md §4.9)."""


PAYABLE = {LineType.USAGE, LineType.SUBSCRIPTION, LineType.CONVERSION}
"""Lines for which balances pay."""


class TierView(Struct, omit_defaults=True):
    """Which tier a line belongs to; bounds are strings on the wire (metronome-api.md §2)."""

    level: int
    starting_at: str
    size: str | None = None


class AppliedView(Struct):
    """The balance that pays for a line."""

    id: str
    type: str
    access_type: AccessType


class LineView(Struct, omit_defaults=True, kw_only=True):
    """One line item."""

    type: str
    name: str
    total: Decimal
    credit_type: Ref
    product_id: str | None = None
    product_type: str | None = None
    product_tags: list[str] | None = None
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    list_price: RateView | None = None
    starting_at: datetime | None = None
    ending_before: datetime | None = None
    pricing_group_values: dict[str, str] | None = None
    presentation_group_values: dict[str, str | None] | None = None
    tier: TierView | None = None
    commit_id: str | None = None
    commit_segment_id: str | None = None
    commit_type: str | None = None
    commit_custom_fields: dict[str, str] | None = None
    postpaid_commit: Id | None = None
    """On the line of a true-up."""
    subscription_id: str | None = None
    is_prorated: bool | None = None
    """On the line of a subscription."""
    scheduled_charge_id: str | None = None
    discount_id: str | None = None
    professional_service_id: str | None = None
    metadata: str | None = None
    netsuite_invoice_billing_start: datetime | None = None
    netsuite_invoice_billing_end: datetime | None = None
    applied_commit_or_credit: AppliedView | None = None
    origin: Origin | None = None
    """On a line of a consolidated invoice."""


class InvoiceView(Struct, omit_defaults=True, kw_only=True):
    """One invoice."""

    id: str
    type: str
    status: str
    customer_id: str
    contract_id: str
    credit_type: Ref
    line_items: list[LineView]
    subtotal: Decimal
    total: Decimal
    billable_status: str = "billable"
    start_timestamp: datetime | None = None
    end_timestamp: datetime | None = None
    issued_at: datetime | None = None
    created_at: datetime | None = None
    net_payment_terms_days: Decimal | None = None
    regenerated_from_invoice_id: str | None = None
    customer_custom_fields: dict[str, str] | None = None
    payer: ContractRef | None = None
    """In a hierarchy."""
    constituent_invoices: tuple[InvoiceRef, ...] | None = None
    """Of a consolidated invoice."""

    def __post_init__(self) -> None:
        assert self.subtotal == self.total, "nothing stands between subtotal and total yet"


def invoice_view(
    invoice: Invoice, customer: Customer, balances: Mapping[str, Balance], units: Units, *, skip_zero: bool = False
) -> InvoiceView:
    """Return the invoice for the wire; `skip_zero` leaves lines without quantity out, which changes no total."""
    lines = [line for line in invoice.line_items if not (skip_zero and line.quantity == 0 and not line.total)]
    return InvoiceView(
        id=invoice.id,
        type=invoice.type,
        status=invoice.status,
        customer_id=invoice.customer_id,
        contract_id=invoice.contract_id,
        credit_type=credit_type_ref(invoice.credit_type_id),
        line_items=[line_view(line, balances, units) for line in lines],
        subtotal=plain(invoice.total),
        total=plain(invoice.total),
        start_timestamp=invoice.start,
        end_timestamp=invoice.end,
        issued_at=invoice.issued_at,
        created_at=invoice.created_at,
        net_payment_terms_days=invoice.net_payment_terms_days,
        regenerated_from_invoice_id=invoice.regenerated_from_invoice_id,
        customer_custom_fields=customer.custom_fields or None,
        payer=invoice.payer,
        constituent_invoices=invoice.constituent_invoices or None,
    )


def line_view(line: LineItem, balances: Mapping[str, Balance], units: Units) -> LineView:
    """Return one line item for the wire."""
    balance = balances.get(line.balance_id) if line.balance_id else None
    unit = credit_type_ref(line.credit_type_id, units)
    return LineView(
        type=line.type,
        name=line.name,
        total=plain(line.total),
        credit_type=unit,
        product_id=line.product_id,
        product_type=PRODUCT_TYPES.get(line.product_type or ""),
        product_tags=list(line.product_tags) or None,
        quantity=_plain(line.quantity),
        unit_price=_plain(line.unit_price),
        list_price=None if line.list_price is None else list_rate(line.list_price, _list_unit(line, units)),
        starting_at=line.starting_at,
        ending_before=line.ending_before,
        pricing_group_values=line.pricing_group_values,
        presentation_group_values=line.presentation_group_values,
        tier=_tier_part(line.tier),
        commit_id=line.balance_id,
        commit_segment_id=line.segment_id,
        commit_type=COMMIT_TYPES.get(line.balance_type or ""),
        commit_custom_fields=(balance.custom_fields or None) if balance else None,
        postpaid_commit=_trued_up(line),
        subscription_id=line.subscription_id,
        is_prorated=line.is_prorated if line.type is LineType.SUBSCRIPTION else None,
        scheduled_charge_id=line.scheduled_charge_id,
        discount_id=line.discount_id,
        professional_service_id=line.professional_service_id,
        metadata=line.metadata,
        netsuite_invoice_billing_start=line.netsuite_invoice_billing_start,
        netsuite_invoice_billing_end=line.netsuite_invoice_billing_end,
        applied_commit_or_credit=_applied(line),
        origin=line.origin,
    )


def _list_unit(line: LineItem, units: Units) -> Ref:
    """Return the pricing unit of a line's list price: its own, unless an override has another one."""
    return credit_type_ref(line.list_credit_type_id or line.credit_type_id, units)


def _tier_part(tier: TierPart | None) -> TierView | None:
    """Return which tier a line belongs to."""
    if tier is None:
        return None
    size = None if tier.size is None else str(plain(tier.size))
    return TierView(tier.level, str(plain(tier.starting_at)), size)


def _trued_up(line: LineItem) -> Id | None:
    """Return the postpaid commit for which a true-up line asks."""
    if line.type is LineType.COMMIT_PURCHASE and line.balance_id and line.balance_type == BalanceType.POSTPAID:
        return Id(line.balance_id)
    return None


def _applied(line: LineItem) -> AppliedView | None:
    """Return the balance that pays for a line of usage, of a subscription or of a conversion."""
    if line.type in PAYABLE and line.balance_id and line.balance_type:
        return AppliedView(line.balance_id, line.balance_type, line.access_type)
    return None


def _plain(number: Decimal | None) -> Decimal | None:
    return None if number is None else plain(number)
