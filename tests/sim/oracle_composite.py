"""The oracle's composite products: shares of what other products cost (docs/pricing.md, section 5)."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from fractions import Fraction
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from sim.oracle_charge import Charge, Held, Payer, Share, Span, held, instants_of, of_group
from sim.oracle_draw import Paid, is_paid
from sim.oracle_rate import terms_at
from sim.oracle_target import Use
from sim.world import Contract, Product, Tenant, Terms

HOUR = timedelta(hours=1)


class Composite(Struct, frozen=True):
    """A composite product in one billing period: what holds from instant to instant."""

    product: Product
    spans: list[Span]

    @property
    def runs(self) -> Iterator[tuple[datetime, Held]]:
        """Yield from when on it asks for which share."""
        before = None
        for span in self.spans:
            if span.held is not None and span.held != before:
                yield span.start, span.held
            before = span.held

    def asked_at(self, at: datetime) -> tuple[datetime, Held] | None:
        """Return since when it asks for the share that it asks for at an instant; None: for none."""
        if any(span.held is None for span in self.spans if span.start <= at < span.end):
            return None
        return [each for each in self.runs if each[0] <= at][-1]


def composites(
    tenant: Tenant,
    contract: Contract,
    start: datetime,
    end: datetime,
    able: list[Payer],
    may_pay: Callable[[Use, datetime], list[Payer]],
) -> list[Composite]:
    """Return the composite products of a contract by their first rates: a later one may count earlier ones."""
    found: list[Composite] = []
    products = _by_first_rate(tenant, contract)
    instants = instants_of(tenant, contract, start, end, able) if products else []
    for product in reversed(products):
        rates = [each for each in tenant.rates if (each.card_id, each.product_id) == (contract.card_id, product.id)]
        shared = partial(shared_by, found, composite=True)
        spans = []
        for at, until in zip(instants, [*instants[1:], end], strict=True):
            terms = terms_at(product, at)
            spans.append(
                Span(at, until, terms, held(tenant, contract, terms, (), product, rates, at, may_pay, shared), [])
            )
        found.insert(0, Composite(product, spans))
    return found


def _by_first_rate(tenant: Tenant, contract: Contract) -> list[Product]:
    """Return the composite products of a card as they came to it."""
    by_id = {each.id: each for each in tenant.products if each.type == "COMPOSITE"}
    rates = sorted((each for each in tenant.rates if each.card_id == contract.card_id), key=lambda each: each.number)
    return [by_id[each] for each in dict.fromkeys(rate.product_id for rate in rates) if each in by_id]


def as_shown(tenant: Tenant, contract: Contract, some: Iterable[Composite]) -> list[Composite]:
    """Return them in the order that was set for the card, then in that of their first rates."""
    placed = tenant.orders.get(contract.card_id, ())
    return sorted(some, key=lambda each: placed.index(each.product.id) if each.product.id in placed else len(placed))


def steps(some: list[Composite]) -> Iterator[list[Composite]]:
    """Yield those that are paid together: first those that count no other, then those that count only these, ..."""
    waiting = list(some)
    while waiting:
        ready = [
            each
            for index, each in enumerate(waiting)
            if not any(counts_another(each, earlier) for earlier in waiting[:index])
        ]
        yield ready
        waiting = [each for each in waiting if each not in ready]


def counts_another(one: Composite, other: Composite) -> bool:
    """Whether it asks for a share of what another composite product asks for, at some time."""
    return any(
        mine.held is not None
        and its.held is not None
        and mine.held.use.currency == its.held.use.currency
        and counts(mine.terms, its.held.use, composite=True)
        for mine, its in zip(one.spans, other.spans, strict=True)
    )


def shared_by(some: Iterable[Composite], use: Use, at: datetime, *, composite: bool = False) -> frozenset[Share]:
    """Return which of these ask for a share of a use at an instant, and since when for the one that they ask for."""
    found = []
    for each in some:
        asked = each.asked_at(at)
        if asked is None or asked[1].use.currency != use.currency:
            continue
        if counts(asked[1].terms, use, composite=composite):
            found.append((each.product.id, asked[0]))
    return frozenset(found)


def counts(terms: Terms, use: Use, *, composite: bool) -> bool:
    """Whether a composite product counts what a use costs; `composite`: it is another composite product."""
    if composite and not terms.with_composites:
        return False
    return use.product_id in terms.shared_products or bool(set(terms.shared_tags) & set(use.tags))


def share_of(one: Composite, paid: Iterable[Paid], end: datetime) -> Iterator[Charge]:
    """Yield what a composite product asks for, of all that was charged before it in a period that ends then."""
    spans = []
    for span in one.spans:
        spent = [
            spend(each, without_free=span.terms.without_free)
            for each in paid
            if span.start <= spent_at(each.charge, end) < span.end
            and span.held is not None
            and span.held.use.currency == each.charge.use.currency
            and counts(span.terms, each.charge.use, composite=each.charge.type == "composite")
        ]
        spans.append(replace(span, quantities=[sum(spent, Fraction(0))]))
    for charge in of_group(spans):
        yield replace(charge, type="composite")


def spend(paid: Paid, *, without_free: bool) -> Fraction:
    """Return what a charge comes to, whoever pays; without what balances paid for which nothing was asked."""
    free = [each for each in paid.payments if each.payer[0].type != "POSTPAID" and not is_paid(each.payer[0])]
    all_of_it = sum((each.amount for each in paid.payments), paid.rest[1])
    return all_of_it - sum((each.amount for each in free), Fraction(0)) if without_free else all_of_it


def spent_at(charge: Charge, end: datetime) -> datetime:
    """Return when a charge counts: a subscription in the last hour of the statement, whatever it is for."""
    return end - HOUR if charge.type == "subscription" else charge.start
