"""Prices a quantity: the choice of the price model, and one function for each.

A new price model is a type in `model/price.py`, a case in `priced` (the type checker asks for it), a function here
and a story in tests/scenarios.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import assert_never

from msgspec import Struct

from winkel.model.invoice import TierPart
from winkel.model.money import ZERO, add, multiply, subtract
from winkel.model.price import Custom, Flat, Percentage, Price, Subscribed, Tier, Tiered, TieredPercentage


class Part(Struct, frozen=True, gc=False):
    """Some units at one unit price. Negative when units are taken back."""

    quantity: Decimal
    unit_price: Decimal
    tier: TierPart | None = None

    @property
    def total(self) -> Decimal:
        """Quantity × unit price, exactly."""
        return multiply(self.quantity, self.unit_price)


def priced(price: Price, start: Decimal, end: Decimal) -> list[Part]:
    """Return the units from `start` to `end` at their prices; both are counted from the start of the billing period.

    The quantities of the parts add up to `end − start`; when `end` is below `start`, units go back at the price at
    which they lie. There is always at least one part: with quantity zero it says what the next unit would cost.
    """
    match price:
        case Flat(price=unit_price) | Percentage(price=unit_price):
            return [Part(subtract(end, start), unit_price)]
        case Tiered(tiers=tiers) | TieredPercentage(tiers=tiers):
            return _tiered(tiers, start, end)
        case Custom():
            return [Part(subtract(end, start), ZERO)]
        case Subscribed(each=each):
            return priced(each, start, end)
        case _:
            assert_never(price)


def steps(price: Price) -> list[Decimal]:
    """Return the quantities at which the unit price changes."""
    match price:
        case Flat() | Percentage() | Custom():
            return []
        case Tiered(tiers=tiers) | TieredPercentage(tiers=tiers):
            return [upper for _, _, _, upper in _bounds(tiers) if upper is not None]
        case Subscribed(each=each):
            return steps(each)
        case _:
            assert_never(price)


def _tiered(tiers: tuple[Tier, ...], start: Decimal, end: Decimal) -> list[Part]:
    """Return what lies between `start` and `end` in each tier (metronome-api.md §4.6, Tiers)."""
    if start == end:
        return [_next_unit(tiers, start)]
    found = []
    for tier, part, lower, upper in _bounds(tiers):
        quantity = subtract(_within(end, lower, upper), _within(start, lower, upper))
        if quantity:
            found.append(Part(quantity, tier.price, part))
    return found


def _next_unit(tiers: tuple[Tier, ...], position: Decimal) -> Part:
    """Return a part of nothing in the tier into which the next unit would fall."""
    for tier, part, _, upper in _bounds(tiers):
        if upper is None or position < upper:
            return Part(ZERO, tier.price, part)
    raise AssertionError("the last tier is open: check_price")


def _bounds(tiers: tuple[Tier, ...]) -> Iterator[tuple[Tier, TierPart, Decimal | None, Decimal | None]]:
    """Yield every tier with its bounds; None: open. The first is open below, for quantities below zero."""
    upper = ZERO
    for level, tier in enumerate(tiers, 1):
        lower = upper
        upper = add(lower, tier.size) if tier.size is not None else lower
        part = TierPart(level, lower, tier.size)
        yield tier, part, lower if level > 1 else None, upper if tier.size is not None else None


def _within(position: Decimal, lower: Decimal | None, upper: Decimal | None) -> Decimal:
    """Return the position, moved into [lower, upper]."""
    if lower is not None and position < lower:
        return lower
    if upper is not None and position > upper:
        return upper
    return position
