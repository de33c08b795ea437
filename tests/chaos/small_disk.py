"""A disk that can be filled: a small file system of its own, or, where that may not be made, a bound on files."""

import os
import resource
import subprocess
from pathlib import Path

import psutil

from chaos.system import System

SIZE = 320 * 1024 * 1024
ROOM = 1024 * 1024
"""How much is left free when it is full but for this: less than one segment of PostgreSQL's write-ahead log."""


class SmallDisk:
    """A folder on a file system of 320 MB.

    Only root may mount one. For others `fill` takes the right to make files grow from the database's processes, which
    meet an error at the same places (EFBIG instead of ENOSPC).
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=755", "winkel-chaos", str(folder)]
        self.mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
        self._ballast = folder / "ballast"

    def __enter__(self) -> "SmallDisk":
        return self

    def __exit__(self, *_: object) -> None:
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.folder)], capture_output=True, check=False)

    def fill(self, system: System) -> None:
        """Leave no room for growth."""
        if self.mounted:
            free = os.statvfs(self.folder)
            with self._ballast.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, max(1, free.f_bavail * free.f_frsize - ROOM))
            return
        assert system.postgres.pid is not None
        server = psutil.Process(system.postgres.pid)
        for each in [server, *server.children()]:
            resource.prlimit(each.pid, resource.RLIMIT_FSIZE, (ROOM, resource.RLIM_INFINITY))

    def free(self, system: System) -> None:
        """Make room again."""
        if self.mounted:
            self._ballast.unlink()
            return
        if system.postgres.pid is not None:
            server = psutil.Process(system.postgres.pid)
            for each in [server, *server.children()]:
                resource.prlimit(each.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
