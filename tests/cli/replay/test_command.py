"""winkel replay against a real Winkel."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import zstandard

from support.running import Running
from winkel.cli.replay.command import _Replay
from winkel.cli.replay.events import Mapping, Occurrences, Source
from winkel.cli.replay.rows import rows
from winkel.cli.replay.send import Ready, Sender


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


CSV = b"at,who,what,n\n2026-01-15 12:00:00,acme,llm,1\n%s\n2026-01-15 12:00:02,acme,llm,3\n"


@pytest.mark.parametrize(
    "line",
    [
        b"0001-01-01T00:00:00+10:00,acme,llm,2",
        b"2026-01-15 12:00:01,acme,llm,\xff",
        b"," * 9000 + b"\xff",
        b'"2026-01-15 12:00:01"' + b" " * 9000 + b",acme,\xff,2",
        b'2026-01-15 12:00:01,acme,llm,"2"3',
    ],
    ids=["before the year 1", "no UTF-8", "no UTF-8, later", "an event type that is no UTF-8, later", "no CSV"],
)
def test_a_row_that_cannot_be_an_event_is_told_of_and_the_rest_is_sent(tmp_path: Path, line: bytes) -> None:
    """It has its number in the file, and the others theirs."""
    file = tmp_path / "usage.csv"
    file.write_bytes(CSV % line)
    mapping = Mapping(timestamp="at", customer=Source("who"), event_type=Source("what"), properties={"n": "n"})
    replay = _Replay(file, mapping, "http://127.0.0.1:1", "t")
    shift = datetime.now(UTC) - datetime(2026, 1, 15, 13, tzinfo=UTC)
    ready = replay._ready(list(rows(file)), Occurrences(), shift)
    assert [each.row for each in ready] == [1, 3]
    assert list(replay.refusals) == [2]


def test_a_file_of_blank_lines_has_nothing_to_send(winkel: Running, tmp_path: Path) -> None:
    file = tmp_path / "usage.jsonl"
    file.write_text("\n\n")
    done = replay(winkel, file, "--timestamp", "at", "--customer", "a", "--event-type", "x", "--shift-to", "now")
    assert (done.returncode, "0 events sent" in done.stderr) == (0, True), done.stderr


def test_an_event_that_is_too_large_by_itself_does_not_hold_up_the_others() -> None:
    """Some proxy takes at most so much: batches are halved until the one at fault is found."""

    class Narrow:
        def send(self, method: str, path: str, *, content: bytes, **_: str) -> httpx.Response:
            events = zstandard.ZstdDecompressor().decompressobj().decompress(content).splitlines()
            if sum(map(len, events)) > 5:
                return httpx.Response(413, json={"message": "too much"})
            return httpx.Response(200, json={"accepted": len(events), "invalid": []})

    refused: list[tuple[int, str]] = []
    sender = Sender(Narrow(), refused=lambda *each: refused.append(each), wait=print)
    sent = sender.send([Ready(number, b"x" * (9 if number == 3 else 1) + b"\n") for number in range(1, 8)])
    assert (sent, refused) == (6, [(3, "the gateway refused (413): too much")])


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
