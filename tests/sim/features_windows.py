"""What a case shows of statements that are cut into windows."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from sim.oracle_bill import Line
from sim.world import Case

if TYPE_CHECKING:
    from sim.features import Sight

WINDOWS = (
    "cut into windows",
    "cut and paid",
    "cut tiers",
    "cut within a line",
    "cut in a family",
    "cut and charged once",
)


def of_windows(case: Case, sight: "Sight") -> Iterator[str]:
    """Yield what statements that are cut show."""
    for bill in sight.drafts:
        cuts = [each for each in case.cuts if bill.end is not None and bill.start < each < bill.end]
        if bill.type != "USAGE" or not cuts:
            continue
        yield "cut into windows"
        yield from ("cut and paid",) * bool(bill.paid)
        yield from ("cut tiers",) * any(line.tier and line.tier[0] > 1 for line in bill.lines)
        yield from ("cut within a line",) * any(_is_cut(line, cuts) for line in bill.lines)
        yield from ("cut in a family",) * (len(case.tenant.customers) > 1)
        yield from ("cut and charged once",) * any(line.type == "subscription" for line in bill.lines)


def _is_cut(line: Line, cuts: list[datetime]) -> bool:
    start, end = line.starting_at, line.ending_before
    return start is not None and end is not None and bool(line.quantity) and any(start < each < end for each in cuts)
