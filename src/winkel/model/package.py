"""Package: the terms of contracts to be, with dates that count from the start of the contract."""

from datetime import datetime, timedelta
from typing import Any, ClassVar

from msgspec import Struct

from winkel.model.alias import Alias
from winkel.model.period import add_months
from winkel.model.word import Word


class RelativeUnit(Word):
    """What relative dates are counted in (metronome-api.md §4.15)."""

    DAYS = "DAYS"
    WEEKS = "WEEKS"
    MONTHS = "MONTHS"
    YEARS = "YEARS"


MONTHS = {RelativeUnit.MONTHS: 1, RelativeUnit.YEARS: 12}
DAYS = {RelativeUnit.DAYS: 1, RelativeUnit.WEEKS: 7}
"""How long a unit is: months, or days. Every unit is in one of them."""
DAYS_MAX, MONTHS_MAX = 36_525, 1_200
"""The most of both: a hundred years, so that every date exists."""


class Offset(Struct, frozen=True, forbid_unknown_fields=True):
    """A time after the start of the contract."""

    value: int
    unit: RelativeUnit
    least: ClassVar[int] = 0

    def __post_init__(self) -> None:
        most = DAYS_MAX // DAYS[self.unit] if self.unit in DAYS else MONTHS_MAX // MONTHS[self.unit]
        if not self.least <= self.value <= most:
            raise ValueError(f"must be {self.least} to {most} {self.unit}, but is {self.value}")

    @property
    def months(self) -> int:
        """How many months it counts; 0 if it counts days."""
        return self.value * MONTHS.get(self.unit, 0)

    def after(self, instant: datetime) -> datetime:
        """Return the instant moved by it: in months on the same day, or on the month's last (`add_months`)."""
        if self.unit in DAYS:
            return instant + timedelta(days=self.value * DAYS[self.unit])
        return add_months(instant, self.months)


class Duration(Offset, frozen=True, forbid_unknown_fields=True):
    """How long something lasts."""

    least: ClassVar[int] = 1

    def end(self, start: datetime, offset: Offset | None) -> datetime:
        """Return when it ends, if it begins so long after the start of the contract.

        Months are counted from the start of the contract, those of the offset and its own together: from 31 January the
        month after one month ends on 31 March, where what is two months off begins (docs/pricing.md, Packages).
        """
        if offset is None:
            return self.after(start)
        if offset.months and self.months:
            return add_months(start, offset.months + self.months)
        return self.after(offset.after(start))


class Package(Struct, frozen=True, kw_only=True):
    """Terms under a name, from which contracts are made (metronome-api.md §4.15). Only its aliases ever change."""

    id: str
    name: str
    terms: dict[str, Any]
    """A template of the body of createContract: `api/templates.py` says what it holds."""
    created_at: datetime
    created_by: str
    aliases: tuple[Alias, ...] = ()
    uniqueness_key: str | None = None
    archived_at: datetime | None = None
