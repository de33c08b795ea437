"""The ledger: append-only entries, from which every balance is summed."""

from collections.abc import Sequence

import msgspec
from psycopg.types.json import Jsonb

from winkel.model.ledger import LedgerEntry
from winkel.store.database import Connection
from winkel.store.sql import Queries, grouped

sql = Queries(__name__)


async def of_customers(
    tx: Connection, tenant_id: int, customer_ids: Sequence[str]
) -> dict[str, tuple[LedgerEntry, ...]]:
    """Return the posted entries of some customers' balances by customer, without retired ones, oldest first."""
    rows = await tx.execute(sql.of_customers, {"tenant_id": tenant_id, "customer_ids": list(customer_ids)})
    return grouped((row.pop("customer_id"), msgspec.convert(row, LedgerEntry)) for row in await rows.fetchall())


async def of_invoice(tx: Connection, tenant_id: int, invoice_id: str) -> tuple[LedgerEntry, ...]:
    """Return all entries that were posted for an invoice."""
    rows = await tx.execute(sql.of_invoice, {"tenant_id": tenant_id, "invoice_id": invoice_id})
    return msgspec.convert(await rows.fetchall(), tuple[LedgerEntry, ...])


async def of_balances(tx: Connection, tenant_id: int, balance_ids: Sequence[str]) -> tuple[LedgerEntry, ...]:
    """Return all posted entries of some balances, retired or not, oldest first."""
    rows = await tx.execute(sql.of_balances, {"tenant_id": tenant_id, "balance_ids": list(balance_ids)})
    return msgspec.convert(await rows.fetchall(), tuple[LedgerEntry, ...])


async def post(tx: Connection, tenant_id: int, entries: Sequence[LedgerEntry]) -> None:
    """Write entries. Raises `psycopg.errors.UniqueViolation` for one that was written before."""
    await tx.execute(sql.post, {"tenant_id": tenant_id, "entries": Jsonb(entries)})
