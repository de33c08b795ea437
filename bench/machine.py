"""The machine on which something was measured."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil

PACKAGES = ("granian", "litestar", "msgspec", "numpy", "polars", "psycopg", "uvloop")


def describe() -> dict[str, str]:
    """Return what one needs to compare: processor, memory, kernel, versions (the baseline adds PostgreSQL's)."""
    return {
        "CPU": f"{_cpu()}, {psutil.cpu_count()} cores",
        "Memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "Kernel": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "Packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        "Commit": _commit(),
        "Load on start": " ".join(f"{each:.2f}" for each in psutil.getloadavg()),
    }


def _commit() -> str:
    """Return what was measured: the commit, and whether files were changed since."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude", "*"], check=True, capture_output=True, text=True,
            cwd=Path(__file__).parent,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()
