"""Amounts and quantities for people: exact, and easy to read."""

from decimal import ROUND_HALF_EVEN, Decimal

from winkel.model.credit_type import USD
from winkel.model.money import plain, rounded

SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£"}


def amount(value: Decimal | int, credit_type: dict[str, str]) -> str:
    """Return an amount in its unit: cents of USD as dollars, with two places or as many as it has.

    An exact $0.123456 is shown in full; nothing is hidden by rounding.
    """
    number = Decimal(value)
    if credit_type["id"] == USD.id:
        number, name = plain(number.scaleb(-2)), "USD"
    else:
        number, name = plain(number), credit_type["name"]
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int), "finite"
    text = f"{abs(number):,.{max(2, -exponent)}f}"
    sign = "−" if number < 0 else ""
    return f"{sign}{SYMBOLS[name]}{text}" if name in SYMBOLS else f"{sign}{text} {name}"


def payable(value: Decimal | int) -> str:
    """Return an amount in cents of USD as dollars and whole cents, half-even: what would be collected."""
    cents = rounded(Decimal(value), 0, ROUND_HALF_EVEN)
    return f"${cents.scaleb(-2):,.2f}" if cents >= 0 else f"−${-cents.scaleb(-2):,.2f}"


def quantity(value: Decimal | int | None) -> str:
    """Return a quantity with thousands separators and all its digits."""
    return "–" if value is None else f"{plain(Decimal(value)):,f}"
