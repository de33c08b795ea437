"""The oracle's numbers: fractions, and the few places where one is rounded (docs/pricing.md, sections 1 and 3)."""

from fractions import Fraction
from functools import lru_cache
from math import ceil, floor


@lru_cache(maxsize=1 << 14)
def exact(text: str) -> Fraction:
    """Return the number that a decimal text means."""
    return Fraction(text)


def divided(number: Fraction, by: Fraction) -> Fraction:
    """Divide, half-even at 20 decimal places (section 1)."""
    return Fraction(round(number / by * 10**20), 10**20)


def rounded(number: Fraction, method: str, places: int) -> Fraction:
    """Round as a product says (section 3): away from zero, towards zero, or half away from zero."""
    scaled = abs(number) * 10**places
    whole, rest = divmod(scaled, 1)
    if (method == "ROUND_UP" and rest) or (method == "ROUND_HALF_UP" and rest >= Fraction(1, 2)):
        whole += 1
    return Fraction(-whole if number < 0 else whole, 10**places)


def share(amount: Fraction, part: Fraction, rounding: tuple[str, int] | None) -> Fraction:
    """Return a part of an amount (section 9): rounded once, or exact, or with 20 decimal places where it has no end."""
    if rounding is None:
        return divided(amount * part, Fraction(1))
    method, places = rounding
    scaled = amount * part * Fraction(10) ** places
    whole = {"FLOOR": floor(scaled), "CEILING": ceil(scaled), "HALF_UP": floor(scaled + Fraction(1, 2))}[method]
    return whole / Fraction(10) ** places
