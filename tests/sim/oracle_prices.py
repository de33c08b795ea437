"""The oracle's prices, periods, lines and balances: the rules of metronome-api.md §4.5 to §4.9, one function each."""

import calendar
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from sim.world import Balance, Contract, Product, Rate, Terms

HOUR = timedelta(hours=1)
Group = tuple[tuple[str, str | None], ...]


@dataclass
class Charge:
    """A priced quantity: one product, group, line start, and tier."""

    product: Product
    terms: Terms
    pricing: tuple[tuple[str, str], ...]
    presentation: Group
    starting_at: datetime
    level: int
    unit_price: Fraction
    quantity: Fraction = Fraction(0)

    @property
    def total(self) -> Fraction:
        return self.quantity * self.unit_price

    @property
    def turn(self) -> tuple[Any, ...]:
        """Which line is covered first: earlier start, higher unit price, name; then whatever tells lines apart."""
        groups = sorted(self.pricing), sorted((name, value or "") for name, value in self.presentation)
        absent_first = sorted((name, value is not None) for name, value in self.presentation)
        return self.starting_at, -self.unit_price, self.terms.name, self.product.id, *groups, self.level, absent_first

    @property
    def whose(self) -> tuple[Any, ...]:
        """Charges of which negative ones take positive ones back."""
        return self.product.id, self.pricing, self.presentation

    @property
    def key(self) -> tuple[Any, ...]:
        """What names the line on an invoice."""
        groups = tuple(sorted(self.pricing)), tuple(sorted(self.presentation))
        return self.product.id, *groups, self.starting_at, self.unit_price, self.level


@dataclass
class Bill:
    """An invoice: totals of its lines, and what each segment pays."""

    contract_id: str
    type: str
    start: datetime
    end: datetime | None
    lines: dict[tuple[Any, ...], tuple[Fraction, Fraction]] = field(default_factory=dict)
    """Line → quantity, amount. Lines without quantity are left out."""
    covered: dict[tuple[Any, ...], Fraction] = field(default_factory=dict)
    """(line, segment id) → amount of the line that the segment pays."""
    asked: Fraction = Fraction(0)
    """What commits ask for on a scheduled invoice."""

    @property
    def paid(self) -> dict[str, Fraction]:
        """Segment id → amount taken from it."""
        found: dict[str, Fraction] = defaultdict(Fraction)
        for (_, segment_id), amount in self.covered.items():
            found[segment_id] += amount
        return dict(found)

    @property
    def total(self) -> Fraction:
        return self.asked + sum((amount for _, amount in self.lines.values()), Fraction(0)) - sum(self.paid.values())


