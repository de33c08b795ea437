"""What chaos tests share: figures, which are told at the end of the run."""

from collections.abc import Callable, Generator
from typing import Any

import msgspec
import pytest

from chaos import figures
from chaos.figures import PROPERTY, Told

_told = pytest.StashKey[list[Told]]()


@pytest.fixture
def tells(request: pytest.FixtureRequest) -> Callable[[int, str], Told]:
    """Return a function that begins what this test tells: the row of the table, and a title."""
    told = request.node.stash.setdefault(_told, [])

    def begin(row: int, title: str) -> Told:
        told.append(Told(row, title))
        return told[-1]

    return begin


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Send along what a test told, when it failed too."""
    report = yield
    if call.when == "call":
        report.user_properties += [(PROPERTY, msgspec.json.encode(each).decode()) for each in item.stash.get(_told, [])]
        if figures.FULL and _told in item.stash:
            figures.keep(figures.from_reports([report]))
    return report


@pytest.fixture(params=["postgres", "kafka"])
def log_settings(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the settings of either log: a table of the system's PostgreSQL, and a topic of a real Kafka."""
    return {} if request.param == "postgres" else {"WINKEL_LOG": request.getfixturevalue("kafka_url")}
