"""The tie between the supervisor and a role: what to do comes in on standard input, and when that closes, it is over.

A child is started early, so that it imports its modules while the database is being made; then it waits for its
orders. They are one line of JSON. The supervisor never closes the pipe while it lives: its end is the supervisor's end,
even by kill -9, on every operating system. On Linux the kernel kills the child as well (PR_SET_PDEATHSIG), which works
even when Python does not come to reading.
"""

import ctypes
import os
import signal
import socket
import sys
import threading
from pathlib import Path

import msgspec

_PR_SET_PDEATHSIG = 1


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What a role needs to know to begin."""

    database_url: str
    listen_fd: int | None = None
    """The listening socket that the gateway inherits; it belongs to the supervisor and outlives a killed gateway."""
    cache: str | None = None
    """A folder for files that can be made again."""
    metrics_fd: int | None = None
    """The listening socket on which it answers /metrics, /healthz and /readyz, if it is to."""


def tie() -> None:
    """Ask the kernel to kill this process when its parent dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def wait_for_orders() -> Orders:
    """Return the orders; end the process when the supervisor ends before it gives any, or later."""
    data = b""
    while not data.endswith(b"\n"):
        more = os.read(0, 65536)
        if not more:
            os._exit(1)
        data += more
    threading.Thread(target=_watch, name="leash", daemon=True).start()
    return msgspec.json.decode(data, type=Orders)


def _watch() -> None:
    """Wait for the end of the supervisor, then end at once: whatever was under way is not committed."""
    while os.read(0, 65536):
        pass
    os._exit(1)


def main() -> None:
    """Be the role that the first argument names, on the leash."""
    tie()
    from winkel.cli import logs, roles
    from winkel.config import Settings

    role = sys.argv[1]
    logs.configure(Settings.from_environment().log_level, role)
    roles.preload(role)
    orders = wait_for_orders()
    metrics = socket.socket(fileno=orders.metrics_fd) if orders.metrics_fd is not None else None
    cache = Path(orders.cache) if orders.cache else None
    sys.exit(roles.run(role, orders.database_url, listen_fd=orders.listen_fd, cache=cache, metrics=metrics))


if __name__ == "__main__":
    main()
