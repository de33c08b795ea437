"""The data folder: who works in it, and where things lie in it."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DEFAULT = Path("winkel-data")


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

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder and work in it alone. Raises `ValueError` when it cannot be used or somebody works in it."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self.logs, self.cache):
                folder.mkdir(mode=0o700, exist_ok=True)
            lock = (self.path / "lock").open("a+", encoding="utf-8")
        except OSError as error:
            raise ValueError(
                f"the data folder {self.path} cannot be used ({error.strerror}): name another one with --data"
            ) from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                pid = lock.read().strip() or "unknown"
                raise ValueError(
                    f"a winkel (pid {pid}) works in {self.path} already: use it, stop it, or name another folder "
                    f"with --data"
                ) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def note(self, state: dict[str, Any]) -> None:
        """Write run.json, whole or not at all."""
        new = self.run_file.with_suffix(".new")
        new.write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
        new.replace(self.run_file)

    def noted(self) -> dict[str, Any] | None:
        """Return what run.json says; None when nothing runs. After a kill -9 it may tell of what is gone."""
        try:
            state: dict[str, Any] = json.loads(self.run_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return state


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
