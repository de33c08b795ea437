"""The log as a table of PostgreSQL: for everything below a Kafka cluster.

An append takes the rows of `log_partition` for update, in the order of the partitions, and holds them until it is over.
So offsets have no gaps, and a reader that sees offset n sees every one before it: nothing is skipped because it was
still in flight.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from time import monotonic
from typing import Any, LiteralString, TypeVar, cast

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row

from winkel.log.log import BYTES_PER_READ, RECORDS_PER_READ, Bounds, Newest, NewRecord, Place, Record
from winkel.log.membership import Membership, Unled
from winkel.model.errors import UnavailableError

T = TypeVar("T")

DAYS_AHEAD = 2
"""How many days beyond today have their table already."""
POLL_SECONDS = (0.002, 0.025)
"""How long waiting readers sleep between two looks: at first, and at most. They share one look at all partitions."""
PATIENCE_SECONDS = 15.0
"""After this long without an answer the database counts as gone."""

_CLOCK_STEP = timedelta(days=1)  # how far the database's clock may have stepped back without a read missing records
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ANY_PLACE = Place(datetime.max.replace(tzinfo=UTC), 0, 0)
_SESSION = {
    "idle_in_transaction_session_timeout": "10s",
    "lock_timeout": "10s",
    "statement_timeout": "12s",
    "timezone": "UTC",
    "application_name": "winkel-log",
}
_NAMED = re.compile(r"^-- name: (\w+)\n(.*?)(?=^-- name: |\Z)", re.MULTILINE | re.DOTALL)


def _statements() -> dict[str, LiteralString]:
    """Return the statements of postgres.sql by name (the form is told in `store/sql.py`, which lies beside us)."""
    text = resources.files(__package__).joinpath("postgres.sql").read_text(encoding="utf-8")
    return {name: cast("LiteralString", body.strip()) for name, body in _NAMED.findall(text)}


SQL = _statements()


class Session:
    """One connection as the owner of the tables, made when it is needed and made again after it broke."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: AsyncConnection[DictRow] | None = None
        self._turn = asyncio.Lock()

    async def run(self, work: Callable[[AsyncConnection[DictRow]], Awaitable[T]]) -> T:
        """Do the work with the connection, one at a time. Raises `UnavailableError`; the outcome is unknown then."""
        async with self._turn:
            done = False
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    result = await work(await self._connected())
                done = True
            except TimeoutError:
                raise UnavailableError("the log does not answer") from None
            except (psycopg.errors.DiskFull, psycopg.errors.OutOfMemory) as error:
                raise UnavailableError("the log's database has no room left: send the events again later") from error
            except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError) as error:
                raise UnavailableError(f"the log does not answer: {error}") from error
            except psycopg.Error:
                done = True  # a refused statement, rolled back: the connection is as good as before
                raise
            finally:
                if not done:
                    await self._drop()
            return result

    async def close(self) -> None:
        """Let the connection go, after the work at hand."""
        async with self._turn:
            await self._drop()

    async def _connected(self) -> AsyncConnection[DictRow]:
        if self._connection is None or self._connection.closed:
            options = " ".join(f"-c {name}={value}" for name, value in _SESSION.items())
            self._connection = await AsyncConnection.connect(
                self._url, options=options, autocommit=True, row_factory=dict_row, connect_timeout=10
            )
        return self._connection

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


