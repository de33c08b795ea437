"""Professional services: work for people that a contract agrees, and what of it was invoiced (docs/pricing.md §8)."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct


class ProService(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Work that a contract agrees and that is invoiced when somebody asks for it, never by itself.

    Prices and amounts are in the currency of the contract's rate card; without a card in USD.
    """

    id: str
    product_id: str
    """The PRO_SERVICE product whose name the invoice shows."""
    unit_price: Decimal
    """What a unit costs where an invoice names a quantity only."""
    quantity: Decimal
    """How many units are expected; nothing is charged by it."""
    max_amount: Decimal
    """What all of its invoices that are not void ask for together, at most."""
    description: str | None = None
    netsuite_sales_order_id: str | None = None
    custom_fields: dict[str, str] = {}


class ProServiceLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an invoice asks for one service: amount = unit price × quantity, exactly."""

    id: str
    professional_service_id: str
    amount: Decimal
    unit_price: Decimal
    quantity: Decimal
    metadata: str | None = None
    """Whatever the sender wants to find on the line."""
    netsuite_invoice_billing_start: datetime | None = None
    netsuite_invoice_billing_end: datetime | None = None


class ProServiceInvoice(Struct, frozen=True, kw_only=True):
    """An invoice for services that was scheduled: it stands alone, also where others have its date."""

    id: str
    issued_at: datetime
    lines: tuple[ProServiceLine, ...]
