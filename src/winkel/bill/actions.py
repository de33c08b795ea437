"""What people and workers ask of billing: the drafts of a customer, and making them final."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from winkel.bill.breakdown import Window, breakdown
from winkel.bill.draft import Draft, Need, drafts, needs
from winkel.bill.due import due_at, next_look
from winkel.bill.preview import preview
from winkel.bill.statement import needs_of, statement_of, statements
from winkel.meter.preview import usage_of
from winkel.meter.runs import oldest_day
from winkel.model.account import Account
from winkel.model.event import Event
from winkel.model.invoice import Invoice, InvoiceStatus, InvoiceType
from winkel.model.ledger import LedgerEntry
from winkel.model.period import Period
from winkel.model.usage import HourUsage
from winkel.store import accounts, billing, invoices, ledger, shards
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
    account = await accounts.load(tx, tenant_id, customer_id)
    async with shards.reading(tx, further, tenant_id) as reader:
        metered = await _metered(reader, account.customer.keys, needs(account, at))
    return Standing(account, drafts(account, metered, at))


async def breakdowns(
    tx: Connection,
    further: Sequence[Lender],
    tenant_id: int,
    account: Account,
    windows: Sequence[Period],
    *,
    grace: timedelta,
    at: datetime,
) -> list[Window]:
    """Return every usage invoice of the account, cut into these windows: the drafts, rated now, and the final ones.

    A draft has the date on which it will be issued. The account must have its archived contracts: their final invoices
    are broken down too. The transaction should be a snapshot. `windows` are at least one, in order and without a gap.
    """
    kept = await invoices.meeting(tx, tenant_id, account.customer.id, Period(windows[0].start, windows[-1].end))
    rated = [*statements(account, at), *(statement_of(account, invoice) for invoice in kept)]
    async with shards.reading(tx, further, tenant_id) as reader:
        metered = await _metered(reader, account.customer.keys, needs_of(account, rated))
    open_ones = [each for each in drafts(account, metered, at) if each.invoice.type is InvoiceType.USAGE]
    still = [msgspec.structs.replace(each.invoice, issued_at=due_at(each, grace)) for each in open_ones]
    return [window for invoice in (*kept, *still) for window in breakdown(account, invoice, metered, windows)]


class Hypothetical(Struct, frozen=True):
    """Events that nobody ingested, as they would count for one customer."""

    events: Sequence[Event]
    identities: Mapping[str, bytes]
    """By transaction id, of those events that have one of their sender's."""
    space: str
    """The memory of event identities that knows what was counted (log/log.py)."""
    merge: bool
    """Whether usage counts too, and events that are part of it do not; else only these events count."""


async def previewed(
    tx: Connection, further: Sequence[Lender], tenant_id: int, customer_id: str, asked: Hypothetical, at: datetime
) -> list[Draft]:
    """Return the drafts of current periods as they would be with these events; nothing is kept.

    The transaction should be a snapshot: what was counted and what is remembered of it are written together, so an
    event is in the usage that is read or it is not remembered. Raises `NotFoundError`, and `InvalidError` for an event
    that a billable metric cannot use.
    """
    account = await accounts.load(tx, tenant_id, customer_id)
    wanted, events = needs(account, at), asked.events
    usage: Mapping[str, Sequence[HourUsage]] = {need.key: () for need in wanted}
    if asked.merge:
        async with shards.reading(tx, further, tenant_id) as reader:
            usage = await _metered(reader, account.customer.keys, wanted)
            known = await reader.remembered(asked.space, oldest_day(at.date()), asked.identities.values())
        events = [each for each in events if asked.identities.get(each.transaction_id) not in known]
    return preview(account, usage, usage_of(tenant_id, events, list(account.metrics.values())), at)


async def _metered(reader: shards.Reader, keys: Sequence[str], wanted: Iterable[Need]) -> dict[str, list[HourUsage]]:
    """Return the usage that was asked for, under the keys by which it was asked for."""
    found: dict[str, list[HourUsage]] = defaultdict(list)
    for need in wanted:
        hours = await reader.hours(
            keys, [need.metric_id], {need.metric_id: need.group_key}, need.start_hour, need.end_hour
        )
        found[need.key] += hours[need.metric_id]
    return found


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
    """Make every draft final that is due at `until`, and say when to look at this customer again.

    `until` is an instant of which it is known that everything that arrived before it has been metered. The customer is
    locked, so two workers never invoice one period twice, and deductions of one balance have one order.
    """
    await billing.lock_customer(tx, tenant_id, customer_id)
    now = await standing(tx, further, tenant_id, customer_id, at)
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
