"""Words of the API that may be written in any case: `Flat` is `FLAT`."""

from enum import StrEnum
from typing import Self


class Word(StrEnum):
    """An enumeration that knows its members in any case (metronome-api.md §2)."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return cls.__members__.get(str(value).upper())
