"""Price models: examples and laws side by side."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winkel.model.invoice import TierPart
from winkel.model.price import Custom, Flat, Price, Subscribed, Tier, Tiered
from winkel.rate.price import Part, priced

D = Decimal
THREE = Tiered((Tier(D(0), D(5)), Tier(D(100), D(5)), Tier(D(150))))
positions = st.decimals(-50, 200, places=2, allow_nan=False)
sizes = st.decimals("0.01", 50, places=2, allow_nan=False)
unit_prices = st.decimals(0, 100, places=3, allow_nan=False)
tiered = st.builds(
    lambda parts, last: Tiered((*(Tier(price, size) for price, size in parts), Tier(last))),
    st.lists(st.tuples(unit_prices, sizes), max_size=4),
    unit_prices,
)
prices = (
    st.builds(Flat, unit_prices) | tiered | st.just(Custom({"formula": "night"})) | st.builds(Subscribed, sizes, tiered)
)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 12, [(1, 5, 0), (2, 5, 100), (3, 2, 150)]),
        (0, 5, [(1, 5, 0)]),
        (5, 6, [(2, 1, 100)]),
        (8, 15, [(2, 2, 100), (3, 5, 150)]),
        (12, 4, [(1, -1, 0), (2, -5, 100), (3, -2, 150)]),
        (0, -3, [(1, -3, 0)]),
        (0, 0, [(1, 0, 0)]),
        (5, 5, [(2, 0, 100)]),
        (10, 10, [(3, 0, 150)]),
    ],
)
def test_units_fall_into_tiers(start: int, end: int, expected: list[tuple[int, int, int]]) -> None:
    """A tier's lower bound is exclusive and its upper bound inclusive; going back undoes it (metronome-api.md §4.6)."""
    found = priced(THREE, D(start), D(end))
    assert [(part.tier.level, part.quantity, part.unit_price) for part in found if part.tier] == expected


def test_a_part_tells_its_tier() -> None:
    """A part says where its tier begins and how large it is; the last one is open."""
    assert [part.tier for part in priced(THREE, D(0), D(11))] == [
        TierPart(1, D(0), D(5)),
        TierPart(2, D(5), D(5)),
        TierPart(3, D(10), None),
    ]


def test_flat() -> None:
    """Every unit costs the same, also when units go back."""
    assert priced(Flat(D(3)), D(2), D(9)) == [Part(D(7), D(3))]
    assert priced(Flat(D(3)), D(9), D(2))[0].total == D(-21)


def test_custom() -> None:
    """Units are counted, also when they go back, and cost nothing here."""
    assert priced(Custom({"formula": "night"}), D(2), D(9)) == [Part(D(7), D(0))]
    assert priced(Custom({"formula": "night"}), D(9), D(2)) == [Part(D(-7), D(0))]


@given(prices, positions, positions)
def test_parts_partition_the_quantity(price: Price, start: Decimal, end: Decimal) -> None:
    """However tiers fall, no unit is lost or billed twice, and all parts go the same way."""
    parts = priced(price, start, end)
    assert sum(part.quantity for part in parts) == end - start
    assert all((part.quantity >= 0) == (end >= start) or part.quantity == 0 for part in parts)


@given(prices, positions, positions, positions)
def test_it_does_not_matter_how_one_gets_there(price: Price, start: Decimal, between: Decimal, end: Decimal) -> None:
    """Going in two steps costs what one step costs, so splitting a line in time changes no total."""

    def cost(low: Decimal, high: Decimal) -> Decimal:
        return sum((part.total for part in priced(price, low, high)), D(0))

    assert cost(start, between) + cost(between, end) == cost(start, end)
