"""The oracle's charges: what was used in a billing period, and what it costs (docs/pricing.md, sections 3 to 5).

At every instant that anything in the world names it writes down what holds, for each product and group; as long as the
same holds it is one charge for each unit price.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from sim.oracle_override import agreed
from sim.oracle_quantity import Group, Position, quantities
from sim.oracle_rate import Steps, in_tiers, next_tier, rate_at, steps, terms_at
from sim.oracle_target import Use
from sim.world import Contract, Counted, Product, Rate, Tenant, Terms

Hours = dict[datetime, Fraction]


@dataclass(frozen=True)
class Charge:
    """A priced quantity of one product, group, time and unit price."""

    use: Use
    name: str
    start: datetime
    end: datetime
    quantity: Fraction
    unit_price: Fraction
    list_price: Steps
    tier: tuple[int, Fraction, Fraction | None] | None

    @property
    def total(self) -> Fraction:
        """Quantity × unit price, exactly."""
        return self.quantity * self.unit_price


@dataclass(frozen=True)
class Held:
    """What holds at an instant for a product and group. When any of it changes, a new charge begins."""

    terms: Terms
    use: Use
    list_price: Steps
    entitled: bool
    """What the rate says, not what the contract does."""
    price: Steps
    open: frozenset[str]
    """The segments that may pay."""


@dataclass(frozen=True)
class Span:
    """The time between two instants, with the terms of the product, what holds for a group and what it used."""

    start: datetime
    end: datetime
    terms: Terms
    held: Held | None
    quantities: list[Fraction]


def charges(
    tenant: Tenant,
    contract: Contract,
    start: datetime,
    end: datetime,
    events: Callable[[str], Iterable[Counted]],
    may_pay: Callable[[Use, datetime], frozenset[str]],
) -> list[Charge]:
    """Return the charges of a billing period.

    `events(metric_id)` gives all that was counted; `may_pay` the segments that may pay for a use at an instant.
    """
    found: list[Charge] = []
    instants = sorted({each for each in _instants(tenant, contract) if start < each < end} | {start})
    for product in tenant.products:
        rates = [each for each in tenant.rates if (each.card_id, each.product_id) == (contract.card_id, product.id)]
        if not rates or product.first.metric_id is None:
            continue
        versions = [terms_at(product, instant) for instant in instants]
        hours = {each: _hours(tenant, each, start, end, events) for each in set(versions)}
        for group in dict.fromkeys(group for some in hours.values() for group in some):
            spans = [
                Span(at, until, terms, _held(tenant, contract, terms, group, product, rates, at, may_pay),
                     _between(hours[terms].get(group, {}), at, until))
                for at, until, terms in zip(instants, [*instants[1:], end], versions, strict=True)
            ]  # fmt: skip
            found += _of_group(spans)
    return found


def _instants(tenant: Tenant, contract: Contract) -> Iterator[datetime]:
    """Yield all at which anything begins or ends."""
    for product in tenant.products:
        yield from (at for at, _ in product.later)
    for each in (*tenant.rates, *contract.overrides, *(one for balance in tenant.balances for one in balance.segments)):
        yield each.starting_at
        if each.ending_before is not None:
            yield each.ending_before


def _keys(terms: Terms) -> set[str]:
    return {*terms.pricing_keys, *terms.presentation_keys}


def _hours(
    tenant: Tenant, terms: Terms, start: datetime, end: datetime, events: Callable[[str], Iterable[Counted]]
) -> dict[Group, Hours]:
    """Return group → hour → quantity over the whole period, as these terms see it."""
    aggregation = next(each.aggregation for each in tenant.metrics if each.id == terms.metric_id)
    found = quantities(
        aggregation, [each for each in events(terms.metric_id or "") if start <= each.at < end], _keys(terms)
    )
    return found if _keys(terms) else {(): {}, **found}


def _held(
    tenant: Tenant,
    contract: Contract,
    terms: Terms,
    group: Group,
    product: Product,
    rates: list[Rate],
    at: datetime,
    may_pay: Callable[[Use, datetime], frozenset[str]],
) -> Held | None:
    """Return what holds for a group at an instant; None: it is not billed then."""
    if {name for name, _ in group} != _keys(terms):
        return None
    pricing = tuple((name, value) for name, value in group if name in terms.pricing_keys)
    presentation = tuple((name, value) for name, value in group if name in terms.presentation_keys)
    rate = rate_at([each for each in rates if tuple(sorted(each.values)) == pricing], at)
    if rate is None:
        return None
    use = Use(product.id, terms.tags, pricing, presentation, tenant.cards[contract.card_id])
    price = agreed(contract, rate, use, at)
    return price and Held(terms, use, steps(rate.price), rate.entitled, price, may_pay(use, at))


def _between(hours: Hours, start: datetime, end: datetime) -> list[Fraction]:
    """Return the quantities of the hours of a span, in order."""
    return [hours[hour] for hour in sorted(hours) if start <= hour < end]


def _of_group(spans: list[Span]) -> Iterator[Charge]:
    """Yield the charges of one group: each hour moves a position, which lies in tiers."""
    position = Position()
    run: list[Span] = []
    moved: dict[int, Fraction] = defaultdict(Fraction)
    for span, following in zip(spans, [*spans[1:], None], strict=True):
        position.follow(span.terms)
        if span.held is None:
            continue
        run.append(span)
        for quantity in span.quantities:
            before, after = position.move(quantity)
            for index, part in in_tiers(span.held.price, before, after):
                moved[index] += part
        if following is None or following.held != span.held:
            yield from _charges_of_run(run, {index: part for index, part in moved.items() if part}, position.at)
            run, moved = [], defaultdict(Fraction)


def _charges_of_run(run: list[Span], moved: dict[int, Fraction], position: Fraction) -> Iterator[Charge]:
    """Yield one charge for each tier; without usage one of nothing, if the product has no groups (section 4)."""
    held = run[0].held
    assert held is not None
    if not moved and not _keys(held.terms):
        moved = {next_tier(held.price, position): Fraction(0)}
    for index, quantity in moved.items():
        yield _charge(held, run[0].start, run[-1].end, index, quantity)


def _charge(held: Held, start: datetime, end: datetime, index: int, quantity: Fraction) -> Charge:
    kind, tiers = held.price
    step = tiers[index]
    size = None if step.high is None else step.high - step.low
    return Charge(
        use=held.use,
        name=held.terms.name,
        start=start,
        end=end,
        quantity=quantity,
        unit_price=step.unit_price,
        list_price=held.list_price,
        tier=None if kind == "FLAT" else (index + 1, step.low, size),
    )
