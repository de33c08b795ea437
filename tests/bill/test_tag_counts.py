"""A tag stands for as many products as carry it when the period begins (docs/pricing.md, 6), not ever or at first."""

from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from scenarios import story
from winkel.bill.seats import overdrawn
from winkel.model.ledger import EntryKind, LedgerEntry

AT = datetime(2026, 1, 15, tzinfo=UTC)

TAGS = """
metric calls: SUM
product Calls: metric calls, tagged api
product Other: metric calls
change Other: from 2025-12-01, tagged api
rate Calls: 1.00
rate Other: 1.00
contract main: 2026-01-01
credit Tag: 10.00 from 2026-01-01 to 2027-01-01, pays tag api
credit One: 10.00 from 2026-01-01 to 2027-02-01, pays Calls
usage calls: 10 on 2026-01-10
> drafts at 2026-01-31
"""
LEDGER = """
metric calls: SUM
product Calls: metric calls
rate Calls: 1.00
contract main: 2026-01-01
credit Welcome: 100.00 from 2026-01-01 to 2026-06-01
entry Welcome: −5.00 on 2026-02-01
usage calls: 10 on 2026-01-10
> finalize at 2026-02-02
> ledger Welcome at 2026-02-02
"""


def test_a_tag_counts_those_that_carry_it_when_the_period_begins() -> None:
    """Two products by then: One, which names one, pays for Calls first, and Tag for Other."""
    lines = story.run(TAGS, "test").splitlines()
    assert [(line.split()[1], line.split("←")[1].strip()) for line in lines if "←" in line] == [
        ("Calls", "One #1"),
        ("Other", "Tag #1"),
    ]


def test_of_one_instant_manual_entries_stand_before_deductions() -> None:
    """`bill/balance.py, _ORDER`."""
    told = [line.split()[2] for line in story.run(LEDGER, "test").splitlines() if line.startswith("| 2026-02-01")]
    assert told == ["CREDIT_MANUAL", "CREDIT_AUTOMATED_INVOICE_DEDUCTION"]


def test_manual_entries_take_no_seats_away() -> None:
    """`bill/seats.py, overdrawn`: what somebody took off by hand is no reason to refuse a change of seats."""
    link = SimpleNamespace(subscription_id="s")
    child: Any = SimpleNamespace(
        segments=[SimpleNamespace(id="segment", amount=Decimal(10))],
        allocation=SimpleNamespace(given={}, link=link),
        archived_at=None,
    )
    contract: Any = SimpleNamespace(subscriptions=())

    def entry(kind: EntryKind) -> LedgerEntry:
        return LedgerEntry(id="e", balance_id="b", segment_id="segment", kind=kind, amount=Decimal(-11), timestamp=AT)

    assert not overdrawn(contract, [child], [entry(EntryKind.MANUAL)], AT)
    assert overdrawn(contract, [child], [entry(EntryKind.AUTOMATED_INVOICE_DEDUCTION)], AT)