class PostgresLog:
    """A `Log` in the tables `log_partition` and `log_record`. Make it with `open`."""

    def __init__(self, url: str, partitions: int, secret: bytes) -> None:
        self._partitions = partitions
        self._secret = secret
        self._writer = Session(url)
        self._reader = Session(url)
        self._back = Session(url)
        self._seen: dict[int, tuple[int, datetime]] = {}  # partition → (next offset, arrival) of what was read last
        self._look: asyncio.Task[dict[int, tuple[int, int]]] | None = None
        self._pause = POLL_SECONDS[0]

    @classmethod
    async def open(cls, url: str, partitions: int) -> "PostgresLog":
        """Open the log of a migrated database; the first time, make it with so many partitions.

        A log that exists keeps the number it has. Raises `UnavailableError` when the database does not answer.
        """
        if partitions < 1:
            raise ValueError(f"a log needs at least one partition, not {partitions}")

        async def prepare(connection: AsyncConnection[DictRow]) -> DictRow:
            async with connection.transaction():
                await connection.execute(SQL["opening"])
                await connection.execute(SQL["make_partitions"], {"partitions": partitions})
                await connection.execute(SQL["make_days"], {"days": DAYS_AHEAD})
                return await _one(connection, "describe")

        session = Session(url)
        try:
            found = await session.run(prepare)
        finally:
            await session.close()
        return cls(url, found["partitions"], found["secret"])

    @property
    def name(self) -> str:
        """Under which name positions in this log are kept."""
        return "events"

    @property
    def space(self) -> str:
        """Which logs share a memory of event identities."""
        return "events"

    @property
    def partitions(self) -> int:
        """How many partitions there are."""
        return self._partitions

    @property
    def secret(self) -> bytes:
        """The key of event identities."""
        return self._secret

    async def append(self, records: Sequence[NewRecord]) -> None:
        """Append all records in one transaction. Raises `UnavailableError` also when a COMMIT got no answer."""
        if not records:
            return
        for record in records:
            self._check(record.partition)
        values = _columns(records)
        try:
            kept = await self._writer.run(lambda connection: _append(connection, values))
        except psycopg.errors.CheckViolation:  # a new day has begun, and nobody has made its table yet
            await self._writer.run(_make_days)
            kept = await self._writer.run(lambda connection: _append(connection, values))
        assert kept == len(records), "every partition has its row"

    async def read(self, partition: int, offset: int, *, events: int, wait_seconds: float) -> Sequence[Record]:
        """Return whole records from `offset` on until `events` events or the limits of one read are reached."""
        until = monotonic() + wait_seconds
        start, end = await self._bounds(partition)
        self._pause = POLL_SECONDS[0]
        while start <= offset >= end:
            left = until - monotonic()
            if left <= 0:
                return []
            start, end = (await self._next_look(left)).get(partition, (start, end))
        if offset < start:
            raise LookupError(f"partition {partition} begins at {start}: offset {offset} is gone")
        return await self._fetch(partition, offset, events)

    async def newest(self, tenant_id: int, *, before: Place | None, limit: int) -> Newest:
        """Return a tenant's newest records; the row-level security of the database guards this as it does the API."""
        place = before or _ANY_PLACE
        values = {"at": place.at, "partition": place.partition, "offset": place.offset, "limit": limit}

        async def fetch(connection: AsyncConnection[DictRow]) -> list[Record]:
            async with connection.transaction(), connection.cursor(binary=True) as cursor:
                await cursor.execute(SQL["as_tenant"], {"tenant_id": str(tenant_id)})
                rows = await (await cursor.execute(SQL["newest"], {**values, "tenant_id": tenant_id})).fetchall()
            return [Record(**row) for row in rows]

        found = await self._back.run(fetch)
        return Newest(found, Place.of(found[-1]) if len(found) == limit else None)

    async def bounds(self) -> Sequence[Bounds]:
        """Return where each partition begins and ends now."""
        rows = await self._reader.run(_all_bounds)
        return [Bounds(row["start_offset"], row["next_offset"]) for row in rows]

    async def grow(self, partitions: int) -> None:
        """Have at least so many partitions."""

        async def make(connection: AsyncConnection[DictRow]) -> None:
            async with connection.transaction():
                await connection.execute(SQL["opening"])
                await connection.execute(SQL["grow"], {"partitions": partitions})

        await self._writer.run(make)
        await self.refresh()

    async def refresh(self) -> None:
        """Learn of partitions that somebody else made."""
        row = await self._reader.run(lambda connection: _one(connection, "describe"))
        self._partitions = row["partitions"]

    async def trim(self, before: datetime, positions: Sequence[int]) -> int:
        """Drop the days that ended by `before` and whose records all lie before their partition's position.

        Makes the tables of the days to come as well. A day that somebody is reading right now stays until next time.
        """
        await self._writer.run(_make_days)
        dropped = 0
        for day in await self._reader.run(_days):
            if _midnight(day + timedelta(days=1)) > before:
                break
            try:
                count = await self._writer.run(lambda connection, day=day: _drop_day(connection, day, positions))  # type: ignore[misc]
            except UnavailableError as error:
                if isinstance(error.__cause__, psycopg.errors.LockNotAvailable):
                    break
                raise
            if count is None:
                break
            dropped += count
        return dropped

    def join(self) -> Membership:
        """Share by leases in this database."""
        return Unled()

    async def close(self) -> None:
        """Let go of the connections."""
        if self._look is not None:
            self._look.cancel()
            await asyncio.wait([self._look])
        await self._writer.close()
        await self._reader.close()
        await self._back.close()

    async def _bounds(self, partition: int) -> tuple[int, int]:
        self._check(partition)
        row = await self._reader.run(lambda connection: _one(connection, "bounds", partition=partition))
        return row["start_offset"], row["next_offset"]

    async def _next_look(self, seconds: float) -> dict[int, tuple[int, int]]:
        """Return the bounds of all partitions after a moment; nothing when that takes longer than the seconds."""
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._look_later())
            self._look.add_done_callback(_heard)
        await asyncio.wait([self._look], timeout=seconds)
        return self._look.result() if self._look.done() else {}

    async def _look_later(self) -> dict[int, tuple[int, int]]:
        await asyncio.sleep(self._pause)
        self._pause = min(self._pause * 1.5, POLL_SECONDS[1])
        rows = await self._reader.run(_all_bounds)
        return {row["partition"]: (row["start_offset"], row["next_offset"]) for row in rows}

    async def _fetch(self, partition: int, offset: int, events: int) -> list[Record]:
        """Return records that are known to exist; look at recent days first when reading on from where we were."""
        seen = self._seen.get(partition)
        since = seen[1] - _CLOCK_STEP if seen and seen[0] == offset else _EPOCH
        found = await self._select(partition, offset, events, since)
        if since is not _EPOCH and not _begins(found, offset):
            found = await self._select(partition, offset, events, _EPOCH)
        if not _begins(found, offset):
            raise LookupError(f"partition {partition}: offset {offset} is gone")
        self._seen[partition] = (found[-1].offset + 1, found[-1].appended_at)
        return found

    async def _select(self, partition: int, offset: int, events: int, since: datetime) -> list[Record]:
        values = {
            "partition": partition,
            "offset": offset,
            "events": events,
            "since": since,
            "records": RECORDS_PER_READ,
            "bytes": BYTES_PER_READ,
        }

        async def fetch(connection: AsyncConnection[DictRow]) -> list[Record]:
            async with connection.cursor(binary=True) as cursor:
                rows = await (await cursor.execute(SQL["read"], values)).fetchall()
            return [Record(**row) for row in rows]

        return _unbroken(await self._reader.run(fetch))

    def _check(self, partition: int) -> None:
        if not 0 <= partition < self._partitions:
            raise IndexError(f"the log has no partition {partition}, only 0…{self._partitions - 1}")


