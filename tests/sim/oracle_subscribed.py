"""The oracle's SUBSCRIPTION rates: what every contract of a card is charged for (docs/pricing.md, section 13)."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise

from msgspec.structs import replace

from sim.oracle_charge import Charge
from sim.oracle_number import exact, share
from sim.oracle_override import agreed, overwrite_at, unit_at
from sim.oracle_period import last_cycle, next_cycle
from sim.oracle_rate import in_tiers, rate_at, steps, terms_at, unit_of
from sim.oracle_target import Use
from sim.world import Contract, Product, Rate, Tenant

HOUR = timedelta(hours=1)


def of_rates(
    tenant: Tenant, contract: Contract, start: datetime, end: datetime, invoiced: Iterable[str | None]
) -> Iterator[Charge]:
    """Yield what SUBSCRIPTION rates ask for on the usage statement of a period: for each time that there are some.

    `invoiced` is what final invoices have asked for.
    """
    for product in tenant.products:
        rates = subscribed(tenant, contract, product)
        for since, until in times(rates, start, end):
            if item_of(contract, product, since) not in invoiced:
                yield from _charges(tenant, contract, product, rates, since, until)


def subscribed(tenant: Tenant, contract: Contract, product: Product) -> list[Rate]:
    """Return the SUBSCRIPTION rates of a product on the card of a contract."""
    return [
        each
        for each in tenant.rates
        if (each.card_id, each.product_id) == (contract.card_id, product.id) and each.price.kind == "SUBSCRIPTION"
    ]


def times(rates: list[Rate], start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Return the times within a period at which any of the rates holds, each from where it begins to where it ends."""
    edges = {start, end, *(each.starting_at for each in rates), *(each.ending_before or end for each in rates)}
    instants = sorted(each for each in edges if start <= each <= end)
    found: list[tuple[datetime, datetime]] = []
    for since, until in pairwise(instants):
        if rate_at(rates, since) is None:
            continue
        if found and found[-1][1] == since:
            since = found.pop()[0]  # noqa: PLW2901
        found.append((since, until))
    return found


def item_of(contract: Contract, product: Product, since: datetime) -> str:
    """Return what is asked for once."""
    return f"{contract.id} {product.id} by its rate {since:%Y-%m-%dT%H}"


def _charges(
    tenant: Tenant, contract: Contract, product: Product, rates: list[Rate], since: datetime, until: datetime
) -> Iterator[Charge]:
    """Yield one charge for each price of the units, by what holds when the time begins: in arrears and prorated."""
    rate, terms = rate_at(rates, since), terms_at(product, since)
    assert rate is not None
    use = Use(product.id, terms.tags, (), (), unit_of(tenant, rate))
    use = replace(use, currency=unit_at(tenant, contract, rate, use, since))
    price = agreed(contract, rate, use, since)
    if price is None:
        return
    overwrite = overwrite_at(contract, use, since)
    listed = exact(rate.price.quantity or "0")
    named = overwrite and overwrite.price and overwrite.price.quantity
    whole = next_cycle(contract.anchor, contract.frequency, since) - last_cycle(
        contract.anchor, contract.frequency, since
    )
    part = Fraction((until - since) // HOUR, whole // HOUR)
    for index, quantity in in_tiers(price, Fraction(0), exact(named) if named is not None else listed):
        step = price[1][index]
        size = None if step.high is None else step.high - step.low
        yield Charge(
            use=use,
            name=terms.name,
            start=since,
            end=until,
            quantity=quantity,
            unit_price=step.unit_price if part == 1 else share(step.unit_price, part, None),
            list_price=(f"{listed} each", steps(rate.price)[1]),
            tier=(index + 1, step.low, size) if price[0] == "TIERED" else None,
            place=index,
            list_unit=None if use.currency == unit_of(tenant, rate) else unit_of(tenant, rate),
            type="subscription",
            paid_at=until - HOUR,
            item_id=item_of(contract, product, since),
            prorated=part != 1,
        )
