"""A disk that can be filled: a small file system of its own, or, where that may not be made, a bound on files."""

import os
import resource
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil

SIZE = 320 * 1024 * 1024
STEP = 16 * 1024 * 1024
ROOM = 1024 * 1024
"""How much is left free when it is full: less than one segment of PostgreSQL's write-ahead log."""


class SmallDisk:
    """A folder on a file system of 320 MB.

    Only root may mount one. For others `fill` takes the right to make files grow from the processes of the server whose
    disk it is, which meet an error at the same places (EFBIG instead of ENOSPC).
    """

    def __init__(self, folder: Path, *, room: int = ROOM) -> None:
        """`room`: how many bytes are left when it is full, or how large a file may be."""
        self.folder = folder
        self.room = room
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=755", "winkel-chaos", str(folder)]
        self.mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
        self._ballast = folder / "ballast"

    def __enter__(self) -> "SmallDisk":
        return self

    def __exit__(self, *_: object) -> None:
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.folder)], capture_output=True, check=False)

    @property
    def kind(self) -> str:
        """What is full, for people."""
        return "a file system of its own" if self.mounted else "a bound on the size of files"

    def fill(self, server: int | None) -> None:
        """Leave no room for growth to a server, by its process id."""
        assert server is not None, "the server does not run"
        if self.mounted:
            with self._ballast.open("wb") as file:
                while (left := self._left() - self.room) > 0:
                    with suppress(OSError):  # the server was quicker to take some of it
                        os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, min(left, STEP))
            return
        _bound(server, self.room)

    def free(self, server: int | None) -> None:
        """Make room again for a server, if it still runs; one that is started has it anyway."""
        if self.mounted:
            self._ballast.unlink()
        elif server is not None and psutil.pid_exists(server):
            _bound(server, resource.RLIM_INFINITY)

    def _left(self) -> int:
        disk = os.statvfs(self.folder)
        return disk.f_bavail * disk.f_frsize


def _bound(server: int, size: int) -> None:
    process = psutil.Process(server)
    for each in [process, *process.children()]:
        resource.prlimit(each.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
