"""One supervised process: its start, its orders, its log, its end."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import msgspec

from winkel.cli.leash import Orders

Say = Callable[[str], None]
"""Tells the terminal one line. It must not fail: see `unheard`."""
_LINE_MAX = 64 * 1024
_QUIET_SECONDS = 5.0
"""How long the same warning of the same process is not shown again at the terminal; the log has them all."""
_FROM_OUTSIDE = frozenset({0, *(-each for each in (signal.SIGHUP, signal.SIGINT, signal.SIGKILL, signal.SIGTERM))})
"""Exit codes of processes that were well when they ended: a role ends with 0 when it gets SIGTERM."""
_KNOWN = frozenset({"event", "level", "timestamp", "role", "pid", "exception", "logger"})


def unheard() -> AbstractContextManager[None]:
    """Go on when nobody listens: a terminal that is gone must not end what is supervised, nor a pipe (Rich exits)."""
    return contextlib.suppress(OSError, SystemExit)


class Child:
    """A process on the leash. `name` is its role, with a number behind it where there are several."""

    def __init__(
        self, name: str, role: str, log_file: Path | None, say: Say, *, settings: dict[str, str] | None = None
    ) -> None:
        self.settings = settings or {}
        """Environment variables that it gets beside those of the supervisor."""
        self.name = name
        self.role = role
        self.log_file = log_file
        self.process: asyncio.subprocess.Process | None = None
        self.started_at = 0.0
        self.metrics_port: int | None = None
        self._metrics_fd: int | None = None
        self._lines = Lines(name, log_file, say)
        self._reader: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Its process id; None when it does not run."""
        return self.process.pid if self.process is not None and self.process.returncode is None else None

    @property
    def last_pid(self) -> int | None:
        """The process id that it has, or had when it ran last; None when it never did."""
        return self.process.pid if self.process is not None else None

    async def start(self, keep_open: tuple[int, ...], *, watched: bool = False) -> None:
        """Start the process; it imports its modules and waits for its orders.

        It gets a process group of its own, so that Ctrl-C reaches the supervisor alone; and, where it is `watched`, a
        port of this machine to answer /metrics, /healthz and /readyz on. Raises `OSError` when this machine can't have
        one more process.
        """
        environment = {name: value for name, value in os.environ.items() if name != "WINKEL_BOOTSTRAP_TOKEN"}
        environment |= self.settings
        self.started_at = time.monotonic()
        with contextlib.ExitStack() as ours:
            if watched:
                listener = ours.enter_context(socket.create_server(("127.0.0.1", 0)))
                self.metrics_port, self._metrics_fd = listener.getsockname()[1], listener.fileno()
                keep_open = (*keep_open, listener.fileno())
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "winkel.cli.leash", self.role,
                stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
                env=environment, pass_fds=keep_open, process_group=0,
            )  # fmt: skip
        assert self.process.stderr is not None
        self._reader = asyncio.create_task(self._lines.read(self.process.stderr))

    async def order(self, orders: Orders) -> None:
        """Let it begin."""
        assert self.process is not None
        assert self.process.stdin is not None
        with contextlib.suppress(ConnectionError):  # it died already; whoever waits for its end will see
            orders = msgspec.structs.replace(orders, metrics_fd=self._metrics_fd)
            self.process.stdin.write(msgspec.json.encode(orders) + b"\n")
            await self.process.stdin.drain()

    async def ended(self) -> str:
        """Wait for its end; return how it ended, in words."""
        assert self.process is not None
        code = await self.process.wait()
        if self._reader is not None:
            await asyncio.wait({self._reader}, timeout=1.0)
        if code < 0:
            return f"was killed ({signal.Signals(-code).name})"
        return f"ended with exit code {code}" + (f" ({self._lines.last})" if code and self._lines.last else "")

    @property
    def was_ended(self) -> bool:
        """Whether somebody from outside ended it, by a signal; a crash is its own doing."""
        return self.process is not None and self.process.returncode in _FROM_OUTSIDE

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it is there to receive one."""
        if self.pid is not None and self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)


class Lines:
    """What a process writes to standard error: into its log file as JSON lines, warnings to the terminal too."""

    def __init__(self, name: str, log_file: Path | None, say: Say) -> None:
        self._name = name
        self._log_file = log_file
        self._say = say
        self._file: IO[bytes] | None = None
        self._shown: dict[str, float] = {}
        self.last = ""
        """The last line, for a person."""

    async def read(self, stream: asyncio.StreamReader) -> None:
        """Read until the process closes the stream, wherever the lines go: one whose lines nobody reads would hang."""
        rest = b""
        try:
            self._write(b"")  # so that there is a file to look at, also while nothing is said
            while data := await stream.read(_LINE_MAX):
                *lines, rest = (rest + data).split(b"\n")
                if len(rest) > _LINE_MAX:
                    lines, rest = [*lines, rest], b""
                self._keep(lines)
            self._keep([rest])
        finally:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _keep(self, lines: list[bytes]) -> None:
        for line in filter(None, lines):
            entry = {"timestamp": datetime.now(UTC).isoformat(), "role": self._name} | parse(line)
            self.last = sentence(entry)
            self._write((json.dumps(entry) + "\n").encode())
            if self._log_file is not None and entry["level"] in {"warning", "error", "critical"}:
                self._show(self.last)

    def _write(self, line: bytes) -> None:
        """Write to the log, if that works: a full disk must not end the supervisor."""
        with contextlib.suppress(OSError):
            file = self._opened()
            file.write(line)
            file.flush()

    def _opened(self) -> IO[bytes]:
        """Return the log file, made with its folder where it is not there; without one, standard error."""
        if self._log_file is None:
            return sys.stderr.buffer
        if self._file is not None and not self._log_file.exists():  # removed, to make room: let go of it
            self._file.close()
            self._file = None
        if self._file is None:
            self._log_file.parent.mkdir(mode=0o700, exist_ok=True)
            self._file = self._log_file.open("ab", buffering=0)
        return self._file

    def _show(self, text: str) -> None:
        now = time.monotonic()
        if now - self._shown.get(text, -_QUIET_SECONDS) < _QUIET_SECONDS:
            return
        if len(self._shown) > 1000:
            self._shown.clear()
        self._shown[text] = now
        self._say(f"{self._name}: {text}")


def parse(line: bytes) -> dict[str, Any]:
    """Return a line of a log as an entry; what is not JSON, such as a crash of the interpreter, becomes one."""
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    if not isinstance(entry, dict) or "event" not in entry:
        return {"event": line.decode("utf-8", "replace").rstrip(), "level": "output"}
    return {"level": "info", **entry}


def sentence(entry: dict[str, Any]) -> str:
    """Return an entry as one line for a person: the event, what belongs to it, the last line of its traceback."""
    details = [f"{name}={value}" for name, value in entry.items() if name not in _KNOWN]
    trace = [line for line in map(_bare, str(entry.get("exception", "")).splitlines()) if line][-1:]
    words = " ".join([str(entry["event"]), *details, *(f"({line})" for line in trace)])
    return " ".join(words.split())[:400]


def _bare(line: str) -> str:
    """Return a line of a traceback without the frame that is drawn around those of several errors at once."""
    line = line.strip(" |")
    return "" if line.startswith("+-") else line


def rotate(log_file: Path) -> None:
    """Begin a new log; the one before is kept as `.1`."""
    if log_file.exists() and log_file.stat().st_size:
        log_file.replace(log_file.with_name(log_file.name + ".1"))
    log_file.unlink(missing_ok=True)  # it may belong to another user
