"""A PostgreSQL that follows another one, may fall behind, and can be made the new primary."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg

from winkel.store import embedded
from winkel.store.embedded import Server

_PRIMARY = """
wal_level = replica
max_wal_senders = 4
hba_file = '{}'
"""
_NAME = "chaos_standby"
_HBA = "local all all trust\nlocal replication all trust\n"


def let_follow(server: Server) -> Server:
    """Set a server up to be followed, and return it anew: only its user and root can enter the folder of its socket."""
    server.stop()
    with (server.folder / "postgresql.conf").open("a") as file:
        file.write(_PRIMARY.format(server.folder / "chaos_hba.conf"))
    (server.folder / "chaos_hba.conf").write_text(_HBA)
    shutil.chown(server.folder / "chaos_hba.conf", *_owner(server))
    again = Server(server.folder, server.log_file)
    again.ensure_running()
    return again


def follow(server: Server, folder: Path) -> Server:
    """Make and start a replica of a server, asynchronous, in a folder; return it when it has begun to stream."""
    url = psycopg.conninfo.make_conninfo(server.url, application_name=_NAME)
    command = [str(embedded._binaries() / "pg_basebackup"), "-D", str(folder), "-d", url, "-R", "-X", "stream"]
    command += ["-c", "fast"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    (folder / ".s.PGSQL.5432.lock").unlink()  # the primary's socket is in its data folder
    user, group = _owner(server)
    for path in [folder, *folder.rglob("*")]:
        shutil.chown(path, user, group)
    folder.chmod(0o700)
    replica = Server(folder)
    replica.ensure_running()
    return replica


def wait_for(server: Server) -> None:
    """Have a server acknowledge nothing from now on that its replica has not written to its disk (return at once)."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{_NAME}'")
        connection.execute("SELECT pg_reload_conf()")


def is_waited_for(server: Server) -> bool:
    """Whether the server's replica streams, and is waited for."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        return connection.execute("SELECT FROM pg_stat_replication WHERE sync_state = 'sync'").fetchone() is not None


def cut_off(server: Server) -> int:
    """Stop the process that sends to the replica in its tracks, as a network that was cut; return its number."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        row = connection.execute("SELECT pid FROM pg_stat_replication").fetchone()
    assert row is not None, "nobody follows"
    os.kill(row[0], signal.SIGSTOP)
    pid: int = row[0]
    return pid


def promote(replica: Server) -> None:
    """Make a replica the new primary: it has what it had received."""
    if replica.pid is not None:
        with psycopg.connect(replica.url, autocommit=True) as connection:
            assert connection.execute("SELECT pg_promote()").fetchone() == (True,), "not promoted"
        return
    (replica.folder / "standby.signal").unlink()
    replica.ensure_running()


def _owner(server: Server) -> tuple[int, int]:
    stat = server.folder.stat()
    return stat.st_uid, stat.st_gid
