"""Usage read by hour: merged or not, while it is being merged, always exact."""

import asyncio
import random
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from winkel.model.metric import Aggregation, BillableMetric
from winkel.model.usage import Delta, HourUsage, Series, slot_of
from winkel.store import database, metering, metrics, tenants, usage
from winkel.store.database import Connection, Database

pytestmark = pytest.mark.anyio

IDS = {kind: f"00000000-0000-4000-8000-{number:012}" for number, kind in enumerate(Aggregation)}


@pytest.fixture
async def owner(database_url: str, clock: Any):
    """Return a connection to a database with tenant 1 and a metric of each aggregation."""
    connection = await database.connect(database_url)
    tenant = await tenants.create_tenant(connection, "tenant", clock())
    assert tenant.id == 1
    for kind, metric_id in IDS.items():
        key = None if kind is Aggregation.COUNT else "n"
        made = BillableMetric(
            id=metric_id, name=kind, aggregation_type=kind, aggregation_key=key, created_at=datetime.now(UTC)
        )
        await metrics.insert(connection, 1, made)
    yield connection
    await connection.close()


async def add(connection: Connection, kind: Aggregation, *deltas: tuple[Any, ...], customer: str = "acme") -> None:
    """Add (hour, quantity, at, text)s to a series of a metric."""
    series = Series(IDS[kind], customer, 0, (), kind)
    async with connection.transaction():
        await metering.insert_series(connection, [(1, series.id(1), series)])
        await metering.copy_deltas(connection, {1: [delta(series.id(1), *each, customer=customer) for each in deltas]})


def delta(series_id: bytes, *entry: Any, customer: str = "acme") -> Delta:
    """Return a delta of one (hour, quantity, at, text)."""
    return Delta(slot_of(customer), [series_id], [1], *(None if each is None else [each] for each in entry))


async def read(connection: Connection, kind: Aggregation, *customers: str) -> list[HourUsage]:
    """Return the usage of a metric."""
    found = await usage.hours(connection, 1, customers or ["acme"], [IDS[kind]], {}, 0, 1_000_000)
    return found[IDS[kind]]


DELTAS: dict[Aggregation, list[tuple[Any, ...]]] = {
    Aggregation.COUNT: [(5, Decimal(2)), (6, Decimal(1)), (5, Decimal(3))],
    Aggregation.SUM: [
        (5, Decimal("1.5")),
        (5, Decimal("-0.25")),
        (6, Decimal(99999999999999999999999999999999999999)),
    ],
    Aggregation.MAX: [(5, Decimal(-7)), (5, Decimal(-3)), (5, Decimal(-5))],
    Aggregation.LATEST: [
        (5, Decimal(1), 10, "b"),
        (5, Decimal(2), 10, "é"),
        (5, Decimal(3), 10, "Z"),
        (5, Decimal(9), 9, "z"),
        (5, Decimal("1.5"), 10, "é"),
    ],
    Aggregation.UNIQUE: [(5, None, None, "a"), (5, None, None, "b"), (5, None, None, "a"), (6, None, None, "a\\\t\n")],
}
EXPECTED = {
    Aggregation.COUNT: [(5, Decimal(5)), (6, Decimal(1))],
    Aggregation.SUM: [(5, Decimal("1.25")), (6, Decimal(99999999999999999999999999999999999999))],
    Aggregation.MAX: [(5, Decimal(-3))],
    Aggregation.LATEST: [(5, Decimal(2), 10, "é")],
    Aggregation.UNIQUE: [(5, None, None, None, frozenset("ab")), (6, None, None, None, frozenset({"a\\\t\n"}))],
}


@pytest.mark.parametrize("kind", list(Aggregation))
async def test_usage_is_the_same_before_and_after_compaction(owner: Connection, kind: Aggregation) -> None:
    """However the deltas are split between merged and open, and in whatever order they were merged."""
    expected = [HourUsage("acme", (), *each) for each in EXPECTED[kind]]
    rng = random.Random(kind)
    for _ in range(6):
        await owner.execute("TRUNCATE usage_delta, usage_hour, usage_distinct")
        deltas = rng.sample(DELTAS[kind], len(DELTAS[kind]))
        for each in deltas:
            await add(owner, kind, each)
            if rng.random() < 0.5:
                assert await usage.compact(owner, 10) > 0
        assert await read(owner, kind) == expected
        while await usage.compact(owner, 1):
            assert await read(owner, kind) == expected
        assert await read(owner, kind) == expected


