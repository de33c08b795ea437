"""The bodies of edits (metronome-api.md §4.7, Edit, §10.2)."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

from winkel.api import (
    balance_edits,
    contract_requests,
    fields,
    overrides,
    pro_services,
    scheduled_charges,
    subscriptions,
    terms,
)
from winkel.api.balance_edits import CommitEdit, CreditEdit, InvoicingEdit, Removed
from winkel.api.contract_requests import ContractKey
from winkel.api.discounts import DiscountIn, DiscountUpdate
from winkel.api.overrides import OverrideIn
from winkel.api.pro_services import ProServiceIn
from winkel.api.recurring import RecurringCommitIn, RecurringCreditIn
from winkel.api.recurring_edits import RecurringCommitUpdate, RecurringCreditUpdate
from winkel.api.scheduled_charges import ScheduledChargeIn
from winkel.api.subscription_edits import SubscriptionUpdate
from winkel.api.subscriptions import SubscriptionIn
from winkel.api.terms import CommitIn, CreditIn

NOT_YET = contract_requests.NOT_YET | {
    "add_billing_provider_configuration_update",
    "add_prepaid_balance_threshold_configuration",
    "add_reseller_royalties",
    "add_revenue_system_configuration_update",
    "add_spend_threshold_configuration",
    "add_spend_trackers",
    "archive_spend_trackers",
    "proration_rounding",
    "quantity_management_mode_update",
    "update_prepaid_balance_threshold_configuration",
    "update_spend_threshold_configuration",
}
"""Fields of edits that the Metronome API has and that Winkel does not know yet."""


class EditCommit(CommitEdit, kw_only=True):
    """The body of commits/edit."""

    customer_id: UUID
    commit_id: UUID
    applicable_contract_ids: list[UUID] | None | UnsetType = UNSET
    invoice_contract_id: UUID | UnsetType = UNSET


class EditCredit(CreditEdit, kw_only=True):
    """The body of credits/edit."""

    customer_id: UUID
    credit_id: UUID
    applicable_contract_ids: list[UUID] | None | UnsetType = UNSET


class UpdateCommit(CommitEdit, kw_only=True):
    """A change of a contract's commit."""

    commit_id: UUID
    rollover_fraction: Decimal | None | UnsetType = UNSET
    netsuite_sales_order_id: str | None | UnsetType = UNSET


class UpdateCredit(CreditEdit, kw_only=True):
    """A change of a contract's credit."""

    credit_id: UUID
    rollover_fraction: Decimal | None | UnsetType = UNSET
    netsuite_sales_order_id: str | None | UnsetType = UNSET


class UpdateCharge(Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A change of a scheduled charge; what is left out stays."""

    scheduled_charge_id: UUID
    invoice_schedule: InvoicingEdit | None = None
    netsuite_sales_order_id: str | None | UnsetType = UNSET


class EditContract(ContractKey, Struct, kw_only=True):
    """The body of edit. It is applied in the order of these fields, whatever their order in the body."""

    remove_overrides: list[Removed] = []
    archive_commits: list[Removed] = []
    archive_credits: list[Removed] = []
    archive_scheduled_charges: list[Removed] = []
    archive_discounts: list[Removed] = []
    update_commits: list[UpdateCommit] = []
    update_credits: list[UpdateCredit] = []
    update_scheduled_charges: list[UpdateCharge] = []
    update_discounts: list[DiscountUpdate] = []
    update_recurring_commits: list[RecurringCommitUpdate] = []
    update_recurring_credits: list[RecurringCreditUpdate] = []
    update_subscriptions: list[SubscriptionUpdate] = []
    add_overrides: list[OverrideIn] = []
    add_commits: list[CommitIn] = []
    add_credits: list[CreditIn] = []
    add_scheduled_charges: list[ScheduledChargeIn] = []
    add_discounts: list[DiscountIn] = []
    add_recurring_commits: list[RecurringCommitIn] = []
    add_recurring_credits: list[RecurringCreditIn] = []
    add_subscriptions: list[SubscriptionIn] = []
    add_professional_services: list[ProServiceIn] = []
    update_contract_name: str | None | UnsetType = UNSET
    update_net_payment_terms_days: Decimal | None | UnsetType = UNSET
    update_contract_end_date: fields.Instant | None | UnsetType = UNSET
    allow_contract_ending_before_finalized_invoice: bool = True
    uniqueness_key: fields.UniquenessKey | None = None

    @property
    def balance_ids(self) -> set[str]:
        """The commits and credits that it changes or archives."""
        found = {each.commit_id for each in self.update_commits} | {each.credit_id for each in self.update_credits}
        return {str(each) for each in found | {each.id for each in (*self.archive_commits, *self.archive_credits)}}

    @property
    def product_ids(self) -> set[str]:
        """The products that it names."""
        return (
            overrides.product_ids(self.add_overrides)
            | scheduled_charges.product_ids([*self.add_scheduled_charges, *self.add_discounts])
            | terms.product_ids([*self.add_commits, *self.add_credits])
            | terms.product_ids([*self.add_recurring_commits, *self.add_recurring_credits])
            | subscriptions.product_ids(self.add_subscriptions)
            | pro_services.product_ids(self.add_professional_services)
            | balance_edits.product_ids([*self.update_commits, *self.update_credits])
        )

    def end(self, now: datetime | None) -> datetime | None:
        """Return when the contract ends after this edit; `now` is its end so far. Raises `InvalidError`."""
        asked = self.update_contract_end_date
        return now if asked is UNSET else fields.hour_or_none(asked, "$.update_contract_end_date")


def check_asks(asked: Struct, place: str, *beside: str) -> None:
    """Raise `InvalidError` when a request asks for no change; `beside` are the fields that ask for none."""
    if asked == type(asked)(**{name: getattr(asked, name) for name in beside}):
        fields.refuse("asks for no change", place)
