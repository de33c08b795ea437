"""Finalized invoices. Drafts are computed, never kept."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct
from psycopg.types.json import Jsonb

from winkel.model.errors import NotFoundError
from winkel.model.invoice import Invoice, InvoiceStatus, InvoiceType
from winkel.model.period import Period
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
    await tx.execute(sql.insert, {"tenant_id": tenant_id, "final": Jsonb(final)})


async def ids(tx: Connection, tenant_id: int, customer_ids: Sequence[str]) -> dict[str, frozenset[str]]:
    """Return the ids of all kept invoices of some customers by customer, voided ones too."""
    rows = await tx.execute(sql.ids, {"tenant_id": tenant_id, "customer_ids": list(customer_ids)})
    return _sets(await rows.fetchall())


class Items(Struct, frozen=True):
    """What invoices ask for by schedules and subscriptions: the ids of items and of charges (`schedule_item_id`)."""

    final: frozenset[str] = frozenset()
    """On final invoices."""
    awaited: frozenset[str] = frozenset()
    """On void ones only, at least one of which can be made anew: who does, asks for it again."""


async def items(tx: Connection, tenant_id: int, customer_ids: Sequence[str]) -> dict[str, Items]:
    """Return what the invoices of some customers ask for, by customer; who is left out has none that count.

    A void invoice counts as long as it can be made anew: not once it was, nor when its contract is archived, nor, for a
    usage statement, when its contract ends before its period (docs/pricing.md, section 10).
    """
    values = {"tenant_id": tenant_id, "customer_ids": list(customer_ids)}
    rows = await (await tx.execute(sql.items, values)).fetchall()
    final = _sets(row for row in rows if row["is_final"])
    awaited = _sets(row for row in rows if not row["is_final"])
    nothing = frozenset[str]()
    return {each: Items(final.get(each, nothing), awaited.get(each, nothing)) for each in final | awaited}


async def items_of(tx: Connection, tenant_id: int, customer_id: str) -> Items:
    """Return what the invoices of one customer ask for, as `items` does."""
    return (await items(tx, tenant_id, [customer_id])).get(customer_id, Items())


def _sets(rows: Iterable[Row]) -> dict[str, frozenset[str]]:
    found = grouped((row["customer_id"], row["id"]) for row in rows)
    return {customer_id: frozenset(ids) for customer_id, ids in found.items()}


async def charged_parts(tx: Connection, tenant_id: int, customer_id: str) -> dict[str, datetime]:
    """Return until when final invoices have charged parts of the periods of subscriptions, by item."""
    rows = await tx.execute(sql.charged_parts, {"tenant_id": tenant_id, "customer_id": customer_id})
    return {row["id"]: row["until"] for row in await rows.fetchall()}


async def customers_of(tx: Connection, tenant_id: int, invoice_id: str) -> list[str]:
    """Return the customer of a kept invoice, and then those of its constituent invoices.

    Raises `NotFoundError`, also for a draft, which is not kept.
    """
    row = await (await tx.execute(sql.customers_of, {"tenant_id": tenant_id, "id": invoice_id})).fetchone()
    if row is None:
        raise NotFoundError(f"no invoice {invoice_id} is finalized or void; a draft follows its terms by itself")
    return [str(row["customer_id"]), *row["others"]]


async def repeating(tx: Connection, tenant_id: int, invoice: Invoice) -> str | None:
    """Return the final consolidated invoice that copies this one, or None."""
    if invoice.type is not InvoiceType.USAGE or invoice.payer is None:
        return None
    values = {"tenant_id": tenant_id, "constituents": Jsonb([{"invoice_id": invoice.id}])}
    row = await (await tx.execute(sql.repeating, values | msgspec.structs.asdict(invoice.payer))).fetchone()
    return None if row is None else str(row["id"])


async def standing_for(tx: Connection, tenant_id: int, invoice_id: str) -> list[Invoice]:
    """Return what stands now for the constituents of a consolidated invoice, in their order.

    Each itself, or what took its place; what is void and was not regenerated is left out. Of an invoice that was made
    anew, they are those of the first one: what was void in between comes back.
    """
    rows = await (await tx.execute(sql.standing_for, {"tenant_id": tenant_id, "id": invoice_id})).fetchall()
    return msgspec.convert(rows, list[Invoice])


async def finalized(tx: Connection, tenant_id: int, customer_id: str, contract_id: str | None = None) -> list[Invoice]:
    """Return the finalized invoices of a customer, or of one of its contracts, the oldest first; no void ones."""
    values = {"tenant_id": tenant_id, "customer_id": customer_id, "contract_id": contract_id}
    return msgspec.convert(await (await tx.execute(sql.finalized, values)).fetchall(), list[Invoice])


async def awaiting(tx: Connection, tenant_id: int, customer_ids: Sequence[str]) -> list[Invoice]:
    """Return the void usage statements of some customers that were not made anew, the oldest period first."""
    values = {"tenant_id": tenant_id, "customer_ids": list(customer_ids)}
    return msgspec.convert(await (await tx.execute(sql.awaiting, values)).fetchall(), list[Invoice])


async def set_void(tx: Connection, tenant_id: int, invoice_id: str) -> None:
    """Void a finalized invoice; nothing else of it changes, ever."""
    changed = await tx.execute(sql.set_void, {"tenant_id": tenant_id, "id": invoice_id})
    assert changed.rowcount == 1, "who voids has seen it finalized, under the lock of its customer"


async def unbalanced(connection: Connection) -> list[tuple[int, str]]:
    """Return (tenant id, invoice id) where ledger and invoice contradict each other; for the owner's connection.

    The rule is that of `bill/books.py`. Reads every invoice and every entry there is.
    """
    rows = await (await connection.execute(sql.unbalanced)).fetchall()
    return [(row["tenant_id"], row["id"]) for row in rows]


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


async def meeting(tx: Connection, tenant_id: int, customer_id: str, span: Period) -> list[Invoice]:
    """Return the finalized usage invoices whose billing period has a part in this time."""
    values = {"tenant_id": tenant_id, "customer_id": customer_id, "start": span.start, "end": span.end}
    return msgspec.convert(await (await tx.execute(sql.meeting, values)).fetchall(), list[Invoice])
