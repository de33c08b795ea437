"""What a case shows of dates of issue that were moved."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from sim.oracle_bill import Bill

if TYPE_CHECKING:
    from sim.features import Sight

MOVED = (
    "moved sooner", "moved later", "moved and over", "moved true-up", "moved beyond the end", "moved and final",
    "moved and paid", "regenerated after a move",
)  # fmt: skip


def of_moves(sights: Iterable["Sight"]) -> Iterator[str]:
    """Yield what was moved, and what came of it."""
    done: set[str | None] = set()
    for sight in sights:
        for bill in sight.final:
            if _items(bill) & done and bill.end is None:
                yield "moved and final"
                yield from ("moved and paid",) * bool(bill.paid)
        for bill, asked, was in sight.moved:
            if not was:
                yield "moved beyond the end"
                continue
            done |= _items(bill)
            yield "moved sooner" if asked.to < bill.start else "moved later"
            yield from ("moved and over",) * (asked.to <= asked.said_at)
            yield from ("moved true-up",) * any(line.name.endswith(" true-up") for line in bill.lines)
        for _, bill, made, _ in sight.corrected:
            yield from ("regenerated after a move",) * (
                made is not None and made.end is None and bool(_items(bill) & done)
            )


def _items(bill: Bill) -> set[str | None]:
    return {line.item_id for line in bill.lines} - {None}
