"""Scheduled invoices: what prepaid commits ask for on their dates."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

from winkel.bill.identity import invoice_id
from winkel.bill.line import balance_name
from winkel.model.account import Account
from winkel.model.commit import Balance, ScheduleItem
from winkel.model.contract import Contract
from winkel.model.invoice import Invoice, InvoiceStatus, InvoiceType, LineItem, LineType
from winkel.model.money import total
from winkel.model.product import ProductType


def scheduled_invoices(account: Account) -> list[Invoice]:
    """Return the scheduled invoices that are not final yet, past, due and upcoming ones, by date.

    One for each contract, date and currency (metronome-api.md §4.7); `issued_at` is its date, and it becomes final
    then. Upcoming ones are drafts too, so that a customer sees what will be asked for.
    """
    contracts = {each.id: each for each in account.contracts if each.archived_at is None}
    groups: dict[tuple[datetime, str, str], list[tuple[Balance, ScheduleItem]]] = defaultdict(list)
    for balance, contract_id, item in _open_items(account):
        assert balance.invoice_schedule is not None, "it has an item"
        if contract_id in contracts:
            groups[item.timestamp, contract_id, balance.invoice_schedule.credit_type_id].append((balance, item))
    found = []
    for (date, contract_id, credit_type_id), items in sorted(groups.items(), key=lambda each: each[0]):
        invoice = _invoice(account, contracts[contract_id], date, credit_type_id, items)
        if invoice.id not in account.invoiced:
            found.append(invoice)
    return found


def _open_items(account: Account) -> Iterator[tuple[Balance, str, ScheduleItem]]:
    """Yield schedule items that are on no final invoice, with the contract that pays, oldest balance first."""
    for balance in sorted(account.balances, key=lambda each: (each.created_at, each.id)):
        schedule, contract_id = balance.invoice_schedule, balance.invoice_contract_id or balance.contract_id
        if schedule is None or schedule.do_not_invoice or contract_id is None or balance.archived_at is not None:
            continue
        for item in schedule.schedule_items:
            if item.id not in account.invoiced_items:
                yield balance, contract_id, item


def _invoice(
    account: Account,
    contract: Contract,
    date: datetime,
    credit_type_id: str,
    items: list[tuple[Balance, ScheduleItem]],
) -> Invoice:
    """Return the invoice of one date. Its id follows from its first item: items that join later don't change it."""
    lines = tuple(_line(account, balance, item, credit_type_id) for balance, item in items)
    return Invoice(
        id=invoice_id(contract.id, InvoiceType.SCHEDULED, date, credit_type_id, items[0][1].id),
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


def _line(account: Account, balance: Balance, item: ScheduleItem, credit_type_id: str) -> LineItem:
    """Return the line that asks for one item of an invoice schedule."""
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
