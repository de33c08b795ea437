"""Money: nothing rounds but division, and that in one place."""

from decimal import Decimal, Inexact, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winkel.model import money

numbers = st.decimals(allow_nan=False, allow_infinity=False, places=20, min_value=-(10**17), max_value=10**17)


@given(numbers, numbers)
def test_arithmetic_is_that_of_fractions(a: Decimal, b: Decimal) -> None:
    """Adding, subtracting, multiplying and negating numbers of up to 37 digits is exact."""
    assert Fraction(money.add(a, b)) == Fraction(a) + Fraction(b)
    assert Fraction(money.subtract(a, b)) == Fraction(a) - Fraction(b)
    assert Fraction(money.multiply(a, b)) == Fraction(a) * Fraction(b)
    assert Fraction(money.negated(a)) == -Fraction(a)
    assert Fraction(money.total([a, b, a])) == 2 * Fraction(a) + Fraction(b)
    assert money.plain(a) == a


def test_what_does_not_fit_raises_instead_of_rounding() -> None:
    """A sum that would need more digits than there is room for is an error."""
    with pytest.raises(Inexact):
        money.add(Decimal("1e250"), Decimal("1e-250"))


@given(numbers, numbers.filter(bool))
def test_a_quotient_is_the_nearest_number_of_twenty_places(a: Decimal, b: Decimal) -> None:
    """Division rounds half-even at 20 decimal places."""
    error = abs(Fraction(money.divide(a, b)) - Fraction(a) / Fraction(b))
    assert error <= Fraction(1, 2 * 10**20)


@pytest.mark.parametrize(
    ("number", "written"),
    [("1E+3", "1000"), ("2.500", "2.5"), ("0E-7", "0"), ("-0.0", "0"), ("-1.10", "-1.1"), ("1E-7", "1E-7")],
)
def test_plain_is_the_same_number_without_ornament(number: str, written: str) -> None:
    """No positive exponent, no trailing zeros, one zero."""
    assert str(money.plain(Decimal(number))) == written


@pytest.mark.parametrize(
    ("number", "fits"),
    [
        ("9" * 38, True),
        ("9" * 39, False),
        ("1E+37", True),
        ("1E+38", False),
        ("1E-38", True),
        ("1E-39", False),
        ("NaN", False),
        ("Infinity", False),
        ("0", True),
    ],
)
def test_numbers_of_38_digits_fit(number: str, fits: bool) -> None:
    """Digits before and after the point count together."""
    with localcontext() as context:
        context.prec = 60
        assert money.fits(Decimal(number)) is fits
