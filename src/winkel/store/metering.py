"""What the meter writes beside its progress: runs of keys, series, deltas, dead letters and the books."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec
from psycopg.rows import dict_row

from winkel.model.errors import OutdatedError
from winkel.model.progress import Conflict, EventCount
from winkel.model.usage import DeadLetter, Delta, Series, clean
from winkel.store.database import Connection, Row
from winkel.store.sql import Queries

sql = Queries(__name__)

_json = msgspec.json.Encoder(decimal_format="number")
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


async def metrics_version(connection: Connection) -> int:
    """Return a number that is another one whenever a billable metric of any tenant changed."""
    row = await (await connection.execute(sql.metrics_version)).fetchone()
    assert row is not None, "the schema makes this row"
    version: int = row["value"]
    return version


async def runs(connection: Connection, topic: str, bucket_low: int, bucket_high: int) -> list[Row]:
    """Return all but the keys of the runs that reach into the buckets [low, high)."""
    values = {"topic": topic, "bucket_low": bucket_low, "bucket_high": bucket_high}
    return await _binary(connection, sql.runs, values)


async def insert_runs(tx: Connection, topic: str, values: Sequence[Row]) -> list[int]:
    """Keep runs, in one round trip; return their ids."""
    ids: list[int] = []
    if values:
        async with tx.cursor() as cursor:
            await cursor.executemany(sql.insert_run, [{"topic": topic, **each} for each in values], returning=True)
            more: bool | None = True
            while more:
                ids += [row["id"] for row in await cursor.fetchall()]
                more = cursor.nextset()
    return ids


async def run_data(connection: Connection, topic: str, run_id: int) -> bytes:
    """Return all keys of a run. Raises `OutdatedError` when another worker merged or expired it."""
    rows = await _binary(connection, sql.run_data, {"topic": topic, "id": run_id})
    if not rows:
        raise OutdatedError(f"there is no run {run_id} any more")
    data: bytes = rows[0]["data"]
    return data


async def run_blocks(
    connection: Connection, topic: str, wanted: Sequence[tuple[int, int]], size: int
) -> dict[int, bytes]:
    """Return, by run, the (run, block)s that are wanted, one after the other; a block is `size` bytes."""
    ids, blocks = [each[0] for each in wanted], [each[1] for each in wanted]
    rows = await _binary(connection, sql.run_blocks, {"topic": topic, "ids": ids, "blocks": blocks, "bytes": size})
    if len(rows) != len(wanted):
        raise OutdatedError("one of the runs is not there any more")
    parts: dict[int, list[bytes]] = {}
    for row in rows:
        parts.setdefault(row["id"], []).append(row["data"])
    return {run_id: b"".join(part) for run_id, part in parts.items()}


async def delete_runs(tx: Connection, topic: str, ids: Sequence[int]) -> int:
    """Remove runs; return how many were still there."""
    return len(await (await tx.execute(sql.delete_runs, {"topic": topic, "ids": list(ids)})).fetchall())


async def expire_conflicts(connection: Connection, topic: str, before: date) -> None:
    """Forget samples of conflicting duplicates that arrived before this day."""
    await connection.execute(sql.expire_conflicts, {"topic": topic, "before": before})


async def insert_series(tx: Connection, new: Sequence[tuple[int, bytes, Series]]) -> None:
    """Keep series, given as (tenant, id, series); those that exist stay as they are."""
    rows = [{"tenant_id": at, "series_id": its_id.hex(), **msgspec.structs.asdict(each)} for at, its_id, each in new]
    # As one JSON text: a column of thousands of texts as an array costs the client many times what they are worth.
    await tx.execute(sql.insert_series, {"new": msgspec.json.encode(rows).decode()})


def _array(texts: Sequence[str | None]) -> str:
    """Return the texts as an array literal."""
    quoted = ("NULL" if each is None else '"' + each.replace("\\", "\\\\").replace('"', '\\"') + '"' for each in texts)
    return "{" + ",".join(quoted) + "}"


async def copy_deltas(tx: Connection, deltas: Mapping[int, Iterable[Delta]]) -> None:
    """Add what a batch adds to usage, by tenant."""
    lines = [_line(tenant_id, each) for tenant_id, some in deltas.items() for each in some]
    async with tx.cursor() as cursor, cursor.copy(sql.copy_deltas) as copy:
        await copy.write(b"".join(lines))


def _line(tenant_id: int, delta: Delta) -> bytes:
    """Write a delta as a line of COPY text."""
    ids = ",".join(map(bytes.hex, delta.series_ids)).encode()
    columns = map(_numbers, (delta.numbers, delta.hours, delta.quantities, delta.ats))
    texts = rb"\N" if delta.texts is None else _array(delta.texts).translate(_ESCAPES).encode()
    return b"%d\t%d\t{%b}\t%b\t%b\n" % (tenant_id, delta.slot, ids, b"\t".join(columns), texts)


def _numbers(numbers: Sequence[object] | None) -> bytes:
    r"""Return the numbers as an array literal; \N is NULL. A JSON array differs in its brackets only."""
    return rb"\N" if numbers is None else b"{%b}" % _json.encode(numbers)[1:-1]


async def copy_dead_letters(tx: Connection, topic: str, letters: Iterable[DeadLetter]) -> None:
    """Keep what could not be counted."""
    async with tx.cursor() as cursor, cursor.copy(sql.copy_dead_letters) as copy:
        for each in letters:
            place = (each.tenant_id, topic, each.partition, each.offset, each.index)
            texts = (each.reason, clean(each.detail), each.metric_id, clean(each.transaction_id))
            await copy.write_row((*place, *texts, each.payload, each.at, each.events))


async def count_events(tx: Connection, topic: str, counts: Sequence[EventCount]) -> None:
    """Add to the books what became of the events of a batch."""
    fields = EventCount.__struct_fields__
    columns: dict[str, Any] = {field: [getattr(each, field) for each in counts] for field in fields}
    await tx.execute(sql.count_events, {"topic": topic, **columns})


async def keep_conflicts(tx: Connection, topic: str, conflicts: Sequence[Conflict]) -> None:
    """Keep samples of conflicting duplicates."""
    rows = [{"topic": topic, **_cleaned(msgspec.structs.asdict(each))} for each in conflicts]
    async with tx.cursor() as cursor:
        await cursor.executemany(sql.keep_conflict, rows)


def _cleaned(row: Row) -> Row:
    return {name: clean(value) if isinstance(value, str) else value for name, value in row.items()}


async def _binary(connection: Connection, query: Any, values: Mapping[str, Any]) -> list[Row]:
    """Fetch rows in binary form: keys are bytes, not hexadecimal text."""
    async with connection.cursor(row_factory=dict_row, binary=True) as cursor:
        await cursor.execute(query, values)
        return await cursor.fetchall()
