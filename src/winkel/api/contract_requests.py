"""The bodies of contract requests, and how the body of create becomes a contract (metronome-api.md §4.7, §10.2)."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from winkel.api import discounts, fields, overrides, pro_services, recurring, scheduled_charges, subscriptions, terms
from winkel.api.discounts import DiscountIn
from winkel.api.filters import UsageFilterIn, usage_filter
from winkel.api.hierarchy import HierarchyIn
from winkel.api.overrides import OverrideIn
from winkel.api.parse import text_of
from winkel.api.pro_services import ProServiceIn
from winkel.api.recurring import RecurringCommitIn, RecurringCreditIn
from winkel.api.scheduled_charges import ScheduledChargeIn
from winkel.api.subscriptions import SubscriptionIn
from winkel.api.terms import CommitIn, CreditIn
from winkel.api.transitions import TransitionIn
from winkel.model.contract import ChargesOnUsageInvoices, Contract, StatementSchedule
from winkel.model.override import Prioritization
from winkel.model.period import Frequency, month_start
from winkel.model.product import Product
from winkel.model.word import Word

NOT_YET = (
    terms.NOT_YET
    | overrides.NOT_YET
    | recurring.NOT_YET
    | subscriptions.NOT_YET
    | {
        "billing_provider_configuration",
        "prepaid_balance_threshold_configuration",
        "priority",
        "reseller_royalties",
        "revenue_system_configuration",
        "spend_threshold_configuration",
        "spend_trackers",
    }
)
"""Fields of create that the Metronome API has and that Winkel does not know yet."""


OVERRIDES_MAX = 1000
"""The most overrides of one contract."""
CHARGES_MAX = 1000
"""The most scheduled charges of one contract, and the most discounts."""
RECURRING_MAX = 100
"""The most recurring commits of one contract, and the most recurring credits."""
SUBSCRIPTIONS_MAX = 1000
"""The most subscriptions of one contract."""
SERVICES_MAX = 1000
"""The most professional services of one contract."""
PAGE_MAX = 20
"""The most contracts of a page."""


class Day(Word):
    """On which day statements begin."""

    FIRST_OF_MONTH = "FIRST_OF_MONTH"
    CONTRACT_START = "CONTRACT_START"
    CUSTOM_DATE = "CUSTOM_DATE"


class StatementScheduleIn(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When usage statements are made."""

    frequency: Frequency
    day: Day = Day.FIRST_OF_MONTH
    billing_anchor_date: fields.Instant | None = None
    invoice_generation_starting_at: fields.Instant | None = None


