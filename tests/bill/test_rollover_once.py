"""What rolled over does not roll over again (docs/pricing.md, 18)."""

from scenarios import story

TEXT = """
metric calls: SUM
product Calls: metric calls
rate Calls: 1.00
contract first: 2024-01-01 to 2025-01-01, annual
credit Gift: 100.00 from 2024-01-01 to 2025-01-01, rolls over 100%, of first
contract second: 2025-01-01 to 2026-01-01, annual, renews first
contract third: 2026-01-01, annual, renews second
usage calls: 10 on 2025-06-01
usage calls: 10 on 2026-06-01
> finalize at 2025-01-02
> finalize at 2026-01-02
> drafts at 2026-07-01
"""


def test_what_rolled_over_ends_with_the_contract_that_got_it() -> None:
    told = story.run(TEXT, "test")
    _, before, last = told.split("> finalize at 2025-01-02")[1].split(">")
    assert "← Gift in second" in before
    assert "Gift" not in last
