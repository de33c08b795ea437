"""Amounts and quantities for people: exact, and easy to read."""

from decimal import Decimal

from winkel.model import credit_type as units
from winkel.model.credit_type import USD
from winkel.model.money import multiply, plain

SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£"}


def amount(value: Decimal | int, credit_type: dict[str, str]) -> str:
    """Return an amount in its unit: cents of USD as dollars, with two places or as many as it has.

    An exact $0.123456 is shown in full; nothing is hidden by rounding.
    """
    number = units.in_currency(Decimal(value), credit_type["id"])
    name = "USD" if credit_type["id"] == USD.id else credit_type["name"]
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int), "finite"
    text = f"{number:,.{max(2, -exponent)}f}".removeprefix("-")
    sign = "−" if number < 0 else ""
    return f"{sign}{SYMBOLS[name]}{text}" if name in SYMBOLS else f"{sign}{text} {name}"


def payable(value: Decimal | int) -> str:
    """Return an amount in cents of USD as dollars and whole cents: what would be collected."""
    dollars = units.payable(Decimal(value), USD.id)
    return f"${dollars:,.2f}" if dollars >= 0 else f"−${dollars:,.2f}".replace("-", "")


def percentage(share: Decimal | int) -> str:
    """Return a share with all its digits: 0.075 as 7.5%."""
    return f"{quantity(multiply(Decimal(share), Decimal(100)))}%"


def quantity(value: Decimal | int | None) -> str:
    """Return a quantity with thousands separators and all its digits."""
    return "–" if value is None else f"{plain(Decimal(value)):,f}"
