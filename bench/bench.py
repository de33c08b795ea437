"""What every benchmark is given: where to work, how long, and where to put its figures."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bench import baseline
from bench.report import Baseline, Figure, Report

GOAL_RATE = 100_000.0
"""Events a second that must be sustained on two cores."""


class Bench(Struct, frozen=True, kw_only=True):
    """One run of some benchmarks."""

    quick: bool
    console: Console
    progress: Progress
    report: Report
    baselines: baseline.Baselines

    def seconds(self, full: float, quick: float) -> float:
        """Return how long something is to run."""
        return quick if self.quick else full

    def figure(
        self,
        benchmark: str,
        name: str,
        value: float,
        unit: str,
        against: Baseline,
        *,
        least: float | None = None,
        most: float | None = None,
    ) -> None:
        """Keep and print a figure with its ratio; `least` or `most` is its goal."""
        goal, met = "", None
        if least is not None:
            goal, met = f"≥ {least:,.0f} {unit}", value >= least
        elif most is not None:
            goal, met = f"≤ {most:g} {unit}", value <= most
        made = Figure(benchmark, name, value, unit, against, goal, met)
        self.report.figures.append(made)
        colour = {True: "green", False: "red", None: "cyan"}[met]
        self.console.print(
            f"  [{colour}]{name}: {value:,.4g} {unit}[/] = {made.ratio:.3g}× {against.name} "
            f"({against.value:,.4g} {against.unit}){f'; goal {goal}' if goal else ''}"
        )

    def detail(self, benchmark: str, **values: Any) -> None:
        """Keep what explains the figures; short values are printed."""
        self.report.details.setdefault(benchmark, {}).update(values)
        for name, value in values.items():
            if not isinstance(value, list):
                self.console.print(f"    [dim]{name}: {value}[/]")

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Show what is going on."""
        task = self.progress.add_task(what, total=None)
        try:
            yield
        finally:
            self.progress.remove_task(task)


def progress(console: Console) -> Progress:
    """Return the display of the step that is under way."""
    return Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console)


@contextmanager
def folder() -> Iterator[Path]:
    """Lend an empty folder."""
    with tempfile.TemporaryDirectory(prefix="winkel-bench-", ignore_cleanup_errors=True) as name:
        yield Path(name)
