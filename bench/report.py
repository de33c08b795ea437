"""What was measured: figures, each with its ratio to a baseline of the same run, as JSON and as Markdown."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


class Baseline(Struct, frozen=True):
    """What plain PostgreSQL does on the same machine in the same run."""

    name: str
    value: float
    unit: str


class Figure(Struct, frozen=True):
    """One number, never alone: `ratio` = value ÷ the baseline's value."""

    benchmark: str
    name: str
    value: float
    unit: str
    against: Baseline
    goal: str = ""
    met: bool | None = None
    """Whether the goal was reached; None where there is none."""

    @property
    def ratio(self) -> float:
        """How many times the baseline this is."""
        return self.value / self.against.value if self.against.value else float("inf")


class Report(Struct):
    """All of one run of `python -m bench`."""

    machine: dict[str, Any]
    quick: bool
    started_at: datetime
    figures: list[Figure] = []
    details: dict[str, Any] = {}
    """By benchmark: the workload, the samples and whatever explains the figures."""

    def keep(self, folder: Path = RESULTS) -> Path:
        """Write the report as JSON and Markdown; return the path of the Markdown file."""
        folder.mkdir(parents=True, exist_ok=True)
        stem = f"{self.started_at.astimezone(UTC):%Y%m%d-%H%M%S}{'-quick' if self.quick else ''}"
        (folder / f"{stem}.json").write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1))
        path = folder / f"{stem}.md"
        path.write_text(self.markdown(), encoding="utf-8")
        return path

    def markdown(self) -> str:
        """Return the figures as a table, below the machine they were measured on and above the workload."""
        lines = ["# Winkel, measured", "", f"{self.started_at:%Y-%m-%d %H:%M} UTC{', shortened run' * self.quick}", ""]
        lines += [f"- {name}: {value}" for name, value in self.machine.items()]
        lines += ["", "| Benchmark | Figure | Value | Ratio | to the baseline | Goal |", "|---|---|---|---|---|---|"]
        lines += ["| " + " | ".join(row(figure)) + " |" for figure in self.figures]
        for name, detail in self.details.items():
            plain = {key: value for key, value in detail.items() if not isinstance(value, list)}
            lines += ["", f"## {name}", "", *(f"- {key}: {value}" for key, value in plain.items())]
        return "\n".join(lines) + "\n"

    def table(self) -> Table:
        """Return the figures for the terminal."""
        table = Table("Benchmark", "Figure", "Value", "Ratio", "to the baseline", "Goal")
        for figure in self.figures:
            table.add_row(*row(figure))
        return table


def row(figure: Figure) -> tuple[str, ...]:
    """Return a figure as the cells of a table."""
    base = figure.against
    return (
        figure.benchmark,
        figure.name,
        f"{number(figure.value)} {figure.unit}",
        f"{figure.ratio:.3g}×",
        f"{base.name}: {number(base.value)} {base.unit}",
        "" if figure.met is None else f"{figure.goal}: {'met' if figure.met else 'NOT met'}",
    )


def number(value: float) -> str:
    """Return a number with three digits that say something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
