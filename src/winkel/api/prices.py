"""Prices of request bodies: the price models of the Metronome API, and the checks of each (metronome-api.md §4.6)."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct

from winkel.api import fields
from winkel.model.errors import InvalidError
from winkel.model.price import (
    OF_SPEND,
    Custom,
    Flat,
    Percentage,
    Price,
    Subscribed,
    Tier,
    Tiered,
    TieredPercentage,
    check_price,
)
from winkel.model.product import Product, ProductType
from winkel.model.word import Word

TIERS_MAX = 1_000
"""Every draft goes through all tiers of a price."""


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
    custom_rate: dict[str, Any] | None = None
    quantity: Decimal | None = None
    is_prorated: bool | None = None


ONE: dict[RateType, type[Flat | Percentage]] = {RateType.FLAT: Flat, RateType.PERCENTAGE: Percentage}
"""Price models with one price."""
MANY: dict[RateType, type[Tiered | TieredPercentage]] = {
    RateType.TIERED: Tiered,
    RateType.TIERED_PERCENTAGE: TieredPercentage,
}
"""Price models with tiers."""
OF_ONE = {
    "custom_rate": RateType.CUSTOM,
    "quantity": RateType.SUBSCRIPTION,
    "is_prorated": RateType.SUBSCRIPTION,
}
"""Fields that only one price model has."""


def price(asked: PriceIn, place: str) -> Price:
    """Return the price. Raises `InvalidError` for a price model we do not have, or one that is not complete."""
    made: Price
    for name, kind in OF_ONE.items():
        if getattr(asked, name) is not None and asked.rate_type is not kind:
            fields.refuse(f"a {asked.rate_type} rate has no {name}", f"{place}.{name}")
    if one := ONE.get(asked.rate_type):
        if asked.price is None:
            fields.refuse(f"a {asked.rate_type} rate needs a price", place)
        if asked.tiers is not None:
            fields.refuse(f"a {asked.rate_type} rate has no tiers", f"{place}.tiers")
        made, where = one(fields.number(asked.price, f"{place}.price")), f"{place}.price"
    elif many := MANY.get(asked.rate_type):
        if asked.price is not None:
            fields.refuse(f"a {asked.rate_type} rate has no price of its own: its tiers have", f"{place}.price")
        made, where = many(_tiers(asked.tiers or [], f"{place}.tiers")), f"{place}.tiers"
    elif asked.rate_type is RateType.CUSTOM:
        made, where = _custom(asked, place), f"{place}.custom_rate"
    else:
        made, where = _subscribed(asked, place), place
    try:
        check_price(made)
    except InvalidError as error:
        fields.refuse(str(error), where)
    return made


def _custom(asked: PriceIn, place: str) -> Custom:
    """Return a CUSTOM price. Raises `InvalidError` unless it is an object and nothing else."""
    for name in ("price", "tiers"):
        if getattr(asked, name) is not None:
            fields.refuse(f"a CUSTOM rate has no {name}: its custom_rate says it all", f"{place}.{name}")
    if asked.custom_rate is None:
        fields.refuse("a CUSTOM rate needs a custom_rate", f"{place}.custom_rate")
    left: list[Any] = [asked.custom_rate]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left += value.values()
        elif isinstance(value, list):
            left += value
        elif isinstance(value, Decimal | int):  # PostgreSQL would write 1e131000 out, and nobody could read it back
            fields.finite(Decimal(value), f"{place}.custom_rate")
    return Custom(asked.custom_rate)


def _subscribed(asked: PriceIn, place: str) -> Subscribed:
    """Return the price of a SUBSCRIPTION rate. Raises `InvalidError` unless it is complete, and prorated (§4.6)."""
    if asked.tiers is not None:
        fields.refuse("a SUBSCRIPTION rate has no tiers", f"{place}.tiers")
    if asked.price is None or asked.quantity is None:
        fields.refuse("a SUBSCRIPTION rate needs a price and a quantity", place)
    if asked.is_prorated is False:
        fields.refuse("must be true: SUBSCRIPTION rates are prorated", f"{place}.is_prorated")
    price = fields.number(asked.price, f"{place}.price")
    return Subscribed(fields.number(asked.quantity, f"{place}.quantity"), Flat(price))


def check_kind(made: Price, product: Product, place: str) -> None:
    """Raise `InvalidError` unless the price model is one for this kind of product (metronome-api.md §4.6)."""
    if isinstance(made, OF_SPEND) and product.type is not ProductType.COMPOSITE:
        fields.refuse(f"percentages are for COMPOSITE products; this one is {product.type}", f"{place}.rate_type")
    if not isinstance(made, Flat | Subscribed) and product.type is ProductType.SUBSCRIPTION:
        fields.refuse("a SUBSCRIPTION product has FLAT or SUBSCRIPTION prices", f"{place}.rate_type")
    if isinstance(made, Subscribed) and product.type is not ProductType.SUBSCRIPTION:
        fields.refuse(f"this is for SUBSCRIPTION products; this one is {product.type}", f"{place}.rate_type")
    if not isinstance(made, OF_SPEND) and product.type is ProductType.COMPOSITE:
        fields.refuse("a COMPOSITE product asks for a PERCENTAGE or TIERED_PERCENTAGE", f"{place}.rate_type")


def _tiers(tiers: Sequence[Tier], place: str) -> tuple[Tier, ...]:
    if len(tiers) > TIERS_MAX:
        fields.refuse(f"a price has at most {TIERS_MAX:,} tiers", place)
    for index, tier in enumerate(tiers):
        fields.number(tier.price, f"{place}[{index}].price")
        fields.number_or_none(tier.size, f"{place}[{index}].size")
    return tuple(tiers)
