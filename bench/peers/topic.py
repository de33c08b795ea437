"""The topic that all systems read: plain JSON events, one a message, and the exact answer.

2 % of the messages are exact copies of an earlier one; customers, models and hours of one day are uniformly random: the
worst case for whoever groups by them. The same seed, the same events, but for their day, which is yesterday.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
from confluent_kafka import Message, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from msgspec import Struct
from numpy.typing import NDArray

CUSTOMERS = 1000
HOURS = 24
HOUR = 3_600_000
DUPLICATES = 0.02
MODELS = ("gpt-x", "gpt-x-mini", "opal-4", "opal-4-lite", "quartz", "quartz-long", "embed-s", "embed-l")
PARTITIONS = 8
SEED = 20261120

Answer = dict[str, tuple[int, int]]
"""customer|model|hour → (events, tokens)"""


class Topic(Struct, frozen=True):
    """What was written."""

    name: str
    records: int
    bytes_each: float
    answer: Answer


def customer(number: int) -> str:
    """Return the identifier that events carry."""
    return f"c{number:04d}"


def write(servers: str, count: int) -> Topic:
    """Make the topic `events-<count>` with so many messages, and return when all are there."""
    day = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
    columns, order = _sample(count)
    name = f"events-{count}"
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([NewTopic(name, PARTITIONS, 1, config={"retention.ms": "-1"})])[name].result()
    producer = Producer(
        {
            "bootstrap.servers": servers, "enable.idempotence": True, "partitioner": "murmur2_random",
            "compression.type": "lz4", "linger.ms": 50, "batch.size": 262144, "queue.buffering.max.messages": 500_000,
        }
    )  # fmt: skip
    lost: list[str] = []

    def report(error: object, _: Message) -> None:
        if error is not None:
            lost.append(str(error))

    size = 0
    for key, value in _messages(columns, order, day):
        size += len(value)
        while True:
            try:
                producer.produce(name, value, key, on_delivery=report)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    producer.flush()
    if lost:
        raise RuntimeError(f"{len(lost)} messages were not delivered: {lost[0]}")
    return Topic(name, count, size / count, _answer(columns, day))


def _sample(count: int) -> tuple[dict[str, NDArray[np.int64]], NDArray[np.int64]]:
    """Return the columns of the different events and, for each message, which event it is."""
    random = np.random.default_rng(SEED)
    unique = count - int(count * DUPLICATES)
    columns = {
        "high": random.integers(0, 2**63, unique),
        "low": random.integers(0, 2**63, unique),
        "customer": random.integers(0, CUSTOMERS, unique),
        "model": random.integers(0, len(MODELS), unique),
        "at": random.integers(0, HOURS * HOUR, unique),
        "tokens": random.integers(1, 4000, unique),
    }
    copies = random.integers(0, unique, count - unique)
    place = random.random(unique)
    later = place[copies] + (1 - place[copies]) * random.random(count - unique)
    order = np.concatenate([np.arange(unique), copies])[np.argsort(np.concatenate([place, later]), kind="stable")]
    return columns, order


def _answer(columns: dict[str, NDArray[np.int64]], day: str) -> Answer:
    group = (columns["customer"] * len(MODELS) + columns["model"]) * HOURS + columns["at"] // HOUR
    size = CUSTOMERS * len(MODELS) * HOURS
    counts = np.bincount(group, minlength=size)
    tokens = np.zeros(size, np.int64)
    np.add.at(tokens, group, columns["tokens"])
    return {
        f"{customer(each // HOURS // len(MODELS))}|{MODELS[each // HOURS % len(MODELS)]}|{day}T{each % HOURS:02d}": (
            int(counts[each]),
            int(tokens[each]),
        )
        for each in np.flatnonzero(counts).tolist()
    }


def _messages(columns: dict[str, NDArray[np.int64]], order: NDArray[np.int64], day: str) -> Iterator[tuple[str, str]]:
    lists = [column[order].tolist() for column in columns.values()]
    for high, low, who, model, at, tokens in zip(*lists, strict=True):
        digits = f"{high:016x}{low:016x}"
        key = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
        second, milli = divmod(at, 1000)
        yield (
            key,
            (
                f'{{"transaction_id":"{key}","customer_id":"{customer(who)}",'
                f'"timestamp":"{day}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}.{milli:03d}Z",'
                f'"event_type":"llm","properties":{{"model":"{MODELS[model]}","tokens":{tokens},"region":"eu-west-1",'
                f'"endpoint":"/v1/chat/completions"}}}}'
            ),
        )
