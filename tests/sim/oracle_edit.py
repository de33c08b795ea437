"""The oracle's edits: what is agreed from an instant on, and what final invoices keep (docs/pricing.md, section 14)."""

from fractions import Fraction

from msgspec.structs import replace

from sim.oracle_books import Books
from sim.oracle_number import exact
from sim.world import Balance, Contract, Edit, Item, Schedule, ScheduledCharge, Segment


def edit(books: Books, asked: Edit) -> bool:
    """Change what is agreed, all of it or nothing; False: that is refused."""
    if not _is_possible(books, asked):
        return False
    made = books.tenant
    begun = _begun(books, asked)
    contracts = [_contract(each, asked) if each.id == asked.contract_id else each for each in made.contracts]
    balances = [*(_balance(each, asked) for each in made.balances), *begun, *asked.balances]
    books.tenant = replace(made, contracts=contracts, balances=balances)
    books.edits.append(asked)
    return True


def _is_possible(books: Books, asked: Edit) -> bool:
    """Whether what goes is there, and nothing changes that a final invoice has used."""
    [contract] = [each for each in books.tenant.contracts if each.id == asked.contract_id]
    if not set(asked.removed) <= {each.id for each in contract.overrides}:
        return False
    final = {line.item_id for bill in books.final if not bill.void for line in bill.lines}
    taken_off = {item.id: item for each in contract.discounts for item in each.schedule.items}
    if any(each.id in final and not _is_same(each, taken_off.get(each.id)) for each in asked.items):
        return False
    before = {each.id: each for balance in books.tenant.balances for each in balance.segments}
    drawn, left = books.taken(asked.said_at), books.left(asked.said_at)
    own = [each for each in books.tenant.balances if each.contract_id in {None, contract.id}]
    dated = [*own, *contract.charges, *contract.discounts]
    changed = {each.id for each in (*asked.items, *asked.segments)}
    for each in dated:
        its = {one.id for one in each.schedule.items} if each.schedule else set()
        segments = [one.id for one in each.segments] if isinstance(each, Balance) else []
        if each.archived_at is not None and (each.id in asked.archived or changed & {*its, *segments}):
            return False
        if each.id in asked.archived and (its & final or any(drawn.get(one, 0) > 0 for one in segments)):
            return False
    return all(_may_be(before[each.id], each, drawn[each.id], left[each.id]) for each in asked.segments)


def _begun(books: Books, asked: Edit) -> list[Balance]:
    """Return the children that have begun, where terms change: they stay as they are."""
    kept = {each.id for each in books.tenant.balances}
    return [
        each
        for each in books.balances(asked.said_at)
        if asked.recurring
        and (each.contract_id, each.rolled_from) == (asked.contract_id, None)
        and each.id not in kept
        and each.segments
        and each.segments[0].starting_at <= asked.said_at
    ]


def _is_same(item: Item, before: Item | None) -> bool:
    """Whether nothing changes: discounts are said anew as a whole, with dates that stay."""
    return before is not None and all(
        exact(one) == exact(other)
        for one, other in ((item.quantity, before.quantity), (item.unit_price, before.unit_price))
    )


def _may_be(before: Segment, after: Segment, drawn: Fraction, left: Fraction) -> bool:
    """Whether a segment may be another one, of which so much is drawn and left: it must last for a while."""
    if after.starting_at >= after.ending_before:
        return False
    if drawn and after.starting_at > before.starting_at:
        return False
    more = exact(after.amount) - exact(before.amount)
    return more >= 0 or left + more >= 0


def _contract(contract: Contract, asked: Edit) -> Contract:
    kept = (each for each in contract.overrides if each.id not in asked.removed)
    terms = {each.id: each for each in asked.recurring}
    return replace(
        contract,
        overrides=(*kept, *asked.overrides),
        charges=(*(_charge(each, asked) for each in contract.charges), *asked.charges),
        discounts=(*(_charge(each, asked) for each in contract.discounts), *asked.discounts),
        recurring=tuple(terms.get(each.id, each) for each in contract.recurring),
        filters=(*contract.filters, *asked.filters),
    )


def _charge(charge: ScheduledCharge, asked: Edit) -> ScheduledCharge:
    at = asked.said_at if charge.id in asked.archived else charge.archived_at
    return replace(charge, schedule=_schedule(charge.schedule, asked), archived_at=at)


def _balance(balance: Balance, asked: Edit) -> Balance:
    segments = {each.id: each for each in asked.segments}
    return replace(
        balance,
        segments=tuple(segments.get(each.id, each) for each in balance.segments),
        schedule=balance.schedule and _schedule(balance.schedule, asked),
        archived_at=asked.said_at if balance.id in asked.archived else balance.archived_at,
    )


def _schedule(schedule: Schedule, asked: Edit) -> Schedule:
    items = {each.id: each for each in asked.items}
    return replace(schedule, items=tuple(items.get(each.id, each) for each in schedule.items))
