"""Edits of subscriptions: parts of request bodies → the subscription from now on (metronome-api.md §4.7, Edit).

What a finalized invoice has charged stays: a quantity cannot change at or before an instant that is charged. Void the
invoice first, and regenerate it after the change.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType, structs

from winkel.api import fields
from winkel.api.subscriptions import SeatIds, distinct, whole
from winkel.bill.subscription import charged_last
from winkel.model.contract import Contract
from winkel.model.errors import InvalidError
from winkel.model.subscription import QuantityChange, SeatChange, Subscription
from winkel.model.word import Word


class QuantityUpdate(Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """From an instant on another quantity, or so much more or less."""

    starting_at: fields.Instant
    quantity: Decimal | None = None
    quantity_delta: Decimal | None = None


class SeatIdsUpdate(Struct, forbid_unknown_fields=True, kw_only=True):
    """From an instant on these ids have a seat, or none."""

    seat_ids: SeatIds
    starting_at: fields.Instant


class UnassignedSeatsUpdate(Struct, forbid_unknown_fields=True, kw_only=True):
    """From an instant on so many seats more, or less, that nobody has."""

    quantity: Decimal
    starting_at: fields.Instant


class SeatUpdates(Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Changes of seats. Whatever their order here, of one instant those that take away count first."""

    remove_seat_ids: list[SeatIdsUpdate] = []
    remove_unassigned_seats: list[UnassignedSeatsUpdate] = []
    add_seat_ids: list[SeatIdsUpdate] = []
    add_unassigned_seats: list[UnassignedSeatsUpdate] = []


class SeatKeyIn(Struct, forbid_unknown_fields=True):
    """The group key by whose value usage tells whose seat it is of."""

    seat_group_key: fields.Text


class SeatBased(Word):
    """The only mode to which a subscription can change."""

    SEAT_BASED = "SEAT_BASED"


class ModeUpdate(Struct, forbid_unknown_fields=True):
    """From a quantity to as many seats that nobody has yet."""

    quantity_management_mode: SeatBased
    seat_config: SeatKeyIn


