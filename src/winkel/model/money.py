"""Exact decimal arithmetic: amounts, prices and quantities.

Amounts are in the pricing unit's own scale: US dollars in **cents**, every other currency in whole units
(metronome-api.md §1). They keep every digit. Adding and multiplying never round: the context `EXACT` has room for
the product of ten numbers of 38 digits (`PRECISION`), and raises instead of rounding. Only division can be
inexact; it goes through `divide`, and collecting a payment goes through `rounded`. There is no third place that rounds.
"""

from collections.abc import Callable, Iterable
from decimal import (
    ROUND_HALF_EVEN,
    Clamped,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
    Rounded,
)
from functools import lru_cache, reduce

DIGITS = 38
"""The longest number that an event property or a price may have, in significant digits."""

QUOTIENT_PLACES = 20
"""Decimal places kept by `divide`."""

PRECISION = 400
"""Significant digits that amounts may have on their way: a quantity may be converted, priced and multiplied, a share of
the amount multiplied again, and converted. What is longer raises `decimal.Inexact`."""

ZERO = Decimal(0)
EXACT = Context(prec=PRECISION, traps=[Inexact, Overflow, InvalidOperation, DivisionByZero, Clamped])
_DIVIDE = Context(prec=PRECISION, rounding=ROUND_HALF_EVEN, traps=[Overflow, InvalidOperation, DivisionByZero])
_ROUND = Context(prec=PRECISION, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation])
assert not EXACT.traps[Rounded], "dropping trailing zeros loses nothing"


# The methods themselves, not functions around them: an invoice takes hundreds of these.
multiply: Callable[[Decimal, Decimal], Decimal] = EXACT.multiply
"""Return `a × b`, exactly."""
add: Callable[[Decimal, Decimal], Decimal] = EXACT.add
"""Return `a + b`, exactly."""
subtract: Callable[[Decimal, Decimal], Decimal] = EXACT.subtract
"""Return `a − b`, exactly."""
negated: Callable[[Decimal], Decimal] = EXACT.minus
"""Return `−a`, exactly: Python's own minus sign rounds to 28 digits."""


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Return the exact sum."""
    return reduce(add, amounts, ZERO)


def divide(a: Decimal, b: Decimal, places: int = QUOTIENT_PLACES, rounding: str = ROUND_HALF_EVEN) -> Decimal:
    """Return `a ÷ b`, half-even at `QUOTIENT_PLACES` decimal places unless terms of their own say otherwise.

    The quotient is rounded once: what `_DIVIDE` cuts off lies more than a hundred digits behind any place that is asked
    for. Raises `DivisionByZero` for b = 0.
    """
    return rounded(_DIVIDE.divide(a, b), places, rounding)


def rounded(amount: Decimal, places: int, rounding: str = ROUND_HALF_EVEN) -> Decimal:
    """Return the amount at `places` decimal places, half-even unless terms of their own say otherwise.

    Places below zero are tens, hundreds …
    """
    return amount.quantize(_step(places), rounding=rounding, context=_ROUND)


@lru_cache
def _step(places: int) -> Decimal:
    """Return the smallest amount of so many decimal places."""
    return Decimal(1).scaleb(-places)


def plain(number: Decimal) -> Decimal:
    """Return the same number without exponent or trailing zeros, for people and for JSON: 1E+3 → 1000, 2.50 → 2.5."""
    if not number:
        return ZERO
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int), "never NaN or Infinity"
    while exponent < 0 and digits[-1] == 0:
        digits, exponent = digits[:-1], exponent + 1
    if exponent > 0:
        digits, exponent = digits + (0,) * exponent, 0
    return Decimal((sign, digits, exponent))


def fits(number: Decimal) -> bool:
    """Whether the number is finite and can be written in `DIGITS` digits, before and after the point together."""
    if not number.is_finite():
        return False
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int), "finite"
    if not number:
        return exponent >= -DIGITS
    return len(digits) + max(exponent, 0) <= DIGITS and exponent >= -DIGITS
