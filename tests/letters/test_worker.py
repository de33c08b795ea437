"""The relay tells every dead letter to a topic, at least once."""

import asyncio
import base64
import json
import time
from collections.abc import Sequence
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from letters.conftest import Desk
from meter.blocks import event
from winkel.letters.worker import PAYLOAD_MAX, SUFFIX, Publisher, relay
from winkel.log.kafka import KafkaLog
from winkel.log.log import NewRecord
from winkel.log.memory import MemoryLog
from winkel.log.postgres import PostgresLog
from winkel.model.errors import UnavailableError

pytestmark = pytest.mark.anyio


class Topic:
    """Takes messages, and sometimes does not answer although it took them."""

    def __init__(self) -> None:
        self.messages: list[tuple[bytes, Any]] = []
        self.down = False

    async def publish(self, suffix: str, messages: Sequence[tuple[bytes, bytes]]) -> None:
        assert suffix == SUFFIX
        self.messages += [(key, json.loads(value)) for key, value in messages]
        if self.down:
            raise UnavailableError("no answer")


def test_only_a_log_with_topics_has_a_relay() -> None:
    """The job is not even started for the others."""
    assert issubclass(KafkaLog, Publisher)
    assert not issubclass(MemoryLog, Publisher)
    assert not issubclass(PostgresLog, Publisher)


async def test_each_letter_is_published_whole_and_marked(desk: Desk) -> None:
    """With its place, its reason and its bytes, under its id; what is too large is left in the table."""
    data = b"\x01\xff\x00broken"
    await desk.append(NewRecord(desk.tenant_id, 1, 3, data), NewRecord(desk.tenant_id, 1, 1, bytes(PAYLOAD_MAX + 1)))
    await desk.send(event(1, {"n": "?"}))
    topic = Topic()
    assert await relay(desk.owner, desk.log.name, topic) == 4
    letters = await desk.letters()
    letters.sort(key=lambda each: int(each.id))
    assert [key.decode() for key, _ in topic.messages] == [each.id for each in letters]
    first, second, *_ = [value for _, value in topic.messages]
    assert base64.b64decode(first["payload"]) == data
    assert {**first, "detail": "", "at": "", "payload": ""} == {
        "id": letters[0].id, "tenant_id": desk.tenant_id, "topic": desk.log.name, "partition": 1, "offset": 0,
        "index": -1, "events": 3, "reason": "undecodable", "detail": "", "metric_id": None, "transaction_id": None,
        "at": "", "payload": "", "payload_bytes": len(data),
    }  # fmt: skip
    assert (second["payload"], second["payload_bytes"]) == (None, PAYLOAD_MAX + 1)
    assert await relay(desk.owner, desk.log.name, topic) == 0


async def test_without_an_answer_letters_are_published_again(desk: Desk) -> None:
    """At least once, under the same key."""
    await desk.append(NewRecord(desk.tenant_id, 0, 1, b"broken"))
    topic = Topic()
    topic.down = True
    with pytest.raises(UnavailableError):
        await relay(desk.owner, desk.log.name, topic)
    topic.down = False
    assert await relay(desk.owner, desk.log.name, topic) == 1
    assert topic.messages[0] == topic.messages[1]
    assert len(topic.messages) == 2


async def test_on_kafka_they_are_in_a_topic_beside_the_logs(desk: Desk) -> None:
    """A consumer of that topic finds them, with their keys, in the order of their ids."""
    if not isinstance(desk.log, KafkaLog):
        return
    await desk.append(*[NewRecord(desk.tenant_id, number % 2, 1, b"broken %d" % number) for number in range(5)])
    assert await relay(desk.owner, desk.log.name, desk.log) == 5
    beside = f"{desk.log.name.partition('@')[0]}-{SUFFIX}"
    broker = desk.log._broker
    try:
        found = await asyncio.to_thread(consumed, broker.servers, beside, 5)
        assert [key for key, _ in found] == sorted(each.id.encode() for each in await desk.letters())
        assert {base64.b64decode(value["payload"]) for _, value in found} == {b"broken %d" % each for each in range(5)}
    finally:
        admin = AdminClient({"bootstrap.servers": broker.servers})
        admin.delete_topics([beside])[beside].result(10)


def consumed(servers: str, topic: str, count: int) -> list[tuple[bytes, Any]]:
    """Return the first messages of a topic with one partition."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": topic, "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = []
    until = time.monotonic() + 60
    while len(found) < count and time.monotonic() < until:
        message = consumer.poll(1.0)
        if message is not None and message.error() is None:
            found.append((message.key(), json.loads(message.value())))
    consumer.close()
    return found


async def test_letters_of_another_log_are_not_ours_to_tell(desk: Desk) -> None:
    """Each log has its own topic."""
    await desk.append(NewRecord(desk.tenant_id, 0, 1, b"broken"))
    assert await relay(desk.owner, "another", Topic()) == 0
