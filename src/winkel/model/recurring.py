"""Recurring commit and recurring credit: money that a contract gives anew each period."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct, structs

from winkel.model.allocation import SeatLink
from winkel.model.commit import BalanceType, RateSide, Specifier
from winkel.model.hierarchy import ChildAccess
from winkel.model.money import multiply
from winkel.model.period import RecurrenceFrequency
from winkel.model.proration import AmountRounding, Proration


class RecurringAmount(Struct, frozen=True):
    """What each whole period gives, or asks for: unit price × quantity; with seats, what each of them gives."""

    credit_type_id: str
    unit_price: Decimal
    quantity: Decimal

    @property
    def total(self) -> Decimal:
        """The amount of a whole period."""
        return multiply(self.unit_price, self.quantity)


class RecurringBalance(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A recurring commit (PREPAID) or a recurring credit of a contract (metronome-api.md §4.7).

    It gives a *child* for each recurrence period that begins in [starting_at, ending_before): a balance of its own
    (`model/commit.py`) with what is said here passed on to it. Which children there are follows from this alone
    (`bill/recurring.py`).
    """

    id: str
    type: BalanceType
    product_id: str
    """The FIXED product whose name invoices show, unless `name` is given."""
    access_amount: RecurringAmount
    commit_duration: int
    """For how many periods a child may be used, its own included."""
    priority: Decimal
    starting_at: datetime
    ending_before: datetime | None = None
    """No child begins then or later; not after the contract's end as it was when the two were agreed."""
    invoice_amount: RecurringAmount | None = None
    """What a commit asks for on the day on which a child begins; None: nothing."""
    recurrence_frequency: RecurrenceFrequency | None = None
    """None: as often as usage statements, and with them (`Contract.recurrence`)."""
    proration: Proration = Proration.FIRST_AND_LAST
    access_rounding: AmountRounding | None = None
    invoice_rounding: AmountRounding | None = None
    rate_type: RateSide = RateSide.LIST_RATE
    rollover_fraction: Decimal | None = None
    name: str | None = None
    description: str | None = None
    applicable_product_ids: tuple[str, ...] = ()
    applicable_product_tags: tuple[str, ...] = ()
    specifiers: tuple[Specifier, ...] = ()
    netsuite_sales_order_id: str | None = None
    subscription: SeatLink | None = None
    """The subscription by whose quantity the access amount, then that of one seat, is multiplied."""
    child_access: ChildAccess | None = None

    def until(self, end: datetime) -> "RecurringBalance":
        """Return it as it is when the contract ends then: for good, a later end brings no child back."""
        return structs.replace(self, ending_before=min(end, self.ending_before or end))
