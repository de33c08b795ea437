"""What a rate card says of a product in one billing period: the same for all of its customers, so prepared once."""

from collections import defaultdict
from collections.abc import Sequence
from typing import TypeAlias

from msgspec import Struct

from winkel.model.period import Period, hour_number
from winkel.model.product import Product, ProductState
from winkel.model.rate_card import Rate
from winkel.rate.schedule import Spans, rated, terms

Combination: TypeAlias = tuple[tuple[str, str], ...]
"""The pricing group values of a rate, sorted by name."""


class Term(Struct, frozen=True, gc=False):
    """A part of a billing period in which the terms of a product stay the same."""

    span: Period
    first_hour: int
    end_hour: int
    """The number of the hour that follows its last one."""
    state: ProductState
    kept: tuple[str, ...]
    """The properties by which usage is kept apart."""
    rates: dict[Combination, Spans[Rate]]
    """Which rate holds when within it, by combination; only combinations that have any."""


class Offer(Struct, frozen=True, gc=False):
    """One product of a rate card in one billing period, before anything that a contract changes."""

    product: Product
    terms: tuple[Term, ...]
    """In order of time; together they are the whole period."""
    entitled: bool
    """Whether some rate entitles the card's customers to it; a contract may."""
    number: int
    """Of the product's first rate on the card, whenever that holds: of two products the lower came first."""


def offer(product: Product, rates: Sequence[Rate], period: Period) -> Offer:
    """Return what the rates of one product on one card say in the period; `rates` in the order they were added.

    Rates to which the rate card entitles nobody are among them: a contract may.
    """
    found: dict[Combination, list[Rate]] = defaultdict(list)
    for each in rates:
        found[tuple(sorted(each.pricing_group_values.items()))].append(each)
    holding = {combination: spans for combination, own in found.items() if (spans := rated(own, period))}
    parts = tuple(_term(span, state, holding) for span, state in terms(product, period))
    entitled = any(rate.entitled for spans in holding.values() for _, rate in spans)
    return Offer(product, parts, entitled, rates[0].number)


def _term(span: Period, state: ProductState, holding: dict[Combination, Spans[Rate]]) -> Term:
    rates = {
        combination: [(part, rate) for held, rate in spans if (part := span.meet(held.start, held.end)) is not None]
        for combination, spans in holding.items()
    }
    its_rates = {combination: spans for combination, spans in rates.items() if spans}
    return Term(span, hour_number(span.start), hour_number(span.end), state, kept(state), its_rates)


def kept(state: ProductState) -> tuple[str, ...]:
    """Return the properties by which usage is kept apart: pricing keys, then presentation keys, each once."""
    return tuple(dict.fromkeys((*(state.pricing_group_key or ()), *(state.presentation_group_key or ()))))
