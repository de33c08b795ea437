"""Alias: another name of a rate card or a package, for a time."""

from datetime import datetime

from msgspec import Struct

from winkel.model.word import Word


class AliasOwner(Word):
    """What an alias may name (metronome-api.md §4.6, §4.15)."""

    RATE_CARD = "RATE_CARD"
    PACKAGE = "PACKAGE"

    @property
    def called(self) -> str:
        """How a message calls it."""
        return self.lower().replace("_", " ")


class Alias(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A name, and from when until when it holds; without dates for ever.

    At any time a name belongs to one rate card, and to one package.
    """

    name: str
    starting_at: datetime | None = None
    ending_before: datetime | None = None
