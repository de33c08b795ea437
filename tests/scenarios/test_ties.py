"""Every tie-break of docs/pricing.md §6 is decided by one of its examples: without it, an example ends differently."""

from collections.abc import Callable
from typing import TypeAlias

import pytest

from scenarios import story
from scenarios.test_stories import EXAMPLE, PRICING
from winkel.bill import draft, draw, purse

Key: TypeAlias = Callable[..., tuple[object, ...]]
TIES = PRICING.read_text(encoding="utf-8").partition("### Ties, one by one")[2].partition("\n### ")[0]
BALANCES = (
    "what rolled over, what pays, postpaid",
    "priority",
    "free before paid",
    "fewest products",
    "fewest specifiers with group values",
    "ends first",
    "begins first",
    "own before its parent's",
    "fewest contracts",
    "the contract's own",
)
LINES = ("begins earlier", "higher unit price", "name", "product")
INVOICES = ("date", "usage statements first", "older contract")
"""The parts of each key, in its order. What stands behind them is the order in which they come anyway."""


@pytest.mark.parametrize(
    ("module", "name", "place"),
    [
        *(pytest.param(purse, "_precedence", place, id=f"balances: {each}") for place, each in enumerate(BALANCES)),
        *(pytest.param(draw, "_turn", place, id=f"lines: {each}") for place, each in enumerate(LINES)),
        *(pytest.param(draft, "_turn", place, id=f"invoices: {each}") for place, each in enumerate(INVOICES)),
    ],
)
def test_an_example_is_decided_by(module: object, name: str, place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this part of the key that sorts balances, lines or invoices, an example is told differently."""
    whole: Key = getattr(module, name)
    monkeypatch.setattr(module, name, lambda *each: (*whole(*each)[:place], *whole(*each)[place + 1 :]))
    assert any(story.run(each, "tie") != each for each in EXAMPLE.findall(TIES))
