"""Finalized invoices. Drafts are computed, never kept."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct
from psycopg.types.json import Jsonb

from winkel.model.errors import NotFoundError
from winkel.model.invoice import Invoice, InvoiceStatus, InvoiceType
from winkel.store.database import Connection, Row
from winkel.store.sql import Queries, grouped

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


async def insert(tx: Connection, tenant_id: int, final: Sequence[Invoice]) -> None:
    """Keep finalized invoices. Raises `psycopg.errors.UniqueViolation` when a period was invoiced before."""
    rows = [
        {"tenant_id": tenant_id, **msgspec.structs.asdict(each), "line_items": Jsonb(each.line_items)} for each in final
    ]
    async with tx.cursor() as cursor:
        await cursor.executemany(sql.insert, rows)


async def ids(tx: Connection, tenant_id: int, customer_ids: Sequence[str]) -> dict[str, frozenset[str]]:
    """Return the ids of all kept invoices of some customers by customer, voided ones too."""
    rows = await tx.execute(sql.ids, {"tenant_id": tenant_id, "customer_ids": list(customer_ids)})
    return _sets(await rows.fetchall())


async def schedule_items(tx: Connection, tenant_id: int, customer_ids: Sequence[str]) -> dict[str, frozenset[str]]:
    """Return the ids of the invoice schedule items on kept invoices of some customers, by customer."""
    rows = await tx.execute(sql.schedule_items, {"tenant_id": tenant_id, "customer_ids": list(customer_ids)})
    return _sets(await rows.fetchall())


def _sets(rows: Iterable[Row]) -> dict[str, frozenset[str]]:
    found = grouped((row["customer_id"], row["id"]) for row in rows)
    return {customer_id: frozenset(ids) for customer_id, ids in found.items()}


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
