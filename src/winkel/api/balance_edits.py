"""Edits of commits and credits: parts of request bodies → the balance from now on (metronome-api.md §4.7, Edit).

What is on a finalized invoice stays: its dates of invoicing cannot be changed, nor can a segment be taken away, or
become less than what was drawn from it. Void the invoice first.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, TypeVar
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType, structs

from winkel.api import fields, schedules, terms
from winkel.api.hierarchy import BalanceHierarchyIn, child_access
from winkel.api.schedules import ITEMS_MAX, ItemIn, SegmentIn
from winkel.bill.balance import remaining
from winkel.model.commit import Balance, BalanceType, InvoiceSchedule, RateSide, ScheduleItem, Segment, Specifier
from winkel.model.credit_type import is_custom
from winkel.model.ledger import EntryKind, LedgerEntry
from winkel.model.money import ZERO, total
from winkel.model.product import Product, ProductType

T = TypeVar("T")


class Removed(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be removed."""

    id: UUID


class SegmentUpdate(Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A change of one segment; what is left out stays."""

    id: UUID
    amount: Decimal | None = None
    starting_at: fields.Instant | None = None
    ending_before: fields.Instant | None = None


class AccessEdit(Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Changes of an access schedule."""

    add_schedule_items: Annotated[list[SegmentIn], Meta(max_length=ITEMS_MAX)] = []
    update_schedule_items: list[SegmentUpdate] = []
    remove_schedule_items: list[Removed] = []


class ItemUpdate(Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A change of one date of invoicing; what is left out stays."""

    id: UUID
    timestamp: fields.Instant | None = None
    amount: Decimal | None = None
    unit_price: Decimal | None = None
    quantity: Decimal | None = None


class InvoicingEdit(Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Changes of an invoice schedule."""

    add_schedule_items: Annotated[list[ItemIn], Meta(max_length=ITEMS_MAX)] = []
    update_schedule_items: list[ItemUpdate] = []
    remove_schedule_items: list[Removed] = []


class CreditEdit(Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Changes of a credit; what is left out stays, null takes away."""

    access_schedule: AccessEdit | None = None
    product_id: UUID | UnsetType = UNSET
    name: str | None | UnsetType = UNSET
    description: str | None | UnsetType = UNSET
    priority: Decimal | None | UnsetType = UNSET
    rate_type: RateSide | UnsetType = UNSET
    applicable_product_ids: list[UUID] | None | UnsetType = UNSET
    applicable_product_tags: list[fields.Text] | None | UnsetType = UNSET
    specifiers: list[Specifier] | None | UnsetType = UNSET
    hierarchy_configuration: BalanceHierarchyIn | None | UnsetType = UNSET


class CommitEdit(CreditEdit, kw_only=True):
    """Changes of a commit."""

    invoice_schedule: InvoicingEdit | None = None


class Settled(Struct, frozen=True):
    """What is final of a customer's balances, and therefore stays."""

    entries: Collection[LedgerEntry]
    """The posted entries of all balances."""
    invoiced_items: Collection[str]
    """Ids of the dates of invoicing on finalized invoices."""
    freed_items: Collection[str]
    """Ids of those that are only on void ones, to be made anew: they may change, and are asked for as they are then."""
    charged_parts: Mapping[str, datetime] = {}
    """Until when finalized invoices have charged parts of the periods of subscriptions, by item."""

    def drawn(self, segment: Segment) -> bool:
        """Whether a finalized invoice draws on the segment, or it has rolled over."""
        return self.taken(segment.id) < ZERO

    def rolled_over(self, balance: Balance) -> bool:
        """Whether a part of the balance has rolled over to another contract."""
        return any(each.balance_id == balance.id and each.kind is EntryKind.ROLLOVER for each in self.entries)

    def taken(self, segment_id: str) -> Decimal:
        """Return what finalized invoices, and contracts to which it rolled over, took from a segment, below zero."""
        some = (each for each in self.entries if each.segment_id == segment_id)
        return total([each.amount for each in some if each.kind is not EntryKind.MANUAL])


def product_ids(asked: Iterable[CreditEdit]) -> set[str]:
    """Return the ids of the products that edits name."""
    found: set[str] = set()
    for each in asked:
        found |= {str(each.product_id)} if each.product_id is not UNSET else set()
        found |= {str(one) for one in _given(each.applicable_product_ids)}
        found |= terms.named_by(_given(each.specifiers))
    return found


def edited(balance: Balance, asked: CreditEdit, known: Mapping[str, Product], settled: Settled, place: str) -> Balance:
    """Return the balance with the changes. Raises `InvalidError` with the place of what cannot be changed so.

    `known` has the products that the balance and the edit name, as far as they exist. Whom it may be shared with has
    been looked at (`hierarchy.check_access`).
    """
    if balance.archived_at is not None or balance.retired_at is not None:
        fields.refuse("this balance is archived or retired", place)
    if asked.access_schedule is not None and balance.allocation is not None:
        fields.refuse("follows from the seats of a subscription: change those", f"{place}.access_schedule")
    made = _renamed(balance, asked, place)
    made = _retargeted(made, asked)
    if asked.hierarchy_configuration is not UNSET:
        if balance.contract_id is None:
            fields.refuse("only commits and credits of contracts are shared", f"{place}.hierarchy_configuration")
        made = structs.replace(made, child_access=child_access(asked.hierarchy_configuration))
    if asked.access_schedule is not None:
        where = f"{place}.access_schedule"
        made = structs.replace(made, segments=_segments(made, asked.access_schedule, settled, where))
    if isinstance(asked, CommitEdit) and asked.invoice_schedule is not None:
        where = f"{place}.invoice_schedule"
        made = structs.replace(made, invoice_schedule=_invoicing(made, asked.invoice_schedule, settled, where))
    if asked.product_id is not UNSET:
        terms.product_of(ProductType.FIXED, made.product_id, known, f"{place}.product_id")
    terms.check_targets(made, known, place)
    scheduled = (made.segments, made.invoice_schedule) != (balance.segments, balance.invoice_schedule)
    if made.type is BalanceType.POSTPAID and scheduled:
        terms.check_postpaid(made, place)
    return made


def archived(balance: Balance, settled: Settled, at: datetime, place: str) -> Balance:
    """Return the balance archived. Raises `InvalidError` while it is on finalized invoices."""
    if balance.archived_at is not None or balance.retired_at is not None:
        fields.refuse("this balance is archived or retired", place)
    dates = () if balance.invoice_schedule is None else balance.invoice_schedule.schedule_items
    if any(each.id in settled.invoiced_items for each in dates) or any(map(settled.drawn, balance.segments)):
        fields.refuse("finalized invoices ask for it or draw on it: void them first", place)
    return structs.replace(balance, archived_at=at)


def _renamed(balance: Balance, asked: CreditEdit, place: str) -> Balance:
    changes: dict[str, object] = {}
    for name in ("name", "description", "rate_type"):
        if (value := getattr(asked, name)) is not UNSET:
            changes[name] = value
    if asked.product_id is not UNSET:
        changes["product_id"] = str(asked.product_id)
    if asked.priority is not UNSET:
        given = terms.PRIORITY if asked.priority is None else fields.finite(asked.priority, f"{place}.priority")
        changes["priority"] = given
    return structs.replace(balance, **changes)


def _retargeted(balance: Balance, asked: CreditEdit) -> Balance:
    """Return the balance for other uses: specifiers replace products and tags, and the other way round."""
    changes: dict[str, object] = {}
    if asked.applicable_product_ids is not UNSET:
        changes["applicable_product_ids"] = tuple(str(each) for each in _given(asked.applicable_product_ids))
    if asked.applicable_product_tags is not UNSET:
        changes["applicable_product_tags"] = tuple(_given(asked.applicable_product_tags))
    if asked.specifiers is not UNSET:
        changes["specifiers"] = tuple(terms.canonical(each) for each in _given(asked.specifiers))
    if changes.get("specifiers"):
        changes = {"applicable_product_ids": (), "applicable_product_tags": (), **changes}
    elif changes.get("applicable_product_ids") or changes.get("applicable_product_tags"):
        changes = {"specifiers": (), **changes}
    return structs.replace(balance, **changes)


def _segments(balance: Balance, asked: AccessEdit, settled: Settled, place: str) -> tuple[Segment, ...]:
    found = {each.id: each for each in balance.segments}
    for index, removed in enumerate(asked.remove_schedule_items):
        where = f"{place}.remove_schedule_items[{index}]"
        segment = _one(found, str(removed.id), where)
        if settled.drawn(segment):
            fields.refuse("a finalized invoice draws on this segment: void it first", where)
        if remaining(segment, settled.entries) != segment.amount:
            fields.refuse("a manual ledger entry changes this segment: undo it by another first", where)
        del found[segment.id]
    for index, update in enumerate(asked.update_schedule_items):
        where = f"{place}.update_schedule_items[{index}]"
        found[str(update.id)] = _segment(_one(found, str(update.id), where), update, settled, where)
    new = [
        schedules.segment(each, f"{place}.add_schedule_items[{index}]")
        for index, each in enumerate(asked.add_schedule_items)
    ]
    every = sorted([*found.values(), *new], key=lambda each: each.starting_at)
    if not every:
        fields.refuse("at least one segment must be left: archive the balance to take all away", place)
    _check_size(every, place)
    schedules.check_overlaps(every, lambda _: place)
    return tuple(every)


def _segment(segment: Segment, asked: SegmentUpdate, settled: Settled, place: str) -> Segment:
    start, end = fields.term(
        asked.starting_at or segment.starting_at, asked.ending_before or segment.ending_before, place
    )
    assert end is not None, "a segment always ends"
    if start > segment.starting_at and settled.drawn(segment):
        fields.refuse("a finalized invoice draws on this segment: it cannot begin later", f"{place}.starting_at")
    amount = segment.amount if asked.amount is None else schedules.access_amount(asked.amount, f"{place}.amount")
    made = Segment(segment.id, amount, start, end)
    if amount < segment.amount and remaining(made, settled.entries) < ZERO:
        fields.refuse("is less than what was taken from it", f"{place}.amount")
    return made


def _invoicing(balance: Balance, asked: InvoicingEdit, settled: Settled, place: str) -> InvoiceSchedule:
    if balance.invoice_schedule is None and is_custom(balance.credit_type_id):
        message = "this commit is in a custom pricing unit or in units, and says no currency: archive it, add another"
        fields.refuse(message, place)
    schedule = balance.invoice_schedule or InvoiceSchedule(credit_type_id=balance.credit_type_id)
    return edited_schedule(schedule, asked, settled, place)


def edited_schedule(schedule: InvoiceSchedule, asked: InvoicingEdit, settled: Settled, place: str) -> InvoiceSchedule:
    """Return the dates of invoicing with the changes. Raises `InvalidError` for what is on a finalized invoice."""
    found = {each.id: each for each in schedule.schedule_items}

    def take(its_id: str, where: str) -> ScheduleItem:
        item = _one(found, its_id, where)
        if item.id in settled.invoiced_items:
            fields.refuse("this date is on a finalized invoice: void it first", where)
        return item

    for index, removed in enumerate(asked.remove_schedule_items):
        item = take(str(removed.id), f"{place}.remove_schedule_items[{index}]")
        del found[item.id]
    for index, update in enumerate(asked.update_schedule_items):
        where = f"{place}.update_schedule_items[{index}]"
        found[str(update.id)] = _item(take(str(update.id), where), update, where)
    for index, each in enumerate(asked.add_schedule_items):
        new = schedules.item(each, f"{place}.add_schedule_items[{index}]")
        found[new.id] = new
    items = sorted(found.values(), key=lambda each: each.timestamp)
    _check_size(items, place)
    return structs.replace(schedule, schedule_items=tuple(items))


def _item(item: ScheduleItem, asked: ItemUpdate, place: str) -> ScheduleItem:
    """Return a date of invoicing with the changes: another amount, or another unit price and quantity."""
    at: datetime = asked.timestamp or item.timestamp
    if asked.amount is None and asked.unit_price is None and asked.quantity is None:
        return structs.replace(item, timestamp=fields.hour(at, f"{place}.timestamp"))
    if asked.amount is not None:
        given = ItemIn(timestamp=at, amount=asked.amount, unit_price=asked.unit_price, quantity=asked.quantity)
    else:
        unit_price = item.unit_price if asked.unit_price is None else asked.unit_price
        quantity = item.quantity if asked.quantity is None else asked.quantity
        given = ItemIn(timestamp=at, unit_price=unit_price, quantity=quantity)
    return structs.replace(schedules.item(given, place), id=item.id)


def _check_size(items: Collection[object], place: str) -> None:
    if len(items) > ITEMS_MAX:
        fields.refuse(f"a schedule has at most {ITEMS_MAX} items", place)


def _one(found: Mapping[str, T], its_id: str, place: str) -> T:
    if its_id not in found:
        fields.refuse(f"there is no schedule item {its_id}", f"{place}.id")
    return found[its_id]


def _given(asked: Iterable[T] | None | UnsetType) -> Iterable[T]:
    return () if asked is UNSET or asked is None else asked
