"""Messages whose timestamps are their producers' own: a repeat of what came late is a repeat too."""

import asyncio
import json
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import Producer

from log.test_kafka_events import METRIC, Outside
from winkel.config import Settings
from winkel.fleet import actions, worker
from winkel.model.metric import Aggregation, BillableMetric
from winkel.store import database, metrics, tenants, usage

pytestmark = pytest.mark.anyio


def produce(outside: Outside, *messages: tuple[int, datetime]) -> None:
    producer = Producer({"bootstrap.servers": outside.broker.servers})
    for number, at in messages:
        made = {"transaction_id": f"t-{number}", "customer_id": "acme", "event_type": "call"}
        value = json.dumps(made | {"timestamp": at.isoformat(), "properties": {"tokens": 1}})
        producer.produce(outside.broker.topic, value, "one key", timestamp=int(at.timestamp() * 1000))
    assert not producer.flush(30)


async def test_a_repeat_of_what_came_late_counts_once(kafka_url: str, database_url: str) -> None:
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
        stop = asyncio.Event()
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
            await asyncio.sleep(2.5)  # the tidying beside the metering looks once a second
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
