"""Both logs, so that one suite holds for each."""

from collections.abc import AsyncIterator

import pytest

from winkel.log.log import Log
from winkel.log.memory import MemoryLog
from winkel.log.postgres import PostgresLog


@pytest.fixture(params=["memory", "postgres"])
def log_url(request: pytest.FixtureRequest) -> str | None:
    """Return the address of a fresh database, or None for the log in memory."""
    return request.getfixturevalue("database_url") if request.param == "postgres" else None


@pytest.fixture
async def log(log_url: str | None) -> AsyncIterator[Log]:
    """Return an empty log with three partitions."""
    opened: Log = await PostgresLog.open(log_url, 3) if log_url else MemoryLog(3)
    yield opened
    await opened.close()
