"""Proration: what is asked or given for a part of a period."""

from msgspec import Struct

from winkel.model.word import Word


class Proration(Word):
    """Which partial periods of a term get a share only; others get the whole amount (metronome-api.md §4.7)."""

    NONE = "NONE"
    FIRST = "FIRST"
    LAST = "LAST"
    FIRST_AND_LAST = "FIRST_AND_LAST"

    @property
    def of_first(self) -> bool:
        """Whether the time before the term's start is taken off."""
        return self in {Proration.FIRST, Proration.FIRST_AND_LAST}

    @property
    def of_last(self) -> bool:
        """Whether the time from the term's end on is taken off."""
        return self in {Proration.LAST, Proration.FIRST_AND_LAST}


class AmountRoundingMethod(Word):
    """Which way a prorated amount is rounded."""

    HALF_UP = "HALF_UP"
    FLOOR = "FLOOR"
    CEILING = "CEILING"


class AmountRounding(Struct, frozen=True, forbid_unknown_fields=True):
    """How a prorated amount is rounded, as it is kept: dollars in cents. Places below zero are tens, hundreds …"""

    decimal_places: int
    rounding_method: AmountRoundingMethod
