"""Property values become exact numbers: scaled 64-bit integers where that is proven safe, else decimals."""

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from winkel.model import money

NOT_A_NUMBER = "not_a_number"
NUMBER_TOO_LONG = "number_too_long"

Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

PLACES = 6
"""Decimal places that the fast path keeps; a number with more goes the exact way."""
LIMIT = 2**63
"""Every sum and every value of the fast path stays below it in magnitude, or is not computed there."""

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


class Unreadable(Struct, frozen=True):
    """A value that is there but cannot be decoded: a number of absurd length, text that is not Unicode."""

    reason: str
    """What a metric that needs a number says about it."""


class Numbers(Struct, frozen=True):
    """The numbers of some rows; `good[i]` tells whether row i is one, and the columns hold the good ones only.

    Value i is `scaled[i] / 10**places` when `scaled` is there, else `exact[i]`.
    """

    good: Bools
    problems: dict[int, str]
    """Row → reason, for the rows that are not good."""
    scaled: Ints | None
    places: int
    exact: list[Decimal] | None

    def value(self, index: int) -> Decimal:
        """Return the good number at the index."""
        if self.exact is not None:
            return self.exact[index]
        assert self.scaled is not None
        return unscaled(int(self.scaled[index]), self.places)

    def decimals(self) -> list[Decimal]:
        """Return all good numbers as decimals."""
        if self.exact is not None:
            return self.exact
        assert self.scaled is not None
        return [unscaled(each, self.places) for each in self.scaled.tolist()]

    def can_sum(self) -> bool:
        """Whether no sum of any of the scaled integers can leave 64 bits: count × largest magnitude < 2⁶³."""
        if self.scaled is None:
            return False
        if not len(self.scaled):
            return True
        return len(self.scaled) * max(int(self.scaled.max()), -int(self.scaled.min())) < LIMIT


def unscaled(number: int, places: int) -> Decimal:
    """Return `number / 10**places`, without trailing zeros."""
    if not places:
        return Decimal(number)
    whole, rest = divmod(number, 10**places)
    return Decimal(whole) if not rest else money.plain(Decimal(number).scaleb(-places, money.EXACT))


def parse(values: Sequence[Any]) -> Numbers:
    """Read property values as numbers. Never rounds: what doesn't fit the fast path is kept as a decimal.

    Accepted are JSON numbers and strings that hold one, plain or with an exponent, of at most `money.DIGITS` digits
    (metronome-api.md §4.1, §9: numbers as strings keep their precision).
    """
    quick = _integers(values)
    if quick is not None:
        return Numbers(np.ones(len(values), np.bool_), {}, quick, 0, None)
    read = [number(each) for each in values]
    problems = {row: each for row, each in enumerate(read) if isinstance(each, str)}
    good = np.ones(len(values), np.bool_)
    good[list(problems)] = False
    exact = [each for each in read if not isinstance(each, str)]
    scaled = _scaled(exact)
    return Numbers(good, problems, scaled, PLACES, None if scaled is not None else exact)


def _integers(values: Sequence[Any]) -> Ints | None:
    """Read a column of whole numbers, or of strings of at most 18 plain digits; None when it is anything else."""
    kinds = set(map(type, values))
    if kinds == {int}:
        try:
            result = np.array(values, np.int64)
        except OverflowError:
            return None
        return result if not len(result) or result.min() > -LIMIT else None
    if kinds == {str} and min(map(len, values)) > 0 and max(map(len, values)) <= 18:
        joined = "".join(values)
        if joined.isascii() and joined.isdigit():
            return np.array(list(map(int, values)), np.int64)
    return None


def _scaled(exact: list[Decimal]) -> Ints | None:
    """Return the numbers × 10^PLACES as integers, or None if one of them has more places or is too large."""
    shifted = [each.scaleb(PLACES, money.EXACT) for each in exact]
    whole = list(map(int, shifted))
    if whole != shifted:
        return None
    try:
        result = np.array(whole, np.int64)
    except OverflowError:
        return None
    return result if not len(result) or result.min() > -LIMIT else None


def number(value: object) -> Decimal | str:
    """Return one value as a number, or the reason why it is none."""
    if isinstance(value, Unreadable):
        return value.reason
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value):
            return NOT_A_NUMBER
        try:
            value = Decimal(value)
        except InvalidOperation:
            return NUMBER_TOO_LONG
    elif type(value) is int:
        value = Decimal(value)
    if not isinstance(value, Decimal):
        return NOT_A_NUMBER
    # Zero has no exponent of its own from here on: nothing can be shifted by that of 0e999999.
    return (value or money.ZERO) if _fits(value) else NUMBER_TOO_LONG


def _fits(value: Decimal) -> bool:
    """Whether the number is within `money.DIGITS` digits; the usual short ones are told without taking them apart."""
    adjusted = value.adjusted()
    quick = value.is_finite() and -PLACES <= adjusted < 18 and len(str(value)) <= 18
    return quick or money.fits(value)
