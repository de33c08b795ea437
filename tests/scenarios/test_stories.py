"""Every story ends as it is written. A diff of a story is a change in what customers pay."""

import difflib
from pathlib import Path

import pytest

from scenarios import story

STORIES = sorted(Path(__file__).parent.glob("*.story"))


@pytest.mark.parametrize("path", STORIES, ids=[path.stem for path in STORIES])
def test_story(path: Path, request: pytest.FixtureRequest) -> None:
    """The invoices of a story are those that it shows; `--accept` writes down what they are now."""
    written, told = path.read_text(encoding="utf-8"), story.run(path)
    if request.config.getoption("--accept", default=False):
        path.write_text(told, encoding="utf-8")
        return
    diff = difflib.unified_diff(written.splitlines(), told.splitlines(), "as written", "as it is now", lineterm="")
    if text := "\n".join(diff):
        pytest.fail(f"{path.name} ends differently (if that is right: pytest tests/scenarios --accept)\n{text}", False)
