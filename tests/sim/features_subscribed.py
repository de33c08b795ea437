"""What a case shows of SUBSCRIPTION rates."""

from collections.abc import Iterator

from sim.oracle_bill import Bill, Line
from sim.oracle_override import concerns, holds, overwrite_at
from sim.oracle_subscribed import subscribed, times
from sim.oracle_target import Use
from sim.world import Balance, Case, Contract, Override

_ABOUT = (
    "for all of a period", "begins in a period", "ends in a period", "twice in a period", "changes in a period",
    "of a part of a contract", "overwritten", "at another price", "multiplied", "in tiers", "by entitlement",
    "withheld", "in a unit", "paid", "paid in part", "beside a subscription", "beside a composite product",
    "over before a balance begins",
)  # fmt: skip
SUBSCRIBED = (*(f"SUBSCRIPTION rate {each}" for each in _ABOUT), "SUBSCRIPTION overwrite of a subscription")


def of_subscribed(case: Case, bill: Bill, balances: dict[str, Balance]) -> Iterator[str]:
    """Yield what an invoice shows of SUBSCRIPTION rates."""
    contract = next(each for each in case.tenant.contracts if each.id == bill.contract_id)
    lines = [line for line in bill.lines if line.type == "subscription"]
    own = [line for line in lines if " by its rate " in str(line.item_id)]
    for line in lines:
        overwrite = None if line in own else _overwrite(contract, line)
        if overwrite is not None and overwrite.price and overwrite.price.kind == "SUBSCRIPTION":
            yield "SUBSCRIPTION overwrite of a subscription"
    about = [one for line in own for one in _of_line(contract, bill, line)]
    about += _of_times(case, contract, bill, own)
    if own:
        about += _of_statement(case, bill, own, balances)
    yield from (f"SUBSCRIPTION rate {each}" for each in about)


def _overwrite(contract: Contract, line: Line) -> Override | None:
    assert line.starting_at is not None
    return overwrite_at(contract, Use(line.product_id, line.tags, (), (), ""), line.starting_at)


def _of_line(contract: Contract, bill: Bill, line: Line) -> Iterator[str]:
    """Yield what one line shows."""
    assert line.starting_at is not None
    yield from ("for all of a period",) * (not line.prorated)
    yield from ("begins in a period",) * (line.starting_at > bill.start)
    yield from ("ends in a period",) * (line.ending_before != bill.end)
    whole = (line.starting_at, line.ending_before) == (bill.start, bill.end)
    yield from ("of a part of a contract",) * (line.prorated and whole)
    yield from ("in tiers",) * (line.tier is not None and line.tier[0] > 1)
    yield from ("in a unit",) * (line.unit is not None)
    overwrite, use = _overwrite(contract, line), Use(line.product_id, line.tags, (), (), "")
    if overwrite is not None and overwrite.price is not None:
        yield "overwritten" if overwrite.price.kind == "SUBSCRIPTION" else "at another price"
    for each in contract.overrides:
        if holds(each, line.starting_at) and concerns(each, use) and not each.for_commits:
            yield from ("multiplied",) * (overwrite is None and bool(each.multipliers))
            yield from ("by entitlement",) * (each.entitled is True)


def _of_times(case: Case, contract: Contract, bill: Bill, own: list[Line]) -> Iterator[str]:
    """Yield what the times of rates show, and what is charged for them."""
    for product in case.tenant.products if bill.end else ():
        assert bill.end is not None
        rates = subscribed(case.tenant, contract, product)
        starts = {line.starting_at for line in own if line.product_id == product.id}
        yield from ("twice in a period",) * (len(starts) > 1)
        for since, until in times(rates, bill.start, bill.end):
            yield from ("withheld",) * (since not in starts)
            if since in starts and any(since < each.starting_at < until for each in rates):
                yield "changes in a period"


def _of_statement(case: Case, bill: Bill, own: list[Line], balances: dict[str, Balance]) -> Iterator[str]:
    """Yield what stands beside such lines, and who pays for them."""
    paid = {line.item_id for line in own if line.balance_id}
    yield from ("paid",) * bool(paid)
    yield from ("paid in part",) * bool(paid & {line.item_id for line in own if not line.balance_id})
    if any(line.type == "subscription" and line not in own for line in bill.lines):
        yield "beside a subscription"
    composites = {each.id for each in case.tenant.products if each.type == "COMPOSITE"}
    yield from ("beside a composite product",) * any(line.product_id in composites for line in bill.lines)
    starts = [each.starting_at for balance in balances.values() for each in balance.segments]
    over = min(line.ending_before for line in own if line.ending_before)
    yield from ("over before a balance begins",) * any(bill.end and over <= each < bill.end for each in starts)