async def test_usage_is_found_by_customer_keys_metrics_group_key_and_hours(owner: Connection) -> None:
    """Half-open hours; only the keys, metrics and group key that were asked for; every metric has an answer."""
    await add(owner, Aggregation.SUM, (5, Decimal(1)), (6, Decimal(2)), (7, Decimal(4)))
    await add(owner, Aggregation.SUM, (6, Decimal(8)), customer="bolt")
    grouped = Series(IDS[Aggregation.SUM], "acme", 1, ("eu", None), Aggregation.SUM)
    await metering.insert_series(owner, [(1, grouped.id(1), grouped)])
    await metering.copy_deltas(owner, {1: [delta(grouped.id(1), 6, Decimal(16))]})
    wanted = [IDS[Aggregation.SUM], IDS[Aggregation.COUNT]]
    found = await usage.hours(owner, 1, ["acme", "bolt", "none"], wanted, {}, 6, 7)
    assert found == {
        wanted[0]: [HourUsage("acme", (), 6, Decimal(2)), HourUsage("bolt", (), 6, Decimal(8))],
        wanted[1]: [],
    }
    found = await usage.hours(owner, 1, ["acme"], wanted[:1], {wanted[0]: 1}, 0, 100)
    assert found == {wanted[0]: [HourUsage("acme", ("eu", None), 6, Decimal(16))]}
    assert await usage.hours(owner, 2, ["acme"], wanted[:1], {}, 0, 100) == {wanted[0]: []}


async def test_the_api_may_read_usage_of_its_tenant(owner: Connection, database_url: str) -> None:
    """As the role of the API, and nobody else's."""
    await add(owner, Aggregation.COUNT, (5, Decimal(1)))
    api = Database(database_url)
    await api.open()
    async with api.transaction(1) as tx:
        assert await read(tx, Aggregation.COUNT) == [HourUsage("acme", (), 5, Decimal(1))]
    async with api.transaction(2) as tx:
        assert await read(tx, Aggregation.COUNT) == []
    await api.close()


async def test_readers_never_see_a_wrong_total_while_deltas_are_merged(owner: Connection, database_url: str) -> None:
    """Two compactions at work, one writer: each total read is one that was committed, and none goes back."""
    others = [await database.connect(database_url) for _ in range(3)]
    stop = asyncio.Event()
    rng = random.Random(1)
    written = 0

    async def compacting(connection: Connection) -> None:
        while not stop.is_set():
            await usage.compact(connection, rng.choice([1, 5, 50]))

    async def writing(connection: Connection) -> None:
        nonlocal written
        for _ in range(60):
            await add(connection, Aggregation.SUM, *[(rng.randrange(4), Decimal(1)) for _ in range(10)])
            written += 10

    tasks = [asyncio.create_task(compacting(each)) for each in others[:2]]
    writer = asyncio.create_task(writing(others[2]))
    last = 0
    while not writer.done():
        low = written
        total = int(sum(row.value for row in await read(owner, Aggregation.SUM)))
        assert total % 10 == 0
        assert max(last, low) <= total <= written + 10
        last = total
    await writer
    stop.set()
    await asyncio.gather(*tasks)
    assert sum(row.value for row in await read(owner, Aggregation.SUM)) == written == 600
    for each in others:
        await each.close()


async def test_a_delta_without_a_series_is_never_thrown_away(owner: Connection) -> None:
    """Compaction refuses, and everything stays as it was."""
    await metering.copy_deltas(owner, {1: [delta(b"0" * 16, 5, Decimal(1))]})
    with pytest.raises(RuntimeError, match="1 entries of deltas have no series"):
        await usage.compact(owner, 10)
    row = await (await owner.execute("SELECT count(*) AS left FROM usage_delta")).fetchone()
    assert row == {"left": 1}
