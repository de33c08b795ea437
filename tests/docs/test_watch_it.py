"""docs/guides/watch-it.md tells of every figure and every alert, in the code's own words."""

import re
from pathlib import Path

import yaml

from support.figures import families, names, rows

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "guides" / "watch-it.md").read_text()


def test_the_tables_are_those_of_the_code() -> None:
    told = sorted(line for line in GUIDE.splitlines() if re.match(r"\| `winkel_", line))
    assert told == rows("winkel_"), "copy the rows that the code has"


def test_every_expression_asks_for_figures_that_there_are() -> None:
    ours = set(re.findall(r"\b(?:winkel|process)_[a-z]+(?:_[a-z]+)*\b", GUIDE))
    assert {name for name in ours if name.startswith("winkel_")} <= names() | set(families())


def test_every_alert_says_what_to_do() -> None:
    groups = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text())["groups"]
    assert set(re.findall(r"^\| `(Winkel\w+)` \|", GUIDE, re.MULTILINE)) == {
        rule["alert"] for group in groups for rule in group["rules"]
    }


def test_every_reason_of_a_refusal_is_told() -> None:
    code = "\n".join(path.read_text() for path in (ROOT / "src" / "winkel" / "ingest").glob("*.py"))
    reasons = set(re.findall(r'Refusal\(\s*"(\w+)"', code))
    assert reasons
    line = re.search(r"one of these reasons: (.*?)\n\n", GUIDE, re.DOTALL)
    assert line
    assert set(re.findall(r"`(\w+)`", line[1])) == reasons
