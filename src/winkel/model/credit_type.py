"""Pricing units in which amounts are kept ("credit types" in the API)."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import TypeAlias

from msgspec import Struct

from winkel.model.money import multiply, plain, rounded


class CreditType(Struct, frozen=True):
    """A pricing unit: a currency, or a custom one of a tenant, in which rates and balances may be (§4.11).

    USD is kept in cents, every other unit in whole units (metronome-api.md §1). A custom unit never changes its name.
    """

    id: str
    name: str
    is_currency: bool = True
    created_at: datetime | None = None
    """Of a custom unit."""
    archived_at: datetime | None = None
    """Of a custom unit that takes no new terms; those that have it go on."""


Units: TypeAlias = Mapping[str, CreditType]
"""Pricing units by id: the currencies and the custom units of one tenant, archived ones too."""

USD = CreditType("2714e483-4ff1-48e4-9e25-ac732e8f24f2", "USD (cents)")
_OTHERS = "AUD BRL CAD CHF CZK EUR GBP INR MXN NGN NOK PLN SEK TRY ZAR NZD SGD"
CURRENCIES = (USD, *(CreditType(str(uuid.uuid5(uuid.UUID(USD.id), code)), code) for code in _OTHERS.split()))
"""Every fiat currency of metronome-api.md §2, the well-known USD unit first."""
QUANTITY = "00000000-0000-0000-0000-000000000000"
"""The id that stands for no pricing unit: what has it is counted in units of what is used (`access_type` QUANTITY)."""
BY_ID: Units = MappingProxyType({each.id: each for each in CURRENCIES})
_HUNDREDTH = Decimal("0.01")


def is_custom(credit_type_id: str) -> bool:
    """Whether a unit is no currency: nobody is asked to pay in it, a rate card says what it is worth."""
    return credit_type_id not in BY_ID


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
    """Return the short name of a currency: USD, EUR …"""
    return "USD" if credit_type_id == USD.id else BY_ID[credit_type_id].name
