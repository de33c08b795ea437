"""Commit and credit: money promised or given, and when it may be used."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from winkel.model.hierarchy import ChildAccess
from winkel.model.word import Word


class BalanceType(Word):
    """What kind of balance it is (metronome-api.md §4.7).

    PREPAID and CREDIT pay for usage. POSTPAID is a promise to use so much: it only counts what is used, which stays to
    be paid, and its true-up invoice asks for what is missing.
    """

    PREPAID = "PREPAID"
    POSTPAID = "POSTPAID"
    CREDIT = "CREDIT"


class RateSide(Word):
    """Whether usage that draws a balance down is charged at list or at commit rates."""

    COMMIT_RATE = "COMMIT_RATE"
    LIST_RATE = "LIST_RATE"


class Segment(Struct, frozen=True):
    """An amount that may be used from `starting_at` until `ending_before`."""

    id: str
    amount: Decimal
    starting_at: datetime
    ending_before: datetime


class ScheduleItem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One date on which a commit, or part of it, is invoiced."""

    id: str
    timestamp: datetime
    amount: Decimal
    quantity: Decimal
    unit_price: Decimal


class InvoiceSchedule(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When a prepaid commit, the true-up of a postpaid one, or a scheduled charge is invoiced."""

    credit_type_id: str
    schedule_items: tuple[ScheduleItem, ...] = ()
    do_not_invoice: bool = False


class Specifier(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One way to be applicable: all of its parts must match (metronome-api.md §4.7, targeting)."""

    product_id: str | None = None
    product_tags: tuple[str, ...] = ()
    pricing_group_values: dict[str, str] = {}
    presentation_group_values: dict[str, str] = {}


class Balance(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A commit or a credit: segments of an amount, what they may pay for, and in which order.

    Without `applicable_…` and without `specifiers` it pays for everything; `specifiers` are alternatives and exclude
    the other two. What is left is never stored: it is the sum of ledger entries (`model/ledger.py`).
    """

    id: str
    type: BalanceType
    customer_id: str
    product_id: str
    """The FIXED product whose name the invoice shows, unless `name` is given."""
    credit_type_id: str
    segments: tuple[Segment, ...]
    created_at: datetime
    created_by: str
    priority: Decimal
    name: str | None = None
    description: str | None = None
    contract_id: str | None = None
    """The contract it belongs to; None: the customer."""
    applicable_contract_ids: tuple[str, ...] = ()
    """For a customer's balance: the only contracts it pays for; empty: all."""
    applicable_product_ids: tuple[str, ...] = ()
    applicable_product_tags: tuple[str, ...] = ()
    specifiers: tuple[Specifier, ...] = ()
    rate_type: RateSide = RateSide.LIST_RATE
    invoice_schedule: InvoiceSchedule | None = None
    invoice_contract_id: str | None = None
    rollover_fraction: Decimal | None = None
    netsuite_sales_order_id: str | None = None
    salesforce_opportunity_id: str | None = None
    uniqueness_key: str | None = None
    custom_fields: dict[str, str] = {}
    archived_at: datetime | None = None

    @property
    def product_ids(self) -> set[str]:
        """The products that it names: its own, and those that it may pay for."""
        named = {each.product_id for each in self.specifiers if each.product_id is not None}
        return {self.product_id, *self.applicable_product_ids, *named}

    recurring_id: str | None = None
    """The recurring commit or credit whose child it is (`model/recurring.py`)."""
    child_access: ChildAccess | None = None
    """Of a contract's balance: for which of its child contracts it pays too; None: for none."""
