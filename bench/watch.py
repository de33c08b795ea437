"""Memory and CPU time of every process of a running system, once a second, by role."""

import os
import threading
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import psutil
from msgspec import Struct

EVERY_SECONDS = 1.0


class Sample(Struct, frozen=True):
    """One look at one role: all its processes together."""

    at: float
    """Seconds since the watch began."""
    cpu_seconds: float
    """Used since the watch began."""
    private_bytes: int
    """Resident memory that is not shared: PostgreSQL's processes all map the same buffers."""


class Watch:
    """Looks at the descendants of some processes until it is stopped."""

    def __init__(self, roots: dict[str, int]) -> None:
        self._roots = roots
        self._began = time.monotonic()
        self._cpu: dict[tuple[int, float], tuple[str, float, float]] = {}
        self._samples: dict[str, list[Sample]] = defaultdict(list)
        self._stop = threading.Event()
        self._look()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> dict[str, list[Sample]]:
        """Return the samples by role."""
        self._stop.set()
        self._thread.join()
        self._look()
        return dict(self._samples)

    def _run(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            self._look()

    def _look(self) -> None:
        memory: dict[str, int] = defaultdict(int)
        for name, process in self._processes():
            try:
                with process.oneshot():
                    role = _role(name, process)
                    times = process.cpu_times()
                    info = process.memory_info()
                    key = (process.pid, process.create_time())
            except psutil.Error:
                continue
            used = times.user + times.system
            first = self._cpu[key][1] if key in self._cpu else (used if not self._samples else 0.0)
            self._cpu[key] = (role, first, used)
            memory[role] += info.rss - info.shared
        cpu: dict[str, float] = defaultdict(float)
        for role, first, used in self._cpu.values():
            cpu[role] += used - first
        at = time.monotonic() - self._began
        for role, used in cpu.items():
            self._samples[role].append(Sample(round(at, 2), round(used, 3), memory[role]))

    def _processes(self) -> list[tuple[str, psutil.Process]]:
        found: dict[int, tuple[str, psutil.Process]] = {}
        for name, pid in self._roots.items():
            try:
                root = psutil.Process(pid)
                below = [] if pid == os.getpid() else root.children(recursive=True)  # ours are told one by one
                for process in (root, *below):
                    found[process.pid] = (name, process)  # a later root names its own tree
            except psutil.Error:
                continue
        return list(found.values())


def _role(root: str, process: psutil.Process) -> str:
    """Return what a process is: its root's name, or for a child of Winkel the role it was started with."""
    command: list[str] = process.cmdline()
    if root == "winkel" and "winkel.cli.leash" in command:
        return command[command.index("winkel.cli.leash") + 1]
    if Path(process.name()).name.startswith("postgres"):
        return "postgres"
    return root


def growth(samples: list[Sample], *, after: float) -> float:
    """Return how fast memory grew after the warm-up, in MiB a minute: the slope of a straight line."""
    late = [each for each in samples if each.at >= after]
    if len(late) < 3:
        return 0.0
    slope = np.polyfit([each.at for each in late], [each.private_bytes / 2**20 for each in late], 1)[0]
    return float(slope * 60)
