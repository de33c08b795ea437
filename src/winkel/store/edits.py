"""The history of contracts: every edit, and what each contract was before it."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from psycopg.types.json import Jsonb

from winkel.model.contract import Contract
from winkel.model.edit import ContractEdit
from winkel.store.database import Connection
from winkel.store.sql import Queries

sql = Queries(__name__)


async def insert(tx: Connection, tenant_id: int, edit: ContractEdit) -> None:
    """Write down one edit; none is ever changed or removed."""
    values = {"tenant_id": tenant_id, **msgspec.structs.asdict(edit)}
    amendment = None if edit.amendment is None else Jsonb(edit.amendment)
    nested = {"record": Jsonb(edit.record), "before": Jsonb(edit.before), "amendment": amendment}
    await tx.execute(sql.insert, {**values, **nested})


async def of_contract(tx: Connection, tenant_id: int, contract_id: str) -> list[ContractEdit]:
    """Return every edit of a contract, oldest first."""
    rows = await tx.execute(sql.of_contract, {"tenant_id": tenant_id, "contract_id": contract_id})
    return msgspec.convert(await rows.fetchall(), list[ContractEdit])


async def amendments(tx: Connection, tenant_id: int, contract_ids: Sequence[str]) -> list[ContractEdit]:
    """Return the edits of contracts that were asked for as amendments, oldest first."""
    rows = await tx.execute(sql.amendments, {"tenant_id": tenant_id, "contract_ids": list(contract_ids)})
    return msgspec.convert(await rows.fetchall(), list[ContractEdit])


async def before(
    tx: Connection, tenant_id: int, some: Sequence[Contract], instant: datetime | None = None
) -> list[Contract]:
    """Return the contracts as they were at an instant, in the same order; without one, as they were made.

    Archiving is no edit: `archived_at` is as it is now.
    """
    values = {"tenant_id": tenant_id, "contract_ids": [each.id for each in some], "instant": instant}
    rows = await (await tx.execute(sql.first_after, values)).fetchall()
    found = {each.id: each for each in (msgspec.convert(row["before"], Contract) for row in rows)}
    return [msgspec.structs.replace(found.get(each.id, each), archived_at=each.archived_at) for each in some]
