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
    """In the order in which they were asked for; the first is the quantity at the start."""
    ending_before: datetime | None = None
    """None: it ends with its contract."""
    proration: SubscriptionProration = SubscriptionProration()
    invoice_placement: InvoicePlacement = InvoicePlacement.ON_USAGE_INVOICE
    name: str | None = None
    description: str | None = None
    custom_fields: dict[str, str] = {}

    def quantities(self) -> Iterator[tuple[datetime, Decimal]]:
        """Yield from when on the quantity is what, by time; changes of one instant count in the order they came in."""
        quantity = ZERO
        for moment, some in groupby(sorted(self.changes, key=_moment), key=_moment):
            for each in some:
                quantity = add(quantity, each.quantity_delta or ZERO) if each.quantity is None else each.quantity
            yield moment, quantity

    def check(self) -> None:
        """Raise `InvalidError` unless it can be charged (metronome-api.md §4.7)."""
        if any((each.quantity is None) == (each.quantity_delta is None) for each in self.changes):
            raise InvalidError("a change of quantity has either a quantity or a quantity_delta")
        if any(quantity < 0 for _, quantity in self.quantities()):
            raise InvalidError("the quantity must not become negative")
        in_arrears = self.collection_schedule is CollectionSchedule.ARREARS
        if in_arrears and self.proration.invoice_behavior is InvoiceBehavior.BILL_IMMEDIATELY:
            raise InvalidError("BILL_IMMEDIATELY is for subscriptions with collection_schedule ADVANCE")
        rounding = self.proration.rounding
        if rounding is not None and not -PLACES_MAX <= rounding.decimal_places <= PLACES_MAX:
            raise InvalidError(f"decimal_places must be a number from {-PLACES_MAX} to {PLACES_MAX}")


def _moment(change: QuantityChange) -> datetime:
    return change.starting_at
