"""winkel up: start, refusals, stop, and survival."""

import contextlib
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest

from cli.test_commands import alone
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


@pytest.mark.parametrize("name", ["gateway", "postgres"])
def test_what_dies_while_the_disk_is_full_is_started_again(winkel: Running, name: str) -> None:
    """Without room for run.json all goes on; it says who runs as soon as there is room again."""
    heard = len(winkel.said())
    full = winkel.folder / "run.new"
    full.symlink_to("/dev/full")  # opening it works, writing does not
    try:
        old = winkel.kill(name)
        winkel.wait_until(lambda: "cannot be noted: [Errno 28]" in winkel.said()[heard:])
        winkel.wait_until(lambda: "started again as pid" in winkel.said()[heard:])
    finally:
        full.unlink()
    winkel.wait_for_restart(name, old)
    winkel.wait_until(winkel.ready)


def test_a_database_whose_settings_find_no_room_is_tried_again(winkel: Running) -> None:
    """They are written at each start."""
    heard = len(winkel.said())
    settings = winkel.folder / "postgres" / "winkel.conf"
    settings.unlink()
    settings.symlink_to("/dev/full")
    old = winkel.kill("postgres")
    winkel.wait_until(lambda: "does not start again, trying on: [Errno 28]" in winkel.said()[heard:])
    settings.unlink()
    winkel.wait_for_restart("postgres", old)
    winkel.wait_until(winkel.ready)


def test_logs_that_were_removed_to_make_room_are_begun_again(winkel: Running) -> None:
    """Roles and the database come back all the same, however often they die."""
    shutil.rmtree(winkel.folder / "logs")
    for name in ("bill", "bill", "postgres"):
        winkel.wait_for_restart(name, winkel.kill(name))
    winkel.wait_until(winkel.ready)
    winkel.wait_until((winkel.folder / "logs" / "bill.log").exists)


def test_a_terminal_that_is_gone_does_not_end_supervision(folder: Path) -> None:
    """`winkel up &`, and the session ends: the terminal answers EIO from then on, and no signal comes."""
    master, slave = pty.openpty()
    with Running(folder / "data", terminal=slave) as winkel:
        os.close(slave)
        os.close(master)
        for name in ("gateway", "postgres"):
            winkel.wait_for_restart(name, winkel.kill(name))
            winkel.wait_until(winkel.ready)


def test_a_pipe_that_is_closed_does_not_end_supervision(folder: Path) -> None:
    """`winkel up | head -1`: Rich ends a program whose pipe is closed."""
    reader, writer = os.pipe()
    with Running(folder / "data", terminal=writer) as winkel:
        os.close(writer)
        os.close(reader)
        winkel.wait_for_restart("gateway", winkel.kill("gateway"))
        winkel.wait_until(winkel.ready)
        assert winkel.stop() == 0


def test_ctrl_c_twice_in_the_first_start_leaves_no_database_behind(folder: Path) -> None:
    """The data are made to their end, and not used any more."""
    winkel = Running(folder / "data").begin()
    try:
        winkel.wait_until(lambda: children(winkel, "initdb"))
        slow = children(winkel, "initdb")
        for each in slow:
            each.suspend()  # as on a slow disk
        winkel.process.send_signal(signal.SIGINT)
        winkel.wait_until(lambda: not children(winkel, "winkel.cli.leash"))
        winkel.process.send_signal(signal.SIGINT)
        for each in slow:
            each.resume()
        winkel.process.wait(60)
        assert [each for each in winkel.left_over() if "postgres" in each] == [], winkel.said()
    finally:
        winkel.kill_all()


def children(winkel: Running, word: str) -> list[psutil.Process]:
    """Return the processes that the supervisor has started and that have this word in their command."""
    found = []
    for each in psutil.Process(winkel.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [each] if word in " ".join(each.cmdline()) else []
    return found


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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WINKEL_LOG_LEVEL", "verbose"),
        ("WINKEL_LOG", "redis://x"),
        ("WINKEL_PARTITIONS", "0"),
        ("WINKEL_KAFKA_CONFIG", "/nowhere"),
    ],
)
def test_a_setting_that_does_not_fit_is_one_sentence_at_once(folder: Path, name: str, value: str) -> None:
    """It says which one, and makes nothing, instead of starting roles again and again."""
    settings = {"WINKEL_LOG": "kafka://127.0.0.1:1", name: value}
    refused = alone("up", "--data", str(folder / "data"), "--port", "0", **settings)
    assert (refused.returncode, len(refused.stderr.strip().splitlines())) == (1, 1)
    assert name in refused.stderr
    assert not (folder / "data" / "postgres").exists()


def test_several_gateways_are_not_started_with_a_setting_that_does_not_fit() -> None:
    refused = alone("gateway", "--workers", "2", WINKEL_DATABASE_URL="postgresql://x", WINKEL_PARTITIONS="0")
    assert (refused.returncode, refused.stderr.startswith("winkel: WINKEL_PARTITIONS must")) == (1, True)


def test_a_start_without_the_log_in_use_is_one_sentence_at_once(folder: Path, database_url: str) -> None:
    """After a reboot, say: what waits in Kafka would never be metered."""
    import psycopg

    with psycopg.connect(database_url) as connection:
        noted = b"usage@id kafka://broker:9092/usage"
        connection.execute("INSERT INTO setting VALUES ('log', %s)", (noted,))
    refused = alone("up", "--data", str(folder / "data"), "--port", "0", WINKEL_DATABASE_URL=database_url)
    assert (refused.returncode, len(refused.stderr.strip().splitlines())) == (1, 1)
    assert "set WINKEL_LOG=kafka://broker:9092/usage " in refused.stderr


def test_partitions_that_do_not_fit_the_databases_are_one_sentence_at_once(
    folder: Path, database_url: str, further_url: str
) -> None:
    """And can be corrected: nothing of that number is made."""
    import psycopg

    two = {"WINKEL_DATABASE_URL": database_url, "WINKEL_SHARDS": as_url(further_url)}
    refused = alone("up", "--data", str(folder / "data"), "--port", "0", WINKEL_PARTITIONS="3", **two)
    assert (refused.returncode, len(refused.stderr.strip().splitlines())) == (1, 1)
    assert "3 partitions cannot be shared evenly by 2 databases: set WINKEL_PARTITIONS" in refused.stderr
    refused = alone("fleet", "status", WINKEL_PARTITIONS="3", **two)
    assert (refused.returncode, "3 partitions cannot be shared evenly" in refused.stderr) == (1, True)
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM log_partition").fetchone() == (0,)
    corrected = alone("fleet", "status", WINKEL_PARTITIONS="4", **two)
    assert (corrected.returncode, corrected.stderr) == (0, "")


def as_url(conninfo: str) -> str:
    """Return an address as WINKEL_SHARDS takes it."""
    import psycopg

    parts = psycopg.conninfo.conninfo_to_dict(conninfo)
    return f"postgresql://{parts['user']}@/{parts['dbname']}?host={quote(str(parts['host']), safe='')}"


def test_it_works_on_a_database_of_ones_own_until_ctrl_c(folder: Path, database_url: str) -> None:
    """With WINKEL_DATABASE_URL nothing embedded is started; SIGINT, as Ctrl-C sends it, ends in exit code 0."""
    with Running(folder / "data", environment={"WINKEL_DATABASE_URL": database_url}) as winkel:
        assert winkel.pids["postgres"] is None
        assert not (winkel.folder / "postgres").exists()
        winkel.process.send_signal(signal.SIGINT)
        assert winkel.process.wait(30) == 0
        assert winkel.left_over() == []
        assert "Traceback" not in winkel.said()
