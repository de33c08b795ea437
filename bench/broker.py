"""A Kafka of its own for a benchmark: one node on this machine, as `tools/kafka/start.sh` starts it."""

import os
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

START = Path(__file__).parent.parent / "tools" / "kafka" / "start.sh"
CONTROLLER = 101
"""How far above its port the node's controller listens."""


class Broker(Struct, frozen=True):
    """A node that runs."""

    servers: str
    pid: int


@contextmanager
def broker(folder: Path) -> Iterator[Broker]:
    """Start a node with its data in a folder, and stop it."""
    port = _free()
    command = [str(START), str(folder)]
    try:
        started = subprocess.run([*command, "1", str(port)], check=True, capture_output=True, text=True, timeout=300)
        pid = int((folder / "node-1" / "pid").read_text(encoding="utf-8"))
        yield Broker(started.stdout.split()[-1], pid)
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"Kafka did not start: {error.stderr[-2000:]}") from error
    finally:
        subprocess.run([*command, "stop"], check=False, capture_output=True, timeout=60)


def version() -> str:
    """Return which Kafka that is."""
    found = re.search(r"<kafka.version>(.+?)<", (START.parent / "pom.xml").read_text(encoding="utf-8"))
    return found[1] if found else "unknown"


def cache() -> Path:
    """Return the folder for what benchmarks build or fetch once: jars and a virtual environment."""
    folder = Path(os.environ.get("WINKEL_BENCH_CACHE", Path.home() / ".cache" / "winkel" / "bench"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _free() -> int:
    """Return a port that is free, as is the controller's."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as first:
            port: int = first.getsockname()[1]
            try:
                with socket.create_server(("127.0.0.1", port + CONTROLLER)):
                    return port
            except (OSError, OverflowError):
                continue