async def _append(connection: AsyncConnection[DictRow], values: dict[str, Any]) -> int:
    """Append in one transaction, which is one statement; return how many records were kept."""
    row = await (await connection.execute(SQL["append"], values)).fetchone()
    assert row is not None, "a count is one row"
    kept: int = row["records"]
    return kept


def _columns(records: Sequence[NewRecord]) -> dict[str, Any]:
    """Return the records as parallel lists; `ranks` numbers the records of each partition in the order given."""
    counts: Counter[int] = Counter()
    ranks = []
    for record in records:
        ranks.append(counts[record.partition])
        counts[record.partition] += 1
    return {
        "partitions": list(counts.keys()),
        "counts": list(counts.values()),
        "tenant_ids": [record.tenant_id for record in records],
        "of": [record.partition for record in records],
        "ranks": ranks,
        "events": [record.events for record in records],
        "routings": [record.routing for record in records],
        "data": [record.data for record in records],
    }


def _unbroken(records: list[Record]) -> list[Record]:
    """Return the records up to the first gap (a day was dropped while we looked, or `since` was too late)."""
    for rank, record in enumerate(records):
        if record.offset != records[0].offset + rank:
            return records[:rank]
    return records


def _begins(records: list[Record], offset: int) -> bool:
    return bool(records) and records[0].offset == offset


async def _make_days(connection: AsyncConnection[DictRow]) -> None:
    await connection.execute(SQL["make_days"], {"days": DAYS_AHEAD})


async def _days(connection: AsyncConnection[DictRow]) -> list[date]:
    return [row["day"] for row in await (await connection.execute(SQL["days"])).fetchall()]


async def _drop_day(connection: AsyncConnection[DictRow], day: date, positions: Sequence[int]) -> int | None:
    """Drop a day and return how many records it held, or None when some of them have not been consumed."""
    between = {"day": _midnight(day), "next_day": _midnight(day + timedelta(days=1))}
    async with connection.transaction():
        await connection.execute(SQL["hurry"])
        await connection.execute(SQL["lock_all"])
        rows = await (await connection.execute(SQL["ends_of_day"], between)).fetchall()
        if any(row["past"] is not None and row["past"] > positions[row["partition"]] for row in rows):
            return None
        dropped = 0
        for row in rows:
            values = {"partition": row["partition"], "start": row["past"]}
            moved = await (await connection.execute(SQL["move_start"], values)).fetchone()
            dropped += moved["dropped"] if moved else 0
        await connection.execute(SQL["drop_day"], {"day": day})
        return dropped


def _heard(look: "asyncio.Task[dict[int, tuple[int, int]]]") -> None:
    """Take note of a failure that every reader has stopped waiting for: the next look will meet it too."""
    if not look.cancelled():
        look.exception()


async def _all_bounds(connection: AsyncConnection[DictRow]) -> list[DictRow]:
    return await (await connection.execute(SQL["all_bounds"])).fetchall()


async def _one(connection: AsyncConnection[DictRow], statement: str, **values: object) -> DictRow:
    row = await (await connection.execute(SQL[statement], values)).fetchone()
    assert row is not None, f"{statement} always finds a row"
    return row


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
