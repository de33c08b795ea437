"""A Winkel to play on: `winkel up` as a child, on its own embedded database and a free port."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from winkel.cli.datafolder import DataFolder
from winkel.cli.owner import with_database

if TYPE_CHECKING:
    from winkel.store.database import Connection

START_SECONDS = 60.0
STOP_SECONDS = 30.0


class Stage:
    """Where it plays: the address, a token, and how long the start took in seconds."""

    def __init__(self, url: str, token: str, seconds: float) -> None:
        self.url = url
        self.token = token
        self.seconds = seconds


@contextmanager
def stage(data: Path) -> Iterator[Stage]:
    """Start Winkel in the folder and stop it in the end. Raises `ValueError` when it does not start."""
    began = time.monotonic()
    environment = {name: value for name, value in os.environ.items() if not _is_setting(name)}
    environment["WINKEL_BOOTSTRAP_TOKEN"] = "wk_" + secrets.token_urlsafe(32)
    command = [sys.executable, "-m", "winkel", "up", "--data", str(data), "--port", "0", "--leash"]
    with subprocess.Popen(  # noqa: S603 (no shell, arguments of ours)
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        process_group=0,
    ) as process:
        try:
            url = _wait(process, DataFolder(data), began + START_SECONDS)
            token = with_database("", data, _make_token)
            yield Stage(url, token, time.monotonic() - began)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_SECONDS)


def _is_setting(name: str) -> bool:
    """Whether a variable says where an installation is, or what it is like: the demo is played on one of its own."""
    return name.startswith("WINKEL_") and name != "WINKEL_LOG_LEVEL"


def _wait(process: "subprocess.Popen[bytes]", folder: DataFolder, until: float) -> str:
    """Return the address of the gateway once it answers."""
    while time.monotonic() < until:
        if process.poll() is not None:
            assert process.stderr is not None
            raise ValueError(process.stderr.read().decode(errors="replace").strip().removeprefix("winkel: "))
        state = folder.noted()
        if state is not None and state["pid"] == process.pid and state["answers"]:
            url: str = state["url"]
            return url
        time.sleep(0.02)
    raise ValueError(f"Winkel does not start in {folder.path}; {folder.logs} says why")


async def _make_token(connection: "Connection") -> str:
    """Make a token for the demo: the data folder may be one with tenants already."""
    from winkel.cli import prepare
    from winkel.clock import now
    from winkel.model.tenant import Role
    from winkel.store import tenants

    tenant = await tenants.find_tenant(connection, prepare.FIRST_TENANT)
    _, secret = await prepare.create_token(connection, tenant.id, "demo", Role.ADMIN, at=now())
    return secret
