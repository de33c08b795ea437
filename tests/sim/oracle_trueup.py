"""The oracle's true-ups of postpaid commits (docs/pricing.md, section 6)."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from fractions import Fraction

from sim.oracle_bill import Bill, Line
from sim.oracle_draw import reaches
from sim.oracle_line import name_of
from sim.oracle_period import periods
from sim.world import Balance, Contract, Item, Segment, Tenant


def true_ups(
    tenant: Tenant,
    contracts: list[Contract],
    balances: Iterable[Balance],
    invoiced: Collection[str | None],
    left: Mapping[str, Fraction],
) -> Iterator[Bill]:
    """Yield what postpaid commits ask for, each on an invoice of its own; `left` is what all drafts leave of them.

    `invoiced` is what final invoices have asked for.
    """
    for balance in balances:
        for item, segment in true_up_of(balance):
            if item.id not in invoiced:
                yield _true_up(tenant, contracts, balance, item, segment, max(Fraction(0), left[segment.id]))


def true_up_of(balance: Balance) -> list[tuple[Item, Segment]]:
    """Return the date on which what is missing is asked for, and what it is missing of; [] if it never is."""
    return [] if balance.archived_at is not None else agreed_true_up_of(balance)


def agreed_true_up_of(balance: Balance) -> list[tuple[Item, Segment]]:
    """Return the same, also of a promise that was archived meanwhile: void invoices have asked for it."""
    if balance.type != "POSTPAID" or balance.schedule is None or balance.schedule.do_not_invoice:
        return []
    return list(zip(balance.schedule.items, balance.segments, strict=False))


def _true_up(
    tenant: Tenant, contracts: list[Contract], balance: Balance, item: Item, segment: Segment, amount: Fraction
) -> Bill:
    name = (balance.name or name_of(tenant, balance.product_id, item.at)) + " true-up"
    line = Line(
        "commit_purchase", name, balance.product_id, amount, Fraction(1), amount, balance_id=balance.id, item_id=item.id
    )
    contract_id = balance.invoice_contract_id or balance.contract_id
    assert contract_id is not None
    until = counts_until(tenant, contracts, balance, segment)
    return Bill(contract_id, "SCHEDULED", item.at, None, balance.currency, (line,), until)


def counts_until(tenant: Tenant, contracts: list[Contract], balance: Balance, segment: Segment) -> datetime | None:
    """Return the end of the last billing period whose usage counts; None: there is none."""
    ends = [
        end
        for contract in contracts
        if reaches(tenant, balance, contract)
        for start, end in periods(contract, segment.ending_before)
        if start < segment.ending_before and segment.starting_at < end
    ]
    return max(ends, default=None)
