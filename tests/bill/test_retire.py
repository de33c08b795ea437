"""The law of retirement: a commit that is used up may be left out, and nobody owes another amount."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from bill.worlds import START, World, worlds
from winkel.bill.draft import Draft
from winkel.bill.retire import why_not
from winkel.model.account import Account
from winkel.model.ledger import EntryKind, LedgerEntry
from winkel.model.money import total


def amounts(drafts: list[Draft]) -> list[tuple[str, Decimal, list[object]]]:
    """Return what drafts ask for and what they take from balances."""
    return [
        (each.invoice.id, each.invoice.total, [(entry.segment_id, entry.amount) for entry in each.entries])
        for each in drafts
    ]


def used_up(world: World, count: int) -> Account:
    """Return the account after that many of its drafts became final, with nothing left in the first balance."""
    final = world.drafts()[:count]
    entries = (*world.account.entries, *(entry for each in final for entry in each.entries))
    first, *others = world.account.balances
    segments = tuple(
        structs.replace(each, amount=-total(entry.amount for entry in entries if entry.segment_id == each.id))
        for each in first.segments
    )
    items = {line.schedule_item_id for each in final for line in each.invoice.line_items if line.schedule_item_id}
    items |= {each.id for each in first.invoice_schedule.schedule_items} if first.invoice_schedule else set()
    return structs.replace(
        world.account,
        balances=(structs.replace(first, segments=segments), *others),
        entries=entries,
        invoiced=frozenset(each.invoice.id for each in final),
        invoiced_items=frozenset(items),
    )


with_balances = worlds().filter(lambda world: len(world.account.balances) > 0)


@given(with_balances, st.integers(0, 3))
def test_what_is_used_up_may_be_left_out(world: World, count: int) -> None:
    """Totals and deductions of all other drafts are the same without it."""
    account = used_up(world, count)
    assert why_not(account.balances[0], account.entries, account.invoiced_items) is None
    without = structs.replace(account, balances=account.balances[1:])
    assert amounts(World(without, world.usage).drafts()) == amounts(World(account, world.usage).drafts())


@given(with_balances, st.integers(0, 3), st.sampled_from([Decimal(1), Decimal(-1)]))
def test_what_holds_something_is_not_retired(world: World, count: int, amount: Decimal) -> None:
    """An entry that gives something back, or takes too much, is a reason; so is a date that is not invoiced."""
    account = used_up(world, count)
    first = account.balances[0]
    entry = LedgerEntry(
        id="back", balance_id=first.id, segment_id=first.segments[0].id, kind=EntryKind.MANUAL, amount=amount,
        timestamp=START,
    )  # fmt: skip
    assert why_not(first, [*account.entries, entry], account.invoiced_items) is not None
    if first.invoice_schedule is not None:
        assert why_not(first, account.entries, ()) is not None
