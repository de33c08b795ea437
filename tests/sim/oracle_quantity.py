"""The oracle's way from events to quantities (docs/pricing.md, section 3)."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from fractions import Fraction

from sim.oracle_number import divided, exact, rounded
from sim.world import Contract, Counted, Filter, Terms

Group = tuple[tuple[str, str | None], ...]
"""(property, value) pairs, sorted by property."""


def group_of(event: Counted, names: Iterable[str]) -> Group:
    """Return the values of these properties."""
    values = dict(event.values)
    return tuple((name, values.get(name)) for name in sorted(names))


def filter_at(contract: Contract, at: datetime) -> Filter | None:
    """Return the usage filter that holds: the one that started last, then the one added last; None: all counts."""
    begun = [(each.starting_at, number) for number, each in enumerate(contract.filters) if each.starting_at <= at]
    return contract.filters[max(begun)[1]] if begun else None


def counts(contract: Contract, event: Counted) -> bool:
    """Whether a contract counts an event, by the usage filter that holds when it happens."""
    holding = filter_at(contract, event.at)
    return holding is None or dict(event.values).get(holding.name) in holding.values


def quantities(
    aggregation: str, events: Iterable[Counted], names: Iterable[str]
) -> dict[Group, dict[datetime, Fraction]]:
    """Return group → hour → what the hour adds to what the period had reached; `events` are those of the period."""
    groups: dict[Group, list[Counted]] = defaultdict(list)
    for event in events:
        groups[group_of(event, names)].append(event)
    return {group: increments(aggregation, some) for group, some in groups.items()}


def increments(aggregation: str, events: list[Counted]) -> dict[datetime, Fraction]:
    """Return hour → what it adds. A period begins at zero."""
    found = {}
    before = Fraction(0)
    for hour in sorted({each.hour for each in events}):
        value = reached(aggregation, [each for each in events if each.hour <= hour])
        found[hour], before = value - before, value
    return found


def reached(aggregation: str, events: list[Counted]) -> Fraction:
    """Return the value of a metric after these events."""
    match aggregation:
        case "COUNT":
            return Fraction(len(events))
        case "SUM":
            return sum((exact(each.value) for each in events), Fraction(0))
        case "MAX":
            return max(exact(each.value) for each in events)
        case "LATEST":
            return exact(max(events, key=lambda each: (each.at, each.transaction_id, exact(each.value))).value)
        case "UNIQUE":
            return Fraction(len({each.value for each in events}))
    raise AssertionError(aggregation)


def sold(terms: Terms, metered: Fraction) -> Fraction:
    """Return metered units in sold units: converted, then rounded."""
    if terms.conversion is not None:
        operation, factor = terms.conversion
        metered = metered * exact(factor) if operation == "MULTIPLY" else divided(metered, exact(factor))
    return metered if terms.rounding is None else rounded(metered, *terms.rounding)


class Position:
    """How many units of a group were sold since the period began; rounding is done once, on the whole.

    When conversion or rounding change, counting goes on from there, with the new rule.
    """

    def __init__(self) -> None:
        self.at = self.base = self.metered = Fraction(0)
        self.terms: Terms | None = None

    def follow(self, terms: Terms) -> None:
        """Count under these terms from now on."""
        if self.terms is None or _rule(self.terms) != _rule(terms):
            self.base, self.metered = self.at, Fraction(0)
        self.terms = terms

    def move(self, metered: Fraction) -> tuple[Fraction, Fraction]:
        """Count metered units; return the position before and after."""
        assert self.terms is not None
        self.metered += metered
        before, self.at = self.at, self.base + sold(self.terms, self.metered)
        return before, self.at


def _rule(terms: Terms) -> object:
    return terms.conversion, terms.rounding
