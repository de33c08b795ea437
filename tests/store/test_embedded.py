"""The embedded PostgreSQL: made once, taken over, brought back."""

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

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


def test_a_folder_that_holds_something_else_is_left_alone(folder: Path) -> None:
    """It is not made into a database."""
    (folder / "letter.txt").write_text("dear")
    with pytest.raises(UnavailableError, match="not empty"):
        embedded.start(folder)
    assert [each.name for each in folder.iterdir()] == ["letter.txt"]
