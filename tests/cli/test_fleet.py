"""winkel fleet: what it shows, and a change of the number of partitions while events come in."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx
import psycopg
import pytest

from cli.test_commands import alone, cli
from e2e.plain import Plain, eventually
from support.kafka import topic
from support.running import Running
from winkel.config import Settings
from winkel.fleet.actions import open_log
from winkel.log.log import NewRecord
from winkel.log.postgres import PostgresLog


@pytest.fixture
def fleet(winkel: Running) -> Iterator[Running]:
    """Return a running Winkel that gets back its four partitions."""
    yield winkel
    on(winkel, "repartition", "4")


def on(winkel: Running, *arguments: str) -> tuple[int, str]:
    """Run `winkel fleet` on a running Winkel; return its exit code and what it says."""
    done = cli("fleet", *arguments, "--data", str(winkel.folder))
    return done.returncode, done.stdout + done.stderr


def test_status_shows_partitions_meters_and_gateways(fleet: Running) -> None:
    """Which buckets each partition has, who meters it, and which gateways append."""
    code, said = on(fleet, "status")
    assert code == 0
    assert "4 partitions in use" in said
    assert "1024…2047" in said
    assert "nobody meters it" not in said
    assert said.count(f":{fleet.pids['gateway']}:") == 1


def test_partitions_change_while_events_come_in(fleet: Running) -> None:
    """4 → 12 → 3 under load: no request fails, every event counts once, and the command says when it is done."""
    with Plain(fleet.url, fleet.token) as plain:
        customer = plain.make("/v1/customers", name="busy", ingest_aliases=["busy"])
        metric = plain.metric("fleet", "fleet", "COUNT")
    stop, sent = threading.Event(), [0]

    def send() -> None:
        with httpx.Client(headers=fleet.headers, timeout=20) as client:
            while not stop.is_set():
                event = {"customer_id": "busy", "event_type": "fleet", "timestamp": datetime.now(UTC).isoformat()}
                events = [{**event, "transaction_id": f"fleet-{sent[0]}-{number}"} for number in range(50)]
                for _ in range(2):  # everything twice: what is counted once must be known after the change too
                    client.post(f"{fleet.url}/v1/ingest", json=events).raise_for_status()
                sent[0] += 1

    with ThreadPoolExecutor(1) as thread:
        sending = thread.submit(send)
        try:
            for count, before in ((12, 4), (3, 12)):
                code, said = on(fleet, "repartition", str(count))
                assert code == 0, said
                assert f"{before} → {count} partitions: in force after" in said
                assert "settled after" in said
        finally:
            stop.set()
        sending.result(60)
    with Plain(fleet.url, fleet.token) as plain:
        eventually(lambda: plain.usage(metric), {customer: 50 * sent[0]}, 60)
    code, said = on(fleet, "repartition", "3")
    assert (code, "already" in said) == (1, True)


def test_who_waits_for_a_change_hears_that_nobody_meters(database_url: str) -> None:
    """Without a terminal, too; and whoever stops waiting leaves the change in force."""

    async def append() -> None:
        log = await PostgresLog.open(database_url, 4)
        await log.append([NewRecord(1, partition, 1, b"some") for partition in (1, 3)])
        await log.close()

    asyncio.run(append())
    command = [sys.executable, "-m", "winkel", "fleet", "repartition", "8", "--database-url", database_url]
    listening = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # also where the tests run in the background
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=listening) as process:  # noqa: PLW1509
        assert process.stderr is not None
        assert "in force; waiting until 2 records before it are metered" in process.stderr.readline()
        assert "nobody meters partitions 1, 3: start `winkel meter`" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert "8 partitions in use" in cli("fleet", "status", "--database-url", database_url).stdout


def test_a_change_that_hangs_can_be_given_up(fleet: Running) -> None:
    """Somebody announced a version and is gone: gateways wait for it, until it is aborted."""
    assert on(fleet, "abort")[0] == 1
    with psycopg.connect(fleet.database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO routing SELECT topic, max(version) + 1, 'preparing', '{0}', '{0}', '{}', now(),"
            " now() + interval '1 hour' FROM routing GROUP BY topic"
        )
    code, said = on(fleet, "status")
    assert (code, "`winkel fleet abort` gives it up" in said) == (0, True)
    code, said = on(fleet, "repartition", "8")
    assert (code, "under way" in said) == (1, True)
    assert on(fleet, "abort")[0] == 0
    event = {
        "transaction_id": "after abort",
        "customer_id": "x",
        "event_type": "y",
        "timestamp": datetime.now(UTC).isoformat(),
    }
    answer = httpx.post(f"{fleet.url}/v1/ingest", json=[event], headers=fleet.headers, timeout=20)
    assert answer.status_code == 200


def test_commands_on_a_data_folder_look_at_the_log_in_use(folder: Path, kafka_url: str) -> None:
    """docs/guides/run-on-kafka.md, "Try it in five minutes": `WINKEL_LOG=… winkel up`, then commands without it."""
    with Running(folder / "data", environment={"WINKEL_LOG": kafka_url}) as running:
        where = ("--data", str(running.folder))
        status = alone("fleet", "status", *where)
        assert (status.returncode, f":{running.pids['gateway']}:" in status.stdout) == (0, True)
        assert "→ 8 partitions: in force" in alone("fleet", "repartition", "8", *where).stdout
        assert "8 partitions in use" in alone("fleet", "status", *where, WINKEL_LOG=kafka_url).stdout
        assert "1 gateway" in alone("top", "--once", *where).stdout
        with frozen(running, "supervisor", "meter"):
            now = datetime.now(UTC).isoformat()
            event = {"transaction_id": "1", "customer_id": "x", "event_type": "y", "timestamp": now}
            httpx.post(f"{running.url}/v1/ingest", json=[event], headers=running.headers, timeout=20).raise_for_status()
            until = time.monotonic() + 60  # its partitions count as left alone only after a while
            while "nobody meters partition" not in (doctor := alone("doctor", *where)).stdout:
                assert time.monotonic() < until, doctor.stdout
            assert doctor.returncode == 1
        beside = alone("doctor", "--database-url", running.database_url)
        assert (beside.returncode, "not the log in use" in beside.stdout) == (1, True)


@contextmanager
def frozen(running: Running, *names: str) -> Iterator[None]:
    """Stop processes in their tracks for a while."""
    pids = [running.pids[name] or 0 for name in names]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)


def test_a_log_is_left_when_nobody_appends_to_it_and_all_of_it_is_metered(folder: Path, kafka: str) -> None:
    """A topic whose name was a slip of the pen: end `winkel up`, leave it, start with the right one."""
    where = ("--data", str(folder / "data"))
    with topic(kafka) as wrong, topic(kafka) as right:
        with Running(folder / "data", environment={"WINKEL_LOG": wrong}) as running:
            refused = alone("fleet", "leave-log", *where)
            assert (refused.returncode, "gateways that append to" in refused.stderr) == (1, True)
            assert running.stop() == 0
            assert f"set WINKEL_LOG={wrong} " in alone("fleet", "leave-log", *where).stderr
            left = alone("fleet", "leave-log", *where, WINKEL_LOG=wrong)
            assert (left.returncode, f"left {wrong}" in left.stdout) == (0, True)
            assert running.left_over() == []
            assert alone("fleet", "leave-log", *where, WINKEL_LOG=wrong).returncode == 1
        with Running(folder / "data", environment={"WINKEL_LOG": right}) as running:
            assert running.state["log"] == right


@pytest.mark.anyio
async def test_a_log_is_not_left_while_records_wait_and_a_lost_one_only_by_a_decision(
    database_url: str, kafka_url: str
) -> None:
    there = {"WINKEL_DATABASE_URL": database_url, "WINKEL_LOG": kafka_url}
    log = await open_log(database_url, Settings(log=kafka_url, partitions=2))
    await log.append([NewRecord(1, 0, 1, b"x")])
    waits = await asyncio.to_thread(alone, "fleet", "leave-log", "--yes", **there)
    assert (waits.returncode, "1 records are to be metered" in waits.stderr) == (1, True)
    await log.close()
    with psycopg.connect(database_url, autocommit=True) as connection:
        lost = f"{log.name}-lost {kafka_url}".encode()
        connection.execute("UPDATE setting SET value = %s WHERE name = 'log'", (lost,))
    asked = await asyncio.to_thread(alone, "fleet", "leave-log", **there)
    assert (asked.returncode, "will never be counted" in asked.stdout) == (1, True)
    assert (await asyncio.to_thread(alone, "fleet", "leave-log", "--yes", **there)).returncode == 0
    again = await open_log(database_url, Settings(log=kafka_url))
    await again.close()
