"""Pricing units in which amounts are kept ("credit types" in the API)."""

import uuid
from decimal import Decimal

from msgspec import Struct

from winkel.model.money import multiply, plain, rounded


class CreditType(Struct, frozen=True):
    """A pricing unit. USD is kept in cents, every other currency in whole units (metronome-api.md §1)."""

    id: str
    name: str
    is_currency: bool = True


USD = CreditType("2714e483-4ff1-48e4-9e25-ac732e8f24f2", "USD (cents)")
_OTHERS = "AUD BRL CAD CHF CZK EUR GBP INR MXN NGN NOK PLN SEK TRY ZAR NZD SGD"
CURRENCIES = (USD, *(CreditType(str(uuid.uuid5(uuid.UUID(USD.id), code)), code) for code in _OTHERS.split()))
"""Every fiat currency of metronome-api.md §2, the well-known USD unit first."""
BY_ID = {each.id: each for each in CURRENCIES}
_HUNDREDTH = Decimal("0.01")


def coin_places(credit_type_id: str) -> int:
    """Return the decimal places of the smallest coin: dollars are kept in cents (metronome-api.md §1)."""
    return 0 if credit_type_id == USD.id else 2


def in_currency(amount: Decimal, credit_type_id: str) -> Decimal:
    """Return an amount as people write it, exactly: cents of US dollars as dollars."""
    return plain(multiply(amount, _HUNDREDTH) if credit_type_id == USD.id else amount)


def payable(amount: Decimal, credit_type_id: str) -> Decimal:
    """Return what is asked for, as people write it: in whole coins, rounded half-even (docs/pricing.md §1)."""
    return in_currency(rounded(amount, coin_places(credit_type_id)), credit_type_id)


def code(credit_type_id: str) -> str:
    """Return the short name of a unit: USD, EUR …"""
    return "USD" if credit_type_id == USD.id else BY_ID[credit_type_id].name
