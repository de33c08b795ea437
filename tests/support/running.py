"""A real Winkel for tests: `winkel up` on a folder and a free port, with everything that runs in it in reach."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from support import web

TOKEN = "wk_test_0123456789abcdef"


class Running:
    """`winkel up` as a process of its own.

        with Running(tmp_path / "data") as winkel:
            httpx.get(winkel.url + "/v1/customers", headers=winkel.headers)
            winkel.kill("meter")

    What it says at the terminal is in `said()`. After `stop` or `kill_all`, `start` may be called again, on the same
    data. Started by root, PostgreSQL runs as another user, so the folder should not be pytest's `tmp_path`: every
    pytest session closes that to others.
    """

    def __init__(
        self,
        folder: Path,
        *,
        token: str = TOKEN,
        environment: dict[str, str] | None = None,
        port: int = 0,
        workers: str = "1",
        terminal: int | None = None,
    ) -> None:
        """Prepare; `terminal` is a descriptor to speak to instead of the file that `said` reads."""
        self.folder = folder
        self.token = token
        self.port = port
        self.workers = workers
        self.headers = {"authorization": f"Bearer {token}"}
        self.terminal = folder.with_name(folder.name + ".terminal.txt")
        self._speaks_to = terminal
        self._environment = {**os.environ, "WINKEL_BOOTSTRAP_TOKEN": token, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Running":
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop()
        self.kill_all()

    def start(self, seconds: float = 60) -> "Running":
        """Start it and wait until it answers /readyz."""
        self.begin()
        try:
            self.wait_until(self.ready, seconds)
        except TimeoutError:
            logs = "".join(path.read_text()[-2000:] for path in (self.folder / "logs").glob("*.log"))
            self.kill_all()
            raise TimeoutError(f"winkel up does not answer after {seconds} s:\n{self.said()}\n{logs}") from None
        return self

    def begin(self) -> "Running":
        """Start it, and do not wait."""
        if self._process is not None:
            self._let_go()
        command = [sys.executable, "-m", "winkel", "up", "--data", str(self.folder), "--port", str(self.port)]
        command += ["--workers", self.workers]
        command.append("--leash")  # it ends with the tests, however they end
        with self.terminal.open("ab") as file:
            speaks_to = file if self._speaks_to is None else self._speaks_to
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=speaks_to, stderr=speaks_to, env=self._environment
            )
        return self

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The supervisor."""
        assert self._process is not None, "not started"
        return self._process

    @property
    def state(self) -> dict[str, Any]:
        """What run.json says now."""
        return json.loads((self.folder / "run.json").read_text())

    @property
    def url(self) -> str:
        """Where the gateway answers, without a slash at the end."""
        return self.state["url"]

    @property
    def pids(self) -> dict[str, int | None]:
        """The process ids by name: gateway, meter, bill, postgres, and supervisor."""
        state = self.state
        return {**state["roles"], "postgres": state["postgres"], "supervisor": state["pid"]}

    @property
    def database_url(self) -> str:
        """The address of the embedded database."""
        from winkel.store import embedded

        return embedded.Server(self.folder / "postgres").url

    def ready(self) -> bool:
        """Whether it answers /readyz. Raises when it has ended instead."""
        if self.process.poll() is not None:
            raise RuntimeError(f"winkel up ended with exit code {self.process.returncode}:\n{self.said()}")
        try:
            assert self.state["pid"] == self.process.pid, "of an earlier run"
            assert self.state["answers"], "still starting"
            return web.get(self.url + "/readyz", seconds=2)[0] == 200
        except (OSError, ValueError, AssertionError):
            return False

    def kill(self, name: str) -> int:
        """Kill -9 a role, `postgres` or the `supervisor`; return the process id that it had."""
        pid = self.pids[name]
        assert pid is not None, f"{name} does not run"
        os.kill(pid, signal.SIGKILL)
        if name == "supervisor":
            self.process.wait(10)
        return pid

    def wait_for_restart(self, name: str, old: int, seconds: float = 60) -> int:
        """Wait until something killed is back under another process id; return that."""
        self.wait_until(lambda: self.pids[name] not in (None, old), seconds)
        pid = self.pids[name]
        assert pid is not None
        return pid

    def stop(self, seconds: float = 60) -> int:
        """Stop it with SIGTERM; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(seconds)
        self._let_go()
        return code

    def kill_all(self) -> None:
        """Kill -9 all that is left of it, the database too."""
        ours = [each for each in psutil.process_iter() if self._belongs(each)]
        for each in ours:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(ours, timeout=10)
        if self._process is not None:
            self._process.wait(10)
            self._let_go()

    def left_over(self) -> list[str]:
        """Return what still runs in the folder, as text."""
        return [str(each) for each in psutil.process_iter() if self._belongs(each)]

    def said(self) -> str:
        """Return everything that it said at the terminal."""
        return self.terminal.read_text() if self.terminal.exists() else ""

    def _let_go(self) -> None:
        """Close the leash of a supervisor that has ended."""
        if self.process.stdin is not None:
            self.process.stdin.close()

    @staticmethod
    def wait_until(condition: Any, seconds: float = 60) -> None:
        """Wait until the condition holds; raise TimeoutError when it does not in time."""
        until = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > until:
                raise TimeoutError(f"not within {seconds} s")
            time.sleep(0.02)

    def _belongs(self, process: psutil.Process) -> bool:
        """Whether a process lives and works in our folder: by its arguments, or as a child of one that does."""
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            family = [process, *process.parents()]
            return any(str(self.folder.resolve()) in " ".join(each.cmdline()) for each in family)
        except psutil.Error:
            return False
