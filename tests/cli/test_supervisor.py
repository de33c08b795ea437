"""Processes that are added, taken away and killed: the supervisor, its pauses, and `winkel up --workers`."""

import asyncio
import errno
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import psycopg
import pytest
from typer.testing import CliRunner

from support.running import Running
from winkel.cli import supervisor as module
from winkel.cli.child import Child, Lines
from winkel.cli.main import app
from winkel.cli.scaling import Meters, workers
from winkel.cli.supervisor import BACKOFF_ENDED, BACKOFF_FIRST, BACKOFF_MOST, Backoff, Supervisor
from winkel.store import autoscale, database

REPLACED_SECONDS = 10.0
"""Within what time a killed meter must be back."""


def test_pauses_double_for_what_fails_and_stay_short_for_what_is_killed() -> None:
    """A crash loop waits longer and longer; a process that others end is back soon, however often they do."""
    crashing, killed = Backoff(), Backoff()
    assert [crashing.after(1.0) for _ in range(8)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert crashing.after(60.0) == BACKOFF_FIRST
    assert max(killed.after(1.0, was_ended=True) for _ in range(20)) == BACKOFF_ENDED < BACKOFF_MOST
    for _ in range(20):
        crashing.after(1.0)
    assert crashing.after(1.0, was_ended=True) == BACKOFF_ENDED, "the kill is not punished for the crashes before"


def test_workers_are_a_number_or_auto() -> None:
    """Anything else is refused with what to do."""
    assert workers("auto") is None
    assert workers("3") == 3
    for bad in ("0", "-1", "many", "1.5", ""):
        with pytest.raises(ValueError, match="--workers must be auto or a whole number from 1 on"):
            workers(bad)
    result = CliRunner().invoke(app, ["up", "--workers", "none", "--port", "0"])
    assert result.exit_code == 1
    assert "but is none" in result.output


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[tuple[Supervisor, Meters, list[str]]]:
    """Return a supervisor of one meter, which waits for its orders."""
    said: list[str] = []
    meters = Meters(lambda name: tmp_path / f"{name}.log", said.append)
    found = Supervisor([meters.child(1)], keep_open=(), say=said.append, changed=lambda: None)
    await found.start()
    yield found, meters, said
    await found.stop(asyncio.Event())


async def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        await asyncio.sleep(0.02)


def names(supervisor: Supervisor) -> list[str]:
    return [each.name for each in supervisor.children]


@pytest.mark.anyio
async def test_children_come_and_go(supervisor: tuple[Supervisor, Meters, list[str]], tmp_path: Path) -> None:
    """One that is added is kept alive as the others; one that is taken away stays away."""
    watching, meters, _ = supervisor
    second: Child = meters.child(2)
    await watching.add(second)
    assert names(watching) == ["meter", "meter-2"]
    before = second.pid
    assert before is not None
    second.send(signal.SIGKILL)
    await until(lambda: second.pid not in (None, before))
    again = second.pid
    assert again is not None
    await watching.remove(second)
    assert names(watching) == ["meter"]
    assert not psutil.pid_exists(again)
    assert second.pid is None
    await watching.add(meters.child(2))
    assert second.pid is not None, "the same child, with its log"


@pytest.mark.anyio
async def test_a_fork_that_fails_once_is_not_the_last(
    supervisor: tuple[Supervisor, Meters, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many processes, for a moment."""
    watching, _, said = supervisor
    (meter,) = watching.children
    forks, fork = [], asyncio.create_subprocess_exec

    async def fails_once(*arguments, **named):
        forks.append(arguments)
        if len(forks) == 1:
            raise BlockingIOError(errno.EAGAIN, "try again")
        return await fork(*arguments, **named)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", fails_once)
    before = meter.pid
    meter.send(signal.SIGKILL)
    await until(lambda: f"meter (pid {before}) was killed (SIGKILL); started again as pid {meter.pid}" in said)
    assert len(forks) == 2
    assert any("meter cannot be started, trying again: [Errno 11]" in line for line in said)


@pytest.mark.anyio
async def test_what_could_not_be_noted_is_noted_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said once that it cannot, however often it is tried; after the end nothing is noted any more."""
    monkeypatch.setattr(module, "NOTE_SECONDS", 0.01)
    said: list[str] = []
    noted: list[int] = []

    def changed() -> None:
        noted.append(1)
        if len(noted) != 4:
            raise OSError(errno.ENOSPC, "no space left")

    watching = Supervisor([], keep_open=(), say=said.append, changed=changed)
    watching.note()
    await until(lambda: len(noted) == 4)
    await asyncio.sleep(0.05)
    assert len(noted) == 4
    assert said == ["which processes run cannot be noted: [Errno 28] no space left"]
    watching.note()
    await watching.stop(asyncio.Event())
    tried = len(noted)
    await asyncio.sleep(0.05)
    assert len(noted) == tried


@pytest.mark.anyio
async def test_lines_that_cannot_be_kept_are_read_all_the_same(tmp_path: Path) -> None:
    """A process whose lines nobody reads would hang; they are kept from the moment at which that works."""
    said: list[str] = []
    log_file = tmp_path / "logs" / "meter.log"
    log_file.parent.write_text("not a folder")
    stream = asyncio.StreamReader()
    reading = asyncio.create_task(Lines("meter", log_file, said.append).read(stream))
    stream.feed_data(b'{"event": "lost", "level": "warning"}\n')
    await until(lambda: said == ["meter: lost"])
    log_file.parent.unlink()
    stream.feed_data(b'{"event": "kept"}\n')
    await until(lambda: log_file.exists() and "kept" in log_file.read_text())
    log_file.unlink()
    stream.feed_data(b'{"event": "begun again"}\n')
    stream.feed_eof()
    await reading
    assert "begun again" in log_file.read_text()


@pytest.mark.anyio
async def test_meters_follow_what_the_autoscaler_wants(
    supervisor: tuple[Supervisor, Meters, list[str]], database_url: str
) -> None:
    """Up and down by its decisions, the newest meter first; a decision that nobody confirms changes nothing."""
    watching, meters, said = supervisor
    connection = await database.connect(database_url)
    following = asyncio.create_task(meters.follow(watching, database_url))
    try:
        await autoscale.keep(connection, "events", 3, "1 → 3: many events wait")
        await until(lambda: names(watching) == ["meter", "meter-2", "meter-3"])
        assert "meters: 1 → 3: many events wait" in said
        await connection.execute("UPDATE autoscale SET desired = 1, at = at - interval '1 hour'")
        await asyncio.sleep(1.5)
        assert len(watching.children) == 3
        await autoscale.keep(connection, "events", 2, "3 → 2: 1.2 are needed")
        await until(lambda: names(watching) == ["meter", "meter-2"])
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await autoscale.keep(connection, "events", 1, "2 → 1: 0.1 are needed")
        await until(lambda: names(watching) == ["meter"])
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await connection.close()


def owners(winkel: Running) -> set[int]:
    """Return the process ids of the meters that own partitions."""
    with psycopg.connect(winkel.database_url) as connection:
        rows = connection.execute("SELECT owner FROM log_progress WHERE owner IS NOT NULL").fetchall()
    return {int(owner.split(":")[-2]) for (owner,) in rows}


def test_several_meters_share_the_work_and_one_that_is_killed_again_and_again_is_back_soon(folder: Path) -> None:
    """Two meters own partitions; five kills in a row, each answered within ten seconds; the doctor shows both."""
    with Running(folder / "data", workers="2") as winkel:
        assert set(winkel.state["roles"]) == {"gateway", "meter", "meter-2", "bill"}
        winkel.wait_until(lambda: owners(winkel) == {winkel.pids["meter"], winkel.pids["meter-2"]}, 60)
        for _ in range(5):
            old, began = winkel.kill("meter-2"), time.monotonic()
            new = winkel.wait_for_restart("meter-2", old, REPLACED_SECONDS)
            assert time.monotonic() - began < REPLACED_SECONDS, new
        winkel.wait_until(lambda: owners(winkel) == {winkel.pids["meter"], winkel.pids["meter-2"]}, 60)
        winkel.wait_until(lambda: "are needed" in doctor(winkel), 60)
        assert "meter-2" in doctor(winkel)


def doctor(winkel: Running) -> str:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["doctor", "--data", str(winkel.folder)]).output


def test_auto_runs_as_many_as_are_wanted(folder: Path) -> None:
    """At least two are asked for by the settings: the autoscaler says so, and the supervisor starts the second."""
    settings = {"WINKEL_METERS_MIN": "2", "WINKEL_METERS_MAX": "2"}
    with Running(folder / "data", workers="auto", environment=settings) as winkel:
        winkel.wait_until(lambda: "meter-2" in winkel.state["roles"], 60)
        winkel.wait_until(lambda: owners(winkel) == {winkel.pids["meter"], winkel.pids["meter-2"]}, 60)
        assert winkel.stop() == 0
    assert winkel.left_over() == []
