"""Rate card: a named set of rates, over time."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from winkel.model.alias import Alias
from winkel.model.period import Frequency
from winkel.model.price import Price


class Conversion(Struct, frozen=True):
    """What a custom pricing unit is worth on a rate card (metronome-api.md §4.6)."""

    custom_credit_type_id: str
    fiat_per_custom_credit: Decimal
    """Above zero; in the card's currency as amounts are kept: cents of US dollars."""


class RateCard(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A named set of rates in one currency, and in custom pricing units for which it has conversions."""

    id: str
    name: str
    created_at: datetime
    created_by: str
    fiat_credit_type_id: str
    description: str | None = None
    aliases: tuple[Alias, ...] = ()
    custom_fields: dict[str, str] = {}
    archived_at: datetime | None = None
    credit_type_conversions: tuple[Conversion, ...] = ()
    """One for each custom pricing unit that rates of this card may be in; they are added and never changed."""


class Rate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The price of a product on a rate card from `starting_at` until `ending_before`, or until a later rate begins.

    `pricing_group_values` names the combination of the product's pricing group key to which it applies.
    `number` is the order in which rates were added: where two overlap, the one that starts later wins, then the one
    added later.
    """

    id: str
    rate_card_id: str
    product_id: str
    price: Price
    """The list price."""
    entitled: bool
    starting_at: datetime
    number: int
    credit_type_id: str
    ending_before: datetime | None = None
    pricing_group_values: dict[str, str] = {}
    commit_price: Price | None = None
    """What usage costs that a balance with the rate type COMMIT_RATE pays for; None: the list price."""
    position: int | None = None
    """Where the product stands on invoices among those of the card; None: after those that have a place."""
    billing_frequency: Frequency | None = None
    """Of a SUBSCRIPTION product: for how long the price is. Those of different ones stand beside each other."""


def in_order(card: Iterable[Rate]) -> dict[str, tuple[Rate, ...]]:
    """Return the rates of a card by product, each product's in the order they were added.

    Products stand as they do on invoices: those that have a place, then the others by their first rates.
    """
    found: dict[str, list[Rate]] = {}
    for each in sorted(card, key=lambda rate: rate.number):
        found.setdefault(each.product_id, []).append(each)
    return {product_id: tuple(rates) for product_id, rates in sorted(found.items(), key=_place)}


def _place(item: tuple[str, list[Rate]]) -> tuple[bool, int]:
    position = item[1][0].position
    return position is None, position or 0
