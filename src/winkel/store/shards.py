"""Usage in several databases: the home database, which has everything else too, and further ones beside it.

A partition lives in one of them for ever (model/routing.py, `shard_of`): its progress, the keys that it remembers and
what its events add up to are beside each other, so that a batch is one transaction in one database. A series may have
rows in each of them, because events are spread by their identity: who reads puts the rows of all together, and what is
made of rows (meter/quantities.py, meter/windows.py) does not care how many an hour has.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Collection, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import date
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from winkel.model.errors import ConflictError
from winkel.model.progress import Progress
from winkel.model.usage import HourUsage
from winkel.store import database, dead_letters, events, progress, usage
from winkel.store.database import Connection
from winkel.store.dead_letters import StoredDeadLetter
from winkel.store.events import ConflictingDuplicate, EventSummary
from winkel.store.sql import Queries

sql = Queries(__name__)
T = TypeVar("T")


class Lender(Protocol):
    """A further database, as a reader needs it: `Database`, or `Held`."""

    def transaction(self, tenant_id: int, *, snapshot: bool = False) -> AbstractAsyncContextManager[Connection]:
        """Run one transaction that sees a tenant."""
        ...


class Held:
    """A worker's one connection to a further database. It is the owner's and sees all tenants; statements name one."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @asynccontextmanager
    async def transaction(self, tenant_id: int, *, snapshot: bool = False) -> AsyncIterator[Connection]:  # noqa: ARG002
        """Run one transaction; `snapshot`: every statement in it sees the same instant."""
        async with self._connection.transaction():
            if snapshot:
                await self._connection.execute(database.SNAPSHOT)
            yield self._connection


class Reader:
    """What all databases keep of one tenant.

    A further database is seen as it was at one instant, so that of each event all is seen or nothing.
    """

    def __init__(self, tenant_id: int, home: Connection, further: Sequence[Connection]) -> None:
        self._tenant_id = tenant_id
        self._home = home
        self._further = further

    async def hours(
        self,
        customer_keys: Sequence[str],
        metric_ids: Sequence[str],
        group_keys: Mapping[str, int],
        start_hour: int,
        end_hour: int,
    ) -> dict[str, list[HourUsage]]:
        """Return usage as `store/usage.py, hours` does; a series has rows of each database, one after the other."""
        asked = (self._tenant_id, customer_keys, metric_ids, group_keys, start_hour, end_hour)
        found, *others = await _together(
            usage.hours(self._home, *asked), [usage.hours(each, *asked) for each in self._further]
        )
        for other in others:
            for metric_id, rows in other.items():
                found[metric_id] += rows
        return found

    async def summary(self) -> EventSummary:
        """Return the counts of the tenant's events so far."""
        parts = await _together(
            events.summary(self._home, self._tenant_id),
            [events.summary(each, self._tenant_id) for each in self._further],
        )
        return EventSummary(*(sum(getattr(part, name) for part in parts) for name in EventSummary.__struct_fields__))

    async def remembered(self, space: str, since: date, identities: Collection[bytes]) -> set[bytes]:
        """Return which of these event identities were counted since a day (store/events.py)."""
        parts = await _together(
            events.remembered(self._home, space, since, identities),
            [events.remembered(each, space, since, identities) for each in self._further],
        )
        return set[bytes]().union(*parts)

    async def dead_letters(
        self, where: dead_letters.Filter, *, before: events.Before, limit: int
    ) -> list[StoredDeadLetter]:
        """Return dead letters, newest first, after the place `before`: (arrival, id)."""

        def of(connection: Connection) -> Coroutine[Any, Any, list[StoredDeadLetter]]:
            return dead_letters.page(connection, self._tenant_id, where=where, before=before, limit=limit)

        parts = await _together(of(self._home), [of(each) for each in self._further])
        return sorted((one for part in parts for one in part), key=lambda one: (one.at, int(one.id)))[: -limit - 1 : -1]

    async def conflicting_duplicates(self, *, before: events.Before, limit: int) -> list[ConflictingDuplicate]:
        """Return conflicting duplicates, the last one to come first, after the place `before`: (arrival, id)."""

        def of(connection: Connection) -> Coroutine[Any, Any, list[ConflictingDuplicate]]:
            return events.conflicting_duplicates(connection, self._tenant_id, before=before, limit=limit)

        parts = await _together(of(self._home), [of(each) for each in self._further])
        return sorted((one for part in parts for one in part), key=lambda one: (one.last_at, one.id))[: -limit - 1 : -1]


