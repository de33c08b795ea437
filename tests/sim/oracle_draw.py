"""The oracle's commits and credits: who may pay, who pays first, and for what (docs/pricing.md, section 6)."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from fractions import Fraction
from typing import Any

from sim.oracle_charge import Charge
from sim.oracle_number import exact
from sim.oracle_rate import terms_at
from sim.oracle_target import Use, any_of
from sim.world import Balance, Contract, Product, Segment, Tenant

INFINITE = float("inf")
Payer = tuple[Balance, Segment]
ORDER = (
    "priority", "free before paid", "fewest products", "fewest groups", "ends first", "begins first",
    "fewest contracts", "the contract's own", "balance id", "segment id",
)  # fmt: skip
"""What decides which balance pays first, in the order of `precedence`."""


def payers(tenant: Tenant, balances: Iterable[Balance], contract: Contract, at: datetime) -> list[Payer]:
    """Return the segments that may pay for usage of a contract in a period that begins at `at`, the first first."""
    found = [(balance, each) for balance in balances if reaches(balance, contract) for each in balance.segments]
    return sorted(found, key=lambda each: precedence(tenant, *each, at))


def reaches(balance: Balance, contract: Contract) -> bool:
    """Whether a balance is the contract's, or the customer's and not for other contracts only."""
    if balance.contract_id is not None:
        return balance.contract_id == contract.id
    return not balance.contract_ids or contract.id in balance.contract_ids


def precedence(tenant: Tenant, balance: Balance, segment: Segment, at: datetime) -> tuple[Any, ...]:
    """Return what the order of payers goes by: the smallest pays first. `ORDER` has the names of its parts."""
    items = balance.schedule.items if balance.schedule else ()
    return (
        exact(balance.priority),
        any(exact(each.quantity) * exact(each.unit_price) > 0 for each in items),
        product_count(tenant, balance, at),
        len([each for each in balance.specifiers if each.pricing or each.presentation]),
        segment.ending_before,
        segment.starting_at,
        1 if balance.contract_id else len(balance.contract_ids) or INFINITE,
        balance.contract_id is None,
        balance.id,
        segment.id,
    )


def product_count(tenant: Tenant, balance: Balance, at: datetime) -> float:
    """Return for how many products it may pay; all: infinitely many."""
    ways = [(each.product_id, set(each.tags)) for each in balance.specifiers]
    ways += [(each, set()) for each in balance.product_ids] + [(None, {each}) for each in balance.tags]
    if not ways or any(product_id is None and not tags for product_id, tags in ways):
        return INFINITE
    found = set()
    for product_id, tags in ways:
        if product_id is not None:
            found.add(product_id)
        else:
            found |= {each.id for each in on_cards(tenant, balance.customer_id) if tags <= set(terms_at(each, at).tags)}
    return len(found)


def on_cards(tenant: Tenant, customer_id: str) -> list[Product]:
    """Return the usage products that have a rate on a card of the customer's contracts."""
    cards = {each.card_id for each in tenant.contracts if each.customer_id == customer_id}
    priced = {each.product_id for each in tenant.rates if each.card_id in cards}
    return [each for each in tenant.products if each.id in priced and each.first.metric_id is not None]


def applies(balance: Balance, use: Use) -> bool:
    """Whether a balance may pay for a use."""
    if balance.currency != use.currency:
        return False
    if balance.specifiers:
        return any_of(balance.specifiers, use)
    if balance.product_ids or balance.tags:
        return use.product_id in balance.product_ids or bool(set(balance.tags) & set(use.tags))
    return True


def is_open(segment: Segment, at: datetime) -> bool:
    """Whether it is the time of a segment."""
    return segment.starting_at <= at < segment.ending_before


def turn(charge: Charge) -> tuple[Any, ...]:
    """Return which line is paid first: earlier start, higher unit price, name; then whatever tells lines apart."""
    use = charge.use
    texts = [tuple((name, value or "") for name, value in group) for group in (use.pricing, use.presentation)]
    absent_first = tuple((name, value is not None) for name, value in use.presentation)
    return charge.start, -charge.unit_price, charge.name, use.product_id, *texts, charge.tier or (0,), absent_first


def payable(charges: list[Charge]) -> list[tuple[Charge, Fraction]]:
    """Return what may be paid of each charge, the first to be paid first.

    Charges below zero are set off against the last ones above zero of the same product and group.
    """
    back: dict[Any, Fraction] = defaultdict(Fraction)
    found = []
    for charge in charges:
        if charge.total < 0:
            back[_whose(charge)] -= charge.total
    for charge in sorted(charges, key=turn, reverse=True):
        if charge.total > 0:
            taken = min(charge.total, back[_whose(charge)])
            back[_whose(charge)] -= taken
            found.append((charge, charge.total - taken))
    return found[::-1]


def _whose(charge: Charge) -> Any:
    return charge.use.product_id, charge.use.pricing, charge.use.presentation


def draw(
    charges: list[Charge], payers: list[Payer], left: dict[str, Fraction]
) -> dict[Charge, list[tuple[Payer, Fraction]]]:
    """Return who pays how much of each charge, and take it from `left`. The first payer goes over all lines first."""
    paid: dict[Charge, list[tuple[Payer, Fraction]]] = defaultdict(list)
    owed = dict(payable(charges))
    for balance, segment in payers:
        for charge, open_amount in owed.items():
            if is_open(segment, charge.start) and applies(balance, charge.use):
                amount = min(open_amount, left[segment.id])
                if amount > 0:
                    owed[charge] -= amount
                    left[segment.id] -= amount
                    paid[charge].append(((balance, segment), amount))
    return paid
