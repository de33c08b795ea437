"""The oracle's subscriptions (docs/pricing.md, section 13)."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from fractions import Fraction

from msgspec import Struct
from msgspec.structs import replace

from sim.oracle_charge import Charge
from sim.oracle_number import share
from sim.oracle_override import agreed, unit_at
from sim.oracle_period import last_cycle, makes, next_cycle, periods
from sim.oracle_rate import in_tiers, rate_at, steps, terms_at, unit_of
from sim.oracle_seats import changed_at, quantity_of
from sim.oracle_target import Use
from sim.world import Contract, Subscription, Tenant

HOUR = timedelta(hours=1)


class Term(Struct, frozen=True):
    """A billing period of a subscription: all of it, and what lies within the subscription's time."""

    whole: tuple[datetime, datetime]
    start: datetime
    end: datetime


class Due(Struct, frozen=True):
    """A charge, and the date on which it is asked for."""

    date: datetime
    charge: Charge


def terms_of(contract: Contract, one: Subscription) -> Iterator[Term]:
    """Yield the billing periods of a subscription. Without an end they never stop."""
    ends = [each for each in (contract.ending_before, one.ending_before) if each is not None]
    start = max(contract.starting_at, one.starting_at)
    while not ends or start < min(ends):
        whole = last_cycle(one.anchor, one.frequency, start), next_cycle(one.anchor, one.frequency, start)
        yield Term(whole, start, min([whole[1], *ends]))
        start = whole[1]


def on_statement(tenant: Tenant, contract: Contract, end: datetime, invoiced: Iterable[str | None]) -> Iterator[Charge]:
    """Yield what subscriptions ask for on the usage statement of their contract that ends then."""
    for one in contract.subscriptions:
        for term in terms_of(contract, one):
            if term.start > end:
                break
            for due in charged(tenant, contract, one, term):
                if due.date == end and not one.scheduled and due.charge.item_id not in invoiced:
                    yield due.charge


def off_statements(
    tenant: Tenant,
    contract: Contract,
    at: datetime,
    over: Iterable[tuple[str, datetime]],
    invoiced: Iterable[str | None],
) -> Iterator[Due]:
    """Yield what they ask for on scheduled invoices, of periods that have begun and the next one.

    `over` are (contract id, start) of usage statements that are final.
    """
    for one in contract.subscriptions:
        for term in terms_of(contract, one):
            for due in charged(tenant, contract, one, term):
                ending = [start for start, end in periods(contract, due.date) if end == due.date]
                has_place = not one.scheduled and any(
                    (contract.id, start) not in over and makes(contract, start) for start in ending
                )
                if not has_place and due.charge.item_id not in invoiced:
                    yield due
            if term.start > at:
                break


def charged(tenant: Tenant, contract: Contract, one: Subscription, term: Term) -> Iterator[Due]:
    """Yield what is charged for a period: the quantity with which it begins, and what goes above the most so far."""
    most = Fraction(0)
    instants = [
        term.start,
        *sorted({each for each in changed_at(one) if term.start < each < term.end}),
    ]
    for since in instants:
        quantity = quantity_of(one, since)
        if quantity > most:
            at_start = one.collection == "ADVANCE" and (since == term.start or one.at_once)
            for charge in _charges(tenant, contract, one, term, since, (most, quantity), at_start):
                yield Due(since if at_start else term.end, charge)
            most = quantity


def _charges(
    tenant: Tenant,
    contract: Contract,
    one: Subscription,
    term: Term,
    since: datetime,
    units: tuple[Fraction, Fraction],
    at_start: bool,
) -> Iterator[Charge]:
    """Yield one charge for each price of these units, by what holds when the period begins."""
    product = next(each for each in tenant.products if each.id == one.product_id)
    terms = terms_at(product, term.start)
    rates = [each for each in tenant.rates if (each.card_id, each.product_id) == (contract.card_id, product.id)]
    rate = rate_at([each for each in rates if each.frequency == one.frequency], term.start)
    if rate is None:
        return
    use = Use(product.id, terms.tags, (), (), unit_of(tenant, rate), one.frequency)
    use = replace(use, currency=unit_at(tenant, contract, rate, use, term.start))
    price = agreed(contract, rate, use, term.start)
    if price is None:
        return
    part, whole = (term.end - since) // HOUR, (term.whole[1] - term.whole[0]) // HOUR
    prorated = one.prorated and part != whole
    for index, quantity in in_tiers(price, *units):
        step = price[1][index]
        size = None if step.high is None else step.high - step.low
        yield Charge(
            use=use,
            name=one.name or terms.name,
            start=since,
            end=term.end,
            quantity=quantity,
            unit_price=share(step.unit_price, Fraction(part, whole), one.rounding) if prorated else step.unit_price,
            list_price=steps(rate.price),
            tier=(index + 1, step.low, size) if price[0] == "TIERED" else None,
            place=index,
            list_unit=None if use.currency == unit_of(tenant, rate) else unit_of(tenant, rate),
            type="subscription",
            paid_at=since if at_start else term.end - HOUR,
            item_id=f"{one.id} {since:%Y-%m-%dT%H}",
            prorated=prorated,
        )
