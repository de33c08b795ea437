"""winkel up: start, refusals, stop, and survival."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from support import web
from support.running import TOKEN, Running


def up(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run `winkel up` where it is expected to refuse."""
    command = [sys.executable, "-m", "winkel", "up", *arguments]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False
    )


def opens(winkel: Running, token: str) -> bool:
    """Whether the API lets the token in."""
    return web.get(f"{winkel.url}/v1/customers", {"authorization": f"Bearer {token}"})[0] == 200


def test_it_starts_answers_refuses_a_second_start_and_stops(folder: Path) -> None:
    """A second start is refused; SIGTERM leaves nothing behind; the data stays and the token goes on working."""
    with Running(folder / "data") as winkel:
        assert TOKEN in winkel.said()
        second = up("--data", str(winkel.folder), "--port", "0")
        assert second.returncode == 1
        assert str(winkel.folder) in second.stderr
        assert str(winkel.process.pid) in second.stderr
        assert "Traceback" not in second.stderr

        assert winkel.stop() == 0
        assert winkel.left_over() == []
        assert not (winkel.folder / "run.json").exists()

        winkel.start()
        assert opens(winkel, TOKEN)
        assert "shown once when it was made" in winkel.said()
        assert winkel.said().count(TOKEN) == 1


def test_whatever_is_killed_is_started_again(winkel: Running) -> None:
    """Kill -9 of any role or of the postmaster heals, and a line says so."""
    for name in ("gateway", "meter", "bill", "postgres"):
        old = winkel.kill(name)
        winkel.wait_for_restart(name, old)
        winkel.wait_until(winkel.ready)
        assert winkel.left_over()
    said = winkel.said()
    for name in ("gateway", "meter", "bill"):
        assert f"{name} (pid" in said
    assert "the database died; started again" in said


def test_a_killed_gateway_refuses_nobody(winkel: Running) -> None:
    """Who connects while the gateway is being restarted waits, and is answered."""
    url, old = winkel.url, winkel.kill("gateway")
    assert web.get(url + "/healthz", seconds=60)[0] == 200
    assert winkel.pids["gateway"] != old


def test_when_the_supervisor_is_killed_the_roles_die_and_the_next_start_carries_on(folder: Path) -> None:
    """The database may stay; the next `winkel up` takes it over."""
    with Running(folder / "data") as winkel:
        before = winkel.pids
        winkel.kill("supervisor")
        roles = [before[name] for name in ("gateway", "meter", "bill")]
        winkel.wait_until(lambda: not any(alive(pid) for pid in roles), 5)
        winkel.start()
        assert winkel.pids["postgres"] == before["postgres"]
        assert opens(winkel, TOKEN)
        assert winkel.stop() == 0
        assert winkel.left_over() == []


def alive(pid: "int | None") -> bool:
    """Whether the process runs; one that ended and that nobody asked about does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_port_in_use_is_one_sentence(folder: Path) -> None:
    """Which address it was and what to do; and no data is made for nothing."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = up("--data", str(folder / "data"), "--port", str(port))
    assert refused.returncode == 1
    assert f"127.0.0.1:{port}" in refused.stderr
    assert "--port" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert not (folder / "data" / "postgres").exists()


def test_a_folder_that_cannot_be_made_is_one_sentence(folder: Path) -> None:
    """A file in the place of the folder, say."""
    (folder / "file").write_text("")
    refused = up("--data", str(folder / "file" / "data"), "--port", "0")
    assert refused.returncode == 1
    assert "--data" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("version", ["19", "17"])
def test_data_of_another_postgresql_is_refused(folder: Path, version: str) -> None:
    """The sentence names both versions."""
    (folder / "data" / "postgres").mkdir(parents=True)
    (folder / "data" / "postgres" / "PG_VERSION").write_text(version + "\n")
    refused = up("--data", str(folder / "data"), "--port", "0")
    assert refused.returncode == 1
    assert f"PostgreSQL {version}" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_database_that_a_newer_winkel_has_changed_is_refused(folder: Path, database_url: str) -> None:
    """It names the migration that this version does not know, and touches nothing."""
    import psycopg

    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO migration (name) VALUES ('9999_tomorrow')")
    refused = up("--data", str(folder / "data"), "--port", "0", WINKEL_DATABASE_URL=database_url)
    assert refused.returncode == 1
    assert "9999_tomorrow" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/x", "not a url"])
def test_a_bad_database_address_is_one_sentence(folder: Path, url: str) -> None:
    """It says which setting to look at."""
    refused = up("--data", str(folder / "data"), "--port", "0", WINKEL_DATABASE_URL=url)
    assert refused.returncode == 1
    assert "database" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


def test_it_works_on_a_database_of_ones_own_until_ctrl_c(folder: Path, database_url: str) -> None:
    """With WINKEL_DATABASE_URL nothing embedded is started; SIGINT, as Ctrl-C sends it, ends in exit code 0."""
    with Running(folder / "data", environment={"WINKEL_DATABASE_URL": database_url}) as winkel:
        assert winkel.pids["postgres"] is None
        assert not (winkel.folder / "postgres").exists()
        winkel.process.send_signal(signal.SIGINT)
        assert winkel.process.wait(30) == 0
        assert winkel.left_over() == []
        assert "Traceback" not in winkel.said()
