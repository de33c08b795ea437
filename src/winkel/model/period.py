"""Half-open periods of time and the calendar of billing."""

import calendar
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TypeAlias

from msgspec import Struct

from winkel.model.word import Word

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Frequency(Word):
    """How often a usage statement is made (metronome-api.md §4.7)."""

    MONTHLY = "MONTHLY"
    QUARTERLY = "QUARTERLY"
    ANNUAL = "ANNUAL"
    WEEKLY = "WEEKLY"


class RecurrenceFrequency(Word):
    """How often a recurring commit or credit is given (metronome-api.md §4.7)."""

    MONTHLY = "MONTHLY"
    QUARTERLY = "QUARTERLY"
    ANNUAL = "ANNUAL"
    WEEKLY = "WEEKLY"
    DAILY = "DAILY"


AnyFrequency: TypeAlias = Frequency | RecurrenceFrequency

MONTHS: dict[str, int] = {Frequency.MONTHLY: 1, Frequency.QUARTERLY: 3, Frequency.ANNUAL: 12}
DAYS: dict[str, int] = {Frequency.WEEKLY: 7, RecurrenceFrequency.DAILY: 1}
"""How long a cycle is: months, or days. Every frequency is in one of them."""


class Period(Struct, frozen=True, order=True, gc=False):
    """The time from `start` (inclusive) to `end` (exclusive), both in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise ValueError(f"a period must end after it starts: {self.start} … {self.end}")

    @property
    def hours(self) -> int:
        """How many hours begin in it; terms begin and end on full hours."""
        return hour_number(self.end) - hour_number(self.start)

    def covers(self, instant: datetime) -> bool:
        """Whether the instant lies in the period."""
        return self.start <= instant < self.end

    def meet(self, start: datetime, end: datetime | None) -> "Period | None":
        """Return what this period has in common with [start, end), or None. `end` None means for ever."""
        low, high = max(self.start, start), self.end if end is None else min(self.end, end)
        return Period(low, high) if low < high else None


def hour_number(instant: datetime) -> int:
    """Return the number of whole hours since 1970, the key under which usage is kept."""
    since = instant - EPOCH
    return since.days * 24 + since.seconds // 3600


def hour_start(number: int) -> datetime:
    """Return the instant at which an hour begins: the inverse of `hour_number`."""
    return EPOCH + number * HOUR


def on_the_hour(instant: datetime) -> bool:
    """Whether the instant is a full hour in UTC."""
    return not (instant.minute or instant.second or instant.microsecond) and (instant - EPOCH) % HOUR == timedelta(0)


def add_months(anchor: datetime, months: int) -> datetime:
    """Return the anchor moved by months, on its own day or the month's last (31 January + 1 → 28 February)."""
    index = anchor.year * 12 + anchor.month - 1 + months
    year, month = divmod(index, 12)
    day = min(anchor.day, calendar.monthrange(year, month + 1)[1])
    return anchor.replace(year=year, month=month + 1, day=day)


def month_start(instant: datetime) -> datetime:
    """Return midnight of the first day of the month."""
    return instant.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


@lru_cache(maxsize=4096)
def cycle(anchor: datetime, frequency: AnyFrequency, number: int) -> datetime:
    """Return the start of the cycle that lies `number` cycles after the anchor (before, if negative).

    Counted from the anchor, not from the cycle before, so that an anchor on the 31st comes back to the 31st.
    """
    if frequency in DAYS:
        return anchor + timedelta(days=DAYS[frequency] * number)
    return add_months(anchor, MONTHS[frequency] * number)


def cycle_at(anchor: datetime, frequency: AnyFrequency, instant: datetime) -> int:
    """Return the number of the cycle in which the instant lies."""
    if frequency in DAYS:
        return (instant - anchor) // timedelta(days=DAYS[frequency])
    months = (instant.year - anchor.year) * 12 + instant.month - anchor.month
    number = months // MONTHS[frequency]
    while cycle(anchor, frequency, number) > instant:
        number -= 1
    while cycle(anchor, frequency, number + 1) <= instant:
        number += 1
    return number


def billing_periods(
    start: datetime, end: datetime | None, anchor: datetime, frequency: Frequency, until: datetime
) -> Iterator[Period]:
    """Yield the billing periods of a term [start, end) that start at or before `until`, oldest first.

    The first and the last are shorter when the term does not begin or end on a cycle (metronome-api.md §4.7:
    contract 09-15 with anchor 09-10, monthly: 09-15 → 10-10, then each 10th).
    """
    number = cycle_at(anchor, frequency, start)
    low = start
    while low <= until and (end is None or low < end):
        number += 1
        high = cycle(anchor, frequency, number)
        if high <= low:
            continue
        yield Period(low, high if end is None else min(high, end))
        low = high
