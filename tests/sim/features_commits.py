"""What the lines of an invoice show of commit rates and of overrides that are specific to commits."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from sim.oracle_bill import Line
from sim.oracle_override import concerns, holds, is_for
from sim.oracle_rate import rate_at, steps
from sim.oracle_target import Use
from sim.world import Balance, Case, Contract, Rate


def of_commits(case: Case, contract: Contract, usage: list[Line], balances: dict[str, Balance]) -> Iterator[str]:
    """Yield what happens where units cost what a balance makes of them."""
    runs: dict[Any, list[Line]] = defaultdict(list)
    for line in usage:
        rate = _rate(case, contract, line)
        if rate is not None and line.balance_id and line.quantity:
            yield from _of_line(contract, line, rate, balances[line.balance_id])
        if rate is not None and rate.commit:
            runs[line.product_id, line.pricing, line.presentation, line.starting_at].append(line)
    for some in runs.values():
        yield from _of_run(some, balances)
    for (product, *group, _), some in runs.items():
        others = [line for line in usage if [line.product_id, line.pricing, line.presentation] == [product, *group]]
        if any(line.quantity and line.quantity < 0 for line in others) and any(line.balance_id for line in some):
            free = any(line.quantity and line.quantity < 0 and not line.unit_price for line in others)
            yield "given back at zero, commit rate" if free else "given back, commit rate"
    for rate in case.tenant.rates:
        yield from _of_changes(case, rate, usage)


def _rate(case: Case, contract: Contract, line: Line) -> Rate | None:
    """Return the rate that holds when a line begins."""
    assert line.starting_at is not None
    return rate_at(
        [
            each
            for each in case.tenant.rates
            if (each.card_id, each.product_id) == (contract.card_id, line.product_id)
            and tuple(sorted(each.values)) == line.pricing
        ],
        line.starting_at,
    )


def _of_line(contract: Contract, line: Line, rate: Rate, balance: Balance) -> Iterator[str]:
    """Yield what a line shows that a balance pays."""
    assert line.starting_at is not None
    if balance.rate_type == "COMMIT_RATE":
        if rate.commit is None:
            yield "no commit rate"
        elif line.unit_price in {each.unit_price for each in steps(rate.commit)[1]} and rate.commit != rate.price:
            yield "paid at a commit rate"
            yield from ("commit rate of zero",) * (not line.unit_price)
            if rate.commit.kind == rate.price.kind == "TIERED" and len(rate.commit.tiers) > 1 < len(rate.price.tiers):
                yield "tiers of both rates"
    if line.unit_price and all(float(price) == 0 for _, price in rate.price.tiers):
        yield "list rate of zero, paid"
    yield from _of_overrides(contract, line, rate, balance)


def _of_overrides(contract: Contract, line: Line, rate: Rate, balance: Balance) -> Iterator[str]:
    """Yield which overrides for commits met where a balance paid."""
    assert line.starting_at is not None
    use = Use(line.product_id, line.tags, line.pricing, line.presentation, balance.currency)
    now = [each for each in contract.overrides if holds(each, line.starting_at) and concerns(each, use)]
    for_commits = [each for each in now if each.for_commits]
    side = "COMMIT_RATE" if balance.rate_type == "COMMIT_RATE" and rate.commit else "LIST_RATE"
    mine = [each for each in for_commits if each.target == side and is_for(each, use, balance)]
    for each in mine:
        yield f"for commits {each.type}"
        yield f"for commits {each.target}"
        named = any(one.balance_ids for one in each.specifiers)
        yield "for commits this balance" if named else "for commits any balance"
    if any(not is_for(each, use, balance) for each in for_commits):
        yield "for commits other balances"
    if len(mine) > 1:
        yield "for commits several"
    if mine and any(each.type and not each.for_commits for each in now):
        yield "for commits before others"
    if any(each.target == "COMMIT_RATE" for each in for_commits) and rate.commit is None:
        yield "for commits without a commit rate"


def _of_run(some: list[Line], balances: dict[str, Balance]) -> Iterator[str]:
    """Yield what lines of one product, group and time show together."""
    paid = [line for line in some if line.balance_id]
    if any(line.tier is None for line in some) and any(line.tier is not None for line in some):
        yield "tiers cut by others"
    if len({(line.balance_id, line.unit_price) for line in paid}) > 1 < len({line.balance_id for line in paid}):
        yield "several balances, several prices"
    at_commit_rates = [line for line in paid if balances[str(line.balance_id)].rate_type == "COMMIT_RATE"]
    rest = [line for line in some if not line.balance_id and line.quantity]
    if at_commit_rates and rest:
        yield "both rates on an invoice"
        for line in at_commit_rates:
            if line.tier and line.unit_price and line.quantity != line.tier[2]:
                yield "runs dry in a tier"


def _of_changes(case: Case, rate: Rate, usage: list[Line]) -> Iterator[str]:
    """Yield whether a rate begins that differs from another in its commit rate only."""
    for line in usage:
        if line.starting_at == rate.starting_at and line.product_id == rate.product_id:
            for other in case.tenant.rates:
                alike = (other.price, other.values, other.card_id) == (rate.price, rate.values, rate.card_id)
                if alike and other.starting_at < rate.starting_at and other.commit != rate.commit:
                    yield "commit rate changes alone"
