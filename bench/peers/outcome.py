"""What one run of one system was like, and how the processes that do the work are watched."""

from collections.abc import Mapping, Sequence

import psutil
from msgspec import Struct

from bench.peers.topic import Answer

LIMIT_SECONDS = 900.0
"""A run that is not done by then counts as failed."""
LOOK_SECONDS = 0.1


class Outcome(Struct, frozen=True, kw_only=True):
    """From ready until the last record's effects were committed."""

    system: str
    records: int
    seconds: float
    cpu_seconds: float
    """Of the system's own processes, its database included."""
    broker_cpu_seconds: float
    memory_mib: int
    """The sum of the largest resident sets of its own processes; of a database what is not shared."""
    progress: Sequence[tuple[float, int]]
    """(seconds, records that were committed)"""

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / self.seconds


def cpu(pids: Sequence[int]) -> float:
    """Return the CPU seconds of processes, of their children, and of children that ended."""
    total = 0.0
    for pid in pids:
        root = psutil.Process(pid)
        times = root.cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
        for child in root.children(recursive=True):
            try:
                used = child.cpu_times()
            except psutil.Error:
                continue
            total += used.user + used.system
    return total


def private_mib(pids: Sequence[int]) -> int:
    """Return the memory of processes and their children that is not shared with others."""
    total = 0
    for pid in pids:
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            try:
                info = process.memory_info()
            except psutil.Error:
                continue
            total += info.rss - info.shared
    return total >> 20


def compare(system: str, found: Mapping[str, tuple[int, int]], expected: Answer) -> None:
    """Raise `RuntimeError` unless the answer is exactly the expected one: the speed of a wrong one means nothing."""
    if found != expected:
        wrong = sum(found.get(key) != value for key, value in expected.items()) + len(found.keys() - expected.keys())
        raise RuntimeError(f"{system}: {wrong} of {len(expected)} groups are wrong")
