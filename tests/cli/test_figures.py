"""The figures of a real Winkel: under `winkel up` on one page, of a role in a cluster on its own."""

import os
import re
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from support.running import Running
from support.web import get

EVENTS = 300


def value(page: str, name: str, **labels: str) -> float:
    """Return the sum of a figure over all series that have these labels."""
    total = 0.0
    for found in re.finditer(rf"^{name}(?:\{{(.*)\}})? (\S+)$", page, re.MULTILINE):
        if all(f'{label}="{text}"' in (found[1] or "") for label, text in labels.items()):
            total += float(found[2])
    return total


def test_winkel_up_shows_the_figures_of_all_and_notices_who_is_gone(folder: Path) -> None:
    with Running(folder / "data", environment={"WINKEL_METRICS_PORT": "0"}) as winkel:
        at = winkel.state["metrics"].removesuffix("/metrics")
        assert at.startswith("http://127.0.0.1:")
        assert at + "/metrics" in winkel.said()
        now = datetime.now(UTC).isoformat()
        some = [
            {"transaction_id": str(n % 250), "customer_id": "acme", "event_type": "call", "timestamp": now}
            for n in range(EVENTS)
        ]
        httpx.post(winkel.url + "/winkel/v1/events", json=some, headers=winkel.headers).raise_for_status()
        winkel.wait_until(lambda: value(get(at + "/metrics")[1], "winkel_meter_events_total") == EVENTS)
        winkel.wait_until(lambda: value(get(at + "/metrics")[1], "winkel_meters") == 1)
        winkel.wait_until(lambda: get(at + "/readyz") == (200, "ready\n"))
        page = get(at + "/metrics")[1]
        assert value(page, "winkel_ingest_events_total", process="gateway") == EVENTS
        assert value(page, "winkel_meter_duplicates_total", process="meter") == EVENTS - 250
        assert value(page, "winkel_http_request_seconds_count", route="ingest", status="200") == 1
        assert value(page, "winkel_partition_owned") == value(page, "winkel_partitions") == 4
        assert value(page, "winkel_lag_records") == 0
        assert "acme" not in page
        assert get(winkel.url + "/metrics")[0] in {401, 404}, "tenants do not see the operator's figures"

        pid = winkel.pids["meter"]
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            status, said = get(at + "/healthz")
            assert (status, said) == (503, "meter: it does not answer\n")
            assert value(get(at + "/metrics")[1], "winkel_process_up", process="meter") == 0
        finally:
            os.kill(pid, signal.SIGCONT)
        winkel.wait_until(lambda: get(at + "/healthz") == (200, "ok\n"))
        old = winkel.kill("bill")
        winkel.wait_for_restart("bill", old)
        winkel.wait_until(lambda: value(get(at + "/metrics")[1], "winkel_process_up") == 3)
        logs = "".join(path.read_text() for path in (winkel.folder / "logs").glob("*.log"))
        assert winkel.token not in logs + page
    assert get(at + "/healthz")[0] == 0


def test_without_a_port_nothing_is_served(winkel: Running) -> None:
    assert winkel.state["metrics"] is None


@pytest.mark.parametrize("role", ["gateway", "meter", "bill"])
def test_a_role_of_a_cluster_is_ready_when_it_works_and_tells_of_itself(database_url: str, role: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    command = [sys.executable, "-m", "winkel", role, "--metrics-port", str(port), "--metrics-host", "127.0.0.1"]
    command += ["--host", "127.0.0.1", "--port", "0"] if role == "gateway" else []
    process = subprocess.Popen(
        command, env={**os.environ, "WINKEL_DATABASE_URL": database_url}, stderr=subprocess.PIPE, text=True
    )
    try:
        Running.wait_until(lambda: get(f"http://127.0.0.1:{port}/readyz") == (200, "ready\n"), 60)
        page = get(f"http://127.0.0.1:{port}/metrics")[1]
        named = {"gateway": "winkel_ingest_", "meter": "winkel_meter_", "bill": "winkel_bill_"}
        assert named[role] in page
        assert not [other for name, other in named.items() if name != role and other in page]
    finally:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said


def test_several_gateways_on_one_port_are_one_page(database_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    command = [sys.executable, "-m", "winkel", "gateway", "--workers", "2", "--host", "127.0.0.1", "--port", "0"]
    command += ["--metrics-port", str(port), "--metrics-host", "127.0.0.1"]
    process = subprocess.Popen(command, env={**os.environ, "WINKEL_DATABASE_URL": database_url})
    try:
        Running.wait_until(lambda: get(f"http://127.0.0.1:{port}/readyz") == (200, "ready\n"), 60)
        page = get(f"http://127.0.0.1:{port}/metrics")[1]
        assert value(page, "winkel_process_up") == 2
        assert value(page, "winkel_process_up", process="gateway-2") == 1
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_a_port_that_is_taken_is_said_in_a_sentence(database_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "winkel", "bill", "--metrics-port", port, "--metrics-host", "127.0.0.1"]
        run = subprocess.run(
            command, env={**os.environ, "WINKEL_DATABASE_URL": database_url},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert run.returncode == 1
    assert "choose another with --metrics-host or --metrics-port" in run.stderr
    assert "Traceback" not in run.stderr


def test_top_prints_once_for_scripts(winkel: Running) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "winkel", "top", "--once", "--data", str(winkel.folder)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "routing version 1, 4 partitions" in run.stdout
    assert re.search(r"^\s*3\s+0\s", run.stdout, re.MULTILINE)
