"""Prices of request bodies: the price models of the Metronome API, and the checks of each (metronome-api.md §4.6)."""

from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct

from winkel.api import fields
from winkel.model.errors import InvalidError
from winkel.model.price import Flat, Price, Tier, Tiered, check_price
from winkel.model.word import Word


class RateType(Word):
    """Every price model of the Metronome API."""

    FLAT = "FLAT"
    TIERED = "TIERED"
    PERCENTAGE = "PERCENTAGE"
    TIERED_PERCENTAGE = "TIERED_PERCENTAGE"
    SUBSCRIPTION = "SUBSCRIPTION"
    CUSTOM = "CUSTOM"


class PriceIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """The price of a rate or of an override."""

    rate_type: RateType
    price: Decimal | None = None
    tiers: list[Tier] | None = None


def price(asked: PriceIn, place: str) -> Price:
    """Return the price. Raises `InvalidError` for a price model we do not have, or one that is not complete."""
    if asked.rate_type is RateType.FLAT:
        if asked.price is None:
            fields.refuse("a FLAT rate needs a price", place)
        if asked.tiers is not None:
            fields.refuse("a FLAT rate has no tiers", f"{place}.tiers")
        return Flat(fields.number(asked.price, f"{place}.price"))
    if asked.rate_type is not RateType.TIERED:
        fields.refuse(f"rate_type {asked.rate_type} is not supported yet", f"{place}.rate_type")
    if asked.price is not None:
        fields.refuse("a TIERED rate has no price of its own: its tiers have", f"{place}.price")
    return _tiered(asked.tiers or [], f"{place}.tiers")


def _tiered(tiers: Sequence[Tier], place: str) -> Tiered:
    for index, tier in enumerate(tiers):
        fields.number(tier.price, f"{place}[{index}].price")
        fields.number_or_none(tier.size, f"{place}[{index}].size")
    made = Tiered(tuple(tiers))
    try:
        check_price(made)
    except InvalidError as error:
        fields.refuse(str(error), place)
    return made
