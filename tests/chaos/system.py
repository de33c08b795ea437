"""A Winkel of real processes, as a cluster runs it: roles by name over one real PostgreSQL, each in reach of a fault.

An orchestrator, as Kubernetes would, starts again what ended; whoever keeps a role down says so. What the roles write
is in `folder/NAME.log`.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg

from chaos.guard import Guard
from support import web
from winkel.store import embedded

TOKEN = "wk_chaos_0123456789abcdef"
ROLE = Path(__file__).with_name("role.py")
LOOK_SECONDS = 0.05
RESTART_SECONDS = 0.2
"""How long the orchestrator waits before it starts again what ended."""
STOPPING_SECONDS = 30.0


class Role:
    """One role: how it is started, and the process that it is now."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], log_file: Path) -> None:
        self.name = name
        self.command = command
        self.environment = environment
        self.log_file = log_file
        self.process: subprocess.Popen[bytes] | None = None
        self.wanted = False
        """Whether the orchestrator keeps it alive."""
        self.frozen = False
        self.ended_at = 0.0

    @property
    def lives(self) -> bool:
        """Whether the process has not ended."""
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        """The number of the process; fails when there is none."""
        assert self.process is not None, f"{self.name} was not started"
        return self.process.pid

    def start(self) -> None:
        """Start the process."""
        self._let_go()
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(ROLE), *self.command],
                stdin=subprocess.PIPE, stdout=log, stderr=log, env=self.environment, process_group=0,
            )  # fmt: skip

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal, if it lives."""
        if self.lives:
            self.process.send_signal(number)  # type: ignore[union-attr]

    def wait(self, seconds: float) -> int:
        """Wait for the end of the process; return its exit code."""
        assert self.process is not None
        code = self.process.wait(seconds)
        self._let_go()
        return code

    def _let_go(self) -> None:
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()


class System:
    """Gateways, meters and a biller over a PostgreSQL of their own (fsync on), as processes.

    with System(gateways=2, meters=2) as system:
        system.kill("meter-1")
        system.wait_until(system.all_owned)
    """

    def __init__(
        self,
        *,
        gateways: int = 2,
        meters: int = 2,
        bills: int = 1,
        partitions: int = 8,
        settings: dict[str, str] | None = None,
        folder: Path | None = None,
        source: Path | None = None,
    ) -> None:
        """Prepare; `settings` are environment variables of all roles, `source` is the folder of another Winkel."""
        self.folder = folder or Path(tempfile.mkdtemp(prefix="winkel-chaos-"))
        self.folder.mkdir(exist_ok=True)
        self._guard = Guard.of(self.folder)
        self.folder.chmod(0o755)  # PostgreSQL runs as another user when root starts it
        self.postgres = embedded.Server(self.folder / "postgres", self.folder / "postgres.log")
        self.source = source
        self.settings = {
            "WINKEL_DATABASE_URL": self.postgres.url,
            "WINKEL_BOOTSTRAP_TOKEN": TOKEN,
            "WINKEL_PARTITIONS": str(partitions),
            **(settings or {}),
        }
        self.roles: dict[str, Role] = {}
        self.kills = Counter[str]()
        self.unasked: list[str] = []
        """Ends that nobody asked for, as sentences."""
        self._ports: dict[str, int] = {}
        self._commands: list[subprocess.Popen[str]] = []
        self._counts = {"gateway": gateways, "meter": meters, "bill": bills}
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._orchestrator = threading.Thread(target=self._keep_alive, name="orchestrator", daemon=True)

    # ── beginning and end ──

    def __enter__(self) -> "System":
        try:
            self.start_postgres()
            self.migrate()
            self._orchestrator.start()
            for role, count in self._counts.items():
                for _ in range(count):
                    self.add(role)
            self.wait_until(self.ready, 60)
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if error is not None:
            error.add_note(self.last_words())
        self._over.set()
        for command in self._commands:
            command.kill()
            command.communicate()
        if self._orchestrator.is_alive():
            self._orchestrator.join(10)
        for role in self.roles.values():
            role.send(signal.SIGKILL)
        for role in self.roles.values():
            if role.process is not None:
                role.wait(10)
        self.postgres.stop()
        self._guard.dismiss()

    def start_postgres(self) -> None:
        """Start the database, or take over the one that runs."""
        self.postgres.ensure_running()

    def migrate(self) -> None:
        """Bring the database up to date, as an operator does before the roles of a new version start."""
        self.winkel("migrate")

    # ── roles ──

    @property
    def urls(self) -> list[str]:
        """Where gateways answer, those that are down too: a load balancer notices late."""
        return [self.url(name) for name in self._ports if self.roles[name].wanted]

    def url(self, gateway: str) -> str:
        """Return where one of them answers."""
        return f"http://127.0.0.1:{self._ports[gateway]}"

    @property
    def headers(self) -> dict[str, str]:
        """Headers of every request."""
        return {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}

    def names(self, role: str) -> list[str]:
        """Return the names of the roles of a kind that are to live."""
        return [name for name, each in self.roles.items() if each.wanted and name.startswith(role + "-")]

    def add(self, role: str, *, source: Path | None = None, **environment: str) -> str:
        """Start one more process of a role; return its name. `environment` is what role.py looks at."""
        with self._lock:
            number = 1 + sum(name.startswith(role + "-") for name in self.roles)
            name = f"{role}-{number}"
            command = [role]
            if role == "gateway":
                self._ports[name] = free_port()
                command += ["--host", "127.0.0.1", "--port", str(self._ports[name])]
            if role == "meter":
                cache = self.folder / f"{name}.cache"
                cache.mkdir()
                command += ["--cache", str(cache)]
            log_file = self.folder / f"{name}.log"
            made = Role(name, command, self._environment(source or self.source, environment), log_file)
            self.roles[name] = made
            made.start()
            made.wanted = True
        return name

    def kill(self, name: str, *, back: bool = True) -> int:
        """Kill -9 a role; return the process id that it had. The orchestrator starts it again, unless not `back`."""
        with self._lock:
            role = self.roles[name]
            role.wanted = back
            pid = role.pid
            role.send(signal.SIGKILL)
            role.wait(10)
            role.ended_at = time.monotonic()
            self.kills[name.partition("-")[0]] += 1
        return pid

    def remove(self, name: str) -> None:
        """End a role in order, with SIGTERM."""
        with self._lock:
            role = self.roles[name]
            role.wanted = False
        role.send(signal.SIGTERM)
        try:
            role.wait(STOPPING_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{name} does not end within {STOPPING_SECONDS} s:\n{self.tail(name)}") from None

    def freeze(self, name: str) -> None:
        """Stop a role in its tracks (SIGSTOP), as a machine that swaps or a virtual machine that is moved."""
        self.roles[name].frozen = True
        self.roles[name].send(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Let a frozen role go on."""
        self.roles[name].send(signal.SIGCONT)
        self.roles[name].frozen = False

    def wait_for_end(self, name: str, seconds: float = 30) -> None:
        """Wait until a role that is to die has died; it stays down."""
        with self._lock:
            self.roles[name].wanted = False
        self.roles[name].wait(seconds)

    def winkel(self, *arguments: str, seconds: float = 60, source: Path | None = None) -> str:
        """Run a command of the CLI to its end; return what it says."""
        done = subprocess.run(
            [sys.executable, "-m", "winkel", *arguments],
            capture_output=True, text=True, env=self._environment(source or self.source), timeout=seconds, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"winkel {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def begin(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a command of the CLI; the caller waits for it, or kills it. It ends with the system at the latest."""
        started = subprocess.Popen(
            [sys.executable, "-m", "winkel", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self._environment(self.source),
        )  # fmt: skip
        self._commands.append(started)
        return started

    def _environment(self, source: Path | None, more: dict[str, str] | None = None) -> dict[str, str]:
        path = {"PYTHONPATH": str(source)} if source is not None else {}
        ours = {name: value for name, value in os.environ.items() if not name.startswith("WINKEL_")}
        return {**ours, **self.settings, **path, **(more or {})}

    def _keep_alive(self) -> None:
        """Start again what ended, as an orchestrator does."""
        while not self._over.wait(LOOK_SECONDS):
            with self._lock:
                for role in self.roles.values():
                    if role.lives or not role.wanted:
                        continue
                    if not role.ended_at:
                        role.ended_at = time.monotonic()
                        self.unasked.append(f"{role.name} ended with {role.wait(1)}: {self.tail(role.name, 300)}")
                    if time.monotonic() - role.ended_at >= RESTART_SECONDS:
                        role.ended_at = 0.0
                        role.start()

    # ── the database ──

    def kill_postgres(self, number: signal.Signals = signal.SIGKILL, *, down: Callable[[], Any] = lambda: None) -> None:
        """End the database by a signal to the postmaster and start it again; `down` is called between the two.

        SIGKILL: as by the kernel; SIGQUIT: immediate shutdown; SIGINT: fast shutdown, as for a restart.
        """
        pid = self.postgres.pid
        assert pid is not None, "the database does not run"
        os.kill(pid, number)
        self.wait_until(lambda: self.postgres.pid is None, 30)
        self.kills["postgres"] += 1
        down()
        self.start_postgres()

    def replace_postgres(self, promote: Callable[[], Any], heir: embedded.Server) -> None:
        """Kill the database, let another one become the primary, and start all roles anew with its address."""
        assert self.postgres.pid is not None, "the database does not run"
        os.kill(self.postgres.pid, signal.SIGKILL)
        self.wait_until(lambda: self.postgres.pid is None, 30)
        self.kills["postgres"] += 1
        promote()
        self.postgres = heir
        self.settings["WINKEL_DATABASE_URL"] = heir.url
        with self._lock:
            for name, role in self.roles.items():
                role.environment["WINKEL_DATABASE_URL"] = heir.url
                if role.wanted:
                    self.kill(name)

    def ask(self, query: str, *values: Any) -> list[Any]:
        """Return the rows of a query, as the owner of the database; none of a command."""
        with psycopg.connect(self.settings["WINKEL_DATABASE_URL"], autocommit=True) as connection:
            cursor = connection.execute(query, values or None)
            return cursor.fetchall() if cursor.description else []

    def epochs(self) -> dict[int, int]:
        """Return the epoch of each partition: it rises when another meter takes it."""
        return dict(self.ask("SELECT partition, epoch FROM log_progress"))

    def owned_by(self, name: str) -> list[int]:
        """Return the partitions that a meter owns."""
        like = f"%:{self.roles[name].pid}:%"
        return [row[0] for row in self.ask("SELECT partition FROM log_progress WHERE owner LIKE %s", like)]

    def all_owned(self) -> bool:
        """Whether each partition has an owner that lives."""
        pids = [f":{self.roles[name].pid}:" for name in self.names("meter") if self.roles[name].lives]
        owners = self.ask("SELECT owner FROM log_progress")
        wanted = int(self.settings["WINKEL_PARTITIONS"])
        return len(owners) >= wanted and all(owner and any(pid in owner for pid in pids) for (owner,) in owners)

    # ── looking ──

    def ready(self) -> bool:
        """Whether every gateway would take events, and every partition is metered if there is a meter."""
        return all(answers(url) for url in self.urls) and (not self.names("meter") or self.all_owned())

    def tail(self, name: str, most: int = 2000) -> str:
        """Return how the log of a role ends."""
        file = self.folder / f"{name}.log"
        return file.read_text(errors="replace")[-most:] if file.exists() else ""

    def takes_events(self) -> bool:
        """Whether some gateway is ready."""
        return any(answers(url) for url in self.urls)

    def said(self, words: str, role: str = "") -> int:
        """Count the lines that the roles of a kind wrote with these words in them."""
        files = self.folder.glob(f"{role}*.log")
        return sum(words in line for file in files for line in file.read_text(errors="replace").splitlines())

    def last_words(self) -> str:
        """Return how the logs of all roles end, for a test that failed."""
        return "\n".join(f"── {name}\n{self.tail(name)}" for name in [*self.roles, "postgres"])

    @staticmethod
    def wait_until(condition: Callable[[], Any], seconds: float = 60) -> float:
        """Wait until the condition holds; return the seconds it took. A database that is down is waited for too."""
        began = time.monotonic()
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                if condition():
                    return time.monotonic() - began
            if time.monotonic() - began > seconds:
                raise TimeoutError(f"not within {seconds} s")
            time.sleep(0.02)


def answers(url: str) -> bool:
    """Whether a gateway is ready."""
    return web.get(url + "/readyz", seconds=2)[0] == 200


def is_stopped(pid: int) -> bool:
    """Whether a process was stopped by SIGSTOP."""
    return psutil.Process(pid).status() == psutil.STATUS_STOPPED


_given: set[int] = set()


def free_port() -> int:
    """Return a port of the loopback that nobody listens on, and that was not given out before.

    It lies below the range from which the kernel takes ports of outgoing connections, so that none of those takes it
    while the role that listens there is down.
    """
    for port in _candidates():
        if port in _given:
            continue
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise AssertionError("no free port")


def _candidates() -> Iterator[int]:
    start = 20000 + os.getpid() * 37 % 10000
    yield from range(start, 32000)
    yield from range(20000, start)
