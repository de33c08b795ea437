"""A PostgreSQL that follows another one, may fall behind, and can be made the new primary."""

import shutil
import subprocess
from pathlib import Path

from winkel.store import embedded
from winkel.store.embedded import Server

_PRIMARY = """
wal_level = replica
max_wal_senders = 4
hba_file = '{}'
"""
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
    command = [str(embedded._binaries() / "pg_basebackup"), "-D", str(folder), "-d", server.url, "-R", "-X", "stream"]
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


def promote(replica: Server) -> None:
    """Make a replica that does not run the new primary: it has what it had received."""
    (replica.folder / "standby.signal").unlink()
    replica.ensure_running()


def _owner(server: Server) -> tuple[int, int]:
    stat = server.folder.stat()
    return stat.st_uid, stat.st_gid
