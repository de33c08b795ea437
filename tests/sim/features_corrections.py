"""What a case shows of invoices that are voided and made anew."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from sim.oracle_bill import Bill
from sim.oracle_family import CONSOLIDATED
from sim.world import QUANTITY, Case

if TYPE_CHECKING:
    from sim.features import Sight

CORRECTIONS = (
    *(f"{what} {each}" for what in ("void", "regenerated") for each in ("statement", "dates", "true-up")),
    "void once more", "regenerated the same", "regenerated with late usage",
    "regenerated, paid more", "comes back", "comes back after its end", "promise comes back",
    "regenerated with what stood below usage",
    "regenerated subscription", "regenerated subscription is paid", "regenerated composite", "regenerated conversion",
    "settled again, more", "settled again, less", "drafts after a void statement",
)  # fmt: skip


def of_corrections(case: Case, sights: Iterable["Sight"]) -> Iterator[str]:
    """Yield what was corrected at any time."""
    seen: set[object] = set()
    for sight in sights:
        for kind, bill, made, _ in sight.corrected:
            what = _kind(bill)
            yield f"void {what}" if kind == "VOID" else f"regenerated {what}" if made else f"{what} not made anew"
            if kind == "VOID":
                key = bill.contract_id, bill.type, bill.start, bill.currency, frozenset(_items(bill))
                yield from ("void once more",) * (key in seen)
                seen.add(key)
                yield from _of_void(sight, bill)
            elif made is not None:
                yield from _of_new(case, sight, bill, made)
        if any(kind == "VOID" and bill.type == "USAGE" for kind, bill, _, _ in sight.corrected):
            yield "drafts after a void statement"
        for rolled in sight.books.rolled:
            if len(rolled.told) > 1:
                yield "settled again, more" if rolled.told[-1] > 0 else "settled again, less"
                new = rolled.balance.segments[0].id
                yield from ("settled again, some is used",) * any(bill.paid.get(new) for bill in sight.books.final)


def _kind(bill: Bill) -> str:
    if bill.type == "USAGE":
        return "statement"
    if bill.type == CONSOLIDATED:
        return "consolidated"
    return "true-up" if any(line.name.endswith(" true-up") for line in bill.lines) else "dates"


def _items(bill: Bill) -> set[str]:
    return {line.item_id for line in bill.lines if line.item_id}


def _of_void(sight: "Sight", bill: Bill) -> Iterator[str]:
    """Yield what comes back from a void invoice."""
    for balance in sight.balances:
        for segment in balance.segments:
            if segment.id in bill.paid:
                yield "promise comes back" if balance.type == "POSTPAID" else "comes back"
                yield from ("units come back",) * (balance.currency == QUANTITY)
                yield from ("comes back after its end",) * (segment.ending_before <= sight.at)


def _of_new(case: Case, sight: "Sight", bill: Bill, made: Bill) -> Iterator[str]:
    """Yield how the new invoice differs from the void one, and what is on it."""
    if bill.lines:
        yield "regenerated the same" if set(bill.lines) == set(made.lines) else "regenerated otherwise"
    before, after = sum(bill.paid.values()), sum(made.paid.values())
    yield from ("regenerated, paid less",) * (after < before)
    yield from ("regenerated, paid more",) * (before < after)
    if _kind(bill) == "true-up" and made.total != bill.total:
        yield "true-up asks for more" if made.total > bill.total else "true-up asks for less"
    types = {line.type for line in made.lines}
    if made.type == "USAGE":
        yield from ("regenerated with what stood below usage",) * bool(types & {"scheduled", "commit_purchase"})
        due = bill.end or bill.start
        late = [each for each in case.counted if bill.start <= each.at < due and due + case.grace < each.known_at]
        yield from ("regenerated with late usage",) * any(each.known_at <= sight.at for each in late)
    if "subscription" in types:
        yield "regenerated subscription"
        yield from ("regenerated subscription is paid",) * (made.type == "SCHEDULED" and bool(made.paid))
    yield from ("regenerated conversion",) * ("cpu_conversion" in types)
    composites = {each.id for each in case.tenant.products if each.type == "COMPOSITE"}
    yield from ("regenerated composite",) * any(line.product_id in composites and line.total for line in made.lines)
