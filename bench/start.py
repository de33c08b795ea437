"""How long until `winkel up` answers: in an empty folder, and in one with data; and until it has ended again."""

import statistics
import time

from bench.bench import Bench, folder
from bench.system import System


def run(bench: Bench) -> None:
    """Measure the medians of five starts each, from the command to the first 200 of /readyz, and of their ends."""
    fresh: list[float] = []
    again: list[float] = []
    ends: list[float] = []
    for number in range(2 if bench.quick else 5):
        with folder() as place:
            system = System(place / "data")
            for kind, times in (("empty folder", fresh), ("existing folder", again)):
                with bench.step(f"start {number + 1}, {kind}"):
                    times.append(system.start())
                    began = time.monotonic()
                    system.stop()
                    ends.append(time.monotonic() - began)
            system.client.close()
    alone = bench.baselines.start
    bench.figure("start", "winkel up, empty folder", statistics.median(fresh), "s", alone, most=5)
    bench.figure("start", "winkel up, existing folder", statistics.median(again), "s", alone, most=5)
    bench.figure("start", "winkel up, from SIGTERM to its end", statistics.median(ends), "s", alone)
    bench.detail(
        "start", **{"empty folder, s": _list(fresh), "existing folder, s": _list(again), "ends, s": _list(ends)}
    )


def _list(times: list[float]) -> str:
    return " ".join(f"{each:.2f}" for each in times)
