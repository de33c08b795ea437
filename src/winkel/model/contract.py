"""Contract: what a customer agreed to."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from winkel.model.commit import InvoiceSchedule
from winkel.model.override import Override, Prioritization
from winkel.model.period import AnyFrequency, Frequency, Period, cycle, cycle_at
from winkel.model.recurring import RecurringBalance
from winkel.model.subscription import Subscription


class StatementSchedule(Struct, frozen=True):
    """When usage statements are made: every `frequency`, counted from `billing_anchor_date`."""

    frequency: Frequency
    billing_anchor_date: datetime


class EndChange(Struct, frozen=True, kw_only=True):
    """The end of a contract was moved; None means open-ended."""

    changed_at: datetime
    changed_by: str
    old: datetime | None
    new: datetime | None


class ScheduledCharge(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a contract asks for on dates, whatever is used: a fee, a setup, a service (metronome-api.md §4.7)."""

    id: str
    product_id: str
    """The FIXED product whose name the invoice shows, unless `name` is given."""
    schedule: InvoiceSchedule
    name: str | None = None
    netsuite_sales_order_id: str | None = None
    custom_fields: dict[str, str] = {}


class UsageFilter(Struct, frozen=True):
    """From an instant on, only usage counts whose group has one of these values (metronome-api.md §4.7, Usage filter).

    So several contracts of a customer share its usage among them.
    """

    group_key: str
    group_values: tuple[str, ...]
    starting_at: datetime


class Contract(Struct, frozen=True, kw_only=True, omit_defaults=True):
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
    end_changes: tuple[EndChange, ...] = ()
    """Every change of `ending_before`, oldest first."""
    archived_at: datetime | None = None
    recurring_balances: tuple[RecurringBalance, ...] = ()
    """What it gives anew each period; the balances that follow are beside it, as all are."""

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

    def period_at(self, instant: datetime) -> Period | None:
        """Return the billing period in which the instant lies, or None when it lies outside the term."""
        if instant < self.starting_at or (self.ending_before is not None and instant >= self.ending_before):
            return None
        when = self.usage_statement_schedule
        number = cycle_at(when.billing_anchor_date, when.frequency, instant)
        start, end = (cycle(when.billing_anchor_date, when.frequency, number + each) for each in (0, 1))
        return Period(start, end).meet(self.starting_at, self.ending_before)

    def end_as_of(self, instant: datetime) -> datetime | None:
        """Return the `ending_before` that was agreed at the instant; before every change, the first one."""
        end = self.end_changes[0].old if self.end_changes else self.ending_before
        for change in self.end_changes:
            if change.changed_at <= instant:
                end = change.new
        return end
