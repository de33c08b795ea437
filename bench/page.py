"""The report page: of each benchmark its newest full run, as tables and plots in docs/measured. Nothing is typed in."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import matplotlib as mpl
import msgspec
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from msgspec import Struct

from bench.report import RESULTS, Figure, Report, row

PAGE = Path(__file__).parent.parent / "docs" / "measured"
OURS, THEIRS = "#1f6f8b", "#b0b7bf"
mpl.rcParams.update({"svg.hashsalt": "winkel", "axes.spines.top": False, "axes.spines.right": False, "font.size": 9})

Details: TypeAlias = dict[str, Any]
_INTRODUCTION = """# Winkel, measured

Written by `make bench`: of each benchmark the newest full run. Every throughput stands beside what plain PostgreSQL, or
another system, did on the same machine in the same run.
"""


class Section(Struct, frozen=True):
    """One benchmark, with the run that it is taken from."""

    name: str
    report: Report
    figures: list[Figure]
    details: Details


def write(results: Path = RESULTS, folder: Path = PAGE) -> Path:
    """Write the page from the results that are kept, and return its path.

    What stands there of benchmarks without a result here stays as it is: whoever measures a part anew, in a fresh
    checkout, takes nothing away.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "README.md"
    texts = _standing(path) | {section.name: _text(section, folder) for section in _sections(results)}
    path.write_text("\n".join([_INTRODUCTION, *texts.values()]), encoding="utf-8")
    return path


def _standing(path: Path) -> dict[str, str]:
    """Return the text of each benchmark on the page."""
    if not path.exists():
        return {}
    found = ["## " + part for part in path.read_text(encoding="utf-8").split("\n## ")[1:]]
    return {part.partition("\n")[0].removeprefix("## "): part.rstrip("\n") + "\n" for part in found}


def _text(section: Section, folder: Path) -> str:
    """Draw the plots of a benchmark, and return what the page says of it."""
    lines = [f"## {section.name}", ""]
    lines += [f"![{title}]({file})\n" for title, file in _plots(section, folder)]
    lines += ["| Figure | Value | Ratio | to the baseline | Goal |", "|---|---|---|---|---|"]
    lines += ["| " + " | ".join(row(figure)[1:]) + " |" for figure in section.figures]
    plain = {name: value for name, value in section.details.items() if not isinstance(value, list)}
    lines += ["", *(f"- {name}: {value}" for name, value in plain.items())]
    machine = section.report.machine
    about = "; ".join(
        f"{name} {machine[name]}" for name in ("CPU", "Memory", "Python", "PostgreSQL", "Commit") if name in machine
    )
    return "\n".join([*lines, "", f"*{section.report.started_at:%Y-%m-%d %H:%M} UTC. {about}.*", ""])


def _sections(results: Path) -> list[Section]:
    """Return the benchmarks in the order in which they first ran, each from its newest full run."""
    found: dict[str, Section] = {}
    for path in sorted(results.glob("*.json")):
        if path.stem.endswith("-quick"):
            continue
        report = msgspec.json.decode(path.read_bytes(), type=Report)
        for name in dict.fromkeys(figure.benchmark for figure in report.figures):
            figures = [figure for figure in report.figures if figure.benchmark == name]
            found[name] = Section(name, report, figures, report.details.get(name, {}))
    return list(found.values())


def _plots(section: Section, folder: Path) -> Iterator[tuple[str, str]]:
    """Draw what the details hold; yield title and file name of each plot."""
    for key, title, draw in _DRAWINGS:
        if section.details.get(key):
            drawing = Drawing(figsize=(7, 2.8), layout="constrained")
            axes = drawing.subplots()
            draw(axes, section.details[key])
            axes.set_title(title, loc="left")
            file = f"{section.name.replace(' ', '-')}-{title.split(',')[0].replace(' ', '-').lower()}.svg"
            drawing.savefig(folder / file, metadata={"Date": None})
            yield title, file


def _throughput(axes: Axes, by_second: list[int]) -> None:
    axes.plot(range(1, len(by_second) + 1), by_second, color=OURS, linewidth=1)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("seconds")
    axes.set_ylabel("events/s")


def _freshness(axes: Axes, delays: list[float]) -> None:
    axes.hist(delays, bins=60, color=OURS)
    for share in (50, 99):
        at = float(np.percentile(delays, share))
        axes.axvline(at, color="black", linewidth=0.8)
        axes.annotate(
            f"p{share} {at:.0f} ms",
            (at, 0.92),
            xycoords=("data", "axes fraction"),
            xytext=(4, 0),
            textcoords="offset points",
        )
    axes.set_xlabel("ms from the 200 to visible usage")
    axes.set_ylabel("probes")


def _dedupe(axes: Axes, costs: list[list[float]]) -> None:
    axes.plot([size for size, _ in costs], [cost for _, cost in costs], marker="o", color=OURS)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("keys remembered")
    axes.set_ylabel("ns an event")


def _peers(axes: Axes, runs: list[Details]) -> None:
    rates = {name: [run["records"] / run["seconds"] for run in some] for name, some in _by_system(runs).items()}
    medians = {name: float(np.median(some)) for name, some in rates.items()}
    best = max(medians.values())
    for index, (name, median) in enumerate(medians.items()):
        axes.barh(index, median, color=OURS if name.startswith("Winkel") else THEIRS)
        axes.plot(rates[name], [index] * len(rates[name]), "|", color="black")
        ratio = "" if median == best else f", 1/{best / median:.1f}"
        axes.annotate(f"{median:,.0f}{ratio}", (median, index), xytext=(6, -3), textcoords="offset points")
    axes.set_yticks(range(len(medians)), list(medians))
    axes.set_xlim(right=best * 1.25)
    axes.set_xlabel("events/s: median, and each run")


def _drain(axes: Axes, runs: list[Details]) -> None:
    for name, some in _by_system(runs).items():
        for number, run in enumerate(some):
            seconds, done = zip(*run["progress"], strict=True)
            left = [100 * (1 - each / run["records"]) for each in done]
            colour = OURS if name.startswith("Winkel") else THEIRS
            style = "--" if name.startswith("Quix") else "-"
            axes.plot(seconds, left, style, color=colour, linewidth=1, label=name if not number else None)
    axes.set_xlabel("seconds")
    axes.set_ylabel("% of the backlog left")
    axes.legend(frameon=False)


def _by_system(runs: list[Details]) -> dict[str, list[Details]]:
    found: dict[str, list[Details]] = {}
    for run in runs:
        found.setdefault(run["system"], []).append(run)
    return found


_DRAWINGS: list[tuple[str, str, Callable[[Axes, Any], None]]] = [
    ("accepted by second", "Events accepted, by second", _throughput),
    ("delays until usage, ms", "Freshness, all probes", _freshness),
    ("costs", "Cost of deduplication, by keys remembered", _dedupe),
    ("runs", "Throughput, side by side", _peers),
    ("runs", "Backlog over time, all runs", _drain),
]
"""By detail: the title of the plot, and what draws it."""
