"""Every story ends as it is written. A diff of a story is a change in what customers pay."""

import difflib
import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from bill.lines import sums
from scenarios import story
from winkel.model.invoice import InvoiceType
from winkel.model.ledger import EntryKind
from winkel.model.period import Period, hour_start

STORIES = sorted(Path(__file__).parent.glob("*.story"))
PRICING = Path(__file__).parents[2] / "docs" / "pricing.md"
EXAMPLE = re.compile(r"(?<=^```story\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
"""A story that stands in a page between ```story and ```."""


@pytest.mark.parametrize("path", STORIES, ids=[path.stem for path in STORIES])
def test_story(path: Path, request: pytest.FixtureRequest) -> None:
    """The invoices of a story are those that it shows; `--accept` writes down what they are now."""
    written = path.read_text(encoding="utf-8")
    _compare(path, written, story.run(written, path.name), request)


def test_the_examples_of_the_specification_are_true(request: pytest.FixtureRequest) -> None:
    """Every example in docs/pricing.md is a story of its own."""
    written = PRICING.read_text(encoding="utf-8")
    assert len(EXAMPLE.findall(written)) == written.count("```story") > 0
    _compare(PRICING, written, EXAMPLE.sub(lambda found: story.run(found[0], PRICING.name), written), request)


def every_story() -> Iterator[tuple[str, str]]:
    """Yield name and text of every story, in this folder or in the specification."""
    for path in STORIES:
        yield path.name, path.read_text(encoding="utf-8")
    for number, text in enumerate(EXAMPLE.findall(PRICING.read_text(encoding="utf-8")), 1):
        yield f"{PRICING.name} {number}", text


@pytest.mark.parametrize(("name", "text"), [pytest.param(*each, id=each[0]) for each in every_story()])
def test_the_windows_of_a_story_sum_to_its_invoices(name: str, text: str) -> None:
    """Whatever was agreed, in the middle of a day too: cut into odd windows, each draft keeps every line."""
    told, _ = story.play(text, name)
    told.final.clear()
    told.entries = [each for each in told.entries if each.kind is EntryKind.MANUAL]
    low = min(each.starting_at for each in told.contracts.values())
    high = max([low, *(hour_start(row.hour) for rows in told.usage.values() for row in rows)])
    edges = [low + timedelta(hours=37 * step) for step in range((high - low) // timedelta(hours=37) + 2)]
    windows = [Period(*each) for each in pairwise([edges[0] - timedelta(days=400), *edges, high + timedelta(days=400)])]
    for draft in [each.invoice for each in told.drafts(high) if each.invoice.type is InvoiceType.USAGE]:
        found = [each for each in told.windows(windows, high) if each.id == draft.id]
        assert sums(draft, [line for each in found for line in each.line_items]) == sums(draft, draft.line_items)


def _compare(path: Path, written: str, told: str, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--accept", default=False):
        path.write_text(told, encoding="utf-8")
        return
    diff = difflib.unified_diff(written.splitlines(), told.splitlines(), "as written", "as it is now", lineterm="")
    if text := "\n".join(diff):
        pytest.fail(f"{path.name} ends differently (if that is right: pytest tests/scenarios --accept)\n{text}", False)
