"""What the chaos tests measure: told at the end of the run, and in full size kept for the report.

Full size takes hours, so each test is kept as soon as it has ended, in the place of what it told before: who is
interrupted carries on with the files that are missing. What is kept stands beside the page that is written from it.
"""

import os
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

PROPERTY = "chaos"
ELSEWHERE = {
    "tests/api/test_poison.py": (12, "poison: events and records that cannot be read"),
    "tests/letters/test_poison.py": (12, "poison: set aside with reason and offset, looked at, corrected and retried"),
}
"""Rows whose tests tell nothing but whether they passed, by file."""
FULL = os.environ.get("WINKEL_CHAOS") == "full"
KEPT = Path(__file__).parents[2] / "docs" / "reports" / "chaos.json"
_MOMENTS = 600
"""A curve has no more points than these; a page is no wider."""
T = TypeVar("T")


def log_of(settings: dict[str, str]) -> str:
    """Return which log a system with these settings has, for a title."""
    return f"{'Kafka' if settings.get('WINKEL_LOG') else 'Postgres'} log"


def sized(ci: T, full: T) -> T:
    """Return the size for this run: `make chaos` (WINKEL_CHAOS=full) takes the full one."""
    return full if FULL else ci


class Figure(Struct, frozen=True):
    """One number."""

    name: str
    value: float
    unit: str
    goal: str = ""
    """The bound that it was held to, as text; the test fails beyond it."""


class Series(Struct, frozen=True):
    """A curve over the seconds of a test, with the moments at which something happened."""

    name: str
    unit: str
    points: list[tuple[float, float]]
    marks: list[tuple[float, str]] = []


class Told(Struct):
    """What one test told."""

    row: int
    """The row of the table of reliability tests (streaming.md §5)."""
    title: str
    test: str = ""
    figures: list[Figure] = []
    series: list[Series] = []
    notes: list[str] = []
    outcome: str = ""
    seconds: float = 0.0
    at: datetime | None = None
    """When the test ended."""

    def tell(
        self, name: str, value: float, unit: str = "", *, most: float | None = None, least: float | None = None
    ) -> None:
        """Keep a figure, and fail when it lies beyond its bound."""
        goals = [f"{sign} {bound:g}" for sign, bound in (("≤", most), ("≥", least)) if bound is not None]
        self.figures.append(Figure(name, float(value), unit, ", ".join(goals)))
        assert most is None or value <= most, f"{name}: {value} {unit}, at most {most} allowed"
        assert least is None or value >= least, f"{name}: {value} {unit}, at least {least} wanted"

    def draw(self, name: str, unit: str, points: list[tuple[float, float]], marks: list[tuple[float, str]]) -> None:
        """Keep a curve; of a long one the highest point of each moment."""
        self.series.append(Series(name, unit, _highest(sorted(points)), [(round(at, 1), words) for at, words in marks]))

    def note(self, text: str) -> None:
        """Keep a sentence."""
        self.notes.append(text)


class Run(Struct):
    """What tests told: of one run, or of the last run of each."""

    machine: str
    tests: list[Told] = []


def from_reports(reports: list[Any]) -> Run:
    """Return what the tests of a pytest session told, in the order of the table."""
    told = []
    for report in reports:
        for name, value in report.user_properties:
            if name == PROPERTY:
                each = msgspec.json.decode(value, type=Told)
                each.test, each.outcome, each.seconds = report.nodeid, report.outcome, report.duration
                each.at = datetime.fromtimestamp(report.stop, UTC)
                told.append(each)
    told += [each for file in ELSEWHERE for each in _elsewhere(file, reports)]
    return Run(f"{os.cpu_count()} cores", _sorted(told))


def _sorted(told: list[Told]) -> list[Told]:
    return sorted(told, key=lambda each: (each.row, each.test, each.title))


def _elsewhere(file: str, reports: list[Any]) -> list[Told]:
    """Return what became of the tests of a file, if they ran."""
    ours = [each for each in reports if each.nodeid.startswith(f"{file}::") and each.when == "call"]
    if not ours:
        return []
    passed = sum(each.outcome == "passed" for each in ours)
    counts = [Figure("cases", len(ours), ""), Figure("passed", passed, "")]
    outcome, seconds = "passed" if passed == len(ours) else "failed", sum(each.duration for each in ours)
    row, title = ELSEWHERE[file]
    ended = datetime.fromtimestamp(max(each.stop for each in ours), UTC)
    return [Told(row, title, test=file, figures=counts, outcome=outcome, seconds=seconds, at=ended)]


def _highest(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the highest point of each of so many equal parts of the time; all points where there are no more."""
    if len(points) > _MOMENTS:
        first, last = points[0][0], points[-1][0]
        parts = groupby(points, key=lambda each: int((each[0] - first) / (last - first) * (_MOMENTS - 1)))
        points = [max(some, key=itemgetter(1)) for _, some in parts]
    return [(round(at, 1), float(f"{value:.4g}")) for at, value in points]


def keep(run: Run) -> None:
    """Write a run in full size for the report, beside what other tests have told before.

    What a test told goes with it when it has become several, one for each of its parameters.
    """
    before = msgspec.json.decode(KEPT.read_bytes(), type=Run).tests if KEPT.exists() else []
    names = {each.test for each in run.tests}
    lasting = [
        each for each in before if not any(name.startswith((f"{each.test}[", f"{each.test}::")) for name in names)
    ]
    told = {(each.test, each.title): each for each in (*lasting, *run.tests)}
    tests = [msgspec.json.encode(each).decode() for each in _sorted(list(told.values()))]  # a line each, for git
    head = msgspec.json.encode(run.machine).decode()
    KEPT.write_text(f'{{"machine": {head}, "tests": [\n' + ",\n".join(tests) + "\n]}\n", encoding="utf-8")


def _divided(before: Told, now: list[Told]) -> bool:
    return any(each.test.startswith((f"{before.test}[", f"{before.test}::")) for each in now)


def lines(run: Run) -> list[str]:
    """Return a run as lines for a terminal."""
    shown = []
    for each in run.tests:
        shown.append(f"{each.row:>2}  {each.title} [{each.outcome}, {each.seconds:.0f} s]")
        shown += [f"      {figure.name}: {number(figure.value)} {figure.unit}{goal(figure)}" for figure in each.figures]
        shown += [f"      {note}" for note in each.notes]
    return shown


def goal(figure: Figure) -> str:
    """Return the bound of a figure in brackets, nothing where it has none."""
    return f" ({figure.goal})" if figure.goal else ""


def number(value: float) -> str:
    """Return a number with the digits that say something."""
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
