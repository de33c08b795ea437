"""The ledger: append-only entries, from which every balance is summed."""

from collections.abc import Sequence

import msgspec

from winkel.model.ledger import LedgerEntry
from winkel.store.database import Connection
from winkel.store.sql import Queries

sql = Queries(__name__)


async def of_customer(tx: Connection, tenant_id: int, customer_id: str) -> tuple[LedgerEntry, ...]:
    """Return the posted entries of all balances of a customer, oldest first."""
    rows = await tx.execute(sql.of_customer, {"tenant_id": tenant_id, "customer_id": customer_id})
    return msgspec.convert(await rows.fetchall(), tuple[LedgerEntry, ...])


async def post(tx: Connection, tenant_id: int, entries: Sequence[LedgerEntry]) -> None:
    """Write entries. Raises `psycopg.errors.UniqueViolation` for one that was written before."""
    for entry in entries:
        await tx.execute(sql.post, {"tenant_id": tenant_id, **msgspec.structs.asdict(entry)})
