"""Counting, converting and rounding quantities."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winkel.model.product import Operation, ProductState, QuantityConversion, QuantityRounding, RoundingMethod
from winkel.rate.count import Counter, sold

START = datetime(2026, 1, 1, tzinfo=UTC)
MILLION = QuantityConversion(Decimal(1_000_000), Operation.DIVIDE)
UP = QuantityRounding(0, RoundingMethod.ROUND_UP)
conversions = st.none() | st.builds(
    QuantityConversion, st.sampled_from([Decimal(3), Decimal(8)]), st.sampled_from(Operation)
)
roundings = st.none() | st.builds(QuantityRounding, st.integers(0, 3), st.sampled_from(RoundingMethod))
metered = st.decimals(-1000, 1000, places=2, allow_nan=False)


def state(conversion: QuantityConversion | None = None, rounding: QuantityRounding | None = None) -> ProductState:
    return ProductState(
        name="p", created_at=START, created_by="test", quantity_conversion=conversion, quantity_rounding=rounding
    )


@pytest.mark.parametrize(
    ("method", "number", "expected"),
    [
        (RoundingMethod.ROUND_UP, "1.01", "2"),
        (RoundingMethod.ROUND_DOWN, "1.99", "1"),
        (RoundingMethod.ROUND_HALF_UP, "1.5", "2"),
        (RoundingMethod.ROUND_HALF_UP, "2.5", "3"),
        (RoundingMethod.ROUND_UP, "-1.01", "-2"),
        (RoundingMethod.ROUND_DOWN, "-1.99", "-1"),
        (RoundingMethod.ROUND_HALF_UP, "-1.5", "-2"),
    ],
)
def test_rounding(method: RoundingMethod, number: str, expected: str) -> None:
    """Up is away from zero and down towards it, so taking a quantity back undoes its rounding."""
    assert sold(state(rounding=QuantityRounding(0, method)), Decimal(number)) == Decimal(expected)


def test_conversion_comes_before_rounding() -> None:
    """1,000,001 tokens are two started millions."""
    assert sold(state(MILLION, UP), Decimal(1_000_001)) == 2


def test_a_started_unit_is_sold_once() -> None:
    """Two lines of 0.4 million each, rounded up, are one million together: the first line gets it."""
    counter = Counter()
    assert counter.advance(state(MILLION, UP), Decimal(400_000)) == (0, 1)
    assert counter.advance(state(MILLION, UP), Decimal(400_000)) == (1, 1)
    assert counter.advance(state(MILLION, UP), Decimal(400_000)) == (1, 2)


def test_a_new_rule_goes_on_from_the_position_reached() -> None:
    """When rounding changes, what was sold stays sold, and the new rule counts from there."""
    counter = Counter()
    counter.advance(state(rounding=UP), Decimal("1.5"))
    assert counter.advance(state(), Decimal("0.25")) == (2, Decimal("2.25"))


@given(conversions, roundings, st.lists(metered, max_size=6))
def test_lines_add_up_to_the_period(
    conversion: QuantityConversion | None, rounding: QuantityRounding | None, parts: list[Decimal]
) -> None:
    """However a period is split into lines, they sell what the whole period sells: it is rounded once."""
    terms, counter = state(conversion, rounding), Counter()
    lines = [after - before for before, after in (counter.advance(terms, part) for part in parts)]
    assert sum(lines) == counter.position == sold(terms, sum(parts, Decimal(0)))
