"""Rates the usage of one product in one billing period: hourly quantities → charges."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
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
from winkel.model.usage import Group, Hours
from winkel.rate.count import Counter
from winkel.rate.offer import Combination, Offer, Term
from winkel.rate.override import Agreed
from winkel.rate.price import Part, priced, steps
from winkel.rate.use import Use

Prices: TypeAlias = Callable[[Rate, Use, Period], Iterable[tuple[Period, Agreed]]]
"""What a use costs under a contract, in a period in which this rate of its card holds.

In pieces of time that follow one another, a new one wherever the price changes or a charge has to begin. Times without
entitlement are left out.
"""
_HOUR = itemgetter(0)


class Instalment(Struct, frozen=True, gc=False):
    """Of a subscription's charge: what it is a part of."""

    item_id: str
    """Of all that is charged for one subscription at one time, so that it is never charged twice."""
    subscription_id: str | None
    """None: of a SUBSCRIPTION rate, which every contract of its card is charged for."""
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
    list_credit_type_id: str | None = None
    """The pricing unit of the list price, where an override has another one."""
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


def rate(offer: Offer, metered: Callable[[Term], Mapping[Group, Hours]], prices: Prices) -> list[Charge]:
    """Return the charges of one product in one billing period, by group, then time, then tier.

    `metered(term)` gives the hourly quantities of the whole period for the metric and keys of these terms; `prices`
    what the contract makes of a rate. Groups whose combination has no rate give no charge (metronome-api.md §9).
    Products without group keys give a charge of zero for times without usage, so that the customer sees the product
    (§4.9).
    """
    counters: dict[frozenset[tuple[str, str | None]], Counter] = defaultdict(Counter)
    found: list[Charge] = []
    for term in offer.terms:
        for known in counters.values():
            known.advance(term.state, ZERO)  # also where nothing is used under these terms
        for group, hours in _used(term, metered(term)):
            combination = _combination(term.state, group)
            if combination is None:
                continue
            counter = counters[frozenset(group)]
            for part, current in term.rates.get(combination, ()):
                use = _use(offer.product, term.state, group, current)
                for piece, agreed in prices(current, use, part):
                    before, after = counter.advance(term.state, _within(hours, piece))
                    if before != after or not term.kept:
                        found += charges(
                            ProductType.USAGE, term.state.name, use, agreed, current.price, piece,
                            before=before, after=after,
                        )  # fmt: skip
    return sorted(found, key=_place) if len(found) > 1 else found


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
) -> list[Charge]:
    """Return the charges for the units between two positions, counted from the start of the billing period.

    `use` is in the unit of the list price; the charges are in the one that is agreed.
    """
    own = use.in_unit(agreed.credit_type_id)
    return [
        Charge(
            kind=kind,
            use=own,
            name=name,
            period=period,
            quantity=part.quantity,
            unit_price=part.unit_price,
            total=part.total,
            list_price=list_price,
            list_credit_type_id=None if own is use else use.credit_type_id,
            tier=part.tier,
            special=special,
            position=position,
        )
        for position, part, special in _parts(agreed, before, after)
    ]


def _parts(agreed: Agreed, before: Decimal, after: Decimal) -> list[tuple[Decimal, Part, tuple[tuple[str, Part], ...]]]:
    """Return the units between two positions at their price, each part with where it begins and what it costs whom.

    Tiers of all prices are cut into one another: a part has one unit price whoever pays for it. All prices count units
    from the same position (metronome-api.md §4.6: the counter is shared).
    """
    if not agreed.by_balance:
        return [(before, part, ()) for part in priced(agreed.price, before, after)]
    low, high = min(before, after), max(before, after)
    bounds = {step for price in (agreed.price, *(each for _, each in agreed.by_balance)) for step in steps(price)}
    edges = [low, *sorted(each for each in bounds if low < each < high), high]
    found = []
    for one, other in pairwise(edges):
        start, end = (one, other) if before <= after else (other, one)
        special = tuple((balance_id, _only(price, start, end)) for balance_id, price in agreed.by_balance)
        found.append((start, _only(agreed.price, start, end), special))
    return found


def _only(price: Price, start: Decimal, end: Decimal) -> Part:
    """Return the one part of units between which no tier ends."""
    (part,) = priced(price, start, end)
    return part


def _within(hours: Hours, period: Period) -> Decimal:
    """Return the sum of the quantities whose hour lies in the period."""
    within = _between(hours, _hour(period.start), _hour(period.end))
    return total([quantity for _, quantity in within])


_hour = lru_cache(maxsize=1024)(hour_number)
"""Customers of one card are charged for the same times."""


def _between(hours: Hours, low: int, high: int) -> Hours:
    """Return the quantities of the hours [low, high)."""
    return hours[bisect_left(hours, low, key=_HOUR) : bisect_left(hours, high, key=_HOUR)]


def _used(term: Term, metered: Mapping[Group, Hours]) -> Iterable[tuple[Group, Hours]]:
    """Return the groups that used something within the terms; a product without group keys always has its one group."""
    if not term.kept:
        return [((), metered.get((), []))]
    return [each for each in metered.items() if _between(each[1], term.first_hour, term.end_hour)]


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
