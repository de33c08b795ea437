"""What the history tells of an edit (metronome-api.md §10.1, EditRecord)."""

import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct, UnsetType

from winkel.api.balance_edits import AccessEdit, CommitEdit, CreditEdit, InvoicingEdit, Removed, SegmentUpdate
from winkel.api.balance_views import BalanceView, balances_view
from winkel.api.contract_edits import Terms
from winkel.api.discounts import DiscountUpdate, DiscountView, discount_view
from winkel.api.edit_requests import EditContract, UpdateCharge
from winkel.api.filters import UsageFilterView
from winkel.api.overrides import OverrideView, override_view
from winkel.api.pro_services import ProServiceView, pro_service_view
from winkel.api.recurring import RecurringView, recurring_view
from winkel.api.recurring_edits import RecurringUpdate
from winkel.api.scheduled_charges import ScheduledChargeView, scheduled_charge_view
from winkel.api.subscription_edits import SubscriptionUpdate
from winkel.api.subscriptions import SubscriptionView, subscription_view
from winkel.model.commit import Balance, BalanceType
from winkel.model.contract import Contract
from winkel.model.credit_type import Units
from winkel.model.edit import Amendment, ContractEdit
from winkel.model.money import plain
from winkel.model.product import Product

Fields = dict[str, Any]
"""A part of a body, told again with `id` in place of the name that its id has there."""


class EditRecord(Struct, omit_defaults=True, kw_only=True):
    """One edit: what was asked for, and what is new with its ids."""

    id: str
    timestamp: datetime
    remove_overrides: list[Removed] = []
    archive_commits: list[Removed] = []
    archive_credits: list[Removed] = []
    archive_scheduled_charges: list[Removed] = []
    archive_discounts: list[Removed] = []
    update_commits: list[Fields] = []
    update_credits: list[Fields] = []
    update_scheduled_charges: list[Fields] = []
    update_discounts: list[DiscountUpdate] = []
    update_recurring_commits: list[Fields] = []
    update_recurring_credits: list[Fields] = []
    update_subscriptions: list[Fields] = []
    add_overrides: list[OverrideView] = []
    add_commits: list[BalanceView] = []
    add_credits: list[BalanceView] = []
    add_scheduled_charges: list[ScheduledChargeView] = []
    add_discounts: list[DiscountView] = []
    add_recurring_commits: list[RecurringView] = []
    add_recurring_credits: list[RecurringView] = []
    add_subscriptions: list[SubscriptionView] = []
    add_pro_services: list[ProServiceView] = []
    add_usage_filters: list[UsageFilterView] = []
    update_contract_name: str | None | UnsetType = UNSET
    update_net_payment_terms_days: Decimal | None | UnsetType = UNSET
    update_contract_end_date: datetime | None | UnsetType = UNSET
    uniqueness_key: str | None = None


