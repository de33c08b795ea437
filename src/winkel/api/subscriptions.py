"""Subscriptions of request bodies → subscriptions of a contract, and back (metronome-api.md §4.7, §10.1)."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct, structs

from winkel.api import fields
from winkel.api.terms import product_of
from winkel.api.wire import Ref
from winkel.bill.subscription import periods
from winkel.model.contract import Contract
from winkel.model.errors import InvalidError
from winkel.model.money import ZERO, plain
from winkel.model.period import Frequency, Period
from winkel.model.product import Product, ProductType
from winkel.model.proration import AmountRounding
from winkel.model.rate_card import Rate
from winkel.model.subscription import (
    SEATS_MAX,
    CollectionSchedule,
    InvoiceBehavior,
    InvoicePlacement,
    QuantityChange,
    SeatChange,
    Subscription,
    SubscriptionProration,
)
from winkel.model.word import Word

NOT_YET = frozenset({"payment_gate_config"})
"""Fields of subscriptions that the Metronome API has and that Winkel does not know yet."""
SEAT_ID_MAX = 200
"""The longest id of a seat."""


class QuantityManagement(Word):
    """Whether a quantity is said, or follows from the seats that are."""

    QUANTITY_ONLY = "QUANTITY_ONLY"
    SEAT_BASED = "SEAT_BASED"


class SubscriptionRateIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which rate of the card it is."""

    product_id: UUID
    billing_frequency: Frequency


class BillingCycleIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """From when periods are counted, and on which invoices charges stand."""

    anchor_date: fields.Instant | None = None
    invoice_placement: InvoicePlacement = InvoicePlacement.ON_USAGE_INVOICE


SeatIds = Annotated[list[Annotated[str, Meta(min_length=1, max_length=SEAT_ID_MAX)]], Meta(max_length=SEATS_MAX)]


class SeatConfigIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """The seats with which a subscription begins."""

    seat_group_key: fields.Text
    initial_seat_ids: SeatIds = []
    initial_unassigned_seats: Decimal = ZERO


class SubscriptionIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """One subscription of a contract."""

    subscription_rate: SubscriptionRateIn
    collection_schedule: CollectionSchedule
    proration: SubscriptionProration
    initial_quantity: Decimal | None = None
    quantity_management_mode: QuantityManagement = QuantityManagement.QUANTITY_ONLY
    billing_cycle_config: BillingCycleIn | None = None
    starting_at: fields.Instant | None = None
    ending_before: fields.Instant | None = None
    name: fields.Text | None = None
    description: str | None = None
    custom_fields: fields.CustomFields = {}
    seat_config: SeatConfigIn | None = None
    temporary_id: fields.Text | None = None
    """How recurring commits and credits of the same request name it."""


class SubscriptionRateView(Struct):
    """Which rate of the card it is."""

    product: Ref
    billing_frequency: Frequency


class BillingCycleView(Struct):
    """From when periods are counted, and on which invoices charges stand."""

    anchor_date: datetime
    invoice_placement: InvoicePlacement


class ProrationView(Struct, omit_defaults=True):
    """What a part of a period costs."""

    is_prorated: bool
    invoice_behavior: InvoiceBehavior
    rounding: AmountRounding | None = None


class QuantityView(Struct, omit_defaults=True):
    """A quantity and when it holds."""

    quantity: Decimal
    starting_at: datetime
    ending_before: datetime | None = None


class PeriodView(Struct):
    """A billing period."""

    starting_at: datetime
    ending_before: datetime


class BillingPeriodsView(Struct, omit_defaults=True):
    """The billing periods around an instant, those that there are."""

    previous: PeriodView | None = None
    current: PeriodView | None = None
    next: PeriodView | None = None


class SeatConfigView(Struct):
    """By which group key usage names its seat."""

    seat_group_key: str


class SubscriptionView(Struct, omit_defaults=True, kw_only=True):
    """A subscription on the wire."""

    id: str
    subscription_rate: SubscriptionRateView
    collection_schedule: CollectionSchedule
    proration: ProrationView
    quantity_management_mode: QuantityManagement
    quantity_schedule: list[QuantityView]
    """The quantity that holds, and those that will."""
    billing_periods: BillingPeriodsView
    billing_cycle_config: BillingCycleView
    starting_at: datetime
    created_at: datetime
    ending_before: datetime | None = None
    name: str | None = None
    description: str | None = None
    custom_fields: dict[str, str] = {}
    seat_config: SeatConfigView | None = None


def product_ids(asked: Sequence[SubscriptionIn]) -> set[str]:
    """Return the ids of the products that subscriptions name."""
    return {str(each.subscription_rate.product_id) for each in asked}