@asynccontextmanager
async def reading(home: Connection, further: Sequence[Lender], tenant_id: int) -> AsyncIterator[Reader]:
    """Lend a reader of the home database's open transaction and of a snapshot of each further database.

    With one database this asks nothing and costs nothing. Raises `UnavailableError` when one does not answer: part of
    the usage is never shown, let alone billed, as if it were all.
    """
    async with AsyncExitStack() as stack:
        opening = [stack.enter_async_context(each.transaction(tenant_id, snapshot=True)) for each in further]
        _, *connections = await _together(_nothing(), opening)
        yield Reader(tenant_id, home, connections)


async def _nothing() -> Any:
    return None


async def _together(own: Awaitable[T], others: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Await all side by side; raises what the first that failed raised, when the others have ended too."""
    if not others:
        return [await own]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in others]
            first = await own
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [first, *(task.result() for task in tasks)]


# ── What workers and operators need: connections as the owner ───────────────────────────────────────────────────────


@asynccontextmanager
async def connections(urls: Sequence[str]) -> AsyncIterator[list[Connection]]:
    """Lend a connection to each database. Raises `UnavailableError` when one does not answer."""
    async with AsyncExitStack() as stack:
        found = []
        for url in urls:
            found.append(await database.connect(url))
            stack.push_async_callback(found[-1].close)
        yield found


async def everything(databases: Sequence[Connection], topic: str) -> list[Progress]:
    """Return the progress of every partition that was ever metered, in whichever database it lives."""
    return [each for connection in databases for each in await progress.everything(connection, topic)]


async def positions(databases: Sequence[Connection], topic: str, partitions: int) -> list[int]:
    """Return the next offset of partitions 0 … `partitions` − 1; 0 for one that was never metered."""
    found = {each.partition: each.next_offset for each in await everything(databases, topic)}
    return [found.get(partition, 0) for partition in range(partitions)]


class _Place(Struct, frozen=True):
    """Which database of which installation this is, and how many that has."""

    installation: str
    number: int
    databases: int

    def __str__(self) -> str:
        return f"{self.installation} {self.number} {self.databases}"


async def agree(databases: Sequence[Connection]) -> None:
    """Note which database is which, the home one first; afterwards see to it that they are the same for ever.

    A partition that was looked for in another database would be counted a second time. Raises `ConflictError`.
    """
    home = await _installation(databases[0])
    for number, connection in enumerate(databases):
        alone = _Place(await _installation(connection), 0, 1)
        place = _Place(home, number, len(databases))
        values = {"place": str(place), "alone": str(alone), "installation": f"{home} "}
        async with connection.transaction():
            await connection.execute(sql.claim, values)
            if number and await _noted(connection) == place:
                await connection.execute(sql.number_letters, {"first": number * dead_letters.IDS})
    await check(databases)


async def check(databases: Sequence[Connection]) -> None:
    """Raise `ConflictError`, with a sentence, when these are not the databases that were agreed upon."""
    home = await _installation(databases[0])
    for number, connection in enumerate(databases):
        wanted, found = _Place(home, number, len(databases)), await _noted(connection)
        if found != wanted:
            raise ConflictError(_refusal(found, wanted))


async def count(home: Connection) -> int:
    """Return how many databases the installation keeps usage in."""
    return (await _noted(home)).databases


async def _installation(connection: Connection) -> str:
    row = await (await connection.execute(sql.installation)).fetchone()
    assert row is not None, "the schema makes this row"
    return str(row["installation"])


async def _noted(connection: Connection) -> _Place:
    row = await (await connection.execute(sql.place)).fetchone()
    if row is None:
        return _Place(await _installation(connection), 0, 1)
    installation, number, databases = row["place"].split()
    return _Place(installation, int(number), int(databases))


def _refusal(found: _Place, wanted: _Place) -> str:
    if found.installation != wanted.installation:
        return f"database {wanted.number} of WINKEL_SHARDS has usage of another installation: name an empty one"
    if found.databases != wanted.databases:
        return (
            f"this installation keeps usage in {found.databases} database(s), but is started with {wanted.databases}: "
            f"let WINKEL_SHARDS name the same further databases as at the first start ({found.databases - 1})"
        )
    return (
        f"database {wanted.number} of WINKEL_SHARDS is database {found.number} of this installation: "
        f"name them in the order of the first start"
    )
