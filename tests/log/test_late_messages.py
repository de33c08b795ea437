"""Messages whose timestamps are their producers' own: a repeat of what came late is a repeat too."""

import asyncio
import json
from collections import Counter
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import Producer

from log.test_kafka_events import METRIC, PARTITIONS, Outside
from winkel.config import Settings
from winkel.fleet import actions, worker
from winkel.meter.actions import Memory
from winkel.model.metric import Aggregation, BillableMetric
from winkel.store import database, metrics, tenants, usage
from winkel.store.database import Connection

pytestmark = pytest.mark.anyio


def produce(outside: Outside, *messages: tuple[int, datetime]) -> None:
    producer = Producer({"bootstrap.servers": outside.broker.servers})
    for number, at in messages:
        made = {"transaction_id": f"t-{number}", "customer_id": "acme", "event_type": "call"}
        value = json.dumps(made | {"timestamp": at.isoformat(), "properties": {"tokens": 1}})
        producer.produce(outside.broker.topic, value, "one key", timestamp=int(at.timestamp() * 1000))
    assert not producer.flush(30)


async def test_a_repeat_of_what_came_late_counts_once(
    kafka_url: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backfill keeps the timestamps of its messages (as mirrors do); a producer beside it sends what happens now."""
    outside = Outside(kafka_url)
    now = datetime.now(UTC)
    old = now - timedelta(days=40)
    async with AsyncExitStack() as stack:
        connection = await database.connect(database_url)
        stack.push_async_callback(connection.close)
        tenant = await tenants.create_tenant(connection, "acme", now)
        made = BillableMetric(
            id=METRIC, name="tokens", aggregation_type=Aggregation.SUM, aggregation_key="tokens", created_at=now
        )
        await metrics.insert(connection, tenant.id, made)
        log = await actions.open_source(database_url, Settings(database_url=database_url), kafka_url, "acme")
        stop, expire, looks = asyncio.Event(), worker.actions.expire, Counter[int]()

        async def noted(connection: Connection, memory: Memory, partition: int, epoch: int) -> int:
            found = await expire(connection, memory, partition, epoch)
            looks[partition] += 1
            return found

        monkeypatch.setattr(worker.actions, "expire", noted)
        task = asyncio.create_task(worker.run(database_url, log, owner="test", stop=stop))

        async def metered(offset: int) -> None:
            query = "SELECT coalesce(max(next_offset), 0) AS at FROM log_progress"
            async with asyncio.timeout(60):
                while (await (await connection.execute(query)).fetchone())["at"] < offset:  # type: ignore[index]
                    assert not task.done()
                    await asyncio.sleep(0.05)

        try:
            produce(outside, (1, now))
            await metered(1)
            produce(outside, (2, old))  # the backfill
            await metered(2)
            before = Counter(looks)
            async with asyncio.timeout(30):  # until what matters no longer is forgotten, everywhere
                while len(looks) < PARTITIONS or any(looks[each] < before[each] + 2 for each in looks):
                    await asyncio.sleep(0.05)
            produce(outside, (2, old), (3, now))  # the very same message again, and another one
            await metered(4)
            found = await usage.hours(connection, tenant.id, ["acme"], [METRIC], {}, 0, 2**31 - 1)
            counted = sum(int(each.value or 0) for each in found[METRIC])
            rows = await (await connection.execute("SELECT DISTINCT transaction_id FROM dead_letter")).fetchall()
            assert counted + len(rows) == 3, "three events: each is counted once, or a dead letter"
        finally:
            stop.set()
            await task
            await log.close()
