"""Pricing units in which amounts are kept ("credit types" in the API)."""

import uuid

from msgspec import Struct


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
