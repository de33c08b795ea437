"""The oracle's billing periods (docs/pricing.md, section 2)."""

import calendar
from datetime import datetime, timedelta
from functools import lru_cache

from sim.world import Contract

MONTHS = {"MONTHLY": 1, "QUARTERLY": 3, "ANNUAL": 12}
DAYS = {"WEEKLY": 7, "DAILY": 1}


def months_after(anchor: datetime, months: int) -> datetime:
    """Return the same day some months later, or that month's last day."""
    index = anchor.year * 12 + anchor.month - 1 + months
    last = calendar.monthrange(index // 12, index % 12 + 1)[1]
    return anchor.replace(year=index // 12, month=index % 12 + 1, day=min(anchor.day, last))


def next_cycle(anchor: datetime, frequency: str, after: datetime) -> datetime:
    """Return the first cycle of the anchor after an instant. Cycles are counted from the anchor, there and back."""
    return min(each for each in cycles_around(anchor, frequency, after) if each > after)


def last_cycle(anchor: datetime, frequency: str, until: datetime) -> datetime:
    """Return the last cycle of the anchor at or before an instant."""
    return max(each for each in cycles_around(anchor, frequency, until) if each <= until)


@lru_cache(maxsize=1 << 12)
def cycles_around(anchor: datetime, frequency: str, at: datetime) -> list[datetime]:
    """Return a few cycles of the anchor before and after an instant."""
    if frequency in DAYS:
        step = timedelta(days=DAYS[frequency])
        return [anchor + number * step for number in around((at - anchor) // step)]
    months = MONTHS[frequency]
    number = ((at.year - anchor.year) * 12 + at.month - anchor.month) // months
    return [months_after(anchor, months * each) for each in around(number)]


def around(number: int) -> range:
    """Return a few numbers before and after: so nobody needs to think about which is the right one."""
    return range(number - 2, number + 4)


def makes(contract: Contract, start: datetime) -> bool:
    """Whether the statement of the billing period that begins then is made by itself (section 19)."""
    return contract.statements_from is None or contract.statements_from <= start


def periods(contract: Contract, until: datetime) -> list[tuple[datetime, datetime]]:
    """Return the billing periods of a contract that have begun at `until`."""
    found = []
    start = contract.starting_at
    while start <= until and (contract.ending_before is None or start < contract.ending_before):
        end = next_cycle(contract.anchor, contract.frequency, start)
        if contract.ending_before is not None:
            end = min(end, contract.ending_before)
        found.append((start, end))
        start = end
    return found
