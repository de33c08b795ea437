"""What is left of a balance, and its ledger."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from bill.worlds import World, day, worlds
from winkel.bill.balance import balance_of, ledger, remaining
from winkel.model.commit import Balance, BalanceType, Segment
from winkel.model.credit_type import USD
from winkel.model.ledger import EntryKind, LedgerEntry

START = datetime(2026, 1, 1, tzinfo=UTC)
FEBRUARY = day(31)
MARCH = day(59)
BALANCE = Balance(
    id="b",
    type=BalanceType.CREDIT,
    customer_id="c",
    product_id="fixed",
    credit_type_id=USD.id,
    segments=(Segment("one", Decimal(100), START, FEBRUARY), Segment("two", Decimal(50), FEBRUARY, MARCH)),
    created_at=START,
    created_by="test",
    priority=Decimal(1),
)


def entry(segment: str, amount: int, at: datetime, kind: EntryKind = EntryKind.MANUAL) -> LedgerEntry:
    return LedgerEntry(
        id=f"{segment} {amount}", balance_id="b", segment_id=segment, kind=kind, amount=Decimal(amount), timestamp=at
    )


DRAFTED = entry("one", -30, FEBRUARY, EntryKind.AUTOMATED_INVOICE_DEDUCTION)


def test_only_segments_of_the_moment_count() -> None:
    """A segment counts from its start until its end; what drafts would take is counted on request."""
    assert balance_of(BALANCE, (), (), START - timedelta(hours=1)) == 0
    assert balance_of(BALANCE, (), (), START) == 100
    assert balance_of(BALANCE, (), [DRAFTED], START) == 70
    assert balance_of(BALANCE, (), [DRAFTED], FEBRUARY) == 50
    assert balance_of(BALANCE, (), (), MARCH) == 0


def test_an_overdrawn_segment_counts_nothing() -> None:
    """Manual entries may take more than there is; then nothing is left, and other segments are not touched."""
    taken = entry("one", -120, START)
    assert remaining(BALANCE.segments[0], [taken]) == -20
    assert balance_of(BALANCE, [taken], (), START) == 0
    assert balance_of(BALANCE, [taken], (), FEBRUARY) == 50


def test_the_ledger_tells_start_and_expiration() -> None:
    """Segments start and expire in the ledger without stored entries; what is upcoming isn't told yet."""
    told = [(each.kind, each.segment_id, each.amount) for each in ledger(BALANCE, [DRAFTED], FEBRUARY)]
    assert told == [
        (EntryKind.SEGMENT_START, "one", 100),
        (EntryKind.SEGMENT_START, "two", 50),
        (EntryKind.AUTOMATED_INVOICE_DEDUCTION, "one", -30),
        (EntryKind.EXPIRATION, "one", -70),
    ]


def test_a_segment_that_is_used_up_does_not_expire() -> None:
    """Where nothing is left at the end, there is no expiration."""
    used = entry("one", -100, FEBRUARY, EntryKind.AUTOMATED_INVOICE_DEDUCTION)
    assert EntryKind.EXPIRATION not in [each.kind for each in ledger(BALANCE, [used], FEBRUARY)]


def test_entries_of_other_balances_are_not_told() -> None:
    """A ledger holds its own balance's entries only."""
    other = structs.replace(DRAFTED, balance_id="other", segment_id="elsewhere")
    assert other not in ledger(BALANCE, [other], START)


@given(worlds(), st.integers(0, 90).map(day))
def test_the_balance_is_the_sum_of_the_ledger(world: World, at: datetime) -> None:
    """What may be used is the sum of the ledger entries of the segments of the moment; expired ones sum to zero."""
    pending = [entry for draft in world.drafts() for entry in draft.entries]
    for balance in world.account.balances:
        mine = [each for each in world.account.entries if each.balance_id == balance.id]
        told = ledger(balance, [*mine, *pending], at)
        left = Decimal(0)
        for segment in balance.segments:
            amount = sum((each.amount for each in told if each.segment_id == segment.id), Decimal(0))
            if segment.ending_before <= at:
                assert amount == 0
            elif segment.starting_at <= at:
                left += max(amount, Decimal(0))
        assert left == balance_of(balance, mine, pending, at)