def contract_record(
    asked: EditContract,
    before: Contract,
    held: Iterable[str],
    made: Terms,
    known: Mapping[str, Product],
    units: Units,
    at: datetime,
) -> EditRecord:
    """Return the record of an edit; `before` and `held` are the contract and the ids of its balances until now."""
    new = _new(before, held, made)
    named = [recurring_view(made.contract, each, known) for each in made.contract.recurring_balances if each.id in new]
    prepaid = {each.id for each in made.contract.recurring_balances if each.type is not BalanceType.CREDIT}
    added = [(each, _added(each, known, units)) for each in made.balances.values() if each.id in new]
    days = asked.update_net_payment_terms_days
    return EditRecord(
        id=str(uuid.uuid4()),
        timestamp=at,
        remove_overrides=asked.remove_overrides,
        archive_commits=asked.archive_commits,
        archive_credits=asked.archive_credits,
        archive_scheduled_charges=asked.archive_scheduled_charges,
        archive_discounts=asked.archive_discounts,
        update_commits=[told(each, "commit_id") for each in asked.update_commits],
        update_credits=[told(each, "credit_id") for each in asked.update_credits],
        update_scheduled_charges=[told(each, "scheduled_charge_id") for each in asked.update_scheduled_charges],
        update_discounts=asked.update_discounts,
        update_recurring_commits=[told(each, "recurring_commit_id") for each in asked.update_recurring_commits],
        update_recurring_credits=[told(each, "recurring_credit_id") for each in asked.update_recurring_credits],
        update_subscriptions=[told(each, "subscription_id") for each in asked.update_subscriptions],
        add_overrides=[override_view(each, known) for each in made.contract.overrides if each.id in new],
        add_commits=[view for each, view in added if each.type is not BalanceType.CREDIT],
        add_credits=[view for each, view in added if each.type is BalanceType.CREDIT],
        add_scheduled_charges=[
            scheduled_charge_view(each, known) for each in made.contract.scheduled_charges if each.id in new
        ],
        add_discounts=[discount_view(each, known) for each in made.contract.discounts if each.id in new],
        add_recurring_commits=[each for each in named if each.id in prepaid],
        add_recurring_credits=[each for each in named if each.id not in prepaid],
        add_subscriptions=[
            subscription_view(made.contract, each, known, at) for each in made.contract.subscriptions if each.id in new
        ],
        add_pro_services=[pro_service_view(each) for each in made.contract.professional_services if each.id in new],
        update_contract_name=asked.update_contract_name,
        update_net_payment_terms_days=plain(days) if isinstance(days, Decimal) else days,
        update_contract_end_date=UNSET if asked.update_contract_end_date is UNSET else made.contract.ending_before,
        uniqueness_key=asked.uniqueness_key,
    )


def _new(before: Contract, held: Iterable[str], made: Terms) -> set[str]:
    """Return the ids of what an edit has added."""
    after = {*made.balances, *_ids(made.contract)}
    return after - _ids(before) - set(held)


def _ids(contract: Contract) -> set[str]:
    some = (contract.overrides, contract.dated, contract.recurring_balances, contract.subscriptions)
    return {each.id for terms in (*some, contract.professional_services) for each in terms}


def _added(balance: Balance, known: Mapping[str, Product], units: Units) -> BalanceView:
    return balances_view(balance, known[balance.product_id].at(balance.created_at).name, units)


def told(asked: CommitEdit | CreditEdit | UpdateCharge | RecurringUpdate | SubscriptionUpdate, id_name: str) -> Fields:
    """Return a change as the record tells it: what was asked for, without what was left out."""
    found: Fields = msgspec.to_builtins(asked, builtin_types=(Decimal,))
    found["id"] = found.pop(id_name)
    found.pop("customer_id", None)
    return found


def shortened(before: Balance, after: Balance) -> Fields:
    """Return an earlier end of access or invoicing as the record of an edit tells it."""
    ends = {each.id: each.ending_before for each in after.segments}
    dates = set() if after.invoice_schedule is None else {each.id for each in after.invoice_schedule.schedule_items}
    asked = () if before.invoice_schedule is None else before.invoice_schedule.schedule_items
    access = AccessEdit(
        update_schedule_items=[
            SegmentUpdate(id=UUID(each.id), ending_before=ends[each.id])
            for each in before.segments
            if ends.get(each.id, each.ending_before) != each.ending_before
        ],
        remove_schedule_items=[Removed(UUID(each.id)) for each in before.segments if each.id not in ends],
    )
    invoicing = InvoicingEdit(remove_schedule_items=[Removed(UUID(each.id)) for each in asked if each.id not in dates])
    change = CommitEdit(
        access_schedule=None if access == AccessEdit() else access,
        invoice_schedule=None if invoicing == InvoicingEdit() else invoicing,
    )
    return {**msgspec.to_builtins(change), "id": before.id}


def edit_of(record: EditRecord, before: Contract, made_by: str, amendment: Amendment | None = None) -> ContractEdit:
    """Return the edit that is to be kept; its record is the very one that the API answers with."""
    return ContractEdit(
        id=record.id,
        contract_id=before.id,
        at=record.timestamp,
        made_by=made_by,
        record=msgspec.to_builtins(record, builtin_types=(Decimal,)),
        before=before,
        amendment=amendment,
    )
