"""A database with one tenant and some metrics, a log in memory, and workers on connections of their own."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from fractions import Fraction
from typing import Any

import pytest

from meter.blocks import SECRET, metric, send
from meter.oracle import Oracle
from winkel.log.memory import MemoryLog
from winkel.meter.worker import Meter
from winkel.model.event import Event
from winkel.model.metric import Aggregation, BillableMetric, PropertyFilter
from winkel.model.routing import first
from winkel.store import database, metrics, routing, tenants, usage
from winkel.store.database import Connection

METRICS = [
    metric(1, Aggregation.COUNT),
    metric(2, Aggregation.SUM, "n", group_keys=(("g",), ("g", "h"))),
    metric(3, Aggregation.MAX, "n", PropertyFilter("g", exists=True)),
    metric(4, Aggregation.LATEST, "n", group_keys=(("h",),)),
    metric(5, Aggregation.UNIQUE, "u", group_keys=(("g",),)),
]


class World:
    """What a test of the worker needs; everything is checked against the oracle."""

    def __init__(self, connection: Connection, log: MemoryLog, tenant_id: int, url: str, stack: AsyncExitStack) -> None:
        self.connection = connection
        self.log = log
        self.tenant_id = tenant_id
        self.url = url
        self.oracle = Oracle(list(METRICS))
        self._stack = stack

    async def meter(self, owner: str = "one", failpoint: Callable[[str], None] = lambda _: None) -> Meter:
        """Return a worker with a connection of its own."""
        connection = await database.connect(self.url)
        self._stack.push_async_callback(connection.close)
        return Meter(connection, self.log, owner=owner, failpoint=failpoint)

    async def send(self, events: Sequence[Event]) -> None:
        """Append events to the log, and tell the oracle."""
        await send(self.log, self.tenant_id, events)
        self.oracle.take(events)

    async def usage(self) -> dict[tuple[Any, ...], Any]:
        """Return all usage in the oracle's form."""
        found: dict[tuple[Any, ...], Any] = {}
        customers = sorted({place[2] for place in self.oracle.usage} | {"nobody"})
        for each in self.oracle.metrics:
            for index in range(len(each.keys)):
                hours = await usage.hours(
                    self.connection, self.tenant_id, customers, [each.id], {each.id: index}, 0, 2**31 - 1
                )
                for row in hours[each.id]:
                    place = (each.id, index, row.customer_key, row.group_values, row.hour)
                    found[place] = _value(each, row)
        return found

    async def counts(self) -> dict[str, int]:
        """Return the books of all hours."""
        query = """SELECT sum(counted)::int AS counted, sum(duplicates)::int AS duplicates,
                   sum(conflicts)::int AS conflicts, sum(dead_letters)::int AS letters FROM event_count"""
        row = await (await self.connection.execute(query)).fetchone()
        assert row is not None
        return {name: value or 0 for name, value in row.items()}

    async def check(self) -> None:
        """Assert that usage, dead letters and books are exactly those of the oracle."""
        assert await self.usage() == self.oracle.usage
        rows = await (await self.connection.execute("SELECT * FROM dead_letter")).fetchall()
        assert {(row["transaction_id"], str(row["metric_id"]), row["reason"]) for row in rows} == self.oracle.letters
        assert len(rows) == len(self.oracle.letters)
        assert await self.counts() == {
            "counted": self.oracle.counted,
            "duplicates": self.oracle.duplicates,
            "conflicts": self.oracle.conflicts,
            "letters": len(self.oracle.letters),
        }


def _value(each: BillableMetric, row: Any) -> Any:
    if each.aggregation_type is Aggregation.UNIQUE:
        return row.distinct
    value = Fraction(row.value)
    return (row.at, row.text, value) if each.aggregation_type is Aggregation.LATEST else value


@pytest.fixture
async def world(database_url: str, clock: Any) -> AsyncIterator[World]:
    """Return a world of one tenant with METRICS and a log of three partitions."""
    async with AsyncExitStack() as stack:
        connection = await database.connect(database_url)
        stack.push_async_callback(connection.close)
        tenant = await tenants.create_tenant(connection, "tenant", clock())
        for each in METRICS:
            await metrics.insert(connection, tenant.id, each)
        log = MemoryLog(3, clock, SECRET)
        await routing.begin(connection, log.name, first(3))
        yield World(connection, log, tenant.id, database_url, stack)
