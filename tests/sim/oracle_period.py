"""The oracle's billing periods (docs/pricing.md, section 2)."""

import calendar
from datetime import datetime, timedelta

from sim.world import Contract

MONTHS = {"MONTHLY": 1, "QUARTERLY": 3, "ANNUAL": 12}


def months_after(anchor: datetime, months: int) -> datetime:
    """Return the same day some months later, or that month's last day."""
    index = anchor.year * 12 + anchor.month - 1 + months
    last = calendar.monthrange(index // 12, index % 12 + 1)[1]
    return anchor.replace(year=index // 12, month=index % 12 + 1, day=min(anchor.day, last))


def next_cycle(anchor: datetime, frequency: str, after: datetime) -> datetime:
    """Return the first cycle of the anchor after an instant. Cycles are counted from the anchor, there and back."""
    if frequency == "WEEKLY":
        return min(
            anchor + timedelta(weeks=number)
            for number in around((after - anchor).days // 7)
            if anchor + timedelta(weeks=number) > after
        )
    step = MONTHS[frequency]
    number = ((after.year - anchor.year) * 12 + after.month - anchor.month) // step
    cycles = [months_after(anchor, step * each) for each in around(number)]
    return min(each for each in cycles if each > after)


def around(number: int) -> range:
    """Return a few numbers before and after: so nobody needs to think about which is the right one."""
    return range(number - 2, number + 4)


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
