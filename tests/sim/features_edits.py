"""What a case shows of terms that are edited, above all between voiding an invoice and making it anew."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from sim.oracle_bill import Bill
from sim.oracle_family import CONSOLIDATED
from sim.world import Edit, Item, ScheduledCharge, Tenant

if TYPE_CHECKING:
    from sim.features import Sight

EDITS = (
    "regenerated after an edit", "mended price", "mended price, paid", "mended price of a renewed contract",
    "override removed after void", "filter after void", "forgotten credit pays", "forgotten promise counts",
    "forgotten charge below usage", "forgotten discount below usage", "forgotten charge on a draft",
    "amount changed after void", "access changed after void", "true-up after an edit", "consolidated after an edit",
    "final date stays", "what was drawn stays", "what is on invoices is not archived", "archived while open",
    "archived before it began", "archived charge", "archived discount", "archived pays no more",
    "archived asks no more", "children that have begun stay", "children to come change", "discount changed",
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
            yield from ("what is on invoices is not archived",) * (bool(edit.archived) and not done)
        for _, bill, made, since in sight.corrected:
            yield from _of_gone(sight, bill, since)
            if made is not None and since:
                yield "regenerated after an edit"
                yield from _of_new(sight, bill, made, since)
        before += [edit for edit, done in sight.edited if done]
        yield from _of_what_is_left(sight.books.tenant, before)
        yield from _of_recurring(sight, before)


def _of_what_is_left(tenant: Tenant, before: Iterable[Edit]) -> Iterator[str]:
    """Yield what does not go on any more, and what takes off something else."""
    for each in tenant.balances:
        for segment in each.segments if each.archived_at is not None else ():
            open_then = segment.starting_at < each.archived_at < segment.ending_before
            yield from ("archived while open",) * open_then
            yield from ("archived before it began",) * (each.archived_at <= segment.starting_at)
    changed = {item.id for edit in before for item in edit.items}
    for contract in tenant.contracts:
        yield from ("archived charge",) * any(each.archived_at is not None for each in contract.charges)
        yield from ("archived discount",) * any(each.archived_at is not None for each in contract.discounts)
        yield from ("discount changed",) * any(each.id in changed for each in _items(contract.discounts))


def _of_recurring(sight: "Sight", before: Iterable[Edit]) -> Iterator[str]:
    """Yield whether terms have changed that gave something before, and give something since."""
    for edit in before:
        for term in edit.recurring:
            own = [each for each in sight.balances if each.id.startswith(f"{term.id} ") and each.segments]
            begun = [each.segments[0].starting_at <= edit.said_at for each in own]
            yield from ("children that have begun stay",) * any(begun)
            yield from ("children to come change",) * (not all(begun))


def _of_gone(sight: "Sight", bill: Bill, since: Iterable[Edit]) -> Iterator[str]:
    """Yield what of a void invoice was archived before that was to be made anew."""
    gone = {one for edit in since for one in edit.archived}
    tenant = sight.books.tenant
    archived = [each for each in tenant.balances if each.id in gone]
    yield from ("archived pays no more",) * any(one.id in bill.paid for each in archived for one in each.segments)
    dated = (one for each in tenant.contracts for one in (*each.charges, *each.discounts) if one.id in gone)
    items = {item.id for each in (*archived, *dated) if each.schedule for item in each.schedule.items}
    yield from ("archived asks no more",) * any(line.item_id in items for line in bill.lines)


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
