"""Commits and credits as the API shows them (metronome-api.md §4.8, §10.1: CommitV1, CommitV2, CreditV1, CreditV2)."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from winkel.api.hierarchy import BalanceHierarchyView, access_view
from winkel.api.seat_links import SubscriptionConfigView, link_view
from winkel.api.wire import Id, Ref, credit_type_ref
from winkel.model import money
from winkel.model.commit import AccessType, Balance, BalanceType, InvoiceSchedule, Specifier
from winkel.model.credit_type import Units
from winkel.model.ledger import PREFIX, EntryKind, LedgerEntry
from winkel.model.money import plain


class SegmentView(Struct):
    """An amount and when it may be used."""

    id: str
    amount: Decimal
    starting_at: datetime
    ending_before: datetime


class AccessScheduleView(Struct, omit_defaults=True):
    """When which amount may be used; units of usage have no pricing unit."""

    access_type: AccessType
    schedule_items: list[SegmentView]
    credit_type: Ref | None = None


class ScheduleItemView(Struct):
    """A date of invoicing."""

    id: str
    timestamp: datetime
    amount: Decimal
    quantity: Decimal
    unit_price: Decimal


class InvoiceScheduleView(Struct):
    """When a commit is invoiced."""

    credit_type: Ref
    do_not_invoice: bool
    schedule_items: list[ScheduleItemView]


class EntryView(Struct, omit_defaults=True, kw_only=True):
    """One entry of a ledger."""

    type: str
    amount: Decimal
    timestamp: datetime
    segment_id: str | None = None
    invoice_id: str | None = None
    contract_id: str | None = None
    reason: str | None = None
    new_contract_id: str | None = None


class RolledOverFromView(Struct, omit_defaults=True, kw_only=True):
    """What a balance is the rest of: a commit or a credit of an older contract."""

    contract_id: str
    commit_id: str | None = None
    credit_id: str | None = None


class BalanceView(Struct, omit_defaults=True, kw_only=True):
    """A commit or a credit. One shape for V1 and V2 of both: they differ only in fields that may be absent."""

    id: str
    type: str
    product: Ref
    access_schedule: AccessScheduleView
    created_at: datetime
    priority: Decimal
    rate_type: str
    custom_fields: dict[str, str]
    created_by: str | None = None
    """Nobody, for a child of a recurring commit or credit, and for what rolled over."""
    recurring_commit_id: str | None = None
    recurring_credit_id: str | None = None
    name: str | None = None
    description: str | None = None
    contract: Id | None = None
    applicable_contract_ids: tuple[str, ...] | None = None
    applicable_product_ids: tuple[str, ...] | None = None
    applicable_product_tags: tuple[str, ...] | None = None
    specifiers: tuple[Specifier, ...] | None = None
    invoice_schedule: InvoiceScheduleView | None = None
    invoice_contract: Id | None = None
    cost_basis: Decimal | None = None
    rollover_fraction: Decimal | None = None
    rolled_over_from: RolledOverFromView | None = None
    netsuite_sales_order_id: str | None = None
    salesforce_opportunity_id: str | None = None
    uniqueness_key: str | None = None
    archived_at: datetime | None = None
    hierarchy_configuration: BalanceHierarchyView | None = None
    balance: Decimal | None = None
    ledger: list[EntryView] | None = None
    subscription_config: SubscriptionConfigView | None = None


def balances_view(
    balance: Balance,
    product_name: str,
    units: Units,
    ledger: Iterable[LedgerEntry] | None = None,
    amount: Decimal | None = None,
) -> BalanceView:
    """Return a balance for the wire, with its ledger and with what is left of it where these are given."""
    schedule = balance.invoice_schedule
    return BalanceView(
        id=balance.id,
        type=balance.type,
        product=Ref(balance.product_id, product_name),
        access_schedule=_access(balance, units),
        created_at=balance.created_at,
        created_by=None if balance.recurring_id or balance.rolled_over_from else balance.created_by,
        priority=plain(balance.priority),
        rate_type=balance.rate_type,
        custom_fields=balance.custom_fields,
        recurring_commit_id=None if balance.type is BalanceType.CREDIT else balance.recurring_id,
        recurring_credit_id=balance.recurring_id if balance.type is BalanceType.CREDIT else None,
        name=balance.name,
        description=balance.description,
        contract=None if balance.contract_id is None else Id(balance.contract_id),
        applicable_contract_ids=balance.applicable_contract_ids or None,
        applicable_product_ids=balance.applicable_product_ids or None,
        applicable_product_tags=balance.applicable_product_tags or None,
        specifiers=balance.specifiers or None,
        invoice_schedule=None if schedule is None else invoicing(schedule),
        invoice_contract=None if balance.invoice_contract_id is None else Id(balance.invoice_contract_id),
        cost_basis=cost_basis(balance),
        rollover_fraction=None if balance.rollover_fraction is None else plain(balance.rollover_fraction),
        rolled_over_from=_rolled_over_from(balance),
        netsuite_sales_order_id=balance.netsuite_sales_order_id,
        salesforce_opportunity_id=balance.salesforce_opportunity_id,
        uniqueness_key=balance.uniqueness_key,
        archived_at=balance.archived_at,
        hierarchy_configuration=access_view(balance.child_access),
        balance=None if amount is None else plain(amount),
        ledger=None if ledger is None else [_entry(balance.type, entry) for entry in ledger],
        subscription_config=None if balance.allocation is None else link_view(balance.allocation.link),
    )


def _rolled_over_from(balance: Balance) -> RolledOverFromView | None:
    its = balance.rolled_over_from
    if its is None:
        return None
    if balance.type is BalanceType.CREDIT:
        return RolledOverFromView(contract_id=its.contract_id, credit_id=its.balance_id)
    return RolledOverFromView(contract_id=its.contract_id, commit_id=its.balance_id)


def cost_basis(balance: Balance) -> Decimal | None:
    """Return what was asked for a commit per unit of access (metronome-api.md §4.7); None where nothing tells."""
    schedule = balance.invoice_schedule
    if balance.type is BalanceType.CREDIT or not balance.segments:
        return None
    if schedule is None:
        return money.ZERO
    if schedule.credit_type_id != balance.credit_type_id:
        return None
    asked = money.total([item.amount for item in schedule.schedule_items])
    given = money.total([segment.amount for segment in balance.segments])
    return plain(money.divide(asked, given)) if given else None


def _access(balance: Balance, units: Units) -> AccessScheduleView:
    items = [
        SegmentView(each.id, plain(each.amount), each.starting_at, each.ending_before) for each in balance.segments
    ]
    unit = None
    if balance.access_type is AccessType.SPEND:
        unit = credit_type_ref(balance.credit_type_id, units)
    return AccessScheduleView(balance.access_type, items, unit)


def invoicing(schedule: InvoiceSchedule) -> InvoiceScheduleView:
    """Return an invoice schedule for the wire."""
    items = [
        ScheduleItemView(each.id, each.timestamp, plain(each.amount), plain(each.quantity), plain(each.unit_price))
        for each in schedule.schedule_items
    ]
    return InvoiceScheduleView(credit_type_ref(schedule.credit_type_id), schedule.do_not_invoice, items)


_WHOLE = {EntryKind.INITIAL_BALANCE, EntryKind.TRUEUP}
"""Entries of a postpaid commit as a whole: they name no segment."""
_OF_INVOICE = {EntryKind.AUTOMATED_INVOICE_DEDUCTION, EntryKind.CREDITED, EntryKind.TRUEUP}
"""Entries that name an invoice."""


def _entry(kind: BalanceType, entry: LedgerEntry) -> EntryView:
    """Return an entry with the fields that its type has (metronome-api.md §10, LedgerEntry)."""
    manual = entry.kind is EntryKind.MANUAL
    of_invoice = entry.kind in _OF_INVOICE
    return EntryView(
        type=f"{PREFIX[kind]}{entry.kind}",
        amount=plain(entry.amount),
        timestamp=entry.timestamp,
        segment_id=None if manual or entry.kind in _WHOLE else entry.segment_id,
        invoice_id=entry.invoice_id if of_invoice else None,
        contract_id=entry.contract_id if of_invoice else None,
        reason=(entry.reason or "") if manual else None,
        new_contract_id=entry.new_contract_id,
    )