def named(asked: Sequence[SubscriptionIn], made: Sequence[Subscription], prefix: str) -> dict[str, Subscription]:
    """Return the subscriptions of a request by their temporary ids. Raises `InvalidError` for one that two have."""
    found: dict[str, Subscription] = {}
    for index, (each, its) in enumerate(zip(asked, made, strict=True)):
        if each.temporary_id in found:
            fields.refuse("another subscription of this request has it", f"{prefix}[{index}].temporary_id")
        if each.temporary_id is not None:
            found[each.temporary_id] = its
    return found


def subscription(
    asked: SubscriptionIn, contract: Contract, known: Mapping[str, Product], rates: Sequence[Rate], place: str
) -> Subscription:
    """Return a subscription of the contract, on whose card `rates` are.

    Raises `InvalidError` where it contradicts itself, its contract or the card.
    """
    frequency = asked.subscription_rate.billing_frequency
    product = _product(asked.subscription_rate, known, rates, f"{place}.subscription_rate")
    start, end = _term(asked, contract, place)
    cycle = asked.billing_cycle_config or BillingCycleIn()
    made = Subscription(
        id=str(uuid.uuid4()),
        product_id=product.id,
        billing_frequency=frequency,
        collection_schedule=asked.collection_schedule,
        starting_at=start,
        ending_before=end,
        anchor=_anchor(asked, cycle, start, contract, f"{place}.billing_cycle_config.anchor_date"),
        created_at=contract.created_at,
        changes=_quantity(asked, start, place),
        proration=asked.proration,
        invoice_placement=cycle.invoice_placement,
        name=asked.name,
        description=asked.description,
        custom_fields=asked.custom_fields,
        **_seated(asked, start, place),
    )
    try:
        made.check()
    except InvalidError as error:
        fields.refuse(str(error), f"{place}.proration")
    return made


def _product(asked: SubscriptionRateIn, known: Mapping[str, Product], rates: Sequence[Rate], place: str) -> Product:
    """Return the product. Raises `InvalidError` unless it is of the right type and has such a rate on the card."""
    product = product_of(ProductType.SUBSCRIPTION, asked.product_id, known, f"{place}.product_id")
    if not any((each.product_id, each.billing_frequency) == (product.id, asked.billing_frequency) for each in rates):
        message = f"the contract's rate card has no {asked.billing_frequency} rate of this product"
        fields.refuse(message, f"{place}.billing_frequency")
    return product


def _term(asked: SubscriptionIn, contract: Contract, place: str) -> tuple[datetime, datetime | None]:
    """Return [starting_at, ending_before). Raises `InvalidError` outside the term of the contract."""
    start, end = fields.term(asked.starting_at or contract.starting_at, asked.ending_before, place)
    if start < contract.starting_at:
        fields.refuse("must not lie before the start of the contract", f"{place}.starting_at")
    if contract.ending_before is not None:
        if start >= contract.ending_before:
            fields.refuse("must lie before the end of the contract", f"{place}.starting_at")
        if end is not None and end > contract.ending_before:
            fields.refuse("must not lie after the end of the contract", f"{place}.ending_before")
    return start, end


def _anchor(asked: SubscriptionIn, cycle: BillingCycleIn, start: datetime, contract: Contract, place: str) -> datetime:
    """Return from when periods are counted. Raises `InvalidError` for an anchor that cannot be (§4.7)."""
    if cycle.anchor_date is None:
        return contract.usage_statement_schedule.billing_anchor_date
    if asked.collection_schedule is not CollectionSchedule.ADVANCE:
        fields.refuse("is for subscriptions with collection_schedule ADVANCE: leave it out", place)
    anchor = fields.hour(cycle.anchor_date, place)
    if anchor > start:
        fields.refuse("must not lie after the start of the subscription", place)
    return anchor


def _quantity(asked: SubscriptionIn, start: datetime, place: str) -> tuple[QuantityChange, ...]:
    """Return the first quantity; none for seats. Raises `InvalidError` where it is missing, or too much."""
    if asked.quantity_management_mode is QuantityManagement.SEAT_BASED:
        if asked.initial_quantity is not None:
            fields.refuse("follows from the seats: leave it out", f"{place}.initial_quantity")
        return ()
    if asked.initial_quantity is None:
        fields.refuse("is needed", f"{place}.initial_quantity")
    return (
        QuantityChange(starting_at=start, quantity=fields.number(asked.initial_quantity, f"{place}.initial_quantity")),
    )


