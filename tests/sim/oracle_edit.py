"""The oracle's edits: what is agreed from an instant on, and what final invoices keep (docs/pricing.md, section 14)."""

from fractions import Fraction

from msgspec.structs import replace

from sim.oracle_books import Books
from sim.oracle_number import exact
from sim.world import Balance, Contract, Edit, Schedule, ScheduledCharge, Segment


def edit(books: Books, asked: Edit) -> bool:
    """Change what is agreed, all of it or nothing; False: that is refused."""
    if not _is_possible(books, asked):
        return False
    made = books.tenant
    contracts = [_contract(each, asked) if each.id == asked.contract_id else each for each in made.contracts]
    balances = [*(_balance(each, asked) for each in made.balances), *asked.balances]
    books.tenant = replace(made, contracts=contracts, balances=balances)
    books.edits.append(asked)
    return True


def _is_possible(books: Books, asked: Edit) -> bool:
    """Whether what goes is there, and nothing changes that a final invoice has used."""
    [contract] = [each for each in books.tenant.contracts if each.id == asked.contract_id]
    if not set(asked.removed) <= {each.id for each in contract.overrides}:
        return False
    final = {line.item_id for bill in books.final if not bill.void for line in bill.lines}
    if any(each.id in final for each in asked.items):
        return False
    before = {each.id: each for balance in books.tenant.balances for each in balance.segments}
    drawn, left = books.taken(asked.said_at), books.left(asked.said_at)
    return all(_may_be(before[each.id], each, drawn[each.id], left[each.id]) for each in asked.segments)


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
    return replace(
        contract,
        overrides=(*kept, *asked.overrides),
        charges=(*(_charge(each, asked) for each in contract.charges), *asked.charges),
        discounts=(*contract.discounts, *asked.discounts),
        filters=(*contract.filters, *asked.filters),
    )


def _charge(charge: ScheduledCharge, asked: Edit) -> ScheduledCharge:
    return replace(charge, schedule=_schedule(charge.schedule, asked))


def _balance(balance: Balance, asked: Edit) -> Balance:
    segments = {each.id: each for each in asked.segments}
    return replace(
        balance,
        segments=tuple(segments.get(each.id, each) for each in balance.segments),
        schedule=balance.schedule and _schedule(balance.schedule, asked),
    )


def _schedule(schedule: Schedule, asked: Edit) -> Schedule:
    items = {each.id: each for each in asked.items}
    return replace(schedule, items=tuple(items.get(each.id, each) for each in schedule.items))
