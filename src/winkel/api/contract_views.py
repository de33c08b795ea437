"""Contracts as the API shows them: nested in V1, flat in V2 (metronome-api.md §10.1: ContractV1, ContractV2)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from msgspec import Struct, structs

from winkel.api.amendment_views import AmendmentView, amendment_view
from winkel.api.balance_views import BalanceView
from winkel.api.discounts import DiscountView, discount_view
from winkel.api.filters import UsageFiltersV1View, UsageFilterView, filter_views, filters_v1
from winkel.api.hierarchy import ChildView, ParentView, place_view
from winkel.api.overrides import OverrideView, override_view
from winkel.api.pro_services import ProServiceView, pro_service_view
from winkel.api.recurring import RecurringView, recurring_view
from winkel.api.scheduled_charges import ScheduledChargeView, scheduled_charge_view
from winkel.api.subscriptions import SubscriptionView, subscription_view
from winkel.api.transitions import TransitionView, transition_views
from winkel.model.commit import BalanceType
from winkel.model.contract import ChargesOnUsageInvoices, Contract, StatementSchedule
from winkel.model.edit import ContractEdit
from winkel.model.money import plain
from winkel.model.override import Prioritization
from winkel.model.product import Product

CREDIT = BalanceType.CREDIT


class HasMore(Struct):
    """Whether commits or credits were left out of a contract; ours never are."""

    commits: bool = False
    credits: bool = False


class TermViews(Struct, frozen=True):
    """What was agreed beside balances, as it is shown."""

    overrides: list[OverrideView]
    scheduled_charges: list[ScheduledChargeView]
    recurring_commits: list[RecurringView]
    recurring_credits: list[RecurringView]
    subscriptions: list[SubscriptionView]
    usage_filters: list[UsageFilterView]
    usage_filter_v1: UsageFiltersV1View | None
    discounts: list[DiscountView]
    transitions: list[TransitionView]
    hierarchy: ChildView | ParentView | None
    professional_services: list[ProServiceView]

    @classmethod
    def of(
        cls,
        contract: Contract,
        known: Mapping[str, Product],
        at: datetime,
        others: Sequence[Contract] = (),
        below: Sequence[Contract] = (),
    ) -> "TermViews":
        """Return the terms of a contract as they are at the instant.

        `known` has the products that they name; of `others`, contracts of its customer, some may renew it. `below` are
        the child contracts of all contracts of the customer.
        """
        return cls(
            [override_view(each, known) for each in contract.overrides],
            [scheduled_charge_view(each, known) for each in contract.scheduled_charges],
            [recurring_view(contract, each, known) for each in contract.recurring_balances if each.type != CREDIT],
            [recurring_view(contract, each, known) for each in contract.recurring_balances if each.type == CREDIT],
            [subscription_view(contract, each, known, at) for each in contract.subscriptions],
            filter_views(contract),
            filters_v1(contract, at),
            [discount_view(each, known) for each in contract.discounts],
            transition_views(contract, others),
            place_view(contract, below),
            [pro_service_view(each) for each in contract.professional_services],
        )


class ContractV2View(Struct, omit_defaults=True, kw_only=True):
    """A contract with all changes folded in."""

    id: str
    customer_id: str
    starting_at: datetime
    usage_statement_schedule: StatementSchedule
    commits: list[BalanceView]
    credits: list[BalanceView]
    created_at: datetime
    created_by: str
    custom_fields: dict[str, str]
    overrides: list[OverrideView]
    scheduled_charges: list[ScheduledChargeView]
    transitions: list[TransitionView]
    usage_filter: list[UsageFilterView]
    subscriptions: list[SubscriptionView]
    has_more: HasMore
    recurring_commits: list[RecurringView]
    recurring_credits: list[RecurringView]
    discounts: list[DiscountView]
    professional_services: list[ProServiceView]
    multiplier_override_prioritization: Prioritization
    rate_card_id: str | None = None
    ending_before: datetime | None = None
    name: str | None = None
    net_payment_terms_days: Decimal | None = None
    netsuite_sales_order_id: str | None = None
    salesforce_opportunity_id: str | None = None
    total_contract_value: Decimal | None = None
    uniqueness_key: str | None = None
    package_id: str | None = None
    archived_at: datetime | None = None
    scheduled_charges_on_usage_invoices: ChargesOnUsageInvoices | None = None
    hierarchy_configuration: ChildView | ParentView | None = None


class TermsV1View(Struct, omit_defaults=True, kw_only=True):
    """What was agreed: at first (`initial`), or as it is now (`current`)."""

    starting_at: datetime
    usage_statement_schedule: StatementSchedule
    commits: list[BalanceView]
    credits: list[BalanceView]
    created_at: datetime
    created_by: str
    overrides: list[OverrideView]
    scheduled_charges: list[ScheduledChargeView]
    transitions: list[TransitionView]
    recurring_commits: list[RecurringView]
    recurring_credits: list[RecurringView]
    discounts: list[DiscountView]
    professional_services: list[ProServiceView]
    rate_card_id: str | None = None
    ending_before: datetime | None = None
    name: str | None = None
    net_payment_terms_days: Decimal | None = None
    netsuite_sales_order_id: str | None = None
    salesforce_opportunity_id: str | None = None
    total_contract_value: Decimal | None = None
    usage_filter: UsageFiltersV1View | None = None
    scheduled_charges_on_usage_invoices: ChargesOnUsageInvoices | None = None
    hierarchy_configuration: ChildView | ParentView | None = None


class ContractV1View(Struct, omit_defaults=True, kw_only=True):
    """A contract with what was agreed at first and what holds now, and the amendments between both."""

    id: str
    customer_id: str
    initial: TermsV1View
    current: TermsV1View
    amendments: list[AmendmentView]
    subscriptions: list[SubscriptionView]
    custom_fields: dict[str, str]
    uniqueness_key: str | None = None
    package_id: str | None = None
    archived_at: datetime | None = None
    scheduled_charges_on_usage_invoices: ChargesOnUsageInvoices | None = None


class Created(Struct):
    """The answer of create."""

    id: str
    contract: ContractV2View


class Shown(Struct, frozen=True):
    """A contract and what belongs to it, and the contract as it was made."""

    contract: Contract
    balances: list[BalanceView]
    terms: TermViews
    initial: Contract
    initial_terms: TermViews
    amendments: list[ContractEdit]

    def initial_balances(self) -> list[BalanceView]:
        """Return the commits and credits that were agreed at first, and what recurring ones of then give."""
        recurring = {each.id for each in self.initial.recurring_balances}
        made = self.initial.created_at
        return [
            each
            for each in self.balances
            if _term_of(each) in recurring
            or (_term_of(each) is None and (each.created_at <= made or each.rolled_over_from))
        ]

    def balances_at(self, instant: datetime) -> list[BalanceView]:
        """Return the commits and credits that were there at the instant, for a contract that is as it was then.

        What they say is as it is today, but for whether they are archived.
        """
        recurring = {None, *(each.id for each in self.contract.recurring_balances)}
        there = [each for each in self.balances if each.created_at <= instant and _term_of(each) in recurring]
        later = [each.archived_at is not None and each.archived_at > instant for each in there]
        return [structs.replace(each, archived_at=None) if it else each for each, it in zip(there, later, strict=True)]


def _term_of(balance: BalanceView) -> str | None:
    """Return the id of the recurring commit or credit whose child it is."""
    return balance.recurring_commit_id or balance.recurring_credit_id


def contract_v1(shown: Shown) -> ContractV1View:
    """Return a contract in the shape of V1: as it was agreed, and as it is since its last edit."""
    contract = shown.contract
    return ContractV1View(
        id=contract.id,
        customer_id=contract.customer_id,
        initial=_terms(shown.initial, shown.initial_balances(), shown.initial_terms),
        current=_terms(contract, shown.balances, shown.terms),
        amendments=[amendment_view(each, shown.balances) for each in shown.amendments],
        subscriptions=shown.terms.subscriptions,
        custom_fields=contract.custom_fields,
        uniqueness_key=contract.uniqueness_key,
        package_id=contract.package_id,
        archived_at=contract.archived_at,
        scheduled_charges_on_usage_invoices=contract.scheduled_charges_on_usage_invoices,
    )


def contract_v2(contract: Contract, balances: Sequence[BalanceView], terms: TermViews) -> ContractV2View:
    """Return a contract in the shape of V2."""
    return ContractV2View(
        id=contract.id,
        customer_id=contract.customer_id,
        starting_at=contract.starting_at,
        ending_before=contract.ending_before,
        usage_statement_schedule=_statements(contract),
        commits=_commits(balances),
        credits=_credits(balances),
        created_at=contract.created_at,
        created_by=contract.created_by,
        custom_fields=contract.custom_fields,
        overrides=terms.overrides,
        scheduled_charges=terms.scheduled_charges,
        transitions=terms.transitions,
        usage_filter=terms.usage_filters,
        subscriptions=terms.subscriptions,
        has_more=HasMore(),
        recurring_commits=terms.recurring_commits,
        recurring_credits=terms.recurring_credits,
        discounts=terms.discounts,
        professional_services=terms.professional_services,
        multiplier_override_prioritization=contract.multiplier_override_prioritization,
        rate_card_id=contract.rate_card_id,
        name=contract.name,
        net_payment_terms_days=_plain(contract.net_payment_terms_days),
        netsuite_sales_order_id=contract.netsuite_sales_order_id,
        salesforce_opportunity_id=contract.salesforce_opportunity_id,
        total_contract_value=_plain(contract.total_contract_value),
        uniqueness_key=contract.uniqueness_key,
        package_id=contract.package_id,
        archived_at=contract.archived_at,
        scheduled_charges_on_usage_invoices=contract.scheduled_charges_on_usage_invoices,
        hierarchy_configuration=terms.hierarchy,
    )


def _terms(contract: Contract, balances: Sequence[BalanceView], terms: TermViews) -> TermsV1View:
    return TermsV1View(
        starting_at=contract.starting_at,
        ending_before=contract.ending_before,
        usage_statement_schedule=_statements(contract),
        commits=_commits(balances),
        credits=_credits(balances),
        created_at=contract.created_at,
        created_by=contract.created_by,
        overrides=terms.overrides,
        scheduled_charges=terms.scheduled_charges,
        transitions=terms.transitions,
        recurring_commits=terms.recurring_commits,
        recurring_credits=terms.recurring_credits,
        discounts=terms.discounts,
        professional_services=terms.professional_services,
        rate_card_id=contract.rate_card_id,
        name=contract.name,
        net_payment_terms_days=_plain(contract.net_payment_terms_days),
        netsuite_sales_order_id=contract.netsuite_sales_order_id,
        salesforce_opportunity_id=contract.salesforce_opportunity_id,
        total_contract_value=_plain(contract.total_contract_value),
        usage_filter=terms.usage_filter_v1,
        scheduled_charges_on_usage_invoices=contract.scheduled_charges_on_usage_invoices,
        hierarchy_configuration=terms.hierarchy,
    )


def _statements(contract: Contract) -> StatementSchedule:
    """Return when statements are made, as the API shows it: without since when (metronome-api.md §10.1)."""
    return structs.replace(contract.usage_statement_schedule, invoice_generation_starting_at=None)


def _commits(balances: Iterable[BalanceView]) -> list[BalanceView]:
    return [each for each in balances if each.type != BalanceType.CREDIT]


def _credits(balances: Iterable[BalanceView]) -> list[BalanceView]:
    return [each for each in balances if each.type == BalanceType.CREDIT]


def _plain(number: Decimal | None) -> Decimal | None:
    return None if number is None else plain(number)
