"""What a case shows of custom pricing units and conversions."""

from collections.abc import Iterator

from sim.oracle_bill import Bill
from sim.world import Balance, Case

UNITS = (
    "usage in a unit", "subscription in a unit", "composite in a unit", "unit and money", "paid in a unit",
    "paid in part in a unit", "commit rate in a unit", "recurring in a unit", "paid in full, no conversion",
    "conversion", "two conversions", "conversion below zero", "conversion paid",
    "conversion paid in part", "first conversion paid, not the second", "conversion not paid by who names products",
    "conversion not paid by who has ended", "promise counts a conversion", "conversion on a date",
    "conversion on a date paid", "share in one unit only",
)  # fmt: skip


def of_units(case: Case, bill: Bill, balances: dict[str, Balance]) -> Iterator[str]:
    """Yield what an invoice shows of custom units."""
    units = [line for line in bill.lines if line.unit is not None]
    if not units:
        return
    kinds = {each.id: each.type or "USAGE" for each in case.tenant.products}
    for line in units:
        if line.type in {"usage", "subscription"} and line.quantity:
            yield f"{kinds[line.product_id].lower()} in a unit"
            if line.balance_id is not None:
                yield "paid in a unit"
                balance = balances[line.balance_id]
                yield from ("commit rate in a unit",) * (balance.rate_type == "COMMIT_RATE")
                yield from ("recurring in a unit",) * (".r" in balance.id)
                rest = [each for each in units if (each.product_id, each.balance_id) == (line.product_id, None)]
                yield from ("paid in part in a unit",) * any(each.quantity for each in rest)
    if any(line.unit is None and line.type == "usage" and line.total for line in bill.lines):
        yield "unit and money"
    yield from _of_conversions(case, bill, balances)


def _of_conversions(case: Case, bill: Bill, balances: dict[str, Balance]) -> Iterator[str]:
    """Yield what an invoice shows of conversions."""
    lines = [line for line in bill.lines if line.type == "cpu_conversion"]
    names = {line.name for line in lines}
    paid = {line.name for line in lines if line.balance_id}
    rest = {line.name for line in lines if not line.balance_id and line.total > 0}
    below = {line.name for line in lines if line.total < 0}
    if any(line.total for line in bill.lines if line.unit) and not lines:
        yield "paid in full, no conversion"
    yield from ("conversion",) * bool(names)
    yield from ("two conversions",) * (len(names) > 1)
    yield from ("conversion below zero",) * bool(below)
    yield from ("conversion paid",) * bool(paid)
    yield from ("conversion paid in part",) * bool(paid & rest)
    yield from ("first conversion paid, not the second",) * bool(paid and rest - paid)
    yield from ("conversion on a date",) * bool(names and bill.end is None)
    yield from ("conversion on a date paid",) * bool(paid and bill.end is None)
    for line in lines:
        if line.balance_id and balances[line.balance_id].type == "POSTPAID":
            yield "promise counts a conversion"
    if rest and bill.end is not None:
        for balance in balances.values():
            if balance.currency == bill.currency and balance.contract_id in {None, bill.contract_id}:
                if balance.product_ids or balance.tags or balance.specifiers:
                    yield "conversion not paid by who names products"
                elif all(each.ending_before < bill.end for each in balance.segments):
                    yield "conversion not paid by who has ended"
