"""The data folder: who works in it, and where things lie in it."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from winkel.config import Settings

DEFAULT = Path("winkel-data")
LOCK_SECONDS = 0.2
"""How long to try for the lock: who only looks at it (`worker`) has it for a moment."""


class DataFolder:
    """Paths of one data folder.

    postgres/ the embedded database · logs/ one file per role · cache/ files that can be made again ·
    run.json what runs at the moment · lock held by the `winkel up` that works here.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.postgres = self.path / "postgres"
        self.logs = self.path / "logs"
        self.cache = self.path / "cache"
        self.run_file = self.path / "run.json"
        self._lock_file = self.path / "lock"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder and work in it alone. Raises `ValueError` when it cannot be used or somebody works in it."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self.logs, self.cache):
                folder.mkdir(mode=0o700, exist_ok=True)
            lock = self._lock_file.open("a+", encoding="utf-8")
        except OSError as error:
            raise ValueError(
                f"the data folder {self.path} cannot be used ({error.strerror}): name another one with --data"
            ) from error
        with lock:
            if not _taken(lock):
                lock.seek(0)
                pid = lock.read().strip() or "unknown"
                raise ValueError(
                    f"a winkel (pid {pid}) works in {self.path} already: use it, stop it, or name another folder "
                    f"with --data"
                )
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def worker(self) -> int | None:
        """Return the process id of the `winkel up` that works here, by its lock; None: none does that one could see."""
        try:
            with self._lock_file.open(encoding="utf-8") as lock:
                if _taken(lock, exclusive=False, seconds=0):
                    return None
                pid = lock.read().strip()
        except OSError:
            return None
        return int(pid) if pid.isdecimal() else None

    def note(self, state: dict[str, Any]) -> None:
        """Write run.json, whole or not at all. Raises `OSError` when the disk is full, say."""
        new = self.run_file.with_suffix(".new")
        new.write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
        new.replace(self.run_file)

    def noted(self) -> dict[str, Any] | None:
        """Return what run.json says; None when nothing runs. After a kill -9 it may tell of what is gone (`worker`)."""
        try:
            state: dict[str, Any] = json.loads(self.run_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return state


def _taken(lock: IO[str], *, exclusive: bool = True, seconds: float = LOCK_SECONDS) -> bool:
    """Take the lock on an open file, which ends when that is closed; False: somebody has it."""
    kind, until = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH, time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(lock, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(0.01)
        else:
            return True


def database_url(given: str, data: Path) -> str:
    """Return the database to work on: the given one, else the embedded one of the data folder, which must be running.

    Raises `ValueError` that says what to do.
    """
    if given:
        return given
    from winkel.store import embedded

    found = embedded.running(DataFolder(data).postgres)
    if found is None:
        raise ValueError(
            f"no database: nothing runs in {data} (start `winkel up` there, or name its folder with --data); "
            f"for another database give --database-url or WINKEL_DATABASE_URL"
        )
    return found


def settings(given: str, data: Path) -> "Settings":
    """Return the settings for a command: those of the environment, and the log of the `winkel up` that it works on.

    `given` and `data` are those of `database_url`: a log that is noted in the folder goes with the folder's database.
    Raises `ValueError` that names the variable whose value does not fit.
    """
    import msgspec

    from winkel.config import Settings

    found = Settings.from_environment()
    state = None if given or found.log else DataFolder(data).noted()
    if state is None:
        return found
    config = found.kafka_config or state.get("kafka_config", "")
    return msgspec.structs.replace(found, log=state.get("log", ""), kafka_config=config)
