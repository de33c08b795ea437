"""One real PostgreSQL per test process, one fresh database per test that asks for one, and a clock one can move."""

import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import structlog
from hypothesis import settings

from chaos import figures
from support import kafka as kafka_support
from winkel.store import database, embedded, migrate

REASON_CHARACTERS = 300
_numbers = itertools.count()
# How long an example takes is measured in bench/: here it only tells how busy the machine is.
settings.register_profile("winkel", deadline=None)
settings.load_profile("winkel")
# The pretty traceback shows every local variable: a second of work, in the middle of somebody's transaction.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ],
    wrapper_class=structlog.make_filtering_bound_logger(0),
)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Return the address of a running, empty PostgreSQL: the embedded one, as `winkel up` starts it."""
    with tempfile.TemporaryDirectory(prefix="winkel-test-") as folder:
        server = embedded.start(Path(folder) / "postgres")
        try:
            _hurry(server.url)
            yield server.url
        finally:
            server.stop()


def _hurry(url: str) -> None:
    """Let this server forget its data when the machine dies: only its answers matter here."""
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")


@pytest.fixture(scope="session")
def template(postgres: str) -> str:
    """Return the name of a migrated database that others are copied from."""
    import asyncio

    name = "winkel_template"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")

    async def run() -> None:
        connection = await database.connect(at_database(postgres, name))
        await migrate.migrate(connection)
        await connection.close()

    asyncio.run(run())
    return name


def at_database(url: str, name: str) -> str:
    """Return the address of another database on the same server."""
    parts = psycopg.conninfo.conninfo_to_dict(url)
    return psycopg.conninfo.make_conninfo(**{**parts, "dbname": name})


@pytest.fixture
def database_url(postgres: str, template: str) -> Iterator[str]:
    """Return the address of a fresh, migrated database, dropped after the test."""
    with _fresh(postgres, template) as url:
        yield url


@pytest.fixture
def further_url(postgres: str, template: str) -> Iterator[str]:
    """Return the address of a second one, for usage that is spread over two."""
    with _fresh(postgres, template) as url:
        yield url


@contextmanager
def _fresh(postgres: str, template: str) -> Iterator[str]:
    name = f"winkel_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        # Copying files takes a tenth of the time of writing every page to the WAL, which is how it is done unless said.
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield at_database(postgres, name)
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


class MovableClock:
    """A clock that stands still until it is moved."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def move(self, **by: float) -> None:
        """Move on: `clock.move(days=1)`."""
        self.at += timedelta(**by)


@pytest.fixture
def clock() -> MovableClock:
    """Return a clock that says noon on 15 January 2026, UTC."""
    return MovableClock(datetime(2026, 1, 15, 12, tzinfo=UTC))


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """Return the address (host:port) of a running Kafka; skip where it cannot be, but fail in CI."""
    with kafka_support.broker() as servers:
        yield servers


@pytest.fixture
def kafka_url(kafka: str) -> Iterator[str]:
    """Return the address (WINKEL_LOG) of a log in a topic of its own, which is not made yet."""
    with kafka_support.topic(kafka) as url:
        yield url


@pytest.fixture
def anyio_backend() -> str:
    """Run async tests on asyncio, as the product does."""
    return "asyncio"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell the figures of the chaos tests, in full size keep them for the report; and last, what failed."""
    reports = [each for kind in ("passed", "failed") for each in terminalreporter.stats.get(kind, [])]
    run = figures.from_reports(reports)
    if run.tests and (figures.FULL or any(each.test.startswith("tests/chaos/") for each in run.tests)):
        if figures.FULL:
            figures.keep(run)
        terminalreporter.section("chaos")
        terminalreporter.write_line("\n".join(figures.lines(run)))
    _tell_failures(terminalreporter)


def _tell_failures(reporter: pytest.TerminalReporter) -> None:
    """End with a line for each failure: pytest's own summary repeats whole differences in CI, however long."""
    failures = [each for kind in ("failed", "error") for each in reporter.stats.get(kind, [])]
    if failures:
        reporter.section("what failed")
    for each in failures:
        crash = getattr(each.longrepr, "reprcrash", None)
        reason = crash.message.splitlines()[0][:REASON_CHARACTERS] if crash and crash.message else ""
        reporter.write_line(f"{each.nodeid}  {reason}")
