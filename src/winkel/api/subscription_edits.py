"""Edits of subscriptions: parts of request bodies → the subscription from now on (metronome-api.md §4.7, Edit).

What a finalized invoice has charged stays: a quantity cannot change at or before an instant that is charged. Void the
invoice first, and regenerate it after the change.
"""

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType, structs

from winkel.api import fields
from winkel.bill.subscription import charged_last
from winkel.model.contract import Contract
from winkel.model.errors import InvalidError
from winkel.model.subscription import QuantityChange, Subscription


class QuantityUpdate(Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """From an instant on another quantity, or so much more or less."""

    starting_at: fields.Instant
    quantity: Decimal | None = None
    quantity_delta: Decimal | None = None


class SubscriptionUpdate(Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A change of a subscription; what is left out stays."""

    subscription_id: UUID
    ending_before: fields.Instant | None | UnsetType = UNSET
    name: str | None | UnsetType = UNSET
    quantity_updates: list[QuantityUpdate] = []


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
    last = charged_last(contract, subscription, charged, at)
    for index, each in enumerate(asked.quantity_updates):
        made = _changed(made, each, last, f"{place}.quantity_updates[{index}]")
    return made


def _end(contract: Contract, made: Subscription, asked: datetime | None, place: str) -> datetime | None:
    end = fields.hour_or_none(asked, place)
    if end is not None and end <= made.starting_at:
        fields.refuse("must lie after the start of the subscription", place)
    if end is not None and contract.ending_before is not None and end > contract.ending_before:
        fields.refuse("must not lie after the end of the contract", place)
    return end


def _changed(made: Subscription, asked: QuantityUpdate, last: datetime | None, place: str) -> Subscription:
    """Return the subscription with one more change of its quantity."""
    start = fields.hour(asked.starting_at, f"{place}.starting_at")
    if start < made.starting_at or (made.ending_before is not None and start >= made.ending_before):
        fields.refuse("must lie within the subscription's time", f"{place}.starting_at")
    if last is not None and start <= last:
        charged = f"a finalized invoice has charged what begins at {last.isoformat()}"
        fields.refuse(f"{charged}: choose a later instant, or void that invoice first", f"{place}.starting_at")
    change = QuantityChange(
        starting_at=start,
        quantity=fields.number_or_none(asked.quantity, f"{place}.quantity"),
        quantity_delta=None if asked.quantity_delta is None else _delta(asked.quantity_delta, place),
    )
    changed = structs.replace(made, changes=(*made.changes, change))
    try:
        changed.check()
    except InvalidError as error:
        fields.refuse(str(error), place)
    return changed


def _delta(asked: Decimal, place: str) -> Decimal:
    delta = fields.finite(asked, f"{place}.quantity_delta")
    if not delta:
        fields.refuse("must not be zero", f"{place}.quantity_delta")
    return delta
