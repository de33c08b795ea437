"""Access and invoice schedules of request bodies → segments and dates of invoicing (metronome-api.md §4.7)."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from itertools import pairwise
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct, structs

from winkel.api import fields
from winkel.bill.invoiced import Invoiced
from winkel.model import credit_type, money
from winkel.model.commit import AccessType, InvoiceSchedule, ScheduleItem, Segment
from winkel.model.period import add_months
from winkel.model.word import Word

ITEMS_MAX = 1200
"""The most segments or dates of one schedule: a hundred years of months."""
ONE = Decimal(1)


class Distribution(Word):
    """What the amount of a recurring schedule means: all dates together, or each of them."""

    DIVIDED = "DIVIDED"
    DIVIDED_ROUNDED = "DIVIDED_ROUNDED"
    EACH = "EACH"


class Recurrence(Word):
    """How often a recurring schedule invoices."""

    MONTHLY = "MONTHLY"
    QUARTERLY = "QUARTERLY"
    SEMI_ANNUAL = "SEMI_ANNUAL"
    ANNUAL = "ANNUAL"


MONTHS = {Recurrence.MONTHLY: 1, Recurrence.QUARTERLY: 3, Recurrence.SEMI_ANNUAL: 6, Recurrence.ANNUAL: 12}


class SegmentIn(Struct, forbid_unknown_fields=True):
    """An amount and when it may be used."""

    amount: Decimal
    starting_at: fields.Instant
    ending_before: fields.Instant


class AccessScheduleIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """When which amount may be used."""

    schedule_items: Annotated[list[SegmentIn], Meta(min_length=1, max_length=ITEMS_MAX)]
    access_type: AccessType = AccessType.SPEND
    credit_type_id: UUID | None = None


class ItemIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """A date of invoicing: an amount, or a unit price and a quantity."""

    timestamp: fields.Instant
    amount: Decimal | None = None
    unit_price: Decimal | None = None
    quantity: Decimal | None = None


class RecurringIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """Dates of invoicing from `starting_at`, every `frequency`, until before `ending_before`."""

    amount_distribution: Distribution
    frequency: Recurrence
    starting_at: fields.Instant
    ending_before: fields.Instant
    amount: Decimal | None = None
    unit_price: Decimal | None = None
    quantity: Decimal | None = None


class InvoiceScheduleIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """When a commit is invoiced: on dates that are listed, or that recur."""

    credit_type_id: UUID | None = None
    do_not_invoice: bool = False
    schedule_items: Annotated[list[ItemIn], Meta(max_length=ITEMS_MAX)] | None = None
    recurring_schedule: RecurringIn | None = None


class Charge(Struct, frozen=True):
    """What one date asks for; amount = unit price × quantity, exactly."""

    amount: Decimal
    unit_price: Decimal
    quantity: Decimal


def segments(asked: AccessScheduleIn, place: str) -> tuple[str, tuple[Segment, ...]]:
    """Return the pricing unit and the segments, in order of time. Raises `InvalidError`."""
    unit = access_unit(asked.access_type, asked.credit_type_id, place)
    found = [segment(each, f"{place}.schedule_items[{index}]") for index, each in enumerate(asked.schedule_items)]
    check_overlaps(found, lambda index: f"{place}.schedule_items[{index}]")
    ordered = sorted(found, key=lambda each: each.starting_at)
    return unit, tuple(ordered)


def access_unit(kind: AccessType, credit_type_id: UUID | None, place: str) -> str:
    """Return what amounts of access are in. Raises `InvalidError` where units of usage have a pricing unit, too."""
    if kind is AccessType.SPEND:
        return fields.unit(credit_type_id)
    if credit_type_id is not None:
        fields.refuse("access_type QUANTITY counts units of usage: leave it out", f"{place}.credit_type_id")
    return credit_type.QUANTITY


def check_overlaps(found: Sequence[Segment], place: Callable[[int], str]) -> None:
    """Raise `InvalidError` where segments overlap; `place` says where each of them stands, by its index."""
    ordered = sorted(enumerate(found), key=lambda each: each[1].starting_at)
    for (one, earlier), (other, later) in pairwise(ordered):
        if later.starting_at < earlier.ending_before:
            fields.refuse("overlaps another segment of this schedule", place(max(one, other)))


def segment(asked: SegmentIn, place: str) -> Segment:
    """Return a new segment. Raises `InvalidError`."""
    start, end = fields.term(asked.starting_at, asked.ending_before, place)
    assert end is not None, "a segment always ends"
    return Segment(str(uuid.uuid4()), access_amount(asked.amount, f"{place}.amount"), start, end)


def access_amount(asked: Decimal, place: str) -> Decimal:
    """Return the amount of a segment. Raises `InvalidError` unless it is above zero."""
    amount = fields.number(asked, place)
    if not amount:
        fields.refuse("must be above zero", place)
    return amount


def segments_until(segments: Iterable[Segment], end: datetime) -> tuple[Segment, ...]:
    """Return what is left of the segments when access ends: cut short, or gone if they begin later."""
    kept = [each for each in segments if each.starting_at < end]
    return tuple(structs.replace(each, ending_before=min(each.ending_before, end)) for each in kept)


def items_until(schedule: InvoiceSchedule, end: datetime, invoiced: Invoiced) -> InvoiceSchedule:
    """Return the schedule without its dates from `end` on that are not invoiced by now."""
    items = tuple(each for each in schedule.schedule_items if invoiced.keeps(each.timestamp, [each.id], end))
    return structs.replace(schedule, schedule_items=items)


def invoice_schedule(asked: InvoiceScheduleIn, place: str) -> InvoiceSchedule:
    """Return the dates of invoicing, in order of time. Raises `InvalidError`."""
    unit = fields.currency(asked.credit_type_id, f"{place}.credit_type_id")
    if asked.recurring_schedule is not None:
        if asked.schedule_items:
            fields.refuse("give schedule_items or recurring_schedule, not both", place)
        dates = list(_recurring(asked.recurring_schedule, unit, f"{place}.recurring_schedule"))
    elif asked.schedule_items:
        dates = list(_listed(asked.schedule_items, f"{place}.schedule_items"))
    else:
        fields.refuse("needs schedule_items or recurring_schedule", place)
    items = [
        ScheduleItem(
            id=str(uuid.uuid4()), timestamp=at, amount=it.amount, quantity=it.quantity, unit_price=it.unit_price
        )
        for at, it in sorted(dates, key=lambda each: each[0])
    ]
    return InvoiceSchedule(credit_type_id=unit, schedule_items=tuple(items), do_not_invoice=asked.do_not_invoice)


def item(asked: ItemIn, place: str) -> ScheduleItem:
    """Return a new date of invoicing. Raises `InvalidError`."""
    charge = _charge(asked, place)
    return ScheduleItem(
        id=str(uuid.uuid4()),
        timestamp=fields.hour(asked.timestamp, f"{place}.timestamp"),
        amount=charge.amount,
        quantity=charge.quantity,
        unit_price=charge.unit_price,
    )


def _listed(items: Sequence[ItemIn], place: str) -> Iterator[tuple[datetime, Charge]]:
    for index, item in enumerate(items):
        here = f"{place}[{index}]"
        yield fields.hour(item.timestamp, f"{here}.timestamp"), _charge(item, here)


def _recurring(asked: RecurringIn, unit: str, place: str) -> Iterator[tuple[datetime, Charge]]:
    """Yield the dates and what each asks for; divided amounts add up to the amount exactly."""
    start, end = fields.term(asked.starting_at, asked.ending_before, place)
    assert end is not None, "a recurring schedule always ends"
    dates: list[datetime] = []
    while (date := add_months(start, MONTHS[asked.frequency] * len(dates))) < end:
        dates.append(date)
        if len(dates) > ITEMS_MAX:
            fields.refuse(f"has more than {ITEMS_MAX} dates", place)
    charge = _charge(asked, place)
    if asked.amount_distribution is Distribution.EACH:
        return zip(dates, [charge] * len(dates), strict=True)
    rounded = asked.amount_distribution is Distribution.DIVIDED_ROUNDED
    parts = split(charge.amount, len(dates), credit_type.coin_places(unit) if rounded else None, place)
    return zip(dates, [Charge(part, part, ONE) for part in parts], strict=True)


def split(amount: Decimal, count: int, places: int | None, place: str) -> list[Decimal]:
    """Return `count` parts that sum to the amount: equal ones, and the last takes what division leaves over.

    With `places` the equal parts are rounded down to so many decimal places, so that the last is never negative.
    """
    part = money.divide(amount, Decimal(count))
    if places is not None:
        part = money.rounded(part, places, ROUND_DOWN)
    last = money.subtract(amount, money.multiply(part, Decimal(count - 1)))
    if last < 0:
        fields.refuse(f"cannot be divided by {count}: it is too small", f"{place}.amount")
    return [*[part] * (count - 1), last]


def _charge(asked: ItemIn | RecurringIn, place: str) -> Charge:
    """Return the amount, given as such or as unit price × quantity; if all three are given they must agree."""
    amount = fields.number_or_none(asked.amount, f"{place}.amount")
    unit_price = fields.number_or_none(asked.unit_price, f"{place}.unit_price")
    quantity = fields.number_or_none(asked.quantity, f"{place}.quantity")
    if unit_price is None and quantity is None:
        if amount is None:
            fields.refuse("needs an amount, or a unit_price and a quantity", place)
        return Charge(amount, amount, ONE)
    if unit_price is None or quantity is None:
        fields.refuse("unit_price and quantity must be given together", place)
    product = money.multiply(unit_price, quantity)
    if amount is not None and amount != product:
        fields.refuse(f"amount is {amount}, but unit_price × quantity is {product}", f"{place}.amount")
    return Charge(fields.number(product, place), unit_price, quantity)
