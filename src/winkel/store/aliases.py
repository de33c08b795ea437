"""Aliases of rate cards and packages. Rows of their owners carry them (`winkel_aliases` in `schema.sql`)."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from winkel.model.alias import Alias, AliasOwner
from winkel.store.database import Connection
from winkel.store.sql import Queries

sql = Queries(__name__)


async def replace(tx: Connection, tenant_id: int, owner: AliasOwner, owner_id: str, aliases: Iterable[Alias]) -> None:
    """Make these the aliases of a rate card or a package (metronome-api.md §4.6, §4.15).

    A name belongs to one owner of a kind at a time: where another has it, that ends at the new `starting_at`.
    """
    values = {"tenant_id": tenant_id, "owner": owner, "owner_id": owner_id}
    await tx.execute(sql.lock, values)
    await tx.execute(sql.drop, values)
    for alias in aliases:
        assigned = {**values, **msgspec.structs.asdict(alias)}
        await tx.execute(sql.void, assigned)
        await tx.execute(sql.end, assigned)
        await tx.execute(sql.insert, assigned)


async def resolve(tx: Connection, tenant_id: int, owner: AliasOwner, alias: str, at: datetime) -> str | None:
    """Return the id of the rate card, or of the package, that a name stands for at an instant, or None."""
    values = {"tenant_id": tenant_id, "owner": owner, "name": alias, "at": at}
    row = await (await tx.execute(sql.resolve, values)).fetchone()
    return None if row is None else row["owner_id"]
