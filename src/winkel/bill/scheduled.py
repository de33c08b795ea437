"""Scheduled invoices: what prepaid commits and scheduled charges ask for on their dates."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from msgspec import Struct, structs

from winkel.bill.identity import invoice_id
from winkel.bill.line import balance_name
from winkel.model.account import Account
from winkel.model.commit import Balance, BalanceType, InvoiceSchedule, ScheduleItem
from winkel.model.contract import Contract, ScheduledCharge
from winkel.model.errors import InvalidError
from winkel.model.invoice import Invoice, InvoiceStatus, InvoiceType, LineItem, LineType
from winkel.model.money import total
from winkel.model.product import Product, ProductType


class Asked(Struct, frozen=True):
    """A line of a scheduled invoice, with what decides which invoice that is."""

    date: datetime
    contract_id: str
    item_id: str
    line: LineItem


def scheduled_invoices(account: Account) -> list[Invoice]:
    """Return the scheduled invoices that are not final yet, past, due and upcoming ones, by date.

    One for each contract, date and currency (metronome-api.md §4.7); `issued_at` is its date, and it becomes final
    then. Upcoming ones are drafts too, so that a customer sees what will be asked for.
    """
    contracts = {each.id: each for each in account.contracts if each.archived_at is None}
    groups: dict[tuple[datetime, str, str], list[Asked]] = defaultdict(list)
    for each in _asked(account):
        if each.contract_id in contracts:
            groups[each.date, each.contract_id, each.line.credit_type_id].append(each)
    found = []
    for (date, contract_id, credit_type_id), some in sorted(groups.items(), key=lambda each: each[0]):
        invoice = _invoice(contracts[contract_id], date, credit_type_id, some)
        if invoice.id not in account.invoiced:
            found.append(invoice)
    return found


def asked_again(account: Account, contract: Contract, void: Invoice) -> Invoice:
    """Return a draft of what a void scheduled invoice of the contract asked for, as its items are today.

    Items that are gone by now are left out. Raises `InvalidError` when none is left.
    """
    items = {line.schedule_item_id for line in void.line_items if line.schedule_item_id}
    freed = structs.replace(account, invoiced_items=account.invoiced_items - items)
    some = [each for each in _asked(freed) if each.item_id in items]
    if not some:
        raise InvalidError("nothing of what this invoice asked for is agreed any more")
    assert all((each.contract_id, each.line.credit_type_id) == (contract.id, void.credit_type_id) for each in some), (
        "an item keeps its contract and its currency"
    )
    assert void.issued_at is not None, "a scheduled invoice has a date"
    return _invoice(contract, void.issued_at, void.credit_type_id, some)


def schedules(account: Account) -> Iterator[InvoiceSchedule]:
    """Yield every schedule by which something is invoiced."""
    for balance in account.balances:
        if balance.invoice_schedule is not None and balance.archived_at is None:
            yield balance.invoice_schedule
    for contract in account.contracts:
        yield from (each.schedule for each in contract.scheduled_charges if each.archived_at is None)


def _asked(account: Account) -> Iterator[Asked]:
    """Yield what is on no final invoice: what commits ask for, then contracts, then children of recurring commits.

    Each the oldest first. Children come last: they join an invoice late, and its id follows from its first item.
    """
    held = sorted(account.balances, key=lambda each: (each.created_at, each.id))
    yield from _asked_by_balances(account, [each for each in held if each.recurring_id is None])
    for contract in account.contracts:
        for charge in contract.scheduled_charges:
            if charge.archived_at is not None:
                continue
            for item in _open(account, charge.schedule):
                yield Asked(item.timestamp, contract.id, item.id, _charge_line(account.products, charge, item))
    yield from _asked_by_balances(account, [each for each in held if each.recurring_id is not None])


def _asked_by_balances(account: Account, some: Iterable[Balance]) -> Iterator[Asked]:
    for balance in some:
        schedule, contract_id = balance.invoice_schedule, balance.invoice_contract_id or balance.contract_id
        if schedule is None or contract_id is None or balance.archived_at is not None:
            continue
        if balance.type is BalanceType.POSTPAID:  # its true-up is an invoice of its own: bill/trueup.py
            continue
        for item in _open(account, schedule):
            line = _commit_line(account, balance, item, schedule.credit_type_id)
            yield Asked(item.timestamp, contract_id, item.id, line)


def _open(account: Account, schedule: InvoiceSchedule) -> Iterable[ScheduleItem]:
    if schedule.do_not_invoice:
        return ()
    return (item for item in schedule.schedule_items if item.id not in account.invoiced_items)


def _invoice(contract: Contract, date: datetime, credit_type_id: str, some: list[Asked]) -> Invoice:
    """Return the invoice of one date. Its id follows from its first item: items that join later don't change it."""
    lines = tuple(each.line for each in some)
    return Invoice(
        id=invoice_id(contract.id, InvoiceType.SCHEDULED, date, credit_type_id, some[0].item_id),
        customer_id=contract.customer_id,
        contract_id=contract.id,
        type=InvoiceType.SCHEDULED,
        status=InvoiceStatus.DRAFT,
        credit_type_id=credit_type_id,
        line_items=lines,
        total=total([line.total for line in lines]),
        issued_at=date,
        net_payment_terms_days=contract.net_payment_terms_days,
    )


def _commit_line(account: Account, balance: Balance, item: ScheduleItem, credit_type_id: str) -> LineItem:
    """Return the line that asks for one item of a commit's schedule."""
    return LineItem(
        type=LineType.COMMIT_PURCHASE,
        name=balance_name(balance, account.products, item.timestamp),
        total=item.amount,
        credit_type_id=credit_type_id,
        product_id=balance.product_id,
        product_type=ProductType.FIXED,
        quantity=item.quantity,
        unit_price=item.unit_price,
        balance_id=balance.id,
        balance_type=str(balance.type),
        schedule_item_id=item.id,
    )


def _charge_line(products: Mapping[str, Product], charge: ScheduledCharge, item: ScheduleItem) -> LineItem:
    """Return the line that asks for one item of a scheduled charge."""
    return LineItem(
        type=LineType.SCHEDULED,
        name=charge.name or products[charge.product_id].at(item.timestamp).name,
        total=item.amount,
        credit_type_id=charge.schedule.credit_type_id,
        product_id=charge.product_id,
        product_type=ProductType.FIXED,
        quantity=item.quantity,
        unit_price=item.unit_price,
        schedule_item_id=item.id,
    )
