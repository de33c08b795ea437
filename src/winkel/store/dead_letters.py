"""Dead letters: what the meter could not count, and what became of it."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct, structs

from winkel.model.errors import ConflictError, NotFoundError
from winkel.model.usage import Delta
from winkel.store.database import Connection
from winkel.store.events import Before
from winkel.store.sql import Queries

sql = Queries(__name__)

RETRIED = "retried"
DISCARDED = "discarded"
IDS = 2**48
"""Ids of letters in database i begin at i times this (store/shards.py): an id names one letter, and its database."""
_ID_MAX = 2**63 - 1


class StoredDeadLetter(Struct, frozen=True):
    """An event, or a whole record, that could not be counted (`model/usage.py`, DeadLetter)."""

    id: str
    tenant_id: int
    topic: str
    partition: int
    offset: int
    index: int
    """Position of the event in its record; −1: the whole record."""
    events: int
    reason: str
    detail: str
    metric_id: str | None
    """The metric that could not use the event; None: none could, or nobody looked."""
    transaction_id: str | None
    payload: bytes
    at: datetime
    """When the record arrived."""
    attempts: int
    """How often it was retried."""
    note: str
    """What the last retry said, or why it was discarded."""
    resolved_at: datetime | None
    resolution: str | None
    """"retried" or "discarded"; None: open."""

    @property
    def whole(self) -> bool:
        """Whether the letter is a record, not an event of one."""
        return self.index < 0


class Filter(Struct, frozen=True, kw_only=True):
    """Which dead letters; None: all."""

    reason: str | None = None
    since: datetime | None = None
    resolved: bool | None = None


ALL = Filter()


def database_of(letter_id: str) -> int:
    """Return the number of the database that has a letter, if there is one; 0 is the home database."""
    return _number(letter_id) // IDS


async def page(
    connection: Connection, tenant_id: int | None, *, where: Filter = ALL, before: Before = None, limit: int
) -> list[StoredDeadLetter]:
    """Return dead letters, newest first, after the place `before`: (arrival, id). `tenant_id` None: of all tenants."""
    at, letter = before or (None, None)
    values = {"tenant_id": tenant_id, "at": at, "letter": letter, "limit": limit, **structs.asdict(where)}
    return msgspec.convert(await (await connection.execute(sql.page, values)).fetchall(), list[StoredDeadLetter])


async def open_ids(connection: Connection, tenant_id: int | None, where: Filter) -> list[str]:
    """Return the ids of all letters that nothing was done about, the oldest first. `tenant_id` None: of all tenants."""
    values = {"tenant_id": tenant_id, "reason": where.reason, "since": where.since}
    return [row["id"] for row in await (await connection.execute(sql.open_ids, values)).fetchall()]


async def find(connection: Connection, tenant_id: int | None, letter_id: str) -> StoredDeadLetter:
    """Return one letter. `tenant_id` None: whoever's it is. Raises `NotFoundError`."""
    values = {"tenant_id": tenant_id, "id": _number(letter_id)}
    row = await (await connection.execute(sql.find, values)).fetchone()
    if row is None:
        raise _missing(letter_id)
    return msgspec.convert(row, StoredDeadLetter)


async def lock(tx: Connection, tenant_id: int | None, letter_id: str) -> StoredDeadLetter:
    """Return one open letter, for this transaction alone. Raises `NotFoundError`, `ConflictError` for one resolved."""
    row = await (await tx.execute(sql.lock, {"tenant_id": tenant_id, "id": _number(letter_id)})).fetchone()
    if row is None:
        raise _missing(letter_id)
    letter = msgspec.convert(row, StoredDeadLetter)
    if letter.resolution is not None:
        raise ConflictError(f"dead letter {letter_id} is {letter.resolution} already: there is nothing left to do")
    return letter


async def resolve(tx: Connection, letter: StoredDeadLetter, resolution: str, note: str, at: datetime) -> None:
    """Note what was done about a letter that is locked: `RETRIED` or `DISCARDED`, and how or why."""
    attempts = letter.attempts + (resolution == RETRIED)
    values = {"tenant_id": letter.tenant_id, "id": letter.id, "resolution": resolution, "note": note, "at": at}
    await tx.execute(sql.resolve, {**values, "attempts": attempts})


async def keep(tx: Connection, letter: StoredDeadLetter, note: str) -> None:
    """Note why a retry of a letter that is locked failed."""
    values = {"tenant_id": letter.tenant_id, "id": letter.id, "note": note, "attempts": letter.attempts + 1}
    await tx.execute(sql.keep, values)


async def add_deltas(tx: Connection, tenant_id: int, deltas: Iterable[Delta]) -> None:
    """Add what one event adds to usage; whoever may see the tenant may do this, not the owner of the tables only."""
    rows = [
        {"tenant_id": tenant_id, **structs.asdict(each), "series_ids": [one.hex() for one in each.series_ids]}
        for each in deltas
    ]
    async with tx.cursor() as cursor:
        await cursor.executemany(sql.add_delta, rows)


async def holder(home: Connection, tenant_id: int, customer_key: str) -> str | None:
    """Return the customer who has an identifier, or None."""
    row = await (await home.execute(sql.holder, {"tenant_id": tenant_id, "customer_key": customer_key})).fetchone()
    return None if row is None else row["id"]


async def invoiced(connection: Connection, tenant_id: int, customer_id: str, at: datetime) -> list[str]:
    """Return the ids of a customer's finalized usage invoices whose period covers an instant."""
    values = {"tenant_id": tenant_id, "customer_id": customer_id, "at": at}
    return [row["id"] for row in await (await connection.execute(sql.invoiced, values)).fetchall()]


async def unpublished(connection: Connection, topic: str, limit: int) -> list[StoredDeadLetter]:
    """Return letters of a log that were not told to its topic yet, the oldest first."""
    rows = await (await connection.execute(sql.unpublished, {"topic": topic, "limit": limit})).fetchall()
    return msgspec.convert(rows, list[StoredDeadLetter])


async def published(connection: Connection, ids: Sequence[str]) -> None:
    """Note that letters were told to the topic."""
    await connection.execute(sql.published, {"ids": list(ids)})


def _number(letter_id: str) -> int:
    """Return the id as a number. Raises `NotFoundError` for what is the id of no letter."""
    if not (letter_id.isascii() and letter_id.isdigit() and len(letter_id) < 20 and int(letter_id) <= _ID_MAX):
        raise _missing(letter_id)
    return int(letter_id)


def _missing(letter_id: str) -> NotFoundError:
    return NotFoundError(f"there is no dead letter {letter_id}")
