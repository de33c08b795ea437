"""Every line of a role's log is JSON that says who wrote it, whatever wrote it; and holds no local variables."""

import json
import os
import subprocess
import sys

import pytest

from winkel.cli import logs
from winkel.cli.child import sentence

PROGRAM = """
import logging, threading
import structlog
from winkel.cli import logs

logs.configure("info", "meter")
log = structlog.get_logger("winkel")
log.info("hello", partition=3)
log.debug("not shown")
logging.getLogger("somebody").warning("said %s", "this")
thread = threading.Thread(target=lambda: log.warning("from a thread"))
thread.start(); thread.join()

def fails(token):
    raise ExceptionGroup("several", [ValueError("inner")])

fails("wk_" + "secret")
"""


def test_every_line_says_event_level_time_role_and_pid() -> None:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stderr=subprocess.PIPE, text=True, env=os.environ)
    _, said = process.communicate(timeout=60)
    lines = [json.loads(line) for line in said.splitlines()]
    assert [line["event"] for line in lines] == [
        "hello",
        "said this",
        "from a thread",
        "stopped by an unexpected error",
    ]
    for line in lines:
        assert line["role"] == "meter"
        assert line["pid"] == process.pid
        assert line["timestamp"].endswith("Z")
    assert [line["level"] for line in lines] == ["info", "warning", "warning", "error"]
    assert "ValueError: inner" in lines[-1]["exception"]
    assert "wk_secret" not in said


def test_a_person_reads_the_error_not_its_frame() -> None:
    trace = "  + Exception Group Traceback\n  +-+---- 1 ----\n    | ValueError: inner\n    +-----\n"
    assert sentence({"event": "stopped", "role": "meter", "exception": trace}) == "stopped (ValueError: inner)"


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="WINKEL_LOG_LEVEL must be one of"):
        logs.configure("loud", "meter")
