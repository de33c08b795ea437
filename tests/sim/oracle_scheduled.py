"""The oracle's scheduled invoices: what is asked for on a date (docs/pricing.md, section 8)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from sim.oracle_bill import Bill, Line
from sim.oracle_charge import Charge
from sim.oracle_line import name_of
from sim.oracle_number import exact
from sim.oracle_subscription import off_statements
from sim.world import Balance, Contract, Item, Schedule, Tenant


@dataclass(frozen=True)
class Asked:
    """What one invoice asks for: lines, and charges of subscriptions for which balances may pay."""

    contract: Contract
    date: datetime
    currency: str
    lines: list[Line] = field(default_factory=list)
    charges: list[Charge] = field(default_factory=list)


def scheduled(
    tenant: Tenant, contracts: Iterable[Contract], balances: Iterable[Balance], final: Iterable[Bill], at: datetime
) -> list[Asked]:
    """Return one invoice for each contract, date and currency, of all that is on no final one."""
    invoiced = {line.item_id for bill in final for line in bill.lines}
    over = {(bill.contract_id, bill.start) for bill in final if bill.type == "USAGE"}
    found: dict[tuple[str, datetime, str], Asked] = {}
    for contract in contracts:

        def on(date: datetime, currency: str, contract: Contract = contract) -> Asked:
            return found.setdefault((contract.id, date, currency), Asked(contract, date, currency))

        for schedule, item, line in _asked(tenant, contract, balances):
            if not schedule.do_not_invoice and item.id not in invoiced:
                on(item.at, schedule.currency).lines.append(line)
        for due in off_statements(tenant, contract, at, over, invoiced):
            on(due.date, due.charge.use.currency).charges.append(due.charge)
    return list(found.values())


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
