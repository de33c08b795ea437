"""What a case shows of CUSTOM rates, of overwrites in another pricing unit, and of the order of a card's products."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from sim.oracle_bill import Bill, Line
from sim.oracle_override import concerns, holds, overwrite_at
from sim.oracle_target import Use
from sim.world import QUANTITY, Balance, Case, Contract

PRICED = (
    "CUSTOM rate", "CUSTOM rate in a unit", "formula changes in a period", "multiplier for a CUSTOM rate",
    "overwritten CUSTOM rate", "units of a CUSTOM rate covered", "commit rate beside a CUSTOM rate",
    "overwritten in a custom unit", "overwritten in money",
    "overwritten in another custom unit", "unit changes in a period", "tiers over a change of unit",
    "paid in the unit of an overwrite", "commit rate left aside", "subscription in the unit of an overwrite",
    "composite product beside the unit of an overwrite", "order of a card", "order of a card decides on shares",
)  # fmt: skip


def of_priced(case: Case, bill: Bill, balances: dict[str, Balance]) -> Iterator[str]:
    """Yield what an invoice shows of prices that are worked out elsewhere, and in other units."""
    contract = next(each for each in case.tenant.contracts if each.id == bill.contract_id)
    for line in bill.lines:
        if line.list_price and line.list_price[0].startswith("CUSTOM") and line.quantity:
            yield from _of_custom(case, contract, line, balances)
        if line.list_unit is not None:
            yield from _of_unit(case, contract, bill, line)
    groups: dict[Any, list[Line]] = defaultdict(list)
    for line in bill.lines:
        if line.type == "usage" and line.quantity:
            groups[line.product_id, line.pricing, line.presentation].append(line)
    for some in groups.values():
        custom = {line.list_price for line in some if line.list_price and line.list_price[0].startswith("CUSTOM")}
        yield from ("formula changes in a period",) * (len(custom) > 1)
        yield from ("unit changes in a period",) * (len({line.unit for line in some}) > 1)
        if any(line.list_unit and line.tier and line.tier[0] > 1 for line in some) and len(some) > 1:
            yield "tiers over a change of unit"
    yield from _of_order(case, contract, bill)


def _of_custom(case: Case, contract: Contract, line: Line, balances: dict[str, Balance]) -> Iterator[str]:
    """Yield what a line shows whose list price is worked out elsewhere."""
    assert line.starting_at is not None
    yield "CUSTOM rate"
    yield from ("CUSTOM rate in a unit",) * (line.unit is not None)
    use = Use(line.product_id, line.tags, line.pricing, line.presentation, "")
    overwrite = overwrite_at(contract, use, line.starting_at)
    yield from ("overwritten CUSTOM rate",) * (overwrite is not None)
    now = [each for each in contract.overrides if holds(each, line.starting_at) and concerns(each, use)]
    yield from ("multiplier for a CUSTOM rate",) * any(each.multipliers for each in now)
    if line.balance_id is not None:
        yield from ("units of a CUSTOM rate covered",) * (balances[line.balance_id].currency == QUANTITY)
        yield from ("commit rate beside a CUSTOM rate",) * bool(line.unit_price and overwrite is None)


def _of_unit(case: Case, contract: Contract, bill: Bill, line: Line) -> Iterator[str]:
    """Yield what a line shows that is priced in the unit of an overwrite."""
    assert line.starting_at is not None
    if line.unit is None:
        yield "overwritten in money"
    else:
        yield f"overwritten in {'another' if line.list_unit in case.tenant.units else 'a'} custom unit"
    yield from ("paid in the unit of an overwrite",) * bool(line.balance_id and line.total)
    yield from ("subscription in the unit of an overwrite",) * (line.type == "subscription")
    own = (contract.card_id, line.product_id)
    if any((each.card_id, each.product_id) == own and each.commit for each in case.tenant.rates):
        yield "commit rate left aside"
    composites = {each.id for each in case.tenant.products if each.type == "COMPOSITE"}
    if any(each.product_id in composites and each.quantity for each in bill.lines):
        yield "composite product beside the unit of an overwrite"


def _of_order(case: Case, contract: Contract, bill: Bill) -> Iterator[str]:
    """Yield whether a card has an order of its own, and whether composite products stand in it the other way round."""
    order = case.tenant.orders.get(contract.card_id)
    if order is None:
        return
    yield "order of a card"
    composites = {each.id: each for each in case.tenant.products if each.type == "COMPOSITE"}
    rates = sorted((each for each in case.tenant.rates if each.card_id == contract.card_id), key=lambda one: one.number)
    first = list(dict.fromkeys(each.product_id for each in rates if each.product_id in composites))
    placed = list(dict.fromkeys([*(each for each in order if each in first), *first]))
    if placed != first and composites[placed[-1]].first.with_composites:
        yield from ("order of a card decides on shares" for line in bill.lines if line.product_id == placed[-1])
