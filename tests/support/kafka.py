"""A real Kafka for tests: one broker for a whole run, however many processes it has, and a topic for each test."""

import fcntl
import itertools
import os
import random
import shlex
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

START = Path(__file__).parents[2] / "tools" / "kafka" / "start.sh"
START_SECONDS = 300
"""The first start of all downloads 54 MB."""
_numbers = itertools.count()


@contextmanager
def broker() -> Iterator[str]:
    """Lend the address of a running Kafka.

    `WINKEL_TEST_KAFKA` names one that is there. Otherwise the first process of a test run that needs one starts it.
    Every process that uses it holds a shared lock, which a guard waits for: when all have ended, in whatever way, it
    stops the broker and removes its data.
    """
    given = os.environ.get("WINKEL_TEST_KAFKA", "")
    if given:
        yield given
        return
    _need("java", "mvn")
    folder = _folder()
    with folder.with_suffix(".users").open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        yield _started(folder)


@contextmanager
def topic(servers: str) -> Iterator[str]:
    """Lend the address of a log (WINKEL_LOG) whose topic nobody else has; it is deleted afterwards."""
    name = f"winkel-test-{os.getpid()}-{next(_numbers)}-{random.getrandbits(32):08x}"
    yield f"kafka://{servers}/{name}"
    admin = AdminClient({"bootstrap.servers": servers})
    for future in admin.delete_topics([name]).values():
        future.exception(10)  # a test that made no topic is fine


def _folder() -> Path:
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    return Path(tempfile.gettempdir()) / f"winkel-test-kafka-{run}"


def _started(folder: Path) -> str:
    """Return the address of this run's broker, after starting it if nobody has."""
    with folder.with_suffix(".start").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        address = folder / "servers"
        if not address.exists():
            _guard(folder)
            folder.mkdir()
            command = [str(START), str(folder), "1", str(_free_port())]
            started = subprocess.run(command, check=False, capture_output=True, text=True, timeout=START_SECONDS)
            if started.returncode:
                _missing(f"Kafka does not start: {started.stderr[-2000:]}")
            address.write_text(started.stdout.strip())
        return address.read_text()


def _guard(folder: Path) -> None:
    """Have a process that outlives us stop the broker when nobody uses it any more."""
    users, starting = folder.with_suffix(".users"), folder.with_suffix(".start")
    end = f"{shlex.quote(str(START))} {shlex.quote(str(folder))} stop; rm -rf {shlex.quote(str(folder))}"
    subprocess.Popen(
        ["flock", "--exclusive", str(users), "sh", "-c", f"{end}; rm -f {shlex.quote(str(starting))}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    ).returncode = 0  # nobody waits for it  # fmt: skip


def _free_port() -> int:
    """Return a port that is free, as is the one of the controller beside it."""
    while True:
        port = random.randrange(20_000, 32_000)
        try:
            for each in (port, port + 100):
                socket.create_server(("127.0.0.1", each)).close()
        except OSError:
            continue
        return port


def _need(*programs: str) -> None:
    missing = [each for each in programs if shutil.which(each) is None]
    if missing:
        _missing(f"the tests of Kafka need {' and '.join(missing)} (Java 17 and Maven), or WINKEL_TEST_KAFKA=host:port")


def _missing(reason: str) -> None:
    """End the test: in CI nothing may be left out in silence."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
