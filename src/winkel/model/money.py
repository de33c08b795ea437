"""Exact decimal arithmetic: amounts, prices and quantities.

Amounts are in the pricing unit's own scale: US dollars in **cents**, every other currency in whole units
(metronome-api.md §1). They keep every digit. Adding and multiplying never round: the context `EXACT` has room for
the product of two 38-digit numbers summed over a billing period, and raises instead of rounding. Only division can be
inexact; it goes through `divide`, and collecting a payment goes through `rounded`. There is no third place that rounds.
"""

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

DIGITS = 38
"""The longest number that an event property or a price may have, in significant digits."""

QUOTIENT_PLACES = 20
"""Decimal places kept by `divide`."""

ZERO = Decimal(0)
EXACT = Context(prec=200, traps=[Inexact, Overflow, InvalidOperation, DivisionByZero, Clamped])
_DIVIDE = Context(prec=200, rounding=ROUND_HALF_EVEN, traps=[Overflow, InvalidOperation, DivisionByZero])
_ROUND = Context(prec=200, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation])
assert not EXACT.traps[Rounded], "dropping trailing zeros loses nothing"


def multiply(a: Decimal, b: Decimal) -> Decimal:
    """Return `a × b`, exactly."""
    return EXACT.multiply(a, b)


def add(a: Decimal, b: Decimal) -> Decimal:
    """Return `a + b`, exactly."""
    return EXACT.add(a, b)


def subtract(a: Decimal, b: Decimal) -> Decimal:
    """Return `a − b`, exactly."""
    return EXACT.subtract(a, b)


def negated(a: Decimal) -> Decimal:
    """Return `−a`, exactly: Python's own minus sign rounds to 28 digits."""
    return EXACT.minus(a)


def total(amounts: "list[Decimal] | tuple[Decimal, ...]") -> Decimal:
    """Return the exact sum."""
    result = ZERO
    for amount in amounts:
        result = EXACT.add(result, amount)
    return result


def divide(a: Decimal, b: Decimal, places: int = QUOTIENT_PLACES, rounding: str = ROUND_HALF_EVEN) -> Decimal:
    """Return `a ÷ b` at so many decimal places, half-even unless told otherwise. Raises `DivisionByZero` for b = 0."""
    return rounded(_DIVIDE.divide(a, b), places, rounding)


def rounded(amount: Decimal, places: int, rounding: str = ROUND_HALF_EVEN) -> Decimal:
    """Return the amount at `places` decimal places (half-even unless a product's own rounding says otherwise)."""
    return amount.quantize(Decimal(1).scaleb(-places), rounding=rounding, context=_ROUND)


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
