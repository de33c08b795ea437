"""Somebody else's topic of plain events, on a real broker, from its first message to usage."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any
from unittest.mock import ANY

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from winkel.config import Settings
from winkel.fleet import actions, worker
from winkel.log.broker import Broker
from winkel.log.kafka_events import EventTopic
from winkel.log.log import Messages
from winkel.model.errors import UnavailableError
from winkel.model.metric import Aggregation, BillableMetric
from winkel.store import database, metrics, tenants, usage

pytestmark = pytest.mark.anyio
PARTITIONS = 3
NOW = datetime.now(UTC).isoformat()
METRIC = "00000000-0000-4000-8000-000000000001"


def event(number: int, tokens: object = 1) -> bytes:
    made = {"transaction_id": f"t-{number}", "customer_id": "acme", "event_type": "call", "timestamp": NOW}
    return json.dumps(made | {"properties": {"tokens": tokens}}).encode()


class Outside:
    """A producer that knows nothing of Winkel."""

    def __init__(self, url: str) -> None:
        self.broker = Broker.of(url)
        self._settings = {"bootstrap.servers": self.broker.servers}
        admin = AdminClient(self._settings)
        admin.create_topics([NewTopic(self.broker.topic, PARTITIONS, 1)])[self.broker.topic].result()
        until = time.monotonic() + 60
        while not self._known(admin):  # a broker hears of a new topic a little later than its controller
            assert time.monotonic() < until, "the topic does not appear"
            time.sleep(0.02)

    def _known(self, admin: AdminClient) -> bool:
        found = admin.list_topics(timeout=10).topics.get(self.broker.topic)
        return found is not None and found.error is None and len(found.partitions) == PARTITIONS

    def send(self, *messages: tuple[str, bytes | None], take_back: bool | None = None) -> None:
        """Produce messages; `take_back` says whether in a transaction that is aborted or committed."""
        transactional = {} if take_back is None else {"transactional.id": f"outside-{self.broker.topic}"}
        producer = Producer(self._settings | transactional)
        if take_back is not None:
            producer.init_transactions(30)
            producer.begin_transaction()
        for key, value in messages:
            producer.produce(self.broker.topic, value, key)
        producer.flush(30)
        if take_back is not None:
            (producer.abort_transaction if take_back else producer.commit_transaction)(30)

    def grow(self) -> None:
        wanted = [NewPartitions(self.broker.topic, PARTITIONS + 1)]
        admin = AdminClient(self._settings)
        admin.create_partitions(wanted)[self.broker.topic].result()


@pytest.fixture
def outside(kafka_url: str) -> Outside:
    return Outside(kafka_url)


@pytest.fixture
async def topic(outside: Outside) -> AsyncIterator[EventTopic]:
    """Return the topic as tenant 7's log."""
    opened = await EventTopic.of(outside.broker, 7, bytes(16))
    yield opened
    await opened.close()


async def everything(topic: EventTopic, partition: int, start: int = 0) -> list[bytes]:
    """Return the values of a partition; the records must follow each other."""
    values: list[bytes] = []
    async with asyncio.timeout(60):
        while start < (await topic.bounds())[partition].end:
            for record in await topic.read(partition, start, events=1000, wait_seconds=0.2):
                assert record.offset == start
                start = record.next_offset
                if record.events:
                    assert isinstance(record.data, Messages)
                    assert (record.tenant_id, record.events) == (7, len(record.data.values))
                    values += record.data.values
    return values


async def test_many_messages_are_few_records(outside: Outside, topic: EventTopic) -> None:
    """All of them, in their order, from any offset on."""
    outside.send(*((str(number), event(number)) for number in range(3000)))
    found = [await everything(topic, partition) for partition in range(PARTITIONS)]
    assert sorted(value for some in found for value in some if value) == sorted(map(event, range(3000)))
    for partition, values in enumerate(found):
        assert await everything(topic, partition, 5) == values[5:]
        assert not await topic.read(partition, len(values), events=10, wait_seconds=0)


