"""Scheduled invoices: what commits, charges, discounts, subscriptions and services say for their dates."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime

from msgspec import Struct, structs

from winkel.bill.identity import derived, invoice_id
from winkel.bill.line import balance_name
from winkel.bill.statement import Statement, currency_of, statements
from winkel.bill.subscription import off_statements, on_open_statements
from winkel.model.account import Account
from winkel.model.commit import Balance, BalanceType, InvoiceSchedule, ScheduleItem
from winkel.model.contract import Contract, Discount, ScheduledCharge
from winkel.model.credit_type import is_custom
from winkel.model.errors import InvalidError
from winkel.model.invoice import Invoice, InvoiceType, LineItem, LineType
from winkel.model.money import negated
from winkel.model.pro_service import ProServiceLine
from winkel.model.product import Product, ProductType
from winkel.rate.rate import Charge


class Asked(Struct, frozen=True):
    """A part of a scheduled invoice, with what decides which invoice that is."""

    date: datetime
    contract_id: str
    item_id: str
    what: LineItem | Charge
    """A line, or the charge of a subscription, for which balances may pay."""
    alone: str = ""
    """Which invoice of its own it stands on; empty: the one of its contract, date and currency."""

    def currency(self, account: Account, contract: Contract) -> str:
        """Return the currency of the invoice that it is on; `contract` is the one that is to pay."""
        unit = self.what.use.credit_type_id if isinstance(self.what, Charge) else self.what.credit_type_id
        return currency_of(account, contract) if is_custom(unit) else unit


class Scheduled(Struct, frozen=True):
    """What one contract asks for on one date in one currency, which is one invoice."""

    contract: Contract
    date: datetime
    credit_type_id: str
    invoice_id: str
    due: datetime
    """The date that was agreed; `date` is another one when it was moved."""
    item_ids: tuple[str, ...]
    lines: tuple[LineItem, ...]
    charges: tuple[Charge, ...]
    """Of subscriptions; they follow the lines."""

    @property
    def known_as(self) -> tuple[str, ...]:
        """Its id, and those that it would have if it began with another of its items."""
        ids = (_id(self.contract, self.due, self.credit_type_id, each) for each in self.item_ids)
        return tuple(dict.fromkeys((self.invoice_id, *ids)))


def scheduled(account: Account, at: datetime) -> list[Scheduled]:
    """Return what is to be asked for on dates and is not final yet, past, due and upcoming, by date.

    One for each contract, date and currency (metronome-api.md §4.7), and one for each request for services.
    Upcoming ones are drafts too, so that a customer sees what will be asked for; of subscriptions, which may have no
    end, what they ask for in the next period. What stands on an open usage statement (`placed`) is left out. One that
    was moved keeps its id, and has another date.
    """
    contracts = {each.id: each for each in account.contracts if each.archived_at is None}
    collecting = tuple(each for each in account.contracts if each.scheduled_charges_on_usage_invoices)
    open_ones = statements(structs.replace(account, contracts=collecting), at) if collecting else []
    groups: dict[tuple[datetime, str, str, str], list[Asked]] = defaultdict(list)
    for each in [*_asked(account), *_subscribed(account, at)]:
        if each.contract_id in contracts and not any(_stands_on(account, one, each) for one in open_ones):
            currency = each.currency(account, contracts[each.contract_id])
            groups[each.date, each.contract_id, currency, each.alone].append(each)
    found = []
    for (date, contract_id, credit_type_id, _), some in sorted(groups.items(), key=lambda each: each[0]):
        made = _scheduled(contracts[contract_id], date, credit_type_id, some)
        moved = _moved(made.contract, date, credit_type_id, made.item_ids)
        found.append(structs.replace(made, invoice_id=_unused(account, made.invoice_id), date=moved or date))
    return sorted(found, key=lambda each: each.date)


def _unused(account: Account, its_id: str) -> str:
    """Return the id of an invoice that is not kept yet: one that is void, and made anew without it, began so too."""
    while its_id in account.invoiced:
        its_id = derived(its_id, "again")
    return its_id


def placed(account: Account, statement: Statement) -> list[LineItem]:
    """Return what stands on a usage statement in place of a scheduled invoice: of its last day, in its currency.

    For contracts that ask for it (metronome-api.md §4.7, `scheduled_charges_on_usage_invoices`); what subscriptions
    ask for and true-ups have places of their own. A regenerated statement keeps what stood on the void one.
    """
    if statement.contract.scheduled_charges_on_usage_invoices is None:
        return []
    lines = [each.what for each in _asked(account) if _stands_on(account, statement, each)]
    return [line for line in lines if isinstance(line, LineItem)]


def _stands_on(account: Account, statement: Statement, asked: Asked) -> bool:
    """Whether something stands on this usage statement of a contract that collects what is asked for on dates."""
    contract = statement.contract
    if asked.contract_id != contract.id or isinstance(asked.what, Charge) or asked.alone:
        return False
    if asked.what.credit_type_id != currency_of(account, contract):
        return False
    return asked.item_id in statement.again or _is_last_day(statement, asked.date)


def _is_last_day(statement: Statement, date: datetime) -> bool:
    """Whether a date lies on the day on which the period of this statement ends, and of no later one."""
    day, contract, end = date.astimezone(UTC).date(), statement.contract, statement.period.end
    if end.astimezone(UTC).date() != day:
        return False
    later = contract.period_at(end)
    return later is None or later.end.astimezone(UTC).date() != day


def asked_again(account: Account, contract: Contract, void: Invoice, at: datetime) -> Scheduled:
    """Return what a void scheduled invoice asked for, as far as it is still agreed, with the terms of today.

    The account's `awaited_items` must be without those of this invoice. Raises `InvalidError` when nothing is left, or
    when all that is belongs on statements that are open.
    """
    items = [line.schedule_item_id for line in void.line_items if line.schedule_item_id]
    some = [
        each
        for each in [*_asked(account), *_subscribed(account, at)]
        if each.contract_id == contract.id and each.item_id in items
    ]
    if not some:
        raise InvalidError(_why_nothing(account, contract, items, at))
    due = max(each.date for each in some)
    date = _moved(contract, due, void.credit_type_id, items) or due  # when the void one drew, not when it was issued
    return _scheduled(contract, min(date, at), void.credit_type_id, some)


def _why_nothing(account: Account, contract: Contract, items: Collection[str], at: datetime) -> str:
    """Return why nothing of these items can be asked for on a scheduled invoice."""
    for each in on_open_statements(account, contract, at):
        if each.instalment is not None and each.instalment.item_id in items:
            its = f"the usage statement that ends {each.instalment.date.isoformat()}"
            return f"what this invoice asked for belongs on {its}: regenerate it once that is final"
    return "nothing of what this invoice asked for is agreed any more"


def _moved(contract: Contract, due: datetime, credit_type_id: str, item_ids: Iterable[str]) -> datetime | None:
    """Return the date to which the invoice of these items was moved; None: it was not.

    Its id follows from its first item, so the date is kept under the ids of all: what stood first may be edited away,
    and something older may have come since.
    """
    if not contract.issue_dates:
        return None
    ids = (_id(contract, due, credit_type_id, each) for each in item_ids)
    return next((contract.issue_dates[each] for each in ids if each in contract.issue_dates), None)


def _id(contract: Contract, due: datetime, credit_type_id: str, first_item_id: str) -> str:
    """Return the id of the invoice that begins with this item."""
    return invoice_id(contract.id, InvoiceType.SCHEDULED, due, credit_type_id, first_item_id)


def schedules(account: Account) -> Iterator[InvoiceSchedule]:
    """Yield every schedule by which something is invoiced or taken off."""
    for balance in account.balances:
        if balance.invoice_schedule is not None and balance.archived_at is None:
            yield balance.invoice_schedule
    for contract in account.contracts:
        yield from (each.schedule for each in contract.dated if each.archived_at is None)


def _asked(account: Account) -> Iterator[Asked]:
    """Yield what `is_open`: what commits ask for, then contracts, then children of recurring commits.

    Each the oldest first. Children come late: they join an invoice late, and its id follows from its first item. What
    discounts take off comes last: below what they take it off from.
    """
    held = sorted(account.balances, key=lambda each: (each.created_at, each.id))
    yield from _asked_by_balances(account, [each for each in held if each.recurring_id is None])
    for contract in account.contracts:
        yield from _asked_by_terms(account, contract, contract.scheduled_charges)
    yield from _asked_by_balances(account, [each for each in held if each.recurring_id is not None])
    for contract in account.contracts:
        yield from _asked_by_terms(account, contract, contract.discounts)
        yield from _asked_for_services(account, contract)


def _asked_by_terms(
    account: Account, contract: Contract, some: Iterable[ScheduledCharge | Discount]
) -> Iterator[Asked]:
    for each in some:
        if each.archived_at is None:
            for item in _open(account, each.schedule):
                yield Asked(item.timestamp, contract.id, item.id, _dated_line(account.products, each, item))


def _asked_for_services(account: Account, contract: Contract) -> Iterator[Asked]:
    """Yield what was scheduled of professional services, each invoice by itself."""
    services = {each.id: each for each in contract.professional_services}
    for invoice in contract.pro_service_invoices:
        for each in invoice.lines:
            if account.is_open(each.id):
                product = account.products[services[each.professional_service_id].product_id]
                line = _service_line(product, each, invoice.issued_at, currency_of(account, contract))
                yield Asked(invoice.issued_at, contract.id, each.id, line, invoice.id)


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


def _subscribed(account: Account, at: datetime) -> Iterator[Asked]:
    """Yield what subscriptions ask for that stands on no usage statement."""
    for contract in account.contracts:
        for charge in off_statements(account, contract, at):
            assert charge.instalment is not None, "of a subscription"
            yield Asked(charge.instalment.date, contract.id, charge.instalment.item_id, charge)


def _open(account: Account, schedule: InvoiceSchedule) -> Iterable[ScheduleItem]:
    if schedule.do_not_invoice:
        return ()
    return (item for item in schedule.schedule_items if account.is_open(item.id))


def _scheduled(contract: Contract, date: datetime, credit_type_id: str, some: list[Asked]) -> Scheduled:
    """Return what one invoice asks for. Its id follows from its first item: items that join later don't change it."""
    return Scheduled(
        contract=contract,
        date=date,
        credit_type_id=credit_type_id,
        invoice_id=_id(contract, date, credit_type_id, some[0].item_id),
        due=date,
        item_ids=tuple(each.item_id for each in some),
        lines=tuple(each.what for each in some if isinstance(each.what, LineItem)),
        charges=tuple(each.what for each in some if isinstance(each.what, Charge)),
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


def _dated_line(products: Mapping[str, Product], of: ScheduledCharge | Discount, item: ScheduleItem) -> LineItem:
    """Return the line for one item of a scheduled charge, or of a discount: that is taken off."""
    line = LineItem(
        type=LineType.SCHEDULED,
        name=of.name or products[of.product_id].at(item.timestamp).name,
        total=item.amount,
        credit_type_id=of.schedule.credit_type_id,
        product_id=of.product_id,
        product_type=ProductType.FIXED,
        quantity=item.quantity,
        unit_price=item.unit_price,
        schedule_item_id=item.id,
    )
    if isinstance(of, Discount):
        taken, price = negated(item.amount), negated(item.unit_price)
        return structs.replace(line, total=taken, unit_price=price, discount_id=of.id)
    return structs.replace(line, scheduled_charge_id=of.id)


def _service_line(product: Product, asked: ProServiceLine, at: datetime, credit_type_id: str) -> LineItem:
    """Return the line for what an invoice asks for a professional service."""
    return LineItem(
        type=LineType.SCHEDULED,
        name=product.at(at).name,
        total=asked.amount,
        credit_type_id=credit_type_id,
        product_id=product.id,
        product_type=ProductType.PRO_SERVICE,
        quantity=asked.quantity,
        unit_price=asked.unit_price,
        schedule_item_id=asked.id,
        professional_service_id=asked.professional_service_id,
        metadata=asked.metadata,
        netsuite_invoice_billing_start=asked.netsuite_invoice_billing_start,
        netsuite_invoice_billing_end=asked.netsuite_invoice_billing_end,
    )
