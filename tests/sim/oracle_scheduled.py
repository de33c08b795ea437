"""The oracle's scheduled invoices: what is asked for on a date (docs/pricing.md, section 8)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime

from sim.oracle_bill import Bill, Line
from sim.oracle_line import name_of
from sim.oracle_number import exact
from sim.world import Balance, Contract, Item, Schedule, Tenant


def scheduled(
    tenant: Tenant, contracts: Iterable[Contract], balances: Iterable[Balance], final: Iterable[Bill]
) -> list[Bill]:
    """Return one invoice for each contract, date and currency, of all that is on no final one."""
    invoiced = {line.item_id for bill in final for line in bill.lines}
    found: dict[tuple[str, datetime, str], list[Line]] = defaultdict(list)
    for contract in contracts:
        for schedule, item, line in _asked(tenant, contract, balances):
            if not schedule.do_not_invoice and item.id not in invoiced:
                found[contract.id, item.at, schedule.currency].append(line)
    return [
        Bill(contract_id, "SCHEDULED", at, None, currency, tuple(lines))
        for (contract_id, at, currency), lines in found.items()
    ]


def _asked(tenant: Tenant, contract: Contract, balances: Iterable[Balance]) -> Iterator[tuple[Schedule, Item, Line]]:
    """Yield what is asked for on invoices of the contract: for its commits, and by itself."""
    for balance in balances:
        billed_to = balance.invoice_contract_id or balance.contract_id
        if balance.schedule and balance.type != "POSTPAID" and billed_to == contract.id:
            for item in balance.schedule.items:
                name = balance.name or name_of(tenant, balance.product_id, item.at)
                yield balance.schedule, item, _line("commit_purchase", name, balance.product_id, item, balance.id)
    for charge in contract.charges:
        for item in charge.schedule.items:
            name = charge.name or name_of(tenant, charge.product_id, item.at)
            yield charge.schedule, item, _line("scheduled", name, charge.product_id, item, None)


def _line(kind: str, name: str, product_id: str, item: Item, balance_id: str | None) -> Line:
    quantity, unit_price = exact(item.quantity), exact(item.unit_price)
    return Line(
        kind, name, product_id, quantity * unit_price, quantity, unit_price, balance_id=balance_id, item_id=item.id
    )
