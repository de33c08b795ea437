"""What a case shows of usage filters, and of recurring commits and credits."""

from collections.abc import Iterator
from itertools import pairwise

from sim.oracle_bill import Bill
from sim.oracle_number import exact
from sim.oracle_period import next_cycle
from sim.oracle_quantity import counts, filter_at
from sim.oracle_recurring import cycles_of, ends_at, part_of
from sim.world import Balance, Case, Contract, Recurring

FILTERS = (
    "usage filter", "left out by a filter", "filter changes in a period", "filters of one instant",
    "filter and no value", *(f"filtered {each}" for each in ("SUM", "COUNT", "MAX", "LATEST", "UNIQUE")),
    "shared by filters",
)  # fmt: skip
RECURRING = (
    *(f"recurring {each}" for each in ("PREPAID", "CREDIT", "DAILY", "WEEKLY", "MONTHLY", "QUARTERLY", "ANNUAL")),
    "recurring with statements", "recurring asked for", "next child", "child overlaps", "child after its term",
    "child cut by contract", "child kept at an earlier end", "share of nothing", "exact share", "share to 20 places",
    "share asked for", *(f"share {each}" for each in ("HALF_UP", "FLOOR", "CEILING")),
    *(f"partial first {each}" for each in ("FIRST_AND_LAST", "FIRST", "LAST", "NONE")),
    *(f"partial last {each}" for each in ("FIRST_AND_LAST", "FIRST", "LAST", "NONE")),
)  # fmt: skip


def of_filters(case: Case, contract: Contract, bill: Bill) -> Iterator[str]:
    """Yield what usage filters do to a usage statement."""
    assert bill.end is not None
    if not contract.filters:
        return
    yield from ("filter changes in a period" for each in contract.filters if bill.start < each.starting_at < bill.end)
    if len({each.starting_at for each in contract.filters}) < len(contract.filters):
        yield "filters of one instant"
    others = [each for each in case.tenant.contracts if each.id != contract.id]
    for event in case.counted:
        if not bill.start <= event.at < bill.end:
            continue
        holding = filter_at(contract, event.at)
        if counts(contract, event):
            aggregation = next(each.aggregation for each in case.tenant.metrics if each.id == event.metric_id)
            yield from ("usage filter", f"filtered {aggregation}") * (holding is not None)
        elif holding is not None:
            yield "left out by a filter"
            if dict(event.values)[holding.name] is None:
                yield "filter and no value"
            if any(each.filters and counts(each, event) for each in others):
                yield "shared by filters"


def of_recurring(case: Case, balances: list[Balance], bills: list[Bill]) -> Iterator[str]:
    """Yield what recurring commits and credits gave; these balances were known, and these bills drafts."""
    paying = {line.balance_id for bill in bills for line in bill.lines if line.type == "applied_commit_or_credit"}
    asked = {line.item_id for bill in bills for line in bill.lines}
    ended = {each.contract_id for each in case.tenant.ends}
    for contract in case.tenant.contracts:
        for term in contract.recurring:
            own = [each for each in balances if each.id.startswith(f"{term.id} ")]
            for child in own:
                yield from _of_child(contract, term, child)
                if child.id in paying:
                    yield f"recurring {term.type}"
                    yield f"recurring {term.frequency}" if term.frequency else "recurring with statements"
                if child.id in asked:
                    yield "recurring asked for"
                if contract.id in ended and child.id in paying:
                    yield "child kept at an earlier end"
            if own and own[0].segments[0].starting_at > term.starting_at:
                yield "share of nothing"
            for one, other in pairwise(own):
                yield "next child"
                if one.segments[0].ending_before > other.segments[0].starting_at:
                    yield "child overlaps"


def _of_child(contract: Contract, term: Recurring, child: Balance) -> Iterator[str]:
    """Yield what share of a whole period one child is, and why."""
    [segment] = child.segments
    anchor, frequency = cycles_of(contract, term)
    start, stop = segment.starting_at, ends_at(contract, term)
    end = next_cycle(anchor, frequency, start)
    if start == term.starting_at and start != anchor and term.frequency is None:
        yield f"partial first {term.proration}"
    if stop is not None and start < stop < end:
        yield f"partial last {term.proration}"
        if contract.ending_before is None or segment.ending_before > stop:
            yield "child after its term"
    if segment.ending_before == contract.ending_before:
        yield "child cut by contract"
    if part_of(contract, term, start) != 1:
        places = len(str(exact(segment.amount).denominator))
        kind = "share to 20 places" if places > 15 else "exact share"
        yield kind if term.rounding is None else f"share {term.rounding[0]}"
        if term.asked is not None:
            yield "share asked for"