class SubscriptionUpdate(Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A change of a subscription; what is left out stays."""

    subscription_id: UUID
    ending_before: fields.Instant | None | UnsetType = UNSET
    name: str | None | UnsetType = UNSET
    quantity_management_mode_update: ModeUpdate | None = None
    quantity_updates: list[QuantityUpdate] = []
    seat_updates: SeatUpdates | None = None


def edited(
    contract: Contract, subscription: Subscription, asked: SubscriptionUpdate, charged: Collection[str], at: datetime,
    place: str,
) -> Subscription:  # fmt: skip
    """Return the subscription with the changes. Raises `InvalidError` with the place of what cannot be.

    `charged` are the ids of what finalized invoices ask for.
    """
    made = subscription
    if asked.name is not UNSET:
        made = structs.replace(made, name=asked.name)
    if asked.ending_before is not UNSET:
        made = structs.replace(made, ending_before=_end(contract, made, asked.ending_before, f"{place}.ending_before"))
    if asked.quantity_management_mode_update is not None:
        key = asked.quantity_management_mode_update.seat_config.seat_group_key
        made = _seat_based(made, key, f"{place}.quantity_management_mode_update")
    last = charged_last(contract, subscription, charged, at)
    if asked.quantity_updates and made.seat_group_key is not None:
        fields.refuse("this subscription has seats: change them by seat_updates", f"{place}.quantity_updates")
    for index, each in enumerate(asked.quantity_updates):
        made = _changed(made, each, last, f"{place}.quantity_updates[{index}]")
    if asked.seat_updates is not None:
        made = _reseated(made, asked.seat_updates, last, f"{place}.seat_updates")
    return made


def _seat_based(made: Subscription, key: str, place: str) -> Subscription:
    """Return the subscription with seats in place of its quantity, which is the same at all times, charged or not."""
    if made.seat_group_key is not None:
        fields.refuse("this subscription has seats already", place)
    try:
        return made.with_seats(key)
    except InvalidError as error:
        fields.refuse(str(error), place)


def _end(contract: Contract, made: Subscription, asked: datetime | None, place: str) -> datetime | None:
    end = fields.hour_or_none(asked, place)
    if end is not None and end <= made.starting_at:
        fields.refuse("must lie after the start of the subscription", place)
    if end is not None and contract.ending_before is not None and end > contract.ending_before:
        fields.refuse("must not lie after the end of the contract", place)
    return end


def _changed(made: Subscription, asked: QuantityUpdate, last: datetime | None, place: str) -> Subscription:
    """Return the subscription with one more change of its quantity."""
    change = QuantityChange(
        starting_at=_moment(made, asked.starting_at, last, f"{place}.starting_at"),
        quantity=fields.number_or_none(asked.quantity, f"{place}.quantity"),
        quantity_delta=None if asked.quantity_delta is None else _delta(asked.quantity_delta, place),
    )
    return _checked(structs.replace(made, changes=(*made.changes, change)), place)


def _reseated(made: Subscription, asked: SeatUpdates, last: datetime | None, place: str) -> Subscription:
    """Return the subscription with other seats. Raises `InvalidError` also when nothing is asked for."""
    if made.seat_group_key is None:
        fields.refuse("this subscription has a quantity only: change it by quantity_updates", place)
    goes = _named(made, asked.remove_seat_ids, last, f"{place}.remove_seat_ids")
    comes = _named(made, asked.add_seat_ids, last, f"{place}.add_seat_ids")
    fewer = _counted(made, asked.remove_unassigned_seats, last, f"{place}.remove_unassigned_seats")
    more = _counted(made, asked.add_unassigned_seats, last, f"{place}.add_unassigned_seats")
    found = [
        *(SeatChange(starting_at=start, removed=ids) for start, ids in goes),
        *(SeatChange(starting_at=start, removed_unassigned=count) for start, count in fewer),
        *(SeatChange(starting_at=start, added=ids) for start, ids in comes),
        *(SeatChange(starting_at=start, added_unassigned=count) for start, count in more),
    ]
    if not found:
        fields.refuse("asks for no change", place)
    return _checked(structs.replace(made, seat_changes=(*made.seat_changes, *found)), place)


def _named(
    made: Subscription, asked: Sequence[SeatIdsUpdate], last: datetime | None, place: str
) -> list[tuple[datetime, tuple[str, ...]]]:
    """Return which ids come or go, and when."""
    return [
        (
            _moment(made, each.starting_at, last, f"{place}[{index}].starting_at"),
            distinct(each.seat_ids, f"{place}[{index}].seat_ids"),
        )
        for index, each in enumerate(asked)
    ]


def _counted(
    made: Subscription, asked: Sequence[UnassignedSeatsUpdate], last: datetime | None, place: str
) -> list[tuple[datetime, int]]:
    """Return how many unassigned seats come or go, and when."""
    return [
        (
            _moment(made, each.starting_at, last, f"{place}[{index}].starting_at"),
            whole(each.quantity, 1, f"{place}[{index}].quantity"),
        )
        for index, each in enumerate(asked)
    ]


def _moment(made: Subscription, asked: datetime, last: datetime | None, place: str) -> datetime:
    """Return when a change counts. Raises `InvalidError` outside the subscription's time, and where it is charged."""
    start = fields.hour(asked, place)
    if start < made.starting_at or (made.ending_before is not None and start >= made.ending_before):
        fields.refuse("must lie within the subscription's time", place)
    if last is not None and start <= last:
        charged = f"a finalized invoice has charged what begins at {last.isoformat()}"
        fields.refuse(f"{charged}: choose a later instant, or void that invoice first", place)
    return start


def _checked(made: Subscription, place: str) -> Subscription:
    """Return the subscription. Raises `InvalidError` at the place unless it can be charged."""
    try:
        made.check()
    except InvalidError as error:
        fields.refuse(str(error), place)
    return made


def _delta(asked: Decimal, place: str) -> Decimal:
    delta = fields.finite(asked, f"{place}.quantity_delta")
    if not delta:
        fields.refuse("must not be zero", f"{place}.quantity_delta")
    return delta
