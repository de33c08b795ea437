"""Price: how a quantity becomes an amount. One type per price model."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, TypeAlias

from msgspec import Struct

from winkel.model.errors import InvalidError
from winkel.model.money import ZERO


class Tier(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The units of one tier and their unit price. `size` None: all units that remain."""

    price: Decimal
    size: Decimal | None = None


class Flat(Struct, frozen=True, tag_field="rate_type", tag="FLAT"):
    """Every unit costs the same."""

    price: Decimal


class Tiered(Struct, frozen=True, tag_field="rate_type", tag="TIERED"):
    """Each unit is priced by the tier that it falls in, counted from the start of the billing period.

    A tier's lower bound is exclusive, its upper bound inclusive (metronome-api.md §4.6).
    """

    tiers: tuple[Tier, ...]


class Percentage(Struct, frozen=True, tag_field="rate_type", tag="PERCENTAGE"):
    """Of a composite product: the share of the spend that it asks for. 0.1 is 10 %."""

    price: Decimal


class TieredPercentage(Struct, frozen=True, tag_field="rate_type", tag="TIERED_PERCENTAGE"):
    """Of a composite product: a share for each tier of the spend, whose sizes are amounts."""

    tiers: tuple[Tier, ...]


class Custom(Struct, frozen=True, tag_field="rate_type", tag="CUSTOM"):
    """A price that somebody else works out: units are counted, and cost nothing here (docs/pricing.md §4)."""

    custom_rate: dict[str, Any]
    """From this; nothing in it is read here."""


class Subscribed(Struct, frozen=True, tag_field="rate_type", tag="SUBSCRIPTION"):
    """Of a SUBSCRIPTION product: a quantity that every contract is charged, period by period (docs/pricing.md §13)."""

    quantity: Decimal
    each: Flat | Tiered
    """What units cost for a whole period; tiers come of an override only."""


Price: TypeAlias = Flat | Tiered | Percentage | TieredPercentage | Custom | Subscribed
OF_SPEND = (Percentage, TieredPercentage)
"""The price models of composite products; all others are for quantities."""


def tiers_of(price: Price) -> tuple[Tier, ...]:
    """Return a price as tiers: one, when every unit costs the same."""
    if isinstance(price, Custom):
        return (Tier(ZERO),)
    if isinstance(price, Subscribed):
        return tiers_of(price.each)
    return price.tiers if isinstance(price, Tiered | TieredPercentage) else (Tier(price.price),)


def check_price(price: Price) -> None:
    """Raise `InvalidError` for a negative price, a share above 1, or tiers that do not cover all exactly once."""
    tiers = tiers_of(price)
    check_sizes([tier.size for tier in tiers])
    if any(tier.price < 0 for tier in tiers):
        raise InvalidError("a price must not be negative")
    if isinstance(price, OF_SPEND) and any(tier.price > 1 for tier in tiers):
        raise InvalidError("a percentage is a decimal fraction, at most 1: 0.1 is 10 %")


def check_sizes(sizes: Sequence[Decimal | None]) -> None:
    """Raise `InvalidError` unless tiers of these sizes cover every quantity exactly once."""
    if not sizes:
        raise InvalidError("tiers must not be empty")
    *first, last = sizes
    if any(size is None or size <= 0 for size in first):
        raise InvalidError("every tier but the last needs a size above zero")
    if last is not None:
        raise InvalidError("the last tier must not have a size: it holds all units that remain")
