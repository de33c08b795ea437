"""What a case shows of discounts, and of what is asked for on dates and stands on usage statements."""

from collections.abc import Iterator
from datetime import datetime

from sim.oracle_bill import Bill, Line
from sim.oracle_period import periods
from sim.world import Case, Contract, Item

DATED = (
    "discount", "discount with a name", "nothing but discounts", "discount and subscription", "discount below usage",
    "charge below usage", "commit below usage", "paid usage above", "later on the last day",
    "on its last day in another currency", "on its last day, too late", "on its last day, too early",
)  # fmt: skip


def of_dated(case: Case, bill: Bill, at: datetime) -> Iterator[str]:
    """Yield what an invoice shows of dates, as a draft at an instant."""
    contract = next(each for each in case.tenant.contracts if each.id == bill.contract_id)
    items = {item.id: item for each in contract.discounts for item in each.schedule.items}
    off = [line for line in bill.lines if line.item_id in items]
    if off:
        yield "discount"
        yield from ("discount with a name",) * any(line.name == "Off" for line in off)
        yield from ("nothing but discounts",) * (len(off) == len(bill.lines))
        yield from ("discount and subscription",) * any(line.type == "subscription" for line in bill.lines)
    if contract.on_statements:
        items |= {item.id: item for each in contract.charges for item in each.schedule.items}
        items |= {item.id: item for each in case.tenant.balances if each.schedule for item in each.schedule.items}
        dated = [line for line in bill.lines if line.item_id in items]
        if bill.end is None:
            yield from (told for line in dated for told in _beside(case, contract, bill, items[str(line.item_id)], at))
        else:
            yield from (told for line in dated for told in _below(contract, bill, line, items[str(line.item_id)]))


def _below(contract: Contract, bill: Bill, line: Line, item: Item) -> Iterator[str]:
    """Yield what stands on a usage statement."""
    discounts = {item.id for each in contract.discounts for item in each.schedule.items}
    yield (
        "commit below usage"
        if line.balance_id
        else ("discount below usage" if item.id in discounts else "charge below usage")
    )
    yield from ("paid usage above",) * bool(bill.paid)
    yield from ("later on the last day",) * (bill.end is not None and bill.end < item.at)


def _beside(case: Case, contract: Contract, bill: Bill, item: Item, at: datetime) -> Iterator[str]:
    """Yield why something stands on a scheduled invoice though a period ends on its day."""
    starts = [start for start, end in periods(contract, item.at) if end.date() == item.at.date()]
    if starts and bill.usage_until is None:
        if bill.currency != case.tenant.cards[contract.card_id]:
            yield "on its last day in another currency"
        else:
            yield "on its last day, too early" if starts[-1] > at else "on its last day, too late"
