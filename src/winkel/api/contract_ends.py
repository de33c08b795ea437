"""The end of a contract: when it can be moved, and what an earlier one takes away (metronome-api.md §4.7)."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from msgspec import structs

from winkel.api import discounts, fields, scheduled_charges, schedules, subscriptions
from winkel.bill import pro_service, subscription
from winkel.bill.invoiced import Invoiced
from winkel.model.commit import Balance
from winkel.model.contract import Contract
from winkel.store import contracts, invoices
from winkel.store.database import Connection


async def invoiced(tx: Connection, tenant_id: int, customer_id: str, at: datetime) -> Invoiced:
    """Return what the invoices of a customer ask for."""
    items = await invoices.items_of(tx, tenant_id, customer_id)
    return Invoiced(at, items.final, items.awaited)


async def check(
    tx: Connection, tenant_id: int, contract: Contract, end: datetime | None, allow_invoiced: bool, place: str
) -> None:
    """Raise `InvalidError` unless the contract can end then; `allow_invoiced`: also before usage invoiced for good."""
    if end is None:
        return
    if end <= contract.starting_at:
        fields.refuse("ending_before must lie after starting_at", place)
    if not allow_invoiced:
        invoiced = await contracts.invoiced_periods(tx, tenant_id, contract.id)
        if invoiced and end < (until := max(each.end for each in invoiced)):
            fields.refuse(f"usage is invoiced for good until {until.isoformat()}", place)


async def check_longer(tx: Connection, tenant_id: int, contract: Contract, end: datetime | None, place: str) -> None:
    """Raise `InvalidError` when a final statement has only a part of what would be its billing period then.

    A period has one statement: what is used in the rest of it would be on none. It need not be the last statement:
    later ones stay final when the contract is told to end before them.
    """
    made = structs.replace(contract, ending_before=end)
    for each in await contracts.invoiced_periods(tx, tenant_id, contract.id):
        period = made.period_at(each.start)
        if period is not None and period.end > each.end:
            message = f"the statement that ends {each.end.isoformat()} is final, and would last until"
            fields.refuse(f"{message} {period.end.isoformat()}: void it first, and regenerate it then", place)


def check_outgrown(contract: Contract, parts: Mapping[str, datetime], at: datetime, place: str) -> None:
    """Raise `InvalidError` when parts of the periods of subscriptions that are on final invoices would be longer.

    `parts` says until when they are charged, by item.
    """
    since = subscription.outgrown(contract, parts, at)
    if since is not None:
        message = f"a finalized invoice has charged a part of a subscription's period from {since.isoformat()} on"
        fields.refuse(f"{message}, which would be longer: void that invoice first", place)


def ended(
    contract: Contract, held: Iterable[Balance], end: datetime | None, invoiced: Invoiced
) -> tuple[Contract, list[Balance]]:
    """Return the contract with another end, and those of its balances that change with it.

    An earlier end cuts access and subscriptions, drops invoices to come and stops what recurs; a later one extends
    subscriptions in arrears, and brings nothing else back. Children that have begun must be kept by now, and be among
    `held`.
    """
    subscribed = subscriptions.after_change_of_end(contract, end)
    made = structs.replace(contract, ending_before=end, subscriptions=subscribed)
    if end is None or (contract.ending_before is not None and end >= contract.ending_before):
        return made, []
    made = structs.replace(
        made,
        scheduled_charges=scheduled_charges.until(contract, end, invoiced),
        discounts=discounts.until(contract, end, invoiced),
        recurring_balances=tuple(each.until(end) for each in contract.recurring_balances),
    )
    made = pro_service.until(made, end, invoiced)
    return made, [_cut(each, end, invoiced) for each in held if each.archived_at is None]


def _cut(balance: Balance, end: datetime, invoiced: Invoiced) -> Balance:
    """Return a balance of a contract that ends then."""
    return structs.replace(
        balance,
        segments=schedules.segments_until(balance.segments, end),
        invoice_schedule=balance.invoice_schedule and schedules.items_until(balance.invoice_schedule, end, invoiced),
    )
