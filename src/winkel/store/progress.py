"""How far each partition of a log has been metered, and by whom: the fence that makes metering exactly once."""

from collections.abc import Sequence

import msgspec
import psycopg

from winkel.model.progress import Move, Progress
from winkel.store.database import Connection, Row
from winkel.store.sql import Queries

sql = Queries(__name__)

LEASE_SECONDS = 5.0
"""An owner that gave no sign for so long may be replaced."""
PATIENCE_SECONDS = 1.0
"""How long a new owner waits for the batch of the one before: a transaction of it takes a fraction of that."""


async def introduce(connection: Connection, topic: str) -> None:
    """Make the connection known as that of a meter; `take` and `meters` look for it."""
    await connection.execute(sql.name_session, {"topic": topic})


async def meters(connection: Connection, topic: str) -> int:
    """Return how many meters of this topic live now, this one included: connected, and not silent for a lease."""
    row = await (await connection.execute(sql.meters, {"topic": topic, "lease": LEASE_SECONDS})).fetchone()
    assert row is not None, "it counts"
    count: int = row["meters"]
    return count


async def take(connection: Connection, topic: str, partition: int, owner: str, *, start: int) -> Progress:
    """Make `owner` the only one who can move this partition on, whoever that was before; return where it stands.

    `start` is where a partition begins that nobody metered yet. When the previous owner holds the row, it is in the
    middle of a batch: one that lives ends that soon, and its others may go on. If it does not, its connection is ended:
    the batch is rolled back, or its COMMIT is seen here (streaming.md §3.2).
    """
    taken = await _own(connection, topic, partition, owner, start, only_free=False)
    assert taken is not None, "it was taken from whoever had it"
    return taken


async def claim(connection: Connection, topic: str, partition: int, owner: str, *, start: int) -> Progress | None:
    """Do what `take` does if nobody alive owns the partition; None: somebody does.

    Of several that claim it at the same time one gets it. A live owner gives a sign at least every `LEASE_SECONDS`.
    """
    if not await _is_free(connection, {"topic": topic, "partition": partition, "owner": owner}):
        return None
    return await _own(connection, topic, partition, owner, start, only_free=True)


async def _own(
    connection: Connection, topic: str, partition: int, owner: str, start: int, *, only_free: bool
) -> Progress | None:
    values = {"topic": topic, "partition": partition, "owner": owner, "start": start}
    try:
        return await _locked(connection, values, only_free=only_free, wait_seconds=PATIENCE_SECONDS)
    except psycopg.errors.LockNotAvailable:
        await connection.execute(sql.end_holder, values)
        return await _locked(connection, values, only_free=only_free, wait_seconds=0)


async def _locked(connection: Connection, values: Row, *, only_free: bool, wait_seconds: float) -> Progress | None:
    """Become the owner, once the row is locked. 0 seconds: wait as long as it takes."""
    async with connection.transaction():
        await connection.execute(sql.wait_at_most, {"seconds": wait_seconds})
        while await (await connection.execute(sql.lock, values)).fetchone() is None:
            await connection.execute(sql.create, values)
        if only_free and not await _is_free(connection, values):
            return None
        return msgspec.convert(await (await connection.execute(sql.take, values)).fetchone(), Progress)


async def _is_free(connection: Connection, values: Row) -> bool:
    row = await (await connection.execute(sql.free, {"lease": LEASE_SECONDS, **values})).fetchone()
    return row is None or bool(row["free"])


async def orphaned(connection: Connection, topic: str, partition: int) -> bool | None:
    """Whether the owner of a partition died, or hangs: neither did it give the partition up, nor does it work.

    None: nobody ever metered this partition.
    """
    values = {"topic": topic, "partition": partition, "lease": LEASE_SECONDS}
    row = await (await connection.execute(sql.orphaned, values)).fetchone()
    return None if row is None else bool(row["orphaned"])


