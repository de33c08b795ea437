"""Idempotency keys: what a request did and what it was answered become durable together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import psycopg
from msgspec import Struct

from winkel.model.errors import ConflictError, UnavailableError
from winkel.store.database import Connection, Database
from winkel.store.sql import Queries

sql = Queries(__name__)

KEPT = timedelta(hours=24)
"""How long an answer is repeated, from the first request on (metronome-api.md §2)."""


class Answer(Struct, frozen=True):
    """The HTTP status and the body that a request was answered with."""

    status: int
    body: bytes


async def claim(tx: Connection, tenant_id: int, key: str, request: bytes, at: datetime) -> Answer | None:
    """Return the answer that the key already has, or hold the key until the end of the transaction and return None.

    `request` is a hash of what is asked. Raises `ConflictError` when the key was used for another request, or when the
    first request with it takes longer than one waits for a lock.
    """
    values = {"tenant_id": tenant_id, "key": key, "request": request, "at": at, "expired": at - KEPT}
    try:
        claimed = await (await tx.execute(sql.claim, values)).fetchone()
    except psycopg.errors.LockNotAvailable:
        raise ConflictError("the first request with this Idempotency-Key is still under way: try later") from None
    if claimed is not None:
        await tx.execute(sql.forget, values)
        return None
    row = await (await tx.execute(sql.find, values)).fetchone()
    if row is None or row["request"] != request:
        raise ConflictError("this Idempotency-Key was used for another request: take a new one")
    return Answer(row["status"], row["body"])


async def keep(tx: Connection, tenant_id: int, key: str, answer: Answer) -> None:
    """Keep the answer under the key that the transaction holds."""
    values = {"tenant_id": tenant_id, "key": key, "status": answer.status, "body": answer.body}
    await tx.execute(sql.keep, values)


class Joined(Database):
    """A database of which every transaction is a part (a savepoint) of one that is open already.

    Only snapshots are taken outside of it: they just read, and PostgreSQL takes none inside a transaction.
    """

    def __init__(self, outer: Database, tx: Connection, tenant_id: int) -> None:
        self._outer, self._tx, self._tenant_id = outer, tx, tenant_id

    @asynccontextmanager
    async def transaction(self, tenant_id: int, *, snapshot: bool = False) -> AsyncIterator[Connection]:
        """Run a part of the open transaction; an error undoes only this part."""
        assert tenant_id == self._tenant_id, "one transaction, one tenant"
        if snapshot:
            async with self._outer.transaction(tenant_id, snapshot=True) as tx:
                yield tx
            return
        try:
            async with self._tx.transaction():
                yield self._tx
        except psycopg.OperationalError as error:
            raise UnavailableError("the database does not answer") from error

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection of its own."""
        async with self._outer.connection() as connection:
            yield connection
