"""How long until `winkel up` answers: in an empty folder, and in one with data."""

import statistics

from bench.bench import Bench, folder
from bench.system import System


def run(bench: Bench) -> None:
    """Measure the median of five starts each, from the command to the first 200 of /readyz."""
    fresh: list[float] = []
    again: list[float] = []
    for number in range(2 if bench.quick else 5):
        with folder() as place:
            system = System(place / "data")
            for kind, times in (("empty folder", fresh), ("existing folder", again)):
                with bench.step(f"start {number + 1}, {kind}"):
                    times.append(system.start())
                    system.stop()
            system.client.close()
    alone = bench.baselines.start
    bench.figure("start", "winkel up, empty folder", statistics.median(fresh), "s", alone, most=5)
    bench.figure("start", "winkel up, existing folder", statistics.median(again), "s", alone, most=5)
    bench.detail("start", **{"empty folder, s": _list(fresh), "existing folder, s": _list(again)})


def _list(times: list[float]) -> str:
    return " ".join(f"{each:.2f}" for each in times)
