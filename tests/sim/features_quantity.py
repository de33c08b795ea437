"""What a case shows of balances of units."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from sim.oracle_bill import Bill, Line
from sim.oracle_draw import is_paid
from sim.oracle_number import exact
from sim.world import QUANTITY, Balance, Case

COVERED = (
    "units roll over", "units covered", "units covered of a customer", "units covered of a contract",
    "units at a price of zero",
    "units at a commit rate", "units at a price of their own", "units in part", "units to 20 places",
    "units, then money", "money, then units", "first units first", "units of several products",
    "units in a custom unit", "units in money and in a custom unit", "units and a subscription",
    "units and a composite product", "free units shared", "paid units shared", "units set off", "recurring units",
    "part of recurring units", "units come back", "manual entry of units", "units used up",
)  # fmt: skip


def of_covered(case: Case, bill: Bill, balances: dict[str, Balance]) -> Iterator[str]:
    """Yield what a usage statement shows of balances of units."""
    if any(each.rolled_from is not None and each.currency == QUANTITY for each in balances.values()):
        yield "units roll over"
    paid = [line for line in bill.lines if line.type == "usage" and line.balance_id]
    covered = [line for line in paid if balances[str(line.balance_id)].currency == QUANTITY]
    if not covered:
        return
    yield "units covered"
    for line in covered:
        yield from _of_line(case, bill, line, balances[str(line.balance_id)])
    yield from _of_products(bill, covered, balances)
    groups: dict[Any, list[Line]] = defaultdict(list)
    for line in bill.lines:
        if line.type == "usage" and line.quantity:
            groups[line.product_id, line.pricing, line.presentation, line.starting_at].append(line)
    for (product_id, pricing, presentation, _), some in groups.items():
        own = [line for line in bill.lines if (line.product_id, line.pricing, line.presentation)
               == (product_id, pricing, presentation)]  # fmt: skip
        if any(line in covered for line in some) and any(line.quantity and line.quantity < 0 for line in own):
            yield "units set off"
        yield from _of_group([line for line in some if line in covered], some, balances)


def _of_line(case: Case, bill: Bill, line: Line, balance: Balance) -> Iterator[str]:
    """Yield what one line shows that a balance covers."""
    yield "units covered of a contract" if balance.contract_id else "units covered of a customer"
    yield from ("units at a price of zero",) * (not line.unit_price)
    yield from ("units at a commit rate",) * (balance.rate_type == "COMMIT_RATE")
    yield from ("units in a custom unit",) * (line.unit is not None)
    yield from ("recurring units",) * (".r" in balance.id)
    yield from ("manual entry of units",) * any(each.balance_id == balance.id for each in case.tenant.entries)
    assert line.quantity is not None
    yield from ("units to 20 places",) * (line.quantity.denominator > 10**15)
    [segment] = [each for each in balance.segments if each.id == line.segment_id]
    yield from ("part of recurring units",) * (".r" in balance.id and len(segment.amount) > 4)
    yield from ("units used up",) * (bill.paid[segment.id] == exact(segment.amount))


def _of_products(bill: Bill, covered: list[Line], balances: dict[str, Balance]) -> Iterator[str]:
    """Yield what the lines of several products show that one balance covers."""
    by_balance: dict[str | None, list[Line]] = defaultdict(list)
    for line in covered:
        by_balance[line.balance_id].append(line)
    for some in by_balance.values():
        yield from ("units of several products",) * (len({line.product_id for line in some}) > 1)
        yield from ("units in money and in a custom unit",) * (len({line.unit for line in some}) > 1)
    yield from ("units and a subscription",) * any(line.type == "subscription" for line in bill.lines)
    own = {line.product_id for line in bill.lines if line.list_price and "PERCENTAGE" in line.list_price[0]}
    if own and any(line.total for line in bill.lines if line.product_id in own):
        yield "units and a composite product"
        yield from ("paid units shared" if is_paid(balances[str(line.balance_id)]) else "free units shared"
                    for line in covered if line.total)  # fmt: skip


def _of_group(covered: list[Line], some: list[Line], balances: dict[str, Balance]) -> Iterator[str]:
    """Yield what the lines of one product, group and time show, of which these are covered by units."""
    if not covered:
        return
    rest = [line for line in some if not line.balance_id]
    yield from ("units in part",) * bool(rest)
    by_money = [line for line in some if line.balance_id and line not in covered]
    for line in by_money:
        units_first = some.index(covered[0]) < some.index(line)
        yield "units, then money" if units_first else "money, then units"
    dearer = [line for line in rest if line.unit_price and line.unit_price > (covered[0].unit_price or 0)]
    yield from ("first units first",) * any(line.tier and line.tier[0] > 1 for line in dearer)
    flat = [line.unit_price for line in rest if line.tier is None]
    other = any(line.tier is None and line.unit_price not in flat for line in covered)
    yield from ("units at a price of their own",) * bool(flat and other)