async def test_a_message_without_a_value_is_an_empty_one(outside: Outside, topic: EventTopic) -> None:
    """It is no event, and becomes a dead letter; its neighbours are read."""
    outside.send(("a", event(1)), ("a", None), ("a", b""), ("a", event(2)))
    found = [value for partition in range(PARTITIONS) for value in await everything(topic, partition)]
    assert found == [event(1), b"", b"", event(2)]


async def test_what_a_transaction_took_back_never_happened(outside: Outside, topic: EventTopic) -> None:
    """Its offsets, and those of the markers, are passed."""
    outside.send(("a", event(1)), take_back=False)
    outside.send(("a", event(2)), take_back=True)
    outside.send(("a", event(3)), take_back=False)
    found = [value for partition in range(PARTITIONS) for value in await everything(topic, partition)]
    assert found == [event(1), event(3)]


async def test_it_is_only_read(outside: Outside, topic: EventTopic) -> None:
    """Nothing of ours ever writes to it, and it must stay as it is."""
    with pytest.raises(UnavailableError, match="only read"):
        await topic.append([])
    with pytest.raises(UnavailableError, match="not ours"):
        await topic.grow(PARTITIONS + 1)
    assert await topic.trim(datetime.now(UTC), [0] * PARTITIONS) == 0
    await topic.refresh()
    outside.grow()
    with pytest.raises(UnavailableError, match="Make a new topic"):
        await _refresh_for(topic, 30)


async def test_a_topic_that_is_not_there(kafka_url: str) -> None:
    """The sentence says what to do."""
    with pytest.raises(UnavailableError, match="has no topic"):
        await EventTopic.of(Broker.of(kafka_url), 7, bytes(16))


async def test_from_messages_to_usage_exactly_once(outside: Outside, database_url: str, kafka_url: str) -> None:
    """Repeats in other records count once, what is no event is a dead letter, and a second start counts nothing."""
    async with AsyncExitStack() as stack:
        connection = await database.connect(database_url)
        stack.push_async_callback(connection.close)
        tenant = await tenants.create_tenant(connection, "acme", datetime.now(UTC))
        made = BillableMetric(
            id=METRIC, name="tokens", aggregation_type=Aggregation.SUM, aggregation_key="tokens",
            created_at=datetime.now(UTC),
        )  # fmt: skip
        await metrics.insert(connection, tenant.id, made)

        async def total() -> int:
            found = await usage.hours(connection, tenant.id, ["acme"], [METRIC], {}, 0, 2**31 - 1)
            return sum(int(each.value or 0) for each in found[METRIC])

        outside.send(*((f"t-{number}", event(number)) for number in range(500)))
        await _metered(database_url, kafka_url, total, 500)
        outside.send(*((f"t-{number}", event(number)) for number in range(400, 600)), ("x", b"no event"), ("y", None))
        outside.send(("t-700", event(700, "many")), ("t-701", event(701, 5)))
        await _metered(database_url, kafka_url, total, 605)
        letters = await connection.execute(
            "SELECT reason, transaction_id, payload FROM dead_letter ORDER BY reason, payload"
        )
        assert [tuple(each.values()) for each in await letters.fetchall()] == [
            ("invalid_event", None, b""),
            ("invalid_event", None, b"no event"),
            ("not_a_number", "t-700", ANY),
        ]
        books = await connection.execute(
            "SELECT sum(counted)::int AS new, sum(duplicates)::int AS old FROM event_count"
        )
        assert await books.fetchone() == {"new": 602, "old": 100}


async def _refresh_for(topic: EventTopic, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while True:
            await topic.refresh()
            await asyncio.sleep(0.05)


async def _metered(database_url: str, url: str, total: Callable[[], Any], wanted: int) -> None:
    """Run a meter until the sum is there, and end it."""
    settings = Settings(database_url=database_url)
    log = await actions.open_source(database_url, settings, url, "acme")
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(database_url, log, owner="test", stop=stop))
    try:
        async with asyncio.timeout(90):
            while await total() != wanted:
                assert not task.done()
                await asyncio.sleep(0.05)
    finally:
        stop.set()
        await task
        await log.close()
