"""What a case shows of terms that are edited, above all between voiding an invoice and making it anew."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from sim.oracle_bill import Bill
from sim.oracle_family import CONSOLIDATED
from sim.world import Edit, Item, ScheduledCharge

if TYPE_CHECKING:
    from sim.features import Sight

EDITS = (
    "regenerated after an edit", "mended price", "mended price, paid", "mended price of a renewed contract",
    "override removed after void", "filter after void", "forgotten credit pays", "forgotten promise counts",
    "forgotten charge below usage", "forgotten discount below usage", "forgotten charge on a draft",
    "amount changed after void", "access changed after void", "true-up after an edit", "consolidated after an edit",
    "final date stays", "what was drawn stays",
)  # fmt: skip


def of_edits(sights: Iterable["Sight"]) -> Iterator[str]:
    """Yield what was edited, and what came of it."""
    before: list[Edit] = []
    for sight in sights:
        dated = {line.item_id for bill in sight.drafts for line in bill.lines}
        yield from ("forgotten charge on a draft",) * any(
            item.id in dated for edit in before for item in _items(edit.charges)
        )
        for edit, done in sight.edited:
            yield from ("final date stays",) * (bool(edit.items) and not done)
            yield from ("what was drawn stays",) * (bool(edit.segments) and not done)
        for _, bill, made, since in sight.corrected:
            if made is not None and since:
                yield "regenerated after an edit"
                yield from _of_new(sight, bill, made, since)
        before += [edit for edit, done in sight.edited if done]


def _of_new(sight: "Sight", bill: Bill, made: Bill, since: Iterable[Edit]) -> Iterator[str]:
    """Yield what is on an invoice that was made anew after edits, and was not on the void one."""
    own = [each for each in since if each.contract_id == bill.contract_id]
    given = {segment.id: each for edit in since for each in edit.balances for segment in each.segments}
    paying = [given[each] for each in made.paid if each in given]
    yield from ("forgotten credit pays",) * any(each.type == "CREDIT" for each in paying)
    yield from ("forgotten promise counts",) * any(each.type == "POSTPAID" for each in paying)
    yield from ("access changed after void",) * any(each.id in made.paid for edit in since for each in edit.segments)
    asked = {line.item_id for line in made.lines}
    yield from ("amount changed after void",) * any(each.id in asked for edit in since for each in edit.items)
    if made.type == CONSOLIDATED:
        yield from ("consolidated after an edit",) * (set(made.lines) != set(bill.lines))
    elif made.type == "USAGE":
        yield from ("forgotten charge below usage",) * any(
            one.id in asked for each in own for one in _items(each.charges)
        )
        off = [one for each in own for one in _items(each.discounts)]
        yield from ("forgotten discount below usage",) * any(one.id in asked for one in off)
        if _prices(bill) != _prices(made):
            yield from _of_prices(sight, made, own)
        yield from ("filter after void",) * (_counts(bill) != _counts(made) and any(each.filters for each in own))
    elif any(line.name.endswith(" true-up") for line in made.lines):
        yield from ("true-up after an edit",) * (made.total != bill.total)


def _of_prices(sight: "Sight", made: Bill, own: Iterable[Edit]) -> Iterator[str]:
    """Yield how other prices came to be."""
    yield from ("override removed after void",) * any(each.removed for each in own)
    if any(each.overrides for each in own):
        yield "mended price"
        yield from ("mended price, paid",) * bool(made.paid)
        renewed = {each.renews for each in sight.books.contracts(sight.at)}
        yield from ("mended price of a renewed contract",) * (made.contract_id in renewed)


def _items(some: Iterable[ScheduledCharge]) -> list[Item]:
    return [item for each in some for item in each.schedule.items]


def _prices(bill: Bill) -> set[object]:
    return {(line.product_id, line.unit_price) for line in bill.lines if line.type == "usage"}


def _counts(bill: Bill) -> set[object]:
    return {(line.product_id, line.quantity) for line in bill.lines if line.type == "usage" and line.quantity}
