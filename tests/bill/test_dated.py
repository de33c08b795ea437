"""Laws of what stands on invoices on dates: discounts, and dates that usage invoices collect."""

from collections import Counter
from datetime import datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from bill.lines import sums
from bill.worlds import DAYS, World, day, worlds
from winkel.bill.breakdown import breakdown
from winkel.bill.statement import Statement, needs_of
from winkel.model.commit import InvoiceSchedule, ScheduleItem
from winkel.model.contract import ChargesOnUsageInvoices, Contract, Discount, ScheduledCharge
from winkel.model.credit_type import BY_ID, USD
from winkel.model.invoice import InvoiceType
from winkel.model.ledger import LedgerEntry
from winkel.model.money import total
from winkel.model.period import Period

EURO = next(each.id for each in BY_ID.values() if each.name == "EUR")
ONE = Decimal(1)


@st.composite
def dated(draw: st.DrawFn, kind: type[ScheduledCharge] | type[Discount]) -> ScheduledCharge | Discount:
    """Return a charge or a discount with some dates; many are the last day of a period."""
    name, items = str(draw(st.uuids())), []
    for number in range(draw(st.integers(1, 3))):
        price, count = (
            draw(st.decimals(0, 100, places=2, allow_nan=False)),
            draw(st.sampled_from([ONE, Decimal("2.5")])),
        )
        date = day(draw(st.sampled_from([0, 31, 31, 59, 59, 90]) | st.integers(0, DAYS + 5)))
        its_id = f"{name} {number}"
        items.append(ScheduleItem(id=its_id, timestamp=date, amount=price * count, quantity=count, unit_price=price))
    unit = draw(st.sampled_from([USD.id, USD.id, EURO]))
    schedule = InvoiceSchedule(credit_type_id=unit, schedule_items=tuple(items))
    return kind(id=name, product_id="fixed", schedule=schedule)


@st.composite
def with_dates(draw: st.DrawFn) -> World:
    """Return a customer whose contracts have charges and discounts."""
    world = draw(worlds())
    contracts = tuple(
        structs.replace(
            each,
            scheduled_charges=tuple(draw(st.lists(dated(ScheduledCharge), max_size=2))),
            discounts=tuple(draw(st.lists(dated(Discount), min_size=1, max_size=2))),
        )
        for each in world.account.contracts
    )
    return changed(world, contracts)


def changed(world: World, contracts: tuple[Contract, ...]) -> World:
    return World(structs.replace(world.account, contracts=contracts), world.usage, world.at)


def collecting(world: World) -> World:
    """Return the world whose contracts have their dates on usage invoices."""
    rule = ChargesOnUsageInvoices.ALL
    some = (structs.replace(each, scheduled_charges_on_usage_invoices=rule) for each in world.account.contracts)
    return changed(world, tuple(some))


def drawn(world: World) -> Counter[tuple[str, Decimal, datetime]]:
    """Return what balances pay, and when."""
    entries: list[LedgerEntry] = [entry for draft in world.drafts() for entry in draft.entries]
    return Counter((each.segment_id, each.amount, each.timestamp) for each in entries)


def asked(world: World, unit: str) -> Decimal:
    """Return what all drafts ask for in a currency."""
    return total([each.invoice.total for each in world.drafts() if each.invoice.credit_type_id == unit])


@given(with_dates())
def test_a_discount_takes_its_amounts_off_and_changes_nothing_else(world: World) -> None:
    """What balances pay is the same without it, and all invoices together ask for so much less."""
    contracts = world.account.contracts
    bare = changed(world, tuple(structs.replace(each, discounts=()) for each in contracts))
    assert drawn(world) == drawn(bare)
    for unit in (USD.id, EURO):
        schedules = [
            one.schedule for each in contracts for one in each.discounts if one.schedule.credit_type_id == unit
        ]
        taken = total([item.amount for schedule in schedules for item in schedule.schedule_items])
        assert asked(world, unit) + taken == asked(bare, unit)


@given(with_dates())
def test_usage_invoices_collect_dates_and_change_nothing_else(world: World) -> None:
    """The same lines stand on other invoices: each item once, and none that a usage invoice could have beside it."""
    other = collecting(world)
    assert drawn(other) == drawn(world)
    assert lines(other) == lines(world)
    found = other.drafts()
    ends = {(each.invoice.contract_id, each.invoice.end) for each in found if each.invoice.type is InvoiceType.USAGE}
    beside = [each.invoice for each in found if each.invoice.type is InvoiceType.SCHEDULED]
    assert not [
        each for each in beside if (each.contract_id, each.issued_at) in ends and each.credit_type_id == USD.id
    ], "a commit, charge or discount has no invoice of its own where one of usage ends"


def lines(world: World) -> Counter[str]:
    """Return all lines of all drafts."""
    return Counter(str(line) for draft in world.drafts() for line in draft.invoice.line_items)


@given(with_dates(), st.integers(1, 40))
def test_windows_of_a_collecting_invoice_sum_to_it(world: World, step: int) -> None:
    """Dates lie in the window in which the period ends."""
    other = collecting(world)
    account = other.account
    contracts = {each.id: each for each in account.contracts}
    for draft in (each.invoice for each in other.drafts() if each.invoice.type is InvoiceType.USAGE):
        needed = needs_of(account, [Statement(contracts[draft.contract_id], draft.period, draft.id)])
        usage = {need.key: other.usage[need.key] for need in needed}
        windows = [Period(day(number), day(number + step)) for number in range(0, 90, step)]
        found = breakdown(account, draft, usage, windows)
        pieces = [line for each in found for line in each.invoice.line_items]
        assert sums(draft, pieces) == sums(draft, draft.line_items)
