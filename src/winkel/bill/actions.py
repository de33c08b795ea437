"""What people and workers ask of billing: the drafts of a customer, and making them final."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from winkel.bill.draft import Draft, Need, drafts, needs
from winkel.bill.due import due_at, next_look
from winkel.bill.recurring import begun, children, with_children
from winkel.model.account import Account
from winkel.model.commit import Balance
from winkel.model.invoice import Invoice, InvoiceStatus
from winkel.model.ledger import LedgerEntry
from winkel.model.usage import HourUsage
from winkel.store import accounts, balances, billing, contracts, invoices, ledger, shards
from winkel.store.database import Connection
from winkel.store.shards import Lender


class Standing(Struct, frozen=True):
    """A customer's account and its open invoices at one instant."""

    account: Account
    drafts: list[Draft]

    @property
    def deductions(self) -> list[LedgerEntry]:
        """What finalizing the open drafts would take from balances."""
        return [entry for draft in self.drafts for entry in draft.entries]


async def standing(
    tx: Connection, further: Sequence[Lender], tenant_id: int, customer_id: str, at: datetime
) -> Standing:
    """Return the account and every draft of a customer, rated now. Raises `NotFoundError`.

    The transaction should be a snapshot, so that no invoice is finalized between two of its reads. `further` are the
    databases beside its own that usage is spread over.
    """
    account = with_children(await accounts.load(tx, tenant_id, customer_id), at)
    async with shards.reading(tx, further, tenant_id) as reader:
        metered = await _metered(reader, account.customer.keys, needs(account, at))
    return Standing(account, drafts(account, metered, at))


async def _metered(reader: shards.Reader, keys: Sequence[str], wanted: Iterable[Need]) -> dict[str, list[HourUsage]]:
    """Return the usage that was asked for, under the keys by which it was asked for."""
    found: dict[str, list[HourUsage]] = defaultdict(list)
    for need in wanted:
        hours = await reader.hours(
            keys, [need.metric_id], {need.metric_id: need.group_key}, need.start_hour, need.end_hour
        )
        found[need.key] += hours[need.metric_id]
    return found


async def unkept_children(tx: Connection, tenant_id: int, customer_id: str, at: datetime) -> list[Balance]:
    """Return the children of a customer's recurring commits and credits that are not kept yet: begun, or the next."""
    agreed = await contracts.of_customer(tx, tenant_id, customer_id)
    return children(agreed, await balances.ids(tx, tenant_id, customer_id), at)


async def keep_begun(tx: Connection, tenant_id: int, customer_id: str, at: datetime) -> None:
    """Keep the children that have begun, before terms change from which they follow. The customer is locked."""
    for child in begun(await unkept_children(tx, tenant_id, customer_id, at), at):
        await balances.insert(tx, tenant_id, child)


async def kept(tx: Connection, tenant_id: int, customer_id: str, balance_id: str, at: datetime) -> Balance:
    """Return a balance that is about to be changed; a child is kept from then on. The customer is locked.

    Raises `NotFoundError`.
    """
    for child in await unkept_children(tx, tenant_id, customer_id, at):
        if child.id == balance_id:
            await balances.insert(tx, tenant_id, child)
    return await balances.get(tx, tenant_id, customer_id, balance_id)


async def finalize_due(
    tx: Connection,
    further: Sequence[Lender],
    tenant_id: int,
    customer_id: str,
    *,
    grace: timedelta,
    until: datetime,
    at: datetime,
) -> list[Invoice]:
    """Make every draft final that is due at `until`, keep what has begun, say when to look at this customer again.

    `until` is an instant of which it is known that everything that arrived before it has been metered. The customer is
    locked, so two workers never invoice one period twice, and deductions of one balance have one order.
    """
    await billing.lock_customer(tx, tenant_id, customer_id)
    now = await standing(tx, further, tenant_id, customer_id, at)
    unkept = [each for each in now.account.balances if each.id not in now.account.kept_balances]
    for child in begun(unkept, at):
        await balances.insert(tx, tenant_id, child)
    final: list[Invoice] = []
    for draft in now.drafts:
        if due_at(draft, grace) > until:
            continue
        invoice = msgspec.structs.replace(
            draft.invoice, status=InvoiceStatus.FINALIZED, created_at=at, issued_at=due_at(draft, grace)
        )
        await invoices.insert(tx, tenant_id, invoice)
        await ledger.post(tx, tenant_id, draft.entries)
        final.append(invoice)
    made = {invoice.id for invoice in final}
    still = [draft for draft in now.drafts if draft.invoice.id not in made]
    await billing.set_due(tx, tenant_id, customer_id, next_look(now.account, still, grace, at))
    return final
