"""Subscription: a quantity of something that is paid for period by period, whatever is used."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from itertools import groupby

from msgspec import Struct

from winkel.model.errors import InvalidError
from winkel.model.money import ZERO, add
from winkel.model.period import Frequency
from winkel.model.proration import AmountRounding
from winkel.model.word import Word


class CollectionSchedule(Word):
    """When a period is charged: as it begins, or when it has ended."""

    ADVANCE = "ADVANCE"
    ARREARS = "ARREARS"


class InvoiceBehavior(Word):
    """When an increase within a period is charged: at once (in advance only), or when the period has ended."""

    BILL_IMMEDIATELY = "BILL_IMMEDIATELY"
    BILL_ON_NEXT_COLLECTION_DATE = "BILL_ON_NEXT_COLLECTION_DATE"


class InvoicePlacement(Word):
    """Whether charges may stand on usage statements (where one ends on their date)."""

    ON_USAGE_INVOICE = "ON_USAGE_INVOICE"
    ON_SCHEDULED_INVOICE = "ON_SCHEDULED_INVOICE"


SEATS_MAX = 1000
"""The most seats of one subscription at any time (metronome-api.md §4.7)."""
PLACES_MAX = 5
"""Prices of parts are rounded to at most so many decimal places, or to tens, hundreds … with −1, −2 … −5."""


class SubscriptionProration(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What a part of a period costs."""

    is_prorated: bool = False
    """Whether a part costs its share of the hours; or else as much as all of it."""
    invoice_behavior: InvoiceBehavior = InvoiceBehavior.BILL_ON_NEXT_COLLECTION_DATE
    rounding: AmountRounding | None = None
    """Of the unit price."""


class QuantityChange(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """From an instant on the quantity is another one, or so much more or less: one of both is given."""

    starting_at: datetime
    quantity: Decimal | None = None
    quantity_delta: Decimal | None = None


class SeatChange(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """From an instant on other seats: first what goes, then what comes (metronome-api.md §4.7)."""

    starting_at: datetime
    removed: tuple[str, ...] = ()
    """Ids that have a seat no more, and their seats are gone; one that has none is passed over."""
    removed_unassigned: int = 0
    added: tuple[str, ...] = ()
    """Ids that have a seat: an unassigned one while there is any, or else one more."""
    added_unassigned: int = 0


class Seats(Struct, frozen=True):
    """The seats of a subscription from an instant on."""

    starting_at: datetime
    assigned: tuple[str, ...]
    """The ids that have one, longest first."""
    unassigned: int

    @property
    def total(self) -> int:
        """How many there are, whoever has them."""
        return len(self.assigned) + self.unassigned


class Subscription(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """So many of a SUBSCRIPTION product for so long, charged once a period (metronome-api.md §4.7)."""

    id: str
    product_id: str
    billing_frequency: Frequency
    collection_schedule: CollectionSchedule
    starting_at: datetime
    anchor: datetime
    """From which periods are counted."""
    created_at: datetime
    changes: tuple[QuantityChange, ...]
    """In the order in which they were asked for; the first is the quantity at the start. None, where it has seats."""
    ending_before: datetime | None = None
    """None: it ends with its contract."""
    proration: SubscriptionProration = SubscriptionProration()
    invoice_placement: InvoicePlacement = InvoicePlacement.ON_USAGE_INVOICE
    name: str | None = None
    description: str | None = None
    custom_fields: dict[str, str] = {}
    seat_group_key: str | None = None
    """The group key whose value is the id of the seat that used something; None: it has a quantity, and no seats."""
    seat_changes: tuple[SeatChange, ...] = ()
    """In the order in which they were asked for; the first are the seats at the start."""

    @property
    def rate_frequency(self) -> Frequency | None:
        """The `billing_frequency` of the rates by which it is charged."""
        return self.billing_frequency

    def quantities(self) -> Iterator[tuple[datetime, Decimal]]:
        """Yield from when on the quantity is what, by time; changes of one instant count in the order they came in.

        Of a subscription with seats it is the number of seats. Raises `InvalidError` as `seats` does.
        """
        if self.seat_group_key is not None:
            yield from ((each.starting_at, Decimal(each.total)) for each in self.seats())
            return
        quantity = ZERO
        for moment, some in groupby(sorted(self.changes, key=_moment), key=_moment):
            for each in some:
                quantity = add(quantity, each.quantity_delta or ZERO) if each.quantity is None else each.quantity
            yield moment, quantity

    def seats(self) -> Iterator[Seats]:
        """Yield the seats and from when on, by time; changes of one instant count in the order they came in.

        Raises `InvalidError` where an id would have two seats, or more unassigned seats go than there are.
        """
        assigned: dict[str, None] = {}
        unassigned = 0
        for moment, some in groupby(sorted(self.seat_changes, key=_moment), key=_moment):
            for each in some:
                for name in each.removed:
                    assigned.pop(name, None)
                if each.removed_unassigned > unassigned:
                    raise InvalidError(f"there are only {unassigned} unassigned seats at {moment.isoformat()}")
                unassigned -= each.removed_unassigned
                for name in each.added:
                    if name in assigned:
                        raise InvalidError(f"{name!r} has a seat at {moment.isoformat()} already")
                    assigned[name] = None
                    unassigned = max(0, unassigned - 1)
                unassigned += each.added_unassigned
            yield Seats(moment, tuple(assigned), unassigned)

    def check(self) -> None:
        """Raise `InvalidError` unless it can be charged (metronome-api.md §4.7)."""
        if any((each.quantity is None) == (each.quantity_delta is None) for each in self.changes):
            raise InvalidError("a change of quantity has either a quantity or a quantity_delta")
        for moment, quantity in self.quantities():
            if quantity < 0:
                raise InvalidError("the quantity must not become negative")
            if self.seat_group_key is not None and quantity > SEATS_MAX:
                raise InvalidError(f"a subscription has at most {SEATS_MAX} seats: {moment.isoformat()} is too many")
        in_arrears = self.collection_schedule is CollectionSchedule.ARREARS
        if in_arrears and self.proration.invoice_behavior is InvoiceBehavior.BILL_IMMEDIATELY:
            raise InvalidError("BILL_IMMEDIATELY is for subscriptions with collection_schedule ADVANCE")
        rounding = self.proration.rounding
        if rounding is not None and not -PLACES_MAX <= rounding.decimal_places <= PLACES_MAX:
            raise InvalidError(f"decimal_places must be a number from {-PLACES_MAX} to {PLACES_MAX}")


def _moment(change: QuantityChange | SeatChange) -> datetime:
    return change.starting_at
