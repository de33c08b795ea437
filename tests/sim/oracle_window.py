"""The oracle's windows (docs/pricing.md, section 11): what of a statement was used when, and that they sum to it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from copy import copy
from datetime import datetime
from fractions import Fraction
from itertools import pairwise

from sim.oracle_bill import Bill, Line
from sim.oracle_books import Books
from sim.oracle_quantity import Group

Sold = dict[tuple[str, Group, Group], Fraction]
"""(product id, pricing and presentation values) → sold units."""


def used_between(books: Books, bill: Bill, instants: Sequence[datetime], at: datetime) -> list[Sold]:
    """Return what was used of a statement between each two of these instants: counting goes on from window to window.

    A composite product asks for a share of a sum, which no hour used.
    """
    zero, until = Fraction(0), [_used_until(books, bill, each, at) for each in instants]
    return [
        {key: used for key in {**before, **after} if (used := after.get(key, zero) - before.get(key, zero))}
        for before, after in pairwise(until)
    ]


def _used_until(books: Books, bill: Bill, instant: datetime, at: datetime) -> Sold:
    """Return what a statement would have, without balances, if nothing had been used since an instant."""
    assert bill.end is not None
    seen = copy(books)
    seen.events = lambda whose, metric_id: [each for each in books.events(whose, metric_id) if each.at < instant]
    [contract] = [each for each in books.contracts(at) if each.id == bill.contract_id]
    return units(books, seen.statement(contract, bill.start, bill.end, lambda _: [], {}, at, set()).lines)


def units(books: Books, lines: Iterable[Line]) -> Sold:
    """Return the sold units of lines of usage."""
    metered = {each.id for each in books.tenant.products if each.first.metric_id is not None}
    found: Sold = defaultdict(Fraction)
    for line in lines:
        if line.type == "usage" and line.product_id in metered:
            found[line.product_id, line.pricing, line.presentation] += line.quantity or 0
    return {key: sold for key, sold in found.items() if sold}


def summed(lines: Iterable[Line]) -> dict[object, tuple[Fraction, Fraction]]:
    """Return what makes lines one, whenever they lie → quantity and amount."""
    found: dict[object, tuple[Fraction, Fraction]] = defaultdict(lambda: (Fraction(0), Fraction(0)))
    for line in lines:
        key = (
            *(line.type, line.name, line.product_id, line.unit_price, line.pricing, line.presentation, line.tier),
            *(line.segment_id, line.item_id, line.unit),
        )
        quantity, amount = found[key]
        found[key] = quantity + (line.quantity or 0), amount + line.total
    return {key: sums for key, sums in found.items() if any(sums)}