async def suspect(
    connection: Connection, topic: str, partition: int, epoch: int, *, tries: int, suspect_until: int | None
) -> None:
    """Keep what is known of the deaths of a partition's meters (meter/caution.py)."""
    values = {"topic": topic, "partition": partition, "epoch": epoch, "tries": tries, "suspect_until": suspect_until}
    await connection.execute(sql.suspect, values)


async def try_until(connection: Connection, topic: str, partition: int, epoch: int, end: int) -> bool:
    """Note, before a batch is touched that may kill, where it ends; False: another worker owns the partition."""
    values = {"topic": topic, "partition": partition, "epoch": epoch, "end": end}
    return await (await connection.execute(sql.try_until, values)).fetchone() is not None


async def unowned(connection: Connection, topic: str, partitions: Sequence[int]) -> list[int]:
    """Return those of these partitions that nobody alive owns, or nobody ever did."""
    values = {"topic": topic, "partitions": list(partitions), "lease": LEASE_SECONDS}
    return [row["partition"] for row in await (await connection.execute(sql.unowned, values)).fetchall()]


async def advance(tx: Connection, topic: str, moves: Sequence[Move]) -> bool:
    """Move partitions on, by compare-and-set; False when one of them did not stand where we believe: roll back.

    The rows are locked in the order of their partitions, so that two workers never wait in a circle.
    """
    ordered = sorted(moves, key=lambda each: each.partition)
    async with tx.cursor() as cursor:
        await cursor.executemany(sql.advance, [{"topic": topic, **msgspec.structs.asdict(each)} for each in ordered])
        return cursor.rowcount == len(ordered)


async def hold(tx: Connection, topic: str, partition: int, epoch: int) -> bool:
    """Whether the epoch is still the newest; if so, nobody can take it before this transaction ends."""
    values = {"topic": topic, "partition": partition, "epoch": epoch}
    return await (await tx.execute(sql.hold, values)).fetchone() is not None


async def heartbeat(connection: Connection, topic: str, epochs: dict[int, int]) -> set[int]:
    """Say that the owner of these partitions (→ epoch) lives; return those that it still owns."""
    alive = set()
    for partition, epoch in sorted(epochs.items()):
        values = {"topic": topic, "partition": partition, "epoch": epoch}
        if await (await connection.execute(sql.heartbeat, values)).fetchone() is not None:
            alive.add(partition)
    return alive


async def release(connection: Connection, topic: str, partition: int, epoch: int) -> None:
    """Give a partition up, unless somebody else took it already."""
    await connection.execute(sql.release, {"topic": topic, "partition": partition, "epoch": epoch})


async def fence(tx: Connection) -> None:
    """Take every partition of every log away from its owner, once its batch is done; nobody has one before this ends.

    For a transaction that changes the schema: a batch that was decided before is not written after it.
    """
    await tx.execute(sql.wait_for_batches)
    await tx.execute(sql.fence)


async def passed(connection: Connection, topic: str, offsets: dict[int, int]) -> bool:
    """Whether these partitions (→ offset) were metered up to there. Waits for batches of theirs that are open."""
    async with connection.transaction():
        rows = await (await connection.execute(sql.passed, {"topic": topic, "partitions": list(offsets)})).fetchall()
    found = {row["partition"]: row["next_offset"] for row in rows}
    return all(found.get(partition, 0) >= offset for partition, offset in offsets.items())


async def everything(connection: Connection, topic: str) -> list[Progress]:
    """Return the progress of every partition that was ever metered."""
    return msgspec.convert(await (await connection.execute(sql.all, {"topic": topic})).fetchall(), list[Progress])


async def positions(connection: Connection, topic: str, partitions: int) -> list[int]:
    """Return the next offset of partitions 0 … `partitions` − 1; 0 for one that was never metered."""
    found = {each.partition: each.next_offset for each in await everything(connection, topic)}
    return [found.get(partition, 0) for partition in range(partitions)]
