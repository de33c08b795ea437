"""The oracle's rates and tiers (docs/pricing.md, section 4)."""

from collections.abc import Iterable
from datetime import datetime
from fractions import Fraction

from msgspec import Struct

from sim.oracle_number import exact
from sim.world import Price, Product, Rate, Tenant, Terms


class Step(Struct, frozen=True):
    """One tier: from which quantity on (exclusive), up to which (inclusive; None: open), and at which unit price."""

    low: Fraction
    high: Fraction | None
    unit_price: Fraction


Steps = tuple[str, tuple[Step, ...]]
"""FLAT or TIERED, PERCENTAGE or TIERED_PERCENTAGE, SUBSCRIPTION or CUSTOM with its formula; and the tiers."""


def steps(price: Price) -> Steps:
    """Return a price as tiers with bounds."""
    found = []
    low = Fraction(0)
    for size, unit_price in price.tiers:
        high = None if size is None else low + exact(size)
        found.append(Step(low, high, exact(unit_price)))
        low = high or low
    return price.kind if price.formula is None else f"CUSTOM {price.formula}", tuple(found)


def terms_at(product: Product, at: datetime) -> Terms:
    """Return the terms of a product at an instant."""
    found = product.first
    for starting_at, terms in product.later:
        if starting_at <= at:
            found = terms
    return found


def unit_of(tenant: Tenant, rate: Rate) -> str:
    """Return the currency or the custom unit in which a price is (section 16)."""
    return rate.unit or tenant.cards[rate.card_id]


def rate_at(rates: Iterable[Rate], at: datetime) -> Rate | None:
    """Return the rate that holds: the one that started last, then the one added last; None: nothing is billed."""
    holding = [
        each for each in rates if each.starting_at <= at and (each.ending_before is None or at < each.ending_before)
    ]
    return max(holding, key=lambda each: (each.starting_at, each.number), default=None)


def in_tiers(price: Steps, before: Fraction, after: Fraction) -> list[tuple[int, Fraction]]:
    """Return (index of a tier, quantity in it) of the way from one position to another."""
    found = []
    for index, step in enumerate(price[1]):
        low = None if index == 0 else step.low
        quantity = _within(after, low, step.high) - _within(before, low, step.high)
        if quantity:
            found.append((index, quantity))
    return found


def next_tier(price: Steps, position: Fraction) -> int:
    """Return the index of the tier in which the next unit would fall."""
    return next(index for index, step in enumerate(price[1]) if step.high is None or position < step.high)


def _within(position: Fraction, low: Fraction | None, high: Fraction | None) -> Fraction:
    """Return the position, moved between the bounds of a tier; the first is open below."""
    if low is not None:
        position = max(low, position)
    return position if high is None else min(high, position)