def months_after(anchor: datetime, months: int) -> datetime:
    """Return the same day some months later, or that month's last day."""
    index = anchor.year * 12 + anchor.month - 1 + months
    last = calendar.monthrange(index // 12, index % 12 + 1)[1]
    return anchor.replace(year=index // 12, month=index % 12 + 1, day=min(anchor.day, last))


def periods(contract: Contract, until: datetime) -> list[tuple[datetime, datetime]]:
    """Return the billing periods of a contract that have begun at `until`."""
    if contract.frequency == "WEEKLY":
        edges = [contract.anchor + timedelta(weeks=number) for number in range(-150, 150)]
    else:
        edges = [months_after(contract.anchor, number) for number in range(-36, 36)]
    found = []
    start = contract.starting_at
    while start <= until and (contract.ending_before is None or start < contract.ending_before):
        end = min(each for each in edges if each > start)
        if contract.ending_before is not None:
            end = min(end, contract.ending_before)
        found.append((start, end))
        start = end
    return found


def terms_at(product: Product, at: datetime) -> Terms:
    """Return the terms of a product at an instant."""
    found = product.first
    for starting_at, terms in product.later:
        if starting_at <= at:
            found = terms
    return found


def divided(number: Fraction, by: Fraction) -> Fraction:
    """Divide, half-even at 20 decimal places: the one place where billing rounds by itself."""
    return Fraction(round(number / by * 10**20), 10**20)


def rounded(number: Fraction, method: str, places: int) -> Fraction:
    """Round as a product says: away from zero, towards zero, or half away from zero."""
    sign = -1 if number < 0 else 1
    scaled = abs(number) * 10**places
    whole, rest = divmod(scaled, 1)
    if (method == "ROUND_UP" and rest) or (method == "ROUND_HALF_UP" and rest >= Fraction(1, 2)):
        whole += 1
    return Fraction(sign * whole, 10**places)


def sold(terms: Terms, metered: Fraction) -> Fraction:
    """Return metered units in sold units."""
    if terms.conversion is not None:
        operation, factor = terms.conversion
        metered = metered * Fraction(factor) if operation == "MULTIPLY" else divided(metered, Fraction(factor))
    return metered if terms.rounding is None else rounded(metered, *terms.rounding)


def rate_at(rates: list[Rate], at: datetime) -> Rate | None:
    """Return the rate that holds: the one that started last, then the one added last; None: nothing is billed."""
    holding = [
        each for each in rates if each.starting_at <= at and (each.ending_before is None or at < each.ending_before)
    ]
    if not holding:
        return None
    winner = max(holding, key=lambda each: (each.starting_at, each.number))
    return winner if winner.entitled else None


def price_of(rate: Rate | None) -> Any:
    """Return what two rates must have in common to be the same price."""
    if rate is None:
        return None
    return rate.kind, [(size and Fraction(size), Fraction(price)) for size, price in rate.tiers]


def line_start(
    product: Product, rates: list[Rate], instants: set[datetime], edges: set[datetime], start: datetime, at: datetime
) -> datetime:
    """Return when the line began to which an hour belongs: at the last change of price, terms or paying balances."""
    for instant in sorted((each for each in instants if start < each <= at), reverse=True):
        before = instant - HOUR
        if instant in edges or terms_at(product, before) != terms_at(product, instant):
            return instant
        if price_of(rate_at(rates, before)) != price_of(rate_at(rates, instant)):
            return instant
    return start


def tier_parts(rate: Rate, before: Fraction, after: Fraction) -> list[tuple[int, Fraction, Fraction]]:
    """Return (tier level, unit price, quantity) of the way from one position to another. Level 0: a flat price."""
    if rate.kind == "FLAT":
        return [(0, Fraction(rate.tiers[0][1]), after - before)]
    found = []
    low: Fraction | None = None
    bound = Fraction(0)
    for level, (size, price) in enumerate(rate.tiers, 1):
        bound += Fraction(size) if size is not None else 0
        high = bound if size is not None else None
        quantity = within(after, low, high) - within(before, low, high)
        found.append((level, Fraction(price), quantity))
        low = high
    return found


def within(position: Fraction, low: Fraction | None, high: Fraction | None) -> Fraction:
    """Return the position, moved between the bounds of a tier."""
    if low is not None:
        position = max(low, position)
    return position if high is None else min(high, position)


def applies(
    balance: Balance, product: Product, terms: Terms, pricing: tuple[tuple[str, str], ...], presentation: Group
) -> bool:
    """Whether a balance may pay for usage of a product and group."""
    if balance.specifiers:
        return any(
            each.product_id in {None, product.id}
            and set(each.tags) <= set(terms.tags)
            and set(each.pricing) <= set(pricing)
            and set(each.presentation) <= set(presentation)
            for each in balance.specifiers
        )
    if balance.product_ids or balance.tags:
        return product.id in balance.product_ids or bool(set(balance.tags) & set(terms.tags))
    return True


def payable(charges: list[Charge]) -> list[tuple[Charge, Fraction]]:
    """Return what may be paid of each charge, the first to be paid first.

    Charges below zero take back the last ones above zero of the same product and group.
    """
    back: dict[tuple[Any, ...], Fraction] = defaultdict(Fraction)
    for charge in charges:
        if charge.total < 0:
            back[charge.whose] -= charge.total
    found = []
    for charge in sorted(charges, key=lambda each: each.turn, reverse=True):
        if charge.total > 0:
            taken = min(charge.total, back[charge.whose])
            back[charge.whose] -= taken
            found.append((charge, charge.total - taken))
    return found[::-1]
