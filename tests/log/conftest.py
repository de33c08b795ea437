"""All logs, so that one suite holds for each."""

from collections.abc import AsyncIterator

import pytest

from winkel.log.broker import Broker
from winkel.log.kafka import KafkaLog
from winkel.log.log import Log
from winkel.log.memory import MemoryLog
from winkel.log.postgres import PostgresLog

SECRET = bytes(range(16))


@pytest.fixture(params=["memory", "postgres", "kafka"])
def log_url(request: pytest.FixtureRequest) -> str:
    """Return the address of a fresh database or topic; empty for the log in memory."""
    fixtures = {"postgres": "database_url", "kafka": "kafka_url"}
    return request.getfixturevalue(fixtures[request.param]) if request.param in fixtures else ""


async def open_log(url: str) -> Log:
    """Open the log at an address: an empty one with three partitions, or what is there."""
    if not url:
        return MemoryLog(3)
    if url.startswith("kafka:"):
        return await KafkaLog.open(Broker.of(url), 3, SECRET)
    return await PostgresLog.open(url, 3)


@pytest.fixture
async def log(log_url: str) -> AsyncIterator[Log]:
    """Return an empty log with three partitions."""
    opened = await open_log(log_url)
    yield opened
    await opened.close()
