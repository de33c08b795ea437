"""What terms name: products, tags and group values (docs/pricing.md, sections 5 and 6)."""

from collections.abc import Iterable

from msgspec import Struct

from sim.oracle_quantity import Group
from sim.world import Specifier


class Use(Struct, frozen=True):
    """What was used, as far as terms can name it."""

    product_id: str
    tags: tuple[str, ...]
    pricing: Group
    presentation: Group
    currency: str
    """Or a custom pricing unit."""
    frequency: str | None = None
    """Of a subscription: for how long its price is."""
    conversion: bool = False
    """Whether it is what is left in a custom unit, which no terms name; `product_id` is that unit then."""


def any_of(specifiers: Iterable[Specifier], use: Use) -> bool:
    """Whether one of these means the use: each with all of its parts."""
    return any(
        each.product_id in {None, use.product_id}
        and each.frequency in {None, use.frequency}
        and set(each.tags) <= set(use.tags)
        and set(each.pricing) <= set(use.pricing)
        and set(each.presentation) <= set(use.presentation)
        for each in specifiers
    )
