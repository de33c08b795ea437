"""Contract: what a customer agreed to."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from winkel.model.commit import InvoiceSchedule
from winkel.model.hierarchy import AsChild, Consolidation, ContractRef
from winkel.model.override import Override, Prioritization
from winkel.model.period import AnyFrequency, Frequency, Period, cycle, cycle_at
from winkel.model.pro_service import ProService, ProServiceInvoice
from winkel.model.recurring import RecurringBalance
from winkel.model.subscription import Subscription
from winkel.model.word import Word


class StatementSchedule(Struct, frozen=True, omit_defaults=True, gc=False):
    """When usage statements are made: every `frequency`, counted from `billing_anchor_date`."""

    frequency: Frequency
    billing_anchor_date: datetime
    invoice_generation_starting_at: datetime | None = None
    """The start of the first billing period whose statement is made by itself; earlier ones may be imported."""

    def makes(self, period: Period) -> bool:
        """Whether the statement of a billing period is made by itself."""
        first = self.invoice_generation_starting_at
        return first is None or period.start >= first


class ChargesOnUsageInvoices(Word):
    """Which scheduled items stand on the usage invoice that ends on their date (metronome-api.md §4.7)."""

    ALL = "ALL"


class Dated(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What stands on a contract's invoices on dates, whatever is used."""

    id: str
    product_id: str
    """The FIXED product whose name the invoice shows, unless `name` is given."""
    schedule: InvoiceSchedule
    name: str | None = None
    netsuite_sales_order_id: str | None = None
    custom_fields: dict[str, str] = {}
    archived_at: datetime | None = None
    """Since when it stands on no invoice any more; its final invoices were void by then."""


class ScheduledCharge(Dated, frozen=True, kw_only=True, omit_defaults=True):
    """What a contract asks for on dates: a fee, a setup, a service (metronome-api.md §4.7)."""


class Discount(Dated, frozen=True, kw_only=True, omit_defaults=True):
    """What a contract takes off on dates; the amounts of its schedule are above zero (docs/pricing.md §8)."""


class UsageFilter(Struct, frozen=True):
    """From an instant on, only usage counts whose group has one of these values (metronome-api.md §4.7, Usage filter).

    So several contracts of a customer share its usage among them.
    """

    group_key: str
    group_values: tuple[str, ...]
    starting_at: datetime


class TransitionType(Word):
    """How a contract follows another one (metronome-api.md §4.7)."""

    RENEWAL = "RENEWAL"


class Transition(Struct, frozen=True):
    """The contract that ends where another begins, and leaves to it what rolls over (metronome-api.md §4.7)."""

    type: TransitionType
    from_contract_id: str


class Contract(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The rates, the term and the statement schedule of one customer (metronome-api.md §4.7).

    Its commits and credits are kept beside it (`model/commit.py`): they have a life and a ledger of their own.
    """

    id: str
    customer_id: str
    starting_at: datetime
    created_at: datetime
    created_by: str
    usage_statement_schedule: StatementSchedule
    rate_card_id: str | None = None
    ending_before: datetime | None = None
    name: str | None = None
    net_payment_terms_days: Decimal | None = None
    netsuite_sales_order_id: str | None = None
    salesforce_opportunity_id: str | None = None
    total_contract_value: Decimal | None = None
    uniqueness_key: str | None = None
    custom_fields: dict[str, str] = {}
    overrides: tuple[Override, ...] = ()
    """In the order in which they were added."""
    multiplier_override_prioritization: Prioritization = Prioritization.LOWEST_MULTIPLIER
    scheduled_charges: tuple[ScheduledCharge, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    usage_filters: tuple[UsageFilter, ...] = ()
    """In the order in which they were added."""
    archived_at: datetime | None = None
    recurring_balances: tuple[RecurringBalance, ...] = ()
    """What it gives anew each period; the balances that follow are beside it, as all are."""
    transition: Transition | None = None
    """The contract that it renews."""
    package_id: str | None = None
    """The package from which its first terms came."""
    as_child: AsChild | None = None
    """Its place under a parent contract of another customer; None: it has none, and may be a parent itself."""
    consolidation: Consolidation | None = None
    """Of a parent: whether there are consolidated invoices; None: nothing was said, so there are none."""
    discounts: tuple[Discount, ...] = ()
    scheduled_charges_on_usage_invoices: ChargesOnUsageInvoices | None = None
    """None: they stand on invoices of their own."""
    professional_services: tuple[ProService, ...] = ()
    pro_service_invoices: tuple[ProServiceInvoice, ...] = ()
    """What was asked for of those services, in the order in which it was."""
    issue_dates: dict[str, datetime] = {}
    """Invoice id → when it is issued, of scheduled invoices whose date was moved."""

    @property
    def dated(self) -> tuple[ScheduledCharge | Discount, ...]:
        """What it asks for on dates, then what it takes off."""
        return (*self.scheduled_charges, *self.discounts)

    @property
    def ref(self) -> ContractRef:
        """How others name it."""
        return ContractRef(self.customer_id, self.id)

    @property
    def parent_id(self) -> str | None:
        """The contract whose child it is."""
        return None if self.as_child is None else self.as_child.parent.contract_id

    @property
    def draws_on(self) -> tuple[str, ...]:
        """The contracts whose commits and credits may pay for it: itself, and its parent."""
        return (self.id,) if self.parent_id is None else (self.id, self.parent_id)

    @property
    def product_ids(self) -> set[str]:
        """The products that its terms name."""
        named = {name for each in self.overrides for name in each.product_ids}
        named |= {each.product_id for each in self.dated}
        named |= {each.product_id for each in self.subscriptions}
        named |= {each.product_id for each in self.professional_services}
        return named | {each.product_id for each in self.recurring_balances}

    def recurrence(self, term: RecurringBalance) -> tuple[datetime, AnyFrequency]:
        """Return the anchor and the frequency by which a recurring balance of this contract is given (§4.7).

        With a frequency of its own they count from its own start; without, they are those of usage statements.
        """
        if term.recurrence_frequency is not None:
            return term.starting_at, term.recurrence_frequency
        return self.usage_statement_schedule.billing_anchor_date, self.usage_statement_schedule.frequency

    def filters(self) -> list[UsageFilter]:
        """Return the usage filters by time; each holds until the next. Of one instant the last one added is left."""
        latest = {each.starting_at: each for each in self.usage_filters}
        return [latest[instant] for instant in sorted(latest)]

    def filter_names(self) -> list[str]:
        """Return the names by whose values usage is filtered, at whatever time, in order."""
        return sorted({each.group_key for each in self.usage_filters})

    def period_at(self, instant: datetime) -> Period | None:
        """Return the billing period in which the instant lies, or None when it lies outside the term."""
        if instant < self.starting_at or (self.ending_before is not None and instant >= self.ending_before):
            return None
        when = self.usage_statement_schedule
        number = cycle_at(when.billing_anchor_date, when.frequency, instant)
        start, end = (cycle(when.billing_anchor_date, when.frequency, number + each) for each in (0, 1))
        return Period(start, end).meet(self.starting_at, self.ending_before)
