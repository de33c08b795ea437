"""Writes docs/reports/chaos.md from what the last run of the chaos tests told, with a plot for every curve.

PYTHONPATH=tests python -m chaos.report
"""

import re
import sys
from pathlib import Path

import matplotlib as mpl
import msgspec

from chaos.figures import KEPT, Run, Series, Told, goal, number

mpl.use("svg")
from matplotlib import pyplot as plt

mpl.rcParams["svg.hashsalt"] = "winkel"  # ids in a drawing follow from it, so that the same run gives the same bytes
FOLDER = Path(__file__).parents[2] / "docs" / "reports"
_HEAD = """# Chaos: what was killed, and what was counted

Written by `PYTHONPATH=tests python -m chaos.report`, which `make chaos` ends with, from [chaos.json](chaos.json), on
{machine}. Every figure is of the last run of its test in full size; the table says when that ended. (`make test` runs
all of them in small.)
Clients send unique events with retries, repeats on purpose, late ones and early ones to real processes over a real
PostgreSQL and a real Kafka. Afterwards usage over HTTP, the meter's books and the log itself are compared with what was
acknowledged: exact sums by customer, and a chain of SHA-256 for each customer and partition. A test fails when one
event is missing or counted twice. The rows are those of the list of reliability tests.
"""


def main() -> None:
    """Write the page and its plots."""
    if not KEPT.exists():
        sys.exit(f"nothing to report: {KEPT} is not there; run `make chaos`")
    run = msgspec.json.decode(KEPT.read_bytes(), type=Run)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("chaos-*.svg"):
        old.unlink()
    page = FOLDER / "chaos.md"
    page.write_text(markdown(run), encoding="utf-8")
    print(f"wrote {page}")


def markdown(run: Run) -> str:
    """Return the page; its plots are written beside it."""
    lines = [_HEAD.format(machine=run.machine), *_summary(run)]
    for told in run.tests:
        lines += ["", f"## {told.row}. {told.title}", "", f"`{told.test}`: {told.outcome} in {told.seconds:.0f} s.", ""]
        lines += _table(told)
        lines += [f"\n{note}" for note in told.notes]
        for series in told.series:
            name = f"chaos-{told.row:02}-{_slug(told.title)}-{_slug(series.name)}.svg"
            draw(series, FOLDER / name)
            lines += ["", f"![{series.name}]({name})"]
    return "\n".join(lines) + "\n"


def _slug(words: str) -> str:
    return re.sub("[^a-z0-9]+", "-", words.lower()).strip("-")


def _summary(run: Run) -> list[str]:
    failed = [each for each in run.tests if each.outcome != "passed"]
    lines = ["| Row | Test | Outcome | Seconds | Ended, UTC |", "|---|---|---|---|---|"]
    lines += [
        f"| {each.row} | {each.title} | {each.outcome} | {each.seconds:.0f} | {each.at:%Y-%m-%d %H:%M} |"
        for each in run.tests
    ]
    return [f"**{len(run.tests) - len(failed)} of {len(run.tests)} passed.**", "", *lines]


def _table(told: Told) -> list[str]:
    rows = [f"| {each.name} | {number(each.value)} {each.unit} | {goal(each).strip(' ()')} |" for each in told.figures]
    return ["| Figure | Value | Bound |", "|---|---|---|", *rows]


def draw(series: Series, path: Path) -> None:
    """Draw a curve with its marks."""
    figure, axes = plt.subplots(figsize=(8, 2.6), layout="constrained")
    axes.plot([at for at, _ in series.points], [value for _, value in series.points], linewidth=1)
    for at, words in series.marks:
        axes.axvline(at, color="tab:red", linewidth=0.6, alpha=0.6)
        if len(series.marks) <= 16:
            place = {"xycoords": ("data", "axes fraction"), "va": "top", "ha": "right"}
            axes.annotate(words, (at, 1), rotation=90, fontsize=6, **place)
    axes.set_xlabel("seconds")
    axes.set_ylabel(f"{series.name}, {series.unit}", fontsize=8)
    axes.set_ylim(bottom=0)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
