"""Discounts of request bodies → discounts of a contract, and back (metronome-api.md §4.7, §10.1: DiscountObj)."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType, structs

from winkel.api import fields, scheduled_charges, schedules
from winkel.api.balance_edits import Settled
from winkel.api.scheduled_charges import ScheduledChargeIn, ScheduledChargeView
from winkel.api.schedules import InvoiceScheduleIn
from winkel.bill.invoiced import Invoiced
from winkel.model.commit import InvoiceSchedule, ScheduleItem
from winkel.model.contract import Contract, Discount
from winkel.model.product import Product


class DiscountIn(ScheduledChargeIn, kw_only=True):
    """What a contract takes off on dates; its amounts are above zero, as those of charges."""


class DiscountUpdate(Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A change of a discount; what is left out stays. A schedule takes the place of the whole schedule."""

    id: UUID
    schedule: InvoiceScheduleIn | None = None
    name: fields.Text | None | UnsetType = UNSET
    netsuite_sales_order_id: str | None | UnsetType = UNSET
    custom_fields: fields.CustomFields | UnsetType = UNSET


class DiscountView(ScheduledChargeView, omit_defaults=True, kw_only=True):
    """A discount on the wire."""


def discount(asked: DiscountIn, known: Mapping[str, Product], place: str) -> Discount:
    """Return the discount. Raises `InvalidError` where it contradicts itself or names no FIXED product."""
    return Discount(**scheduled_charges.dated(asked, known, place))


def until(contract: Contract, end: datetime, invoiced: Invoiced) -> tuple[Discount, ...]:
    """Return the discounts of a contract that ends then, as `scheduled_charges.until` does its charges."""
    return tuple(
        structs.replace(each, schedule=schedules.items_until(each.schedule, end, invoiced))
        for each in contract.discounts
    )


def discount_view(made: Discount, known: Mapping[str, Product]) -> DiscountView:
    """Return a discount for the wire; `known` has its product."""
    return DiscountView(**scheduled_charges.shown(made, known))


def edited(made: Discount, asked: DiscountUpdate, settled: Settled, place: str) -> Discount:
    """Return the discount with the changes. Raises `InvalidError` for what is on a finalized invoice."""
    if asked.schedule is not None:
        where = f"{place}.schedule"
        given = schedules.invoice_schedule(asked.schedule, where)
        made = structs.replace(made, schedule=_rescheduled(made.schedule, given, settled, where))
    for name in ("name", "netsuite_sales_order_id", "custom_fields"):
        if (value := getattr(asked, name)) is not UNSET:
            made = structs.replace(made, **{name: value})
    return made


def _rescheduled(before: InvoiceSchedule, given: InvoiceSchedule, settled: Settled, place: str) -> InvoiceSchedule:
    """Return the new schedule, in which a date that was there keeps its id: invoices know dates by it.

    Raises `InvalidError` unless what is on a finalized invoice is said again as it is, on a void one in its currency.
    """
    there: dict[datetime, list[ScheduleItem]] = defaultdict(list)
    for each in before.schedule_items:
        there[each.timestamp].append(each)
    items = tuple(
        structs.replace(each, id=there[each.timestamp].pop(0).id) if there[each.timestamp] else each
        for each in given.schedule_items
    )
    final = {each for each in before.schedule_items if each.id in settled.invoiced_items}
    in_another = before.credit_type_id != given.credit_type_id
    if final - set(items) or (final and in_another):
        fields.refuse("a date that is on a finalized invoice must stay as it is: void it first", place)
    if in_another and any(each.id in settled.freed_items for each in items):
        # What is made anew in place of a void invoice is in its currency.
        fields.refuse("a date that is on a void invoice keeps its currency: archive the discount, add another", place)
    return structs.replace(given, schedule_items=items)
