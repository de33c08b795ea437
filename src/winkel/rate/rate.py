"""Rates the usage of one product in one billing period: hourly quantities → charges."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from operator import itemgetter
from typing import TypeAlias

from msgspec import Struct

from winkel.model.invoice import TierPart
from winkel.model.money import ZERO, total
from winkel.model.period import Period, hour_number
from winkel.model.price import Price
from winkel.model.product import Product, ProductState, ProductType
from winkel.model.rate_card import Rate
from winkel.model.usage import Quantity
from winkel.rate.count import Counter
from winkel.rate.override import Agreed
from winkel.rate.price import Part, priced, steps
from winkel.rate.schedule import Spans, cut, rated, terms
from winkel.rate.use import Use

Group: TypeAlias = tuple[tuple[str, str | None], ...]
Hours: TypeAlias = list[tuple[int, Decimal]]
"""(hour, metered quantity) of one group, in order of time."""
_HOUR = itemgetter(0)
Combination: TypeAlias = tuple[tuple[str, str], ...]
"""The pricing group values of a rate, sorted by name."""


class Instalment(Struct, frozen=True, gc=False):
    """Of a subscription's charge: what it is a part of."""

    item_id: str
    """Of all that is charged for one subscription at one time, so that it is never charged twice."""
    subscription_id: str
    is_prorated: bool
    date: datetime
    """When it is charged."""
    paid_during: Period
    """The hour in which a balance must be usable to pay for it."""


class Charge(Struct, frozen=True, kw_only=True, gc=False):
    """A priced quantity that is not yet on an invoice: one product, group, time and unit price."""

    kind: ProductType
    use: Use
    name: str
    period: Period
    quantity: Decimal
    """In sold units: converted and rounded. Of a composite product: an amount."""
    unit_price: Decimal
    total: Decimal
    list_price: Price
    """The whole price before any override; without one, `unit_price` is a part of it."""
    tier: TierPart | None = None
    special: tuple[tuple[str, Part], ...] = ()
    """(balance id, the same units at another price): what units cost that this balance pays for, where it differs."""
    position: Decimal = ZERO
    """Of a charge with special prices: how many units of the group were counted before."""
    instalment: Instalment | None = None
    """Of a subscription."""

    @property
    def paid_during(self) -> Period:
        """When a balance must be usable to pay for it."""
        return self.period if self.instalment is None else self.instalment.paid_during

    def part_for(self, balance_id: str) -> Part | None:
        """Return the units at their price when this balance pays for them; None: at the usual price."""
        return next((part for its_id, part in self.special if its_id == balance_id), None)


def schedules(rates: Iterable[Rate], period: Period) -> dict[Combination, Spans[Rate]]:
    """Return when which rate of one product holds in the period, by combination; only combinations that have any.

    Rates to which the rate card entitles nobody are among them: a contract may.
    """
    found: dict[Combination, list[Rate]] = defaultdict(list)
    for each in rates:
        found[tuple(sorted(each.pricing_group_values.items()))].append(each)
    return {combination: spans for combination, own in found.items() if (spans := rated(own, period))}


def rate(
    product: Product,
    rates: Mapping[Combination, Spans[Rate]],
    period: Period,
    metered: Callable[[ProductState], Iterable[Quantity]],
    agreed: Callable[[Rate, Use, Period], Spans[Agreed]],
    cuts: Callable[[Use], Iterable[datetime]],
) -> list[Charge]:
    """Return the charges of one product in one billing period, by group, then time, then tier.

    `rates` says when which rate holds (`schedules`); `metered(terms)` gives the hourly quantities of the whole period
    for the metric and keys of these terms, each group's in order of time; `agreed(rate, use, period)` gives what the
    contract makes of a rate, and when; `cuts(use)` gives the instants at which balances that may pay for it begin or
    end: each begins a new charge. Groups whose combination has no rate give no charge (metronome-api.md §9). Products
    without group keys give a charge of zero for times without usage, so that the customer sees the product (§4.9).
    """
    counters: dict[frozenset[tuple[str, str | None]], Counter] = defaultdict(Counter)
    found: list[Charge] = []
    for span, state in terms(product, period):
        for known in counters.values():
            known.advance(state, ZERO)  # also where nothing is used under these terms
        for group, hours in _hours(state, metered(state), span).items():
            combination = _combination(state, group)
            if combination is None:
                continue
            for holds, current in rates.get(combination, ()):
                if (part := span.meet(holds.start, holds.end)) is not None:
                    use = _use(product, state, group, current)
                    for at, prices in agreed(current, use, part):
                        pieces = cut(at, cuts(use))
                        counter = counters[frozenset(group)]
                        found += _charges(state, use, prices, current.price, pieces, hours=hours, counter=counter)
    found.sort(key=_place)
    return found


