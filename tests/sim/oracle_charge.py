"""The oracle's charges: what was used in a billing period, and what it costs (docs/pricing.md, sections 3 to 6).

At every instant that anything in the world names it writes down what holds, for each product and group; as long as the
same holds it is one charge for each unit price: for all units that cost the same, whoever pays for them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from fractions import Fraction

from msgspec import Struct
from msgspec.structs import replace

from sim.oracle_override import agreed, price_for, unit_at
from sim.oracle_quantity import Group, Position, quantities
from sim.oracle_rate import Step, Steps, in_tiers, next_tier, rate_at, steps, terms_at, unit_of
from sim.oracle_target import Use
from sim.world import Balance, Contract, Counted, Product, Rate, Segment, Tenant, Terms

Hours = dict[datetime, Fraction]
Tier = tuple[int, Fraction, Fraction | None]
"""(level, where it begins, its size)."""
Payer = tuple[Balance, Segment]
Share = tuple[str, datetime]
"""A composite product, and since when it asks for the share that it does."""


class Charge(Struct, frozen=True):
    """A priced quantity of one product, group, time and unit price."""

    use: Use
    name: str
    start: datetime
    end: datetime
    quantity: Fraction
    unit_price: Fraction
    list_price: Steps | None
    tier: Tier | None
    special: tuple[tuple[str, Fraction, Tier | None], ...] = ()
    """(balance id, unit price, tier) of those who do not pay the usual price."""
    place: int = 0
    """The order of charges of one time and group: that of their units."""
    type: str = "usage"
    paid_at: datetime | None = None
    """When a balance must be usable to pay for it; None: when it begins."""
    item_id: str | None = None
    """Of a subscription: what is asked for once."""
    prorated: bool = False
    list_unit: str | None = None
    """In what the list price is, where an overwrite is in another unit."""

    @property
    def total(self) -> Fraction:
        """Quantity × unit price, exactly."""
        return self.quantity * self.unit_price


class Held(Struct, frozen=True):
    """What holds at an instant for a product and group. When any of it changes, a new charge begins."""

    terms: Terms
    use: Use
    list_price: Steps
    entitled: bool
    """What the rate says, not what the contract does."""
    price: Steps
    open: frozenset[str]
    """The segments that may pay."""
    commit: Steps | None
    """The commit rate as the card has it."""
    special: tuple[tuple[str, Steps], ...]
    """(balance id, price) of those who may pay, but not the usual price."""
    shared: frozenset[Share] = frozenset()
    """Who asks for a share of what it costs."""
    list_unit: str | None = None
    """In what the list price is, where an overwrite is in another unit."""

    @property
    def cut(self) -> Steps:
        """The tiers of all prices, cut into one another: in each of them units have one price, whoever pays."""
        prices = [self.price, *(price for _, price in self.special)]
        bounds = sorted({step.high for _, tiers in prices for step in tiers if step.high is not None})
        edges = zip([Fraction(0), *bounds], [*bounds, None], strict=True)
        return "TIERED", tuple(Step(low, high, Fraction(0)) for low, high in edges)


class Span(Struct, frozen=True):
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
    able: list[Payer],
    may_pay: Callable[[Use, datetime], list[Payer]],
    shared_by: Callable[[Use, datetime], frozenset[Share]],
) -> list[Charge]:
    """Return the charges of a billing period for usage.

    `events(metric_id)` gives all that was counted; `may_pay` who of the `able` may pay for a use at an instant, and
    `shared_by` who asks for a share of it.
    """
    found: list[Charge] = []
    instants = instants_of(tenant, contract, start, end, able)
    for product in tenant.products:
        rates = [each for each in tenant.rates if (each.card_id, each.product_id) == (contract.card_id, product.id)]
        if not rates or product.first.metric_id is None:
            continue
        versions = [terms_at(product, instant) for instant in instants]
        hours = {each: _hours(tenant, each, start, end, events) for each in set(versions)}
        for group in dict.fromkeys(group for some in hours.values() for group in some):
            spans = [
                Span(at, until, terms, held(tenant, contract, terms, group, product, rates, at, may_pay, shared_by),
                     _between(hours[terms].get(group, {}), at, until))
                for at, until, terms in zip(instants, [*instants[1:], end], versions, strict=True)
            ]  # fmt: skip
            found += of_group(spans)
    return found


def instants_of(
    tenant: Tenant, contract: Contract, start: datetime, end: datetime, able: list[Payer]
) -> list[datetime]:
    """Return the start of a period, and all instants within it at which anything begins or ends."""
    return sorted({each for each in _instants(tenant, contract, able) if start < each < end} | {start})


def _instants(tenant: Tenant, contract: Contract, able: list[Payer]) -> Iterator[datetime]:
    """Yield all at which anything begins or ends."""
    for product in tenant.products:
        yield from (at for at, _ in product.later)
    for each in (*tenant.rates, *contract.overrides, *(segment for _, segment in able)):
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


def held(
    tenant: Tenant,
    contract: Contract,
    terms: Terms,
    group: Group,
    product: Product,
    rates: list[Rate],
    at: datetime,
    may_pay: Callable[[Use, datetime], list[Payer]],
    shared_by: Callable[[Use, datetime], frozenset[Share]],
) -> Held | None:
    """Return what holds for a group at an instant; None: it is not billed then."""
    if {name for name, _ in group} != _keys(terms):
        return None
    pricing = tuple((name, value) for name, value in group if name in terms.pricing_keys)
    presentation = tuple((name, value) for name, value in group if name in terms.presentation_keys)
    rate = rate_at([each for each in rates if tuple(sorted(each.values)) == pricing], at)
    if rate is None:
        return None
    listed_in = unit_of(tenant, rate)
    use = Use(product.id, terms.tags, pricing, presentation, listed_in)
    use = replace(use, currency=unit_at(tenant, contract, rate, use, at))
    price = agreed(contract, rate, use, at)
    if price is None:
        return None
    payers = may_pay(use, at)
    special = {each.id: price_for(each, contract, rate, use, at) for each, _ in payers}
    if use.currency != listed_in:  # what is specific to commits is in the unit of the rate (section 16)
        special = {}
    return Held(
        terms,
        use,
        steps(rate.price),
        rate.entitled,
        price,
        frozenset(segment.id for _, segment in payers),
        rate.commit and steps(rate.commit),
        tuple((balance_id, its) for balance_id, its in sorted(special.items()) if its is not None),
        shared_by(use, at),
        None if use.currency == listed_in else listed_in,
    )


def _between(hours: Hours, start: datetime, end: datetime) -> list[Fraction]:
    """Return the quantities of the hours of a span, in order."""
    return [hours[hour] for hour in sorted(hours) if start <= hour < end]


def of_group(spans: list[Span]) -> Iterator[Charge]:
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
            for index, part in in_tiers(span.held.cut, before, after):
                moved[index] += part
        if following is None or following.held != span.held:
            yield from _charges_of_run(run, {index: part for index, part in moved.items() if part}, position.at)
            run, moved = [], defaultdict(Fraction)


def _charges_of_run(run: list[Span], moved: dict[int, Fraction], position: Fraction) -> Iterator[Charge]:
    """Yield one charge for each unit price; without usage one of nothing, if the product has no groups (section 4)."""
    held = run[0].held
    assert held is not None
    if not moved and not _keys(held.terms):
        moved = {next_tier(held.cut, position): Fraction(0)}
    for index, quantity in moved.items():
        yield _charge(held, run[0].start, run[-1].end, index, quantity)


def _charge(held: Held, start: datetime, end: datetime, index: int, quantity: Fraction) -> Charge:
    low = held.cut[1][index].low
    unit_price, tier = _priced(held.price, low)
    return Charge(
        use=held.use,
        name=held.terms.name,
        start=start,
        end=end,
        quantity=quantity,
        unit_price=unit_price,
        list_price=held.list_price,
        tier=tier,
        special=tuple((balance_id, *_priced(price, low)) for balance_id, price in held.special),
        place=index,
        list_unit=held.list_unit,
    )


def _priced(price: Steps, position: Fraction) -> tuple[Fraction, Tier | None]:
    """Return the unit price of the units after a position, and their tier."""
    kind, tiers = price
    index = next_tier(price, position)
    step = tiers[index]
    size = None if step.high is None else step.high - step.low
    return step.unit_price, (index + 1, step.low, size) if "TIERED" in kind else None
