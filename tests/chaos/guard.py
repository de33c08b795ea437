"""Cleans up after a test process that was killed before it could."""

import shlex
import subprocess
from pathlib import Path


class Guard:
    """A process that runs a command when we are gone, in whatever way, or when it is dismissed."""

    def __init__(self, command: str) -> None:
        self._process = subprocess.Popen(
            ["sh", "-c", f"cat > /dev/null; {command}"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    @classmethod
    def of(cls, folder: Path) -> "Guard":
        """End what keeps its process id in a file below the folder (PostgreSQL, Kafka), and remove the folder."""
        place = shlex.quote(str(folder))
        pids = f"{place}/*/postmaster.pid {place}/node-*/pid"
        return cls(f"for file in {pids}; do [ -e $file ] && kill -9 $(head -n 1 $file); done; rm -rf {place}")

    def dismiss(self) -> None:
        """Let it do its work now; return when it is done."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
