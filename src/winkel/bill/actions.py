"""What people and workers ask of billing: the drafts of a customer, and making them final."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec
import psycopg
import structlog
from msgspec import Struct

from winkel.bill.apart import apart
from winkel.bill.draft import Draft, Need, drafts, needs
from winkel.bill.due import RETRY, due_at, next_look
from winkel.model.account import Account
from winkel.model.errors import UnavailableError
from winkel.model.invoice import Invoice, InvoiceStatus
from winkel.model.ledger import LedgerEntry
from winkel.model.usage import HourUsage
from winkel.store import accounts, billing, invoices, ledger, shards
from winkel.store.database import Connection
from winkel.store.shards import Lender

log = structlog.get_logger(__name__)


class Standing(Struct, frozen=True):
    """A customer's account and its open invoices at one instant."""

    account: Account
    drafts: list[Draft]

    @property
    def deductions(self) -> list[LedgerEntry]:
        """What finalizing the open drafts would take from balances."""
        return [entry for draft in self.drafts for entry in draft.entries]


class Failure(Struct, frozen=True):
    """Contracts of a customer that could not be billed, and why; no contract is named when it was the whole account."""

    contract_ids: tuple[str, ...]
    problem: str

    def __str__(self) -> str:
        return f"contract {', '.join(self.contract_ids)}: {self.problem}" if self.contract_ids else self.problem


class Billed(Struct, frozen=True):
    """What billing a customer came to."""

    invoices: list[Invoice]
    """Those that were finalized."""
    failures: list[Failure]


async def standing(
    tx: Connection, further: Sequence[Lender], tenant_id: int, customer_id: str, at: datetime
) -> Standing:
    """Return the account and every draft of a customer, rated now. Raises `NotFoundError`.

    The transaction should be a snapshot, so that no invoice is finalized between two of its reads. `further` are the
    databases beside its own that usage is spread over.
    """
    account = await accounts.load(tx, tenant_id, customer_id)
    return Standing(account, await _drafts(tx, further, tenant_id, account, at))


async def _drafts(
    tx: Connection, further: Sequence[Lender], tenant_id: int, account: Account, at: datetime
) -> list[Draft]:
    """Return every draft of an account, rated now."""
    async with shards.reading(tx, further, tenant_id) as reader:
        metered = await _metered(reader, account.customer.keys, needs(account, at))
    return drafts(account, metered, at)


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
) -> Billed:
    """Make every draft final that is due at `until`, and say when to look at this customer again.

    `until` is an instant of which it is known that everything that arrived before it has been metered. The customer is
    locked, so two workers never invoice one period twice, and deductions of one balance have one order. Contracts that
    can't be billed hold back only those that share a balance with them (`apart`); they are tried again after `RETRY`.
    """
    await billing.lock_customer(tx, tenant_id, customer_id)
    account = await accounts.load(tx, tenant_id, customer_id)
    final: list[Invoice] = []
    still: list[Invoice] = []
    failures: list[Failure] = []
    for part in apart(account):
        try:
            async with tx.transaction():
                found = await _drafts(tx, further, tenant_id, part, at)
                made = await _keep(tx, tenant_id, found, grace=grace, until=until, at=at)
        except (psycopg.OperationalError, UnavailableError):
            raise
        except Exception as error:
            ids = tuple(each.id for each in part.contracts)
            log.exception("billing failed", tenant=tenant_id, customer=customer_id, contracts=ids)
            failures.append(Failure(ids, f"{type(error).__name__}: {error}"))
        else:
            final += made
            still += [each.invoice for each in found if due_at(each.invoice, grace) > until]
    again = next_look(account, still, grace, at)
    if failures:
        again = min(until + RETRY, again or until + RETRY)
    await billing.set_due(tx, tenant_id, customer_id, again, "\n".join(map(str, failures)) or None)
    return Billed(final, failures)


async def _keep(
    tx: Connection, tenant_id: int, found: Iterable[Draft], *, grace: timedelta, until: datetime, at: datetime
) -> list[Invoice]:
    """Keep those of the drafts that are due as final invoices, with what they take from balances; return them."""
    final = []
    for draft in found:
        due = due_at(draft.invoice, grace)
        if due <= until:
            invoice = msgspec.structs.replace(
                draft.invoice, status=InvoiceStatus.FINALIZED, created_at=at, issued_at=due
            )
            await invoices.insert(tx, tenant_id, invoice)
            await ledger.post(tx, tenant_id, draft.entries)
            final.append(invoice)
    return final
