"""Every story ends as it is written. A diff of a story is a change in what customers pay."""

import difflib
import re
from pathlib import Path

import pytest

from scenarios import story

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


def _compare(path: Path, written: str, told: str, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--accept", default=False):
        path.write_text(told, encoding="utf-8")
        return
    diff = difflib.unified_diff(written.splitlines(), told.splitlines(), "as written", "as it is now", lineterm="")
    if text := "\n".join(diff):
        pytest.fail(f"{path.name} ends differently (if that is right: pytest tests/scenarios --accept)\n{text}", False)