def _charges(
    state: ProductState,
    use: Use,
    agreed: Agreed,
    list_price: Price,
    pieces: list[Period],
    *,
    hours: Hours,
    counter: Counter,
) -> Iterator[Charge]:
    """Yield the charges of one group under one price: for each piece of time, one for each unit price."""
    for piece in pieces:
        before, after = counter.advance(state, _within(hours, piece))
        if before == after and kept(state):
            continue
        yield from charges(ProductType.USAGE, state.name, use, agreed, list_price, piece, before=before, after=after)


def charges(
    kind: ProductType,
    name: str,
    use: Use,
    agreed: Agreed,
    list_price: Price,
    period: Period,
    *,
    before: Decimal,
    after: Decimal,
) -> Iterator[Charge]:
    """Yield the charges for the units between two positions, counted from the start of the billing period."""
    for position, part, special in _parts(agreed, before, after):
        yield Charge(
            kind=kind,
            use=use,
            name=name,
            period=period,
            quantity=part.quantity,
            unit_price=part.unit_price,
            total=part.total,
            list_price=list_price,
            tier=part.tier,
            special=special,
            position=position,
        )


def _parts(
    agreed: Agreed, before: Decimal, after: Decimal
) -> Iterator[tuple[Decimal, Part, tuple[tuple[str, Part], ...]]]:
    """Yield the units between two positions at their price, each part with where it begins and what it costs whom.

    Tiers of all prices are cut into one another: a part has one unit price whoever pays for it. All prices count units
    from the same position (metronome-api.md §4.6: the counter is shared).
    """
    if not agreed.by_balance:
        yield from ((before, part, ()) for part in priced(agreed.price, before, after))
        return
    low, high = min(before, after), max(before, after)
    bounds = {step for price in (agreed.price, *(each for _, each in agreed.by_balance)) for step in steps(price)}
    edges = [low, *sorted(each for each in bounds if low < each < high), high]
    for one, other in pairwise(edges):
        start, end = (one, other) if before <= after else (other, one)
        special = tuple((balance_id, _only(price, start, end)) for balance_id, price in agreed.by_balance)
        yield start, _only(agreed.price, start, end), special


def _only(price: Price, start: Decimal, end: Decimal) -> Part:
    """Return the one part of units between which no tier ends."""
    (part,) = priced(price, start, end)
    return part


def _within(hours: Hours, period: Period) -> Decimal:
    """Return the sum of the quantities whose hour lies in the period."""
    low, high = (bisect_left(hours, hour_number(each), key=_HOUR) for each in (period.start, period.end))
    return total([quantity for _, quantity in hours[low:high]])


def _hours(state: ProductState, metered: Iterable[Quantity], span: Period) -> dict[Group, Hours]:
    """Return the quantities within the span by group; a product without group keys always has its one group."""
    low, high = hour_number(span.start), hour_number(span.end)
    found: dict[Group, Hours] = {} if kept(state) else {(): []}
    for each in metered:
        if low <= each.hour < high:
            found.setdefault(each.group, []).append((each.hour, each.quantity))
    return found


def kept(state: ProductState) -> tuple[str, ...]:
    """Return the properties by which usage is kept apart: pricing keys, then presentation keys, each once."""
    return tuple(dict.fromkeys((*(state.pricing_group_key or ()), *(state.presentation_group_key or ()))))


def _combination(state: ProductState, group: Group) -> Combination | None:
    """Return the pricing group values of a group; None when an event lacked one: no rate can name it."""
    values = dict(group)
    found = []
    for name in sorted(state.pricing_group_key or ()):
        value = values[name]
        if value is None:
            return None
        found.append((name, value))
    return tuple(found)


def _use(product: Product, state: ProductState, group: Group, rate: Rate) -> Use:
    """Return what a charge of this group is for."""
    values = dict(group)
    return Use(
        product.id,
        state.tags,
        {name: rate.pricing_group_values[name] for name in state.pricing_group_key or ()},
        {name: values[name] for name in state.presentation_group_key or ()},
        rate.credit_type_id,
    )


def _place(charge: Charge) -> tuple[object, ...]:
    """Return where a charge stands among those of its product."""
    groups = [*charge.use.pricing.items(), *charge.use.presentation.items()]
    order = tuple((name, value is not None, value or "") for name, value in groups)
    return order, charge.period.start, charge.tier.level if charge.tier else 0
