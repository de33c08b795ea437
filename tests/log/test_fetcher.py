"""A reader that failed is replaced by one, however many partitions wait for it."""

import asyncio
import threading

import pytest
from confluent_kafka import KafkaError, KafkaException

from winkel.log.broker import Broker
from winkel.log.fetcher import Fetcher
from winkel.log.kafka import KafkaLog
from winkel.model.errors import UnavailableError

pytestmark = pytest.mark.anyio
PARTITIONS = 8


def fetchers() -> int:
    return sum(each.name == "winkel-kafka-fetcher" for each in threading.enumerate())


async def test_one_reader_takes_the_place_of_one(kafka_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is a consumer with connections to all brokers and room for 64 MB: none may be left behind."""
    log = await KafkaLog.open(Broker.of(kafka_url), PARTITIONS, bytes(16))

    async def read_all() -> list[object]:
        reads = [log.read(each, 0, events=1, wait_seconds=1) for each in range(PARTITIONS)]
        return list(await asyncio.gather(*reads, return_exceptions=True))

    def down(_: Fetcher) -> int:
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    with monkeypatch.context() as brokers:
        brokers.setattr(Fetcher, "_look", down)
        assert all(isinstance(each, UnavailableError) for each in await read_all())
    assert await read_all() == [[]] * PARTITIONS
    assert fetchers() == 1
    await log.close()
    assert fetchers() == 0
