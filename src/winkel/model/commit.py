"""Commit and credit: money, or units, promised or given, and when it may be used."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from winkel.model.allocation import SeatAllocation
from winkel.model.credit_type import QUANTITY
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


class AccessType(Word):
    """How a balance is drawn down: by what usage costs, or by how many units were used (metronome-api.md §4.7)."""

    SPEND = "SPEND"
    QUANTITY = "QUANTITY"


def access_type(credit_type_id: str) -> AccessType:
    """Return how a balance in this pricing unit is drawn down."""
    return AccessType.QUANTITY if credit_type_id == QUANTITY else AccessType.SPEND


class RateSide(Word):
    """Whether usage that draws a balance down is charged at list or at commit rates."""

    COMMIT_RATE = "COMMIT_RATE"
    LIST_RATE = "LIST_RATE"


class Segment(Struct, frozen=True, gc=False):
    """An amount that may be used from `starting_at` until `ending_before`."""

    id: str
    amount: Decimal
    starting_at: datetime
    ending_before: datetime


class ScheduleItem(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One date on which a commit, or part of it, is invoiced."""

    id: str
    timestamp: datetime
    amount: Decimal
    quantity: Decimal
    unit_price: Decimal


class InvoiceSchedule(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """When a prepaid commit, the true-up of a postpaid one, or a scheduled charge is invoiced."""

    credit_type_id: str
    schedule_items: tuple[ScheduleItem, ...] = ()
    do_not_invoice: bool = False


class Specifier(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """One way to be applicable: all of its parts must match (metronome-api.md §4.7, targeting)."""

    product_id: str | None = None
    product_tags: tuple[str, ...] = ()
    pricing_group_values: dict[str, str] = {}
    presentation_group_values: dict[str, str] = {}


class RolledOverFrom(Struct, frozen=True):
    """Of which commit or credit, of which older contract, a balance is what was left (metronome-api.md §4.7)."""

    balance_id: str
    contract_id: str


class Balance(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
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
    """The pricing unit of its amounts; `QUANTITY`: they are units of what is used."""
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
    def access_type(self) -> AccessType:
        """How it is drawn down."""
        return access_type(self.credit_type_id)

    @property
    def product_ids(self) -> set[str]:
        """The products that it names: its own, and those that it may pay for."""
        named = {each.product_id for each in self.specifiers if each.product_id is not None}
        return {self.product_id, *self.applicable_product_ids, *named}

    recurring_id: str | None = None
    """The recurring commit or credit whose child it is (`model/recurring.py`)."""
    allocation: SeatAllocation | None = None
    """How it follows the seats of a subscription; None: it does not."""
    rolled_over_from: RolledOverFrom | None = None
    """Where its amount came from when its contract renewed another (`bill/rollover.py`)."""
    retired_at: datetime | None = None
    """Since when it takes no part in billing, because it is used up (`bill/retire.py`)."""
    child_access: ChildAccess | None = None
    """Of a contract's balance: for which of its child contracts it pays too; None: for none."""

    @property
    def seat_group_key(self) -> str | None:
        """The group key by whose value it is drawn down seat by seat; None: all its usage draws on one amount."""
        return None if self.allocation is None else self.allocation.seat_group_key
