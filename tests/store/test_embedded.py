"""The embedded PostgreSQL: made once, taken over, brought back."""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from winkel.model.errors import UnavailableError
from winkel.store import embedded


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return an empty folder outside of pytest's own, which is closed to the user as whom PostgreSQL may run."""
    with tempfile.TemporaryDirectory(prefix="winkel-embedded-") as path:
        yield Path(path)


def test_it_is_made_killed_brought_back_and_taken_over(folder: Path) -> None:
    """What was committed survives a killed postmaster; a second object finds the server that runs."""
    server = embedded.start(folder / "postgres")
    try:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
            pid = server.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)  # while a session is open, which must end before a new server may start
            server.ensure_running()
        assert server.pid not in (None, pid)
        other = embedded.Server(folder / "postgres")
        assert other.pid == server.pid
        assert embedded.running(folder / "postgres") == server.url
        with psycopg.connect(other.url) as connection:
            assert connection.execute("SELECT one FROM kept").fetchone() == (1,)
    finally:
        server.stop()
    assert server.pid is None
    assert embedded.running(folder / "postgres") is None


def test_a_folder_with_a_long_name_gets_its_socket_elsewhere(folder: Path) -> None:
    """The path of a socket has about a hundred bytes at most."""
    deep = folder / ("x" * 60) / ("y" * 60)
    server = embedded.start(deep / "postgres")
    try:
        assert str(deep) not in server.url
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        server.stop()


def test_an_interrupted_making_is_begun_again(folder: Path) -> None:
    """What a killed initdb left is thrown away: data is either made in full or not there."""
    left = folder / "postgres.making"
    left.mkdir()
    (left / "PG_VERSION").write_text("18\n")
    server = embedded.start(folder / "postgres")
    server.stop()
    assert not left.exists()


def test_the_number_of_a_dead_server_may_belong_to_somebody_else(folder: Path) -> None:
    """After a crash of the machine, postmaster.pid may name a process that is no PostgreSQL at all."""
    server = embedded.start(folder / "postgres")
    note = (folder / "postgres" / "postmaster.pid").read_text()
    server.stop()
    (folder / "postgres" / "postmaster.pid").write_text(note.replace(note.split("\n", 1)[0], str(os.getpid()), 1))
    again = embedded.Server(folder / "postgres")
    assert again.pid is None
    again.ensure_running()
    again.stop()


def test_another_postgresql_is_never_taken_for_ours(folder: Path) -> None:
    """After a reboot postmaster.pid of one may name the process of another: the one starts, and the other lives."""
    one, other = embedded.start(folder / "one"), embedded.start(folder / "other")
    try:
        note = (folder / "one" / "postmaster.pid").read_text()
        one.stop()
        (folder / "one" / "postmaster.pid").write_text(note.replace(note.split("\n", 1)[0], str(other.pid), 1))
        again = embedded.Server(folder / "one")
        assert (again.pid, embedded.running(folder / "one")) == (None, None)
        again.stop()  # as `winkel up` does in the end, also after a start that failed
        assert other.pid is not None
        third = embedded.start(folder / "one")
        assert third.pid not in (None, other.pid)
        third.stop()
        assert other.pid is not None
    finally:
        other.stop()


def test_where_nobody_may_look_into_it_a_server_is_known_by_its_arguments(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root of a container may not always see where a process of another user works."""

    def denied(_: psutil.Process) -> str:
        raise psutil.AccessDenied

    server = embedded.start(folder / "one")
    try:
        monkeypatch.setattr(psutil.Process, "cwd", denied)
        assert embedded.Server(folder / "one").pid == server.pid
        shutil.copy(folder / "one" / "postmaster.pid", folder)
        assert embedded.Server(folder).pid is None
    finally:
        server.stop()


def test_what_was_stopped_is_not_started_by_a_thread_that_was_about_to(folder: Path) -> None:
    """Whoever gives up while data are made leaves no server behind; another object may start it."""
    server = embedded.Server(folder / "postgres")
    server.stop()
    with pytest.raises(UnavailableError, match="it was stopped"):
        server.ensure_running()
    assert server.pid is None
    assert (folder / "postgres" / "PG_VERSION").exists()
    embedded.start(folder / "postgres").stop()


def test_a_server_that_recovers_is_waited_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it takes; who stopped it would begin again from the start the next time."""
    server, said = embedded.start(folder / "postgres"), []
    refusals = iter(["FATAL:  the database system is starting up"] * 30)

    def connect(*arguments, **named):
        for refusal in refusals:
            raise psycopg.OperationalError(refusal)
        return connects(*arguments, **named)

    connects = psycopg.connect
    monkeypatch.setattr(psycopg, "connect", connect)
    monkeypatch.setattr(embedded, "START_SECONDS", 0.2)
    monkeypatch.setattr(embedded, "SAY_SECONDS", 0.1)
    try:
        began = time.monotonic()
        server.ensure_running(said.append)
        assert time.monotonic() - began > 0.5
        assert said
        assert all("recovers from a crash" in line for line in said)
        refusals = iter(["it does not say what it does"] * 30)
        with pytest.raises(UnavailableError, match="does not start"):
            server.ensure_running()
    finally:
        monkeypatch.undo()
        server.stop()


def test_a_folder_that_holds_something_else_is_left_alone(folder: Path) -> None:
    """It is not made into a database."""
    (folder / "letter.txt").write_text("dear")
    with pytest.raises(UnavailableError, match="not empty"):
        embedded.start(folder)
    assert [each.name for each in folder.iterdir()] == ["letter.txt"]
