"""winkel replay against a real Winkel."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from support.running import Running


def replay(winkel: Running, file: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "winkel", "replay", str(file), "--url", winkel.url, "--token", winkel.token]
    return subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60, check=False)


def summary(winkel: Running) -> dict[str, Any]:
    return httpx.get(winkel.url + "/winkel/v1/ingest/summary", headers=winkel.headers).json()["data"]


def test_running_it_twice_counts_once_and_reports_what_is_wrong(winkel: Running, tmp_path: Path) -> None:
    """Old rows are shifted to now; equal rows count each; broken ones are named, and the exit code is 1."""
    lines = ["TIMESTAMP,in,out"]
    start = datetime(2023, 11, 16, 18, tzinfo=UTC)
    lines += [f"{start + timedelta(seconds=second // 2):%Y-%m-%d %H:%M:%S}.1234567,10,2" for second in range(600)]
    lines[10] = "never,10,2"
    lines[20] = "2023-11-16 18:00:00,10"
    file = tmp_path / "usage.csv"
    file.write_text("\n".join(lines) + "\n")
    options = ["--timestamp", "TIMESTAMP", "--customer", "acme", "--event-type", "llm.request"]
    options += ["--property", "input=in", "--property", "out", "--batch", "100"]
    before = summary(winkel)

    refused = replay(winkel, file, *options)
    assert refused.returncode == 1
    assert "0 events sent" in refused.stderr
    assert "--shift-to now" in refused.stderr

    for _ in range(2):
        done = replay(winkel, file, *options, "--shift-to", "now")
        assert done.returncode == 1
        assert "598 events sent" in done.stderr
        assert "row 10: 'never' is not a timestamp" in done.stderr
        assert "row 20: 2 cells" in done.stderr
        assert "Traceback" not in done.stderr
    winkel.wait_until(lambda: summary(winkel)["duplicates"] - before["duplicates"] == 598)
    after = summary(winkel)
    assert after["counted"] - before["counted"] == 598
    assert after["conflicts"] == before["conflicts"], "the second run finds the shift of the first"


def test_a_column_that_is_not_there_is_named(winkel: Running, tmp_path: Path) -> None:
    """Nothing is sent."""
    file = tmp_path / "usage.csv"
    file.write_text("at,n\n2026-01-15,1\n")
    done = replay(winkel, file, "--timestamp", "when", "--customer", "@who", "--event-type", "x")
    assert done.returncode == 1
    assert "'when', 'who'" in done.stderr


def test_a_wrong_token_is_one_sentence(winkel: Running, tmp_path: Path) -> None:
    """It says what the gateway said."""
    file = tmp_path / "usage.jsonl"
    file.write_text(f'{{"at": "{datetime.now(UTC).isoformat()}", "n": 1}}\n')
    done = replay(winkel, file, "--timestamp", "at", "--customer", "a", "--event-type", "x", "--token", "wrong")
    assert done.returncode == 1
    assert "401" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
