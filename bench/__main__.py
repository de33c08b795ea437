"""The list of benchmarks: `python -m bench [--quick] [NAME …]`."""

import argparse
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime

from rich.console import Console
from rich.progress import Progress

from bench import baseline, bill, dedupe, fleet, freshness, machine, micro, page, soak, start, sustained
from bench.bench import Bench, folder, progress
from bench.peers import run as peers
from bench.report import Report

BENCHMARKS: dict[str, Callable[[Bench], None]] = {
    "start": start.run,
    "sustained": sustained.run,
    "freshness": freshness.run,
    "micro": micro.run,
    "dedupe": dedupe.run,
    "fleet": fleet.run,
    "peers": peers.run,
    "bill": bill.run,
    "soak": soak.embedded,
    "kafka": soak.kafka,
}


def main() -> int:
    """Run the benchmarks that were named, or all; 1 when one failed or missed its goal."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="shortened, about two minutes, to try it out")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]}: choose from {', '.join(BENCHMARKS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that brokers, databases and systems are stopped
    console = Console()
    with progress(console) as shown:
        bench = _begin(console, shown, quick=options.quick)
        failed = [name for name in options.names or BENCHMARKS if not _one(bench, name)]
    path = bench.report.keep()
    console.print(bench.report.table(), f"Kept in {path.parent.name}/{path.name}")
    if not options.quick:
        console.print(f"Shown on {page.write()}")
    missed = [figure for figure in bench.report.figures if figure.met is False]
    return 1 if failed or missed else 0


def _begin(console: Console, shown: Progress, *, quick: bool) -> Bench:
    """Measure the baselines, without which no figure is printed."""
    report = Report(machine.describe(), quick, datetime.now(UTC))
    for name, value in report.machine.items():
        console.print(f"[dim]{name}: {value}[/]")
    task = shown.add_task("baseline: plain PostgreSQL", total=None)
    with folder() as place:
        baselines = baseline.run(place / "postgres", 200_000 if quick else 1_000_000)
    shown.remove_task(task)
    report.machine["PostgreSQL"] = baselines.postgres
    for each in (baselines.copy, baselines.commit, baselines.start):
        console.print(f"baseline: {each.name}: {each.value:,.4g} {each.unit}")
    return Bench(quick=quick, console=console, progress=shown, report=report, baselines=baselines)


def _one(bench: Bench, name: str) -> bool:
    """Run one benchmark; say why when it cannot be finished, and go on with the next."""
    bench.console.rule(name)
    try:
        BENCHMARKS[name](bench)
    except Exception:  # noqa: BLE001  (whatever it is: the others are to be measured all the same)
        bench.console.print_exception(max_frames=6)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