class CreateContract(Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of create."""

    customer_id: UUID
    starting_at: fields.Instant
    ending_before: fields.Instant | None = None
    rate_card_id: UUID | None = None
    rate_card_alias: fields.Text | None = None
    package_id: UUID | None = None
    package_alias: fields.Text | None = None
    name: str | None = None
    usage_statement_schedule: StatementScheduleIn = StatementScheduleIn(frequency=Frequency.MONTHLY)
    commits: list[CommitIn] = []
    credits: list[CreditIn] = []
    overrides: Annotated[list[OverrideIn], Meta(max_length=OVERRIDES_MAX)] = []
    multiplier_override_prioritization: Prioritization = Prioritization.LOWEST_MULTIPLIER
    scheduled_charges: Annotated[list[ScheduledChargeIn], Meta(max_length=CHARGES_MAX)] = []
    scheduled_charges_on_usage_invoices: ChargesOnUsageInvoices | None = None
    discounts: Annotated[list[DiscountIn], Meta(max_length=CHARGES_MAX)] = []
    recurring_commits: Annotated[list[RecurringCommitIn], Meta(max_length=RECURRING_MAX)] = []
    recurring_credits: Annotated[list[RecurringCreditIn], Meta(max_length=RECURRING_MAX)] = []
    subscriptions: Annotated[list[SubscriptionIn], Meta(max_length=SUBSCRIPTIONS_MAX)] = []
    professional_services: Annotated[list[ProServiceIn], Meta(max_length=SERVICES_MAX)] = []
    usage_filter: UsageFilterIn | None = None
    transition: TransitionIn | None = None
    hierarchy_configuration: HierarchyIn = HierarchyIn()
    net_payment_terms_days: Decimal | None = None
    netsuite_sales_order_id: str | None = None
    salesforce_opportunity_id: str | None = None
    total_contract_value: Decimal | None = None
    uniqueness_key: fields.UniquenessKey | None = None
    custom_fields: fields.CustomFields = {}


class ContractKey(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which contract of which customer."""

    customer_id: UUID
    contract_id: UUID


class GetContract(ContractKey, kw_only=True):
    """The body of get in V1."""

    include_balance: bool = False
    include_ledgers: bool = False


class GetContractV2(GetContract, kw_only=True):
    """The body of get in V2."""

    as_of_date: fields.Instant | None = None


class ListContracts(Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of list, in V1 and V2."""

    customer_id: UUID
    covering_date: fields.Instant | None = None
    starting_at: fields.Instant | None = None
    include_archived: bool = False
    include_balance: bool = False
    include_ledgers: bool = False
    limit: Decimal = Decimal(PAGE_MAX)
    cursor: str | None = None


class ArchiveContract(ContractKey, kw_only=True):
    """The body of archive."""

    void_invoices: bool


class UpdateEnd(ContractKey, kw_only=True):
    """The body of updateEndDate; without `ending_before` the contract becomes open-ended."""

    ending_before: fields.Instant | None = None
    allow_ending_before_finalized_invoice: bool = True


def agreed(
    asked: CreateContract, rate_card_id: str | None, known: Mapping[str, Product], at: datetime, by: str
) -> Contract:
    """Return the contract; `known` are the products that its terms name, as far as they exist.

    Raises `InvalidError` where the terms contradict themselves.
    """
    start, end = fields.term(asked.starting_at, asked.ending_before, "$")
    made = Contract(
        id=str(uuid.uuid4()),
        customer_id=str(asked.customer_id),
        rate_card_id=rate_card_id,
        starting_at=start,
        ending_before=end,
        created_at=at,
        created_by=by,
        usage_statement_schedule=_statements(asked.usage_statement_schedule, start),
        name=asked.name,
        net_payment_terms_days=fields.number_or_none(asked.net_payment_terms_days, "$.net_payment_terms_days"),
        netsuite_sales_order_id=asked.netsuite_sales_order_id,
        salesforce_opportunity_id=asked.salesforce_opportunity_id,
        total_contract_value=fields.number_or_none(asked.total_contract_value, "$.total_contract_value"),
        uniqueness_key=asked.uniqueness_key,
        custom_fields=asked.custom_fields,
        overrides=tuple(
            overrides.override(each, asked.multiplier_override_prioritization, at, known, f"$.overrides[{index}]")
            for index, each in enumerate(asked.overrides)
        ),
        multiplier_override_prioritization=asked.multiplier_override_prioritization,
        usage_filters=tuple(
            usage_filter(each, start, "$.usage_filter") for each in (asked.usage_filter,) if each is not None
        ),
        scheduled_charges=tuple(
            scheduled_charges.scheduled_charge(each, known, f"$.scheduled_charges[{index}]")
            for index, each in enumerate(asked.scheduled_charges)
        ),
        scheduled_charges_on_usage_invoices=asked.scheduled_charges_on_usage_invoices,
        discounts=tuple(
            discounts.discount(each, known, f"$.discounts[{index}]") for index, each in enumerate(asked.discounts)
        ),
        professional_services=tuple(
            pro_services.pro_service(each, known, f"$.professional_services[{index}]")
            for index, each in enumerate(asked.professional_services)
        ),
        recurring_balances=recurring.balances(asked.recurring_commits, asked.recurring_credits, (start, end), known),
        transition=None if asked.transition is None else asked.transition.transition,
        package_id=text_of(asked.package_id),
        as_child=asked.hierarchy_configuration.as_child(str(asked.customer_id), "$.hierarchy_configuration"),
        consolidation=asked.hierarchy_configuration.consolidation,
    )
    _check_first_statement(made)
    return made


def _check_first_statement(contract: Contract) -> None:
    """Raise `InvalidError` unless statements are made from the start of a billing period on."""
    first = contract.usage_statement_schedule.invoice_generation_starting_at
    if first is None:
        return
    period = contract.period_at(first)
    if period is None or period.start != first:
        place = "$.usage_statement_schedule.invoice_generation_starting_at"
        fields.refuse("must be the start of a billing period of the contract", place)


def _statements(asked: StatementScheduleIn, start: datetime) -> StatementSchedule:
    """Return the schedule with the date from which billing periods count (metronome-api.md §4.7)."""
    place = "$.usage_statement_schedule.billing_anchor_date"
    first = fields.hour_or_none(
        asked.invoice_generation_starting_at, "$.usage_statement_schedule.invoice_generation_starting_at"
    )
    if asked.day is Day.CUSTOM_DATE:
        if asked.billing_anchor_date is None:
            fields.refuse("is needed for the day CUSTOM_DATE", place)
        return StatementSchedule(asked.frequency, fields.hour(asked.billing_anchor_date, place), first)
    if asked.billing_anchor_date is not None:
        fields.refuse("needs the day CUSTOM_DATE", place)
    return StatementSchedule(asked.frequency, start if asked.day is Day.CONTRACT_START else month_start(start), first)
