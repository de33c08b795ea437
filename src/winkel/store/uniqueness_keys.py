"""uniqueness_key of request bodies: each is used once per kind of object."""

from winkel.model.errors import ConflictError
from winkel.store.database import Connection
from winkel.store.sql import Queries

sql = Queries(__name__)


async def claim(tx: Connection, tenant_id: int, kind: str, key: str | None, object_id: str) -> None:
    """Use the key for this object; None asks for nothing.

    Raises `ConflictError`, in the words of metronome-api.md §2, when another object of the kind has used it.
    """
    if key is None:
        return
    values = {"tenant_id": tenant_id, "kind": kind, "key": key, "object_id": object_id}
    if await (await tx.execute(sql.claim, values)).fetchone() is None:
        raise ConflictError("This uniqueness key has already been used.")
