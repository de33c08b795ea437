"""What a case shows of subscriptions."""

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

from sim.oracle_bill import Bill, Line
from sim.oracle_override import concerns, holds
from sim.oracle_period import periods
from sim.oracle_seats import quantity_of
from sim.oracle_subscription import Term, terms_of
from sim.oracle_target import Use
from sim.world import Balance, Case, Contract, Subscription

SUBSCRIPTIONS = (
    *(f"subscription {each}" for each in ("MONTHLY", "QUARTERLY", "ANNUAL", "WEEKLY", "ADVANCE", "ARREARS")),
    "part of a period", "part as a whole", "price of a part to 20 places",
    *(f"price of a part {each}" for each in ("HALF_UP", "FLOOR", "CEILING")),
    "increase at once", "increase when the period ends", "decrease waits", "up again", "anchor of its own",
    "first period cut", "last period cut", "subscription on a statement", "subscription on a scheduled invoice",
    "no statement ends then", "its statement is final", "subscription with tiers", "override for a subscription",
    "price changes within a period", "not entitled to a period", "subscription paid",
    "subscription paid on its date", "not paid before its date", "subscription paid after usage",
    "promise counts a subscription", "several subscriptions", "fee and subscription", "subscription ends with contract",
)  # fmt: skip


def of_subscriptions(case: Case, bill: Bill, at: datetime, balances: dict[str, Balance]) -> Iterator[str]:
    """Yield what an invoice shows of subscriptions, as a draft at an instant."""
    lines = [line for line in bill.lines if line.type == "subscription" and " by its rate " not in str(line.item_id)]
    if not lines:
        return
    contract = next(each for each in case.tenant.contracts if each.id == bill.contract_id)
    for line in lines:
        one = next(each for each in contract.subscriptions if str(line.item_id).startswith(f"{each.id} "))
        term = next(each for each in terms_of(contract, one) if line.starting_at and line.starting_at < each.end)
        yield from _of_line(case, contract, one, term, line)
        yield from _of_place(contract, one, bill)
        if line.balance_id:
            yield "subscription paid" if bill.end else "subscription paid on its date"
            if balances[line.balance_id].type == "POSTPAID":
                yield "promise counts a subscription"
            if bill.end and any(each.type == "usage" and each.balance_id == line.balance_id for each in bill.lines):
                yield "subscription paid after usage"
    if bill.end is None and bill.start > at and balances:
        yield "not paid before its date"
    if len({line.item_id for line in lines}) > 1:
        yield "several subscriptions"
    if any(line.type == "scheduled" for line in bill.lines):
        yield "fee and subscription"


def _of_line(case: Case, contract: Contract, one: Subscription, term: Term, line: Line) -> Iterator[str]:
    """Yield what one line shows by itself."""
    assert line.starting_at is not None
    yield f"subscription {one.frequency}"
    yield f"subscription {one.collection}"
    if line.starting_at > term.start:
        yield "increase at once" if one.at_once else "increase when the period ends"
    moments = sorted({each.starting_at for each in one.changes if term.start < each.starting_at < term.end})
    quantities = [quantity_of(one, each) for each in (term.start, *moments)]
    for number, (before, after) in enumerate(pairwise(quantities)):
        if after < before:
            yield "decrease waits"
        elif before < after <= max(quantities[: number + 1]):
            yield "up again"
    if one.anchor != contract.anchor:
        yield "anchor of its own"
    yield from ("first period cut",) * (term.start != term.whole[0])
    yield from ("last period cut",) * (term.end != term.whole[1])
    yield from ("subscription ends with contract",) * (term.end == contract.ending_before)
    if (line.starting_at, term.end) != term.whole:
        yield "part of a period" if line.prorated else "part as a whole"
    if line.prorated and line.unit_price:
        kind = "to 20 places" if len(str(line.unit_price.denominator)) > 15 else ""
        yield f"price of a part {one.rounding[0] if one.rounding else kind}"
    yield from ("subscription with tiers",) * (line.tier is not None and line.tier[0] > 1)
    yield from _of_price(case, contract, one, term, line)


def _of_price(case: Case, contract: Contract, one: Subscription, term: Term, line: Line) -> Iterator[str]:
    """Yield what was agreed about a line's price."""
    use = Use(line.product_id, line.tags, (), (), "", one.frequency)
    for each in contract.overrides:
        if not each.for_commits and holds(each, term.start) and concerns(each, use):
            yield "override for a subscription"
            yield from ("override for a frequency",) * any(one.frequency for one in each.specifiers)
    for rate in case.tenant.rates:
        if (rate.product_id, rate.frequency) == (one.product_id, one.frequency):
            if term.start < rate.starting_at < term.end:
                yield "price changes within a period"
            if not rate.entitled:
                yield "not entitled to a period"


def _of_place(contract: Contract, one: Subscription, bill: Bill) -> Iterator[str]:
    """Yield on which invoice something stands, and why there."""
    if bill.end is not None:
        yield "subscription on a statement"
    elif one.scheduled:
        yield "subscription on a scheduled invoice"
    elif any(end == bill.start for _, end in periods(contract, bill.start)):
        yield "its statement is final"
    else:
        yield "no statement ends then"
