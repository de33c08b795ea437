"""What holds when: the terms of a product and its rates over a period."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from typing import TypeAlias, TypeVar

from winkel.model.period import Period
from winkel.model.product import Product, ProductState
from winkel.model.rate_card import Rate

Held = TypeVar("Held")
Spans: TypeAlias = list[tuple[Period, Held]]
"""Consecutive periods with what holds in each; neighbours differ, gaps are left out."""


def cut(period: Period, instants: Iterable[datetime]) -> list[Period]:
    """Return the period in pieces: cut at those of the instants that lie inside it."""
    start, end = period.start, period.end
    edges = {each for each in instants if start < each < end}
    if not edges:
        return [period]
    return [Period(low, high) for low, high in pairwise([start, *sorted(edges), end])]


def joined(pieces: Iterable[tuple[Period, Held | None]], same: Callable[[Held, Held], bool]) -> Spans[Held]:
    """Return spans of pieces that follow one another: neighbours that are the same are one, None is left out."""
    spans: Spans[Held] = []
    for piece, held in pieces:
        if held is None:
            continue
        if spans and spans[-1][0].end == piece.start and same(spans[-1][1], held):
            spans[-1] = (Period(spans[-1][0].start, piece.end), spans[-1][1])
        else:
            spans.append((piece, held))
    return spans


def terms(product: Product, period: Period) -> Spans[ProductState]:
    """Return the terms of the product over the period, a new span wherever they change what is billed or shown."""
    if not product.updates:
        return [(period, product.initial)]
    pieces = cut(period, (update.starting_at for update in product.updates))
    return joined(((piece, product.at(piece.start)) for piece in pieces), lambda a, b: _billed(a) == _billed(b))


def _billed(state: ProductState) -> tuple[object, ...]:
    """Return the part of the terms on which an invoice line depends."""
    return (
        state.name,
        state.billable_metric_id,
        state.pricing_group_key,
        state.presentation_group_key,
        state.quantity_conversion,
        state.quantity_rounding,
        state.tags,
        state.composite_product_ids,
        state.composite_tags,
        state.exclude_free_usage,
        state.include_composite_spend,
    )


def rated(rates: Sequence[Rate], period: Period) -> Spans[Rate]:
    """Return the rate that holds at each time of the period, for the rates of one product and one combination.

    Where several cover an instant, the one that starts last wins, then the one added last; where it ends before the
    others do, they hold again. Times without a rate are left out: nothing is billed (metronome-api.md §4.6; that a gap
    yields no line is our choice, §9).
    """
    near = [rate for rate in rates if period.meet(rate.starting_at, rate.ending_before)]
    instants = {rate.starting_at for rate in near} | {rate.ending_before for rate in near if rate.ending_before}
    return joined(((piece, holding(near, piece.start)) for piece in cut(period, instants)), _same)


def holding(rates: Iterable[Rate], instant: datetime) -> Rate | None:
    """Return the rate that holds at the instant: of those that cover it the one that starts last, then the last added.

    All are of one product and one combination of pricing group values (metronome-api.md §4.6).
    """
    covering = (
        rate
        for rate in rates
        if rate.starting_at <= instant and (rate.ending_before is None or instant < rate.ending_before)
    )
    return max(covering, key=lambda rate: (rate.starting_at, rate.number), default=None)


def _same(one: Rate, other: Rate) -> bool:
    """Whether a change from one rate to the other changes nothing for the customer."""
    same_price = (one.price, one.commit_price, one.credit_type_id) == (
        other.price,
        other.commit_price,
        other.credit_type_id,
    )
    return same_price and one.entitled == other.entitled
