"""A real `winkel up` in a folder of its own, and what the benchmarks ask it over HTTP."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import psycopg

from winkel.cli.datafolder import DataFolder
from winkel.store import embedded

START_SECONDS = 60.0


class System:
    """`winkel up`, from its start to its end."""

    def __init__(self, folder: Path, *, settings: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.token = secrets.token_urlsafe(32)
        self.port = _free_port()
        self._settings = settings or {}
        self._process: subprocess.Popen[bytes] | None = None
        self.client = httpx.Client(
            base_url=self.url, headers={"authorization": f"Bearer {self.token}"}, timeout=60, trust_env=False
        )

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the supervisor."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> float:
        """Start it; return after how many seconds /readyz answered 200."""
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("WINKEL_")}
        environment |= {"WINKEL_BOOTSTRAP_TOKEN": self.token, **self._settings}
        log = (self.folder.parent / f"{self.folder.name}.log").open("ab")
        began = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "winkel", "up", "--data", str(self.folder), "--port", str(self.port)],
            env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder.parent,
        )  # fmt: skip
        log.close()
        while time.perf_counter() - began < START_SECONDS:
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5, trust_env=False).status_code == 200:
                    return time.perf_counter() - began
            except httpx.TransportError:
                pass
            if self._process.poll() is not None:
                break
            time.sleep(0.02)
        self.stop()
        raise RuntimeError(f"winkel up did not answer: {_tail(self.folder.parent / f'{self.folder.name}.log')}")

    def stop(self) -> None:
        """End it as Ctrl-C does, and wait."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def __enter__(self) -> "System":
        self.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.client.close()
        self.stop()

    def post(self, path: str, body: object, **query: str) -> Any:
        """Return the answer to a POST. Raises `RuntimeError` for any status but 200."""
        return _checked(self.client.post(path, json=body, params=query))

    def get(self, path: str, **query: str) -> Any:
        """Return the answer to a GET. Raises `RuntimeError` for any status but 200."""
        return _checked(self.client.get(path, params=query))

    def pages(self, path: str, body: object) -> list[Any]:
        """Return the rows of all pages of a POSTed list."""
        rows: list[Any] = []
        query: dict[str, str] = {}
        while True:
            page = self.post(path, body, **query)
            rows += page["data"]
            if not page.get("next_page"):
                return rows
            query = {"next_page": page["next_page"]}

    def database(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Connect to its database, to look from the side: WAL written, rows waiting."""
        url = embedded.running(DataFolder(self.folder).postgres)
        assert url is not None
        return psycopg.connect(url, autocommit=True)

    def roots(self) -> dict[str, int]:
        """Return the processes to watch: the supervisor's tree and the database's."""
        state = DataFolder(self.folder).noted()
        assert state is not None
        return {"winkel": self.pid, "postgres": state["postgres"]}


def _checked(answer: httpx.Response) -> Any:
    if answer.status_code != 200:
        request = answer.request
        raise RuntimeError(f"{request.method} {request.url.path}: status {answer.status_code}: {answer.text[:500]}")
    return answer.json() if answer.content else None


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _tail(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")[-2000:] if path.exists() else "(no log)"
