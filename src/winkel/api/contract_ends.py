"""The end of a contract: when it can be moved, and what an earlier one takes away (metronome-api.md §4.7)."""

from collections.abc import Collection, Iterable
from datetime import datetime

from msgspec import structs

from winkel.api import discounts, fields, scheduled_charges, schedules, subscriptions
from winkel.bill import pro_service
from winkel.model.commit import Balance
from winkel.model.contract import Contract
from winkel.store import contracts
from winkel.store.database import Connection


async def check(
    tx: Connection, tenant_id: int, contract: Contract, end: datetime | None, allow_invoiced: bool, place: str
) -> None:
    """Raise `InvalidError` unless the contract can end then; `allow_invoiced`: also before usage invoiced for good."""
    if end is None:
        return
    if end <= contract.starting_at:
        fields.refuse("ending_before must lie after starting_at", place)
    if not allow_invoiced:
        invoiced = await contracts.invoiced_until(tx, tenant_id, contract.id)
        if invoiced is not None and end < invoiced:
            fields.refuse(f"usage is invoiced for good until {invoiced.isoformat()}", place)


def ended(
    contract: Contract, held: Iterable[Balance], end: datetime | None, now: datetime, freed: Collection[str]
) -> tuple[Contract, list[Balance]]:
    """Return the contract with another end, and those of its balances that change with it.

    An earlier end cuts access and subscriptions, drops invoices to come and stops what recurs; a later one extends
    subscriptions in arrears, and brings nothing else back. `freed` is that of `schedules.items_until`. Children that
    have begun must be kept by now, and be among `held`.
    """
    subscribed = subscriptions.after_change_of_end(contract, end)
    made = structs.replace(contract, ending_before=end, subscriptions=subscribed)
    if end is None or (contract.ending_before is not None and end >= contract.ending_before):
        return made, []
    made = structs.replace(
        made,
        scheduled_charges=scheduled_charges.until(contract, end, now, freed),
        discounts=discounts.until(contract, end, now, freed),
        recurring_balances=tuple(each.until(end) for each in contract.recurring_balances),
    )
    made = pro_service.until(made, end, now, freed)
    return made, [_cut(each, end, now, freed) for each in held if each.archived_at is None]


def _cut(balance: Balance, end: datetime, now: datetime, freed: Collection[str]) -> Balance:
    """Return a balance of a contract that ends then."""
    return structs.replace(
        balance,
        segments=schedules.segments_until(balance.segments, end),
        invoice_schedule=balance.invoice_schedule and schedules.items_until(balance.invoice_schedule, end, now, freed),
    )
