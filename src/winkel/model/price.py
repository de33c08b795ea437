"""Price: how a quantity becomes an amount. One type per price model."""

from collections.abc import Sequence
from decimal import Decimal
from typing import TypeAlias

from msgspec import Struct

from winkel.model.errors import InvalidError


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


Price: TypeAlias = Flat | Tiered


def check_price(price: Price) -> None:
    """Raise `InvalidError` for a negative price or tiers that do not cover every quantity exactly once."""
    if isinstance(price, Flat):
        if price.price < 0:
            raise InvalidError("price must not be negative")
        return
    check_sizes([tier.size for tier in price.tiers])
    if any(tier.price < 0 for tier in price.tiers):
        raise InvalidError("the price of a tier must not be negative")


def check_sizes(sizes: Sequence[Decimal | None]) -> None:
    """Raise `InvalidError` unless tiers of these sizes cover every quantity exactly once."""
    if not sizes:
        raise InvalidError("tiers must not be empty")
    *first, last = sizes
    if any(size is None or size <= 0 for size in first):
        raise InvalidError("every tier but the last needs a size above zero")
    if last is not None:
        raise InvalidError("the last tier must not have a size: it holds all units that remain")