def _seated(asked: SubscriptionIn, start: datetime, place: str) -> dict[str, Any]:
    """Return the fields of a subscription with seats; none for another. Raises `InvalidError`."""
    its, where = asked.seat_config, f"{place}.seat_config"
    if asked.quantity_management_mode is QuantityManagement.QUANTITY_ONLY:
        if its is not None:
            fields.refuse("needs the quantity_management_mode SEAT_BASED", where)
        return {}
    if its is None:
        fields.refuse("is needed for the quantity_management_mode SEAT_BASED", where)
    change = SeatChange(
        starting_at=start,
        added=distinct(its.initial_seat_ids, f"{where}.initial_seat_ids"),
        added_unassigned=whole(its.initial_unassigned_seats, 0, f"{where}.initial_unassigned_seats"),
    )
    if len(change.added) + change.added_unassigned > SEATS_MAX:
        fields.refuse(f"a subscription has at most {SEATS_MAX} seats", where)
    return {"seat_group_key": its.seat_group_key, "seat_changes": (change,)}


def seat_keys(asked: Sequence[SubscriptionIn], prefix: str) -> list[tuple[str, str]]:
    """Return the group keys of seats that these subscriptions name, and where."""
    return [
        (each.seat_config.seat_group_key, f"{prefix}[{index}].seat_config.seat_group_key")
        for index, each in enumerate(asked)
        if each.seat_config is not None
    ]


def distinct(seat_ids: Sequence[str], place: str) -> tuple[str, ...]:
    """Return the ids of some seats. Raises `InvalidError` for one that is named twice."""
    known: dict[str, None] = {}
    for index, each in enumerate(seat_ids):
        if each in known:
            fields.refuse(f"{each!r} is named twice", f"{place}[{index}]")
        known[each] = None
    return tuple(known)


def whole(asked: Decimal, least: int, place: str) -> int:
    """Return a number of seats. Raises `InvalidError` for less, for a part of one, and for more than there may be."""
    if not asked.is_finite() or asked != asked.to_integral_value() or not least <= asked <= SEATS_MAX:
        fields.refuse(f"must be a whole number from {least} to {SEATS_MAX}", place)
    return int(asked)


def after_change_of_end(contract: Contract, end: datetime | None) -> tuple[Subscription, ...]:
    """Return the subscriptions of a contract that will end then.

    An earlier end cuts them where the contract ends. A later one does not extend those that are charged in advance
    (metronome-api.md §4.7, updateEndDate): they keep the end that they had.
    """
    before = contract.ending_before
    if before is None or (end is not None and end <= before):
        return contract.subscriptions
    return tuple(
        structs.replace(each, ending_before=min(each.ending_before or before, before))
        if each.collection_schedule is CollectionSchedule.ADVANCE
        else each
        for each in contract.subscriptions
    )


def subscription_view(
    contract: Contract, made: Subscription, known: Mapping[str, Product], at: datetime
) -> SubscriptionView:
    """Return a subscription for the wire, as it is at the instant; `known` has its product."""
    product, seat_key = known[made.product_id], made.seat_group_key
    return SubscriptionView(
        id=made.id,
        subscription_rate=SubscriptionRateView(Ref(product.id, product.initial.name), made.billing_frequency),
        collection_schedule=made.collection_schedule,
        proration=ProrationView(**structs.asdict(made.proration)),
        quantity_management_mode=QuantityManagement.SEAT_BASED if seat_key else QuantityManagement.QUANTITY_ONLY,
        quantity_schedule=list(_schedule(made, at)),
        billing_periods=_periods(contract, made, at),
        billing_cycle_config=BillingCycleView(made.anchor, made.invoice_placement),
        starting_at=made.starting_at,
        ending_before=made.ending_before,
        created_at=made.created_at,
        name=made.name,
        description=made.description,
        custom_fields=made.custom_fields,
        seat_config=None if seat_key is None else SeatConfigView(seat_key),
    )


def _schedule(made: Subscription, at: datetime) -> Iterator[QuantityView]:
    """Yield the quantity that holds at the instant and those that follow."""
    end = made.ending_before
    steps = [*((start, quantity) for start, quantity in made.quantities() if end is None or start < end), (end, None)]
    for (start, quantity), (end, _) in pairwise(steps):
        assert start is not None, "only the last has no start"
        assert quantity is not None, "only the last has no quantity"
        if end is None or end > at:
            yield QuantityView(plain(quantity), start, end)


def _periods(contract: Contract, made: Subscription, at: datetime) -> BillingPeriodsView:
    """Return the billing periods before, at and after the instant."""
    shown = BillingPeriodsView()
    for each in periods(contract, made):
        if each.billed.start > at:
            shown.next = _period(each.billed)
            break
        if each.billed.covers(at):
            shown.current = _period(each.billed)
        else:
            shown.previous = _period(each.billed)
    return shown


def _period(period: Period) -> PeriodView:
    return PeriodView(period.start, period.end)
