"""The oracle's scheduled invoices: what is asked for on a date (docs/pricing.md, section 8)."""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta

from msgspec import Struct, field

from sim.oracle_bill import Line
from sim.oracle_charge import Charge
from sim.oracle_line import name_of
from sim.oracle_number import exact
from sim.oracle_period import makes, periods
from sim.oracle_subscription import off_statements
from sim.world import Balance, Contract, Item, Schedule, ServiceRequest, Tenant


class Asked(Struct, frozen=True):
    """What one invoice asks for: lines, and charges of subscriptions for which balances may pay."""

    contract: Contract
    date: datetime
    currency: str
    lines: list[Line] = field(default_factory=list)
    charges: list[Charge] = field(default_factory=list)

    @property
    def item_ids(self) -> list[str | None]:
        """Return what it asks for."""
        return [each.item_id for each in (*self.lines, *self.charges)]


def scheduled(
    tenant: Tenant,
    contracts: Iterable[Contract],
    balances: Iterable[Balance],
    over: Collection[tuple[str, datetime]],
    invoiced: Collection[str | None],
    at: datetime,
) -> list[Asked]:
    """Return one invoice for each contract, date and currency, of all that is on no final one.

    A request for professional services has one of its own.

    `over` are (contract id, start) of usage statements that are final, `invoiced` is what final invoices ask for.
    """
    found: dict[tuple[str, datetime, str, str], Asked] = {}
    for contract in contracts:

        def on(date: datetime, currency: str, alone: str = "", contract: Contract = contract) -> Asked:
            return found.setdefault((contract.id, date, currency, alone), Asked(contract, date, currency))

        for schedule, item, line in _asked(tenant, contract, balances):
            place = statement_of(tenant, contract, schedule, item, at, over)
            if item.id not in invoiced and (place is None or not makes(contract, place)):
                on(item.at, schedule.currency).lines.append(line)
        for due in off_statements(tenant, contract, at, over, invoiced):
            unit = due.charge.use.currency
            on(due.date, tenant.cards[contract.card_id] if unit in tenant.units else unit).charges.append(due.charge)
        for request in contract.service_requests:
            for line in service_lines(tenant, contract, request):
                if line.item_id not in invoiced:
                    on(request.at, tenant.cards[contract.card_id], request.id).lines.append(line)
    return list(found.values())


def below_usage(
    tenant: Tenant,
    contract: Contract,
    start: datetime,
    balances: Iterable[Balance],
    invoiced: Collection[str | None],
    at: datetime,
    again: Collection[str | None],
) -> list[Line]:
    """Return what is asked for on dates, and stands on the usage statement of the period that begins then.

    `again` stood on the void one in whose place it comes.
    """
    return [
        line
        for schedule, item, line in _asked(tenant, contract, balances)
        if item.id not in invoiced
        and (item.id in again or statement_of(tenant, contract, schedule, item, at, ()) == start)
    ]


def statement_of(
    tenant: Tenant,
    contract: Contract,
    schedule: Schedule,
    item: Item,
    at: datetime,
    over: Collection[tuple[str, datetime]],
) -> datetime | None:
    """Return when the period began on whose usage statement an item stands; None: it is on a scheduled invoice.

    For contracts that want it so: the one that ends on its day, of several the last. It has begun and is not `over`.
    """
    if not contract.on_statements or schedule.currency != tenant.cards[contract.card_id]:
        return None
    ending = [start for start, end in periods(contract, item.at + timedelta(days=1)) if end.date() == item.at.date()]
    if not ending or ending[-1] > at or (contract.id, ending[-1]) in over:
        return None
    return ending[-1]


def _asked(tenant: Tenant, contract: Contract, balances: Iterable[Balance]) -> Iterator[tuple[Schedule, Item, Line]]:
    """Yield what is asked for on invoices of the contract: for its commits, and by itself. Discounts take off."""
    for balance in balances:
        billed_to = balance.invoice_contract_id or balance.contract_id
        if balance.archived_at is None and balance.schedule and balance.type != "POSTPAID" and billed_to == contract.id:
            for item in _items(balance.schedule):
                name = balance.name or name_of(tenant, balance.product_id, item.at)
                yield balance.schedule, item, _line("commit_purchase", name, balance.product_id, item, balance.id)
    for sign, some in ((1, contract.charges), (-1, contract.discounts)):
        for each in (one for one in some if one.archived_at is None):
            for item in _items(each.schedule):
                name = each.name or name_of(tenant, each.product_id, item.at)
                yield each.schedule, item, _line("scheduled", name, each.product_id, item, None, sign)


def service_lines(tenant: Tenant, contract: Contract, request: ServiceRequest) -> Iterator[Line]:
    """Yield what a request asks for professional services."""
    services = {each.id: each for each in contract.services}
    for number, each in enumerate(request.rendered):
        service = services[each.service_id]
        quantity, unit_price = each.quantity or "1", each.amount or each.unit_price or service.unit_price
        item = Item(request.item_id(number), request.at, quantity, unit_price)
        name = name_of(tenant, service.product_id, request.at)
        yield _line("scheduled", name, service.product_id, item, None)


def _items(schedule: Schedule) -> tuple[Item, ...]:
    return () if schedule.do_not_invoice else schedule.items


def _line(kind: str, name: str, product_id: str, item: Item, balance_id: str | None, sign: int = 1) -> Line:
    quantity, unit_price = exact(item.quantity), sign * exact(item.unit_price)
    return Line(
        kind, name, product_id, quantity * unit_price, quantity, unit_price, balance_id=balance_id, item_id=item.id
    )
