"""The machine on which something was measured."""

import platform
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
        "Load on start": " ".join(f"{each:.2f}" for each in psutil.getloadavg()),
    }


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()
