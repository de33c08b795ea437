"""Finalized invoices. Drafts are computed, never kept."""

from collections.abc import Iterable
from datetime import datetime

import msgspec
from msgspec import Struct
from psycopg.types.json import Jsonb

from winkel.model.errors import NotFoundError
from winkel.model.invoice import Invoice, InvoiceStatus, InvoiceType
from winkel.store.database import Connection
from winkel.store.sql import Queries

sql = Queries(__name__)


class Filter(Struct, frozen=True, kw_only=True):
    """Which invoices of a customer are wanted, and in which order (metronome-api.md §4.9, list filters)."""

    status: InvoiceStatus | None = None
    type: InvoiceType | None = None
    contract_id: str | None = None
    credit_type_id: str | None = None
    starting_on: datetime | None = None
    ending_before: datetime | None = None
    newest_first: bool = False


async def insert(tx: Connection, tenant_id: int, invoice: Invoice) -> None:
    """Keep a finalized invoice. Raises `psycopg.errors.UniqueViolation` when its period was invoiced before."""
    values = msgspec.structs.asdict(invoice)
    values["line_items"] = Jsonb(invoice.line_items)
    await tx.execute(sql.insert, {"tenant_id": tenant_id, **values})


async def ids(tx: Connection, tenant_id: int, customer_id: str) -> frozenset[str]:
    """Return the ids of all kept invoices of a customer, voided ones too."""
    rows = await tx.execute(sql.ids, {"tenant_id": tenant_id, "customer_id": customer_id})
    return frozenset([row["id"] for row in await rows.fetchall()])


async def schedule_items(tx: Connection, tenant_id: int, customer_id: str, subscribed: Iterable[str]) -> frozenset[str]:
    """Return the ids of what kept invoices of a customer ask for; `subscribed` are its contracts with subscriptions."""
    values = {"tenant_id": tenant_id, "customer_id": customer_id, "subscribed": list(subscribed)}
    rows = await tx.execute(sql.schedule_items, values)
    return frozenset([row["id"] for row in await rows.fetchall()])


async def get(tx: Connection, tenant_id: int, customer_id: str, invoice_id: str) -> Invoice:
    """Return one kept invoice. Raises `NotFoundError`."""
    values = {"tenant_id": tenant_id, "customer_id": customer_id, "id": invoice_id}
    row = await (await tx.execute(sql.find, values)).fetchone()
    if row is None:
        raise NotFoundError(f"no invoice {invoice_id} of this customer")
    return msgspec.convert(row, Invoice)


async def page(
    tx: Connection, tenant_id: int, customer_id: str, wanted: Filter, after: tuple[datetime, str] | None, limit: int
) -> list[Invoice]:
    """Return at most `limit` kept invoices that follow `after` = (issued_at, id)."""
    values = {
        "tenant_id": tenant_id,
        "customer_id": customer_id,
        "limit": limit,
        "after_at": after and after[0],
        "after_id": after and after[1],
        **msgspec.structs.asdict(wanted),
    }
    return msgspec.convert(await (await tx.execute(sql.page, values)).fetchall(), list[Invoice])
