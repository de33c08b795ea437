"""A database with a tenant and metrics, each kind of log, and a meter over them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any

import pytest

from meter.blocks import SECRET, metric, new_records
from winkel.log.broker import Broker
from winkel.log.kafka import KafkaLog
from winkel.log.log import Log, NewRecord
from winkel.log.memory import MemoryLog
from winkel.log.postgres import PostgresLog
from winkel.meter.worker import Meter
from winkel.model.event import Event
from winkel.model.metric import Aggregation
from winkel.model.routing import first
from winkel.store import database, dead_letters, metrics, routing, tenants, usage
from winkel.store.database import Connection
from winkel.store.dead_letters import StoredDeadLetter

CALLS, TOKENS, USERS, LARGE = METRICS = [
    metric(1, Aggregation.COUNT),
    metric(2, Aggregation.SUM, "n", group_keys=(("model",),)),
    metric(3, Aggregation.UNIQUE, "user"),
    metric(4, Aggregation.MAX, "n"),
]


class Desk:
    """What a test of dead letters works with."""

    def __init__(self, owner: Connection, log: Log, tenant_id: int, url: str) -> None:
        self.owner = owner
        self.log = log
        self.tenant_id = tenant_id
        self.url = url
        self.meter = Meter(owner, log, owner="one")

    async def get_log(self) -> Log:
        """Return the log, as a retry asks for it."""
        return self.log

    async def send(self, *events: Event, tenant_id: int = 0) -> None:
        """Append events as the gateway does, and meter."""
        made = new_records(tenant_id or self.tenant_id, events, self.log.partitions)
        await self.append(*made)

    async def append(self, *records: NewRecord) -> None:
        """Append records, and meter."""
        await self.log.append(records)
        await self.drain()

    async def drain(self) -> None:
        """Meter until nothing is left."""
        for partition in range(self.log.partitions):
            if partition not in self.meter.holdings:
                await self.meter.assign(partition)
        for _ in range(200):
            await self.meter.step()
            ends = [each.end for each in await self.log.bounds()]  # records that are sent on come on top
            if all(self.meter.holdings[partition].next_offset >= end for partition, end in enumerate(ends)):
                return
        raise AssertionError("the partitions do not move on")

    async def letters(self, *, resolved: bool | None = False) -> list[StoredDeadLetter]:
        """Return the open letters of all tenants, the oldest first."""
        where = dead_letters.Filter(resolved=resolved)
        return (await dead_letters.page(self.owner, None, where=where, limit=1000))[::-1]

    async def used(self, metric_id: str, customer: str = "acme") -> dict[tuple[str | None, ...], Any]:
        """Return what a customer used of a metric, by group."""
        rows = await usage.hours(self.owner, self.tenant_id, [customer], [metric_id], {metric_id: 0}, 0, 2**31 - 1)
        found: dict[tuple[str | None, ...], Any] = {}
        for row in rows[metric_id]:
            value = row.distinct or row.value or Decimal(0)
            found[row.group_values] = found[row.group_values] + value if row.group_values in found else value
        return found


@pytest.fixture(params=["memory", "postgres", "kafka"])
async def log(request: pytest.FixtureRequest, clock: Any) -> AsyncIterator[Log]:
    """Return an empty log of two partitions, of each kind."""
    if request.param == "memory":
        opened: Log = MemoryLog(2, clock, SECRET)
    elif request.param == "kafka":
        opened = await KafkaLog.open(Broker.of(request.getfixturevalue("kafka_url")), 2, SECRET)
    else:
        opened = await PostgresLog.open(request.getfixturevalue("database_url"), 2)
    yield opened
    await opened.close()


@pytest.fixture
async def desk(database_url: str, log: Log, clock: Any) -> AsyncIterator[Desk]:
    """Return a desk with a tenant that has METRICS."""
    async with AsyncExitStack() as stack:
        owner = await database.connect(database_url)
        stack.push_async_callback(owner.close)
        tenant = await tenants.create_tenant(owner, "tenant", clock())
        for each in METRICS:
            await metrics.insert(owner, tenant.id, each)
        if not await routing.newest(owner, log.name):
            await routing.begin(owner, log.name, first(log.partitions))
        yield Desk(owner, log, tenant.id, database_url)
