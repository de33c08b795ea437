"""Laws of seats: who has one, what a pool gives over time, and that nobody draws on another's part."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from scenarios import story
from winkel.bill import books
from winkel.bill.recurring import children
from winkel.bill.seats import adjustments, overdrawn
from winkel.model.allocation import Allocation, SeatLink
from winkel.model.commit import Balance, BalanceType
from winkel.model.contract import Contract, StatementSchedule
from winkel.model.credit_type import USD
from winkel.model.errors import InvalidError
from winkel.model.money import total
from winkel.model.period import HOUR, Frequency, Period
from winkel.model.recurring import RecurringAmount, RecurringBalance
from winkel.model.subscription import CollectionSchedule, SeatChange, Subscription

START = datetime(2028, 1, 1, tzinfo=UTC)
LATE = datetime(2028, 4, 1, tzinfo=UTC)
AMOUNT = Decimal(31)
USERS = ("ann", "bob", "carl", "dora")
ULP = Fraction(1, 10**20)

instants = st.integers(0, 90 * 24).map(lambda number: START + number * HOUR)
users = st.lists(st.sampled_from(USERS), unique=True).map(tuple)


@st.composite
def histories(draw: st.DrawFn) -> list[SeatChange]:
    """Return changes of seats of three months, told in any order, as far as they can be."""
    changes = [SeatChange(starting_at=START, added=draw(users), added_unassigned=draw(st.integers(0, 2)))]
    for _ in range(draw(st.integers(0, 6))):
        one = draw(st.sampled_from(["added", "removed", "added_unassigned", "removed_unassigned"]))
        what = draw(st.integers(1, 2) if one.endswith("unassigned") else users)
        more = [*changes, SeatChange(starting_at=draw(instants), **{one: what})]
        try:
            seats(more).check()
        except InvalidError:
            continue
        changes = more
    return changes


def seats(changes: list[SeatChange]) -> Subscription:
    """Return a subscription with these seats."""
    return Subscription(
        id="seats",
        product_id="seat",
        billing_frequency=Frequency.MONTHLY,
        collection_schedule=CollectionSchedule.ADVANCE,
        starting_at=START,
        anchor=START,
        created_at=START,
        changes=(),
        seat_group_key="user",
        seat_changes=tuple(changes),
    )


def contract(changes: list[SeatChange], allocation: Allocation, *, is_prorated: bool, start: datetime) -> Contract:
    """Return a contract whose seats give 31 each a month, with the statements from `start` on."""
    term = RecurringBalance(
        id="term",
        type=BalanceType.CREDIT,
        product_id="fixed",
        access_amount=RecurringAmount(USD.id, AMOUNT, Decimal(1)),
        commit_duration=1,
        priority=Decimal(1),
        starting_at=start,
        subscription=SeatLink(subscription_id="seats", allocation=allocation, is_prorated=is_prorated),
    )
    return Contract(
        id="contract",
        customer_id="customer",
        starting_at=START,
        created_at=START,
        created_by="test",
        usage_statement_schedule=StatementSchedule(Frequency.MONTHLY, START),
        recurring_balances=(term,),
        subscriptions=(seats(changes),),
    )


def gives(child: Balance, of: Contract) -> Decimal:
    """Return all that the seats give to a child."""
    (segment,) = child.segments
    return total([segment.amount, *(each.amount for each in adjustments([of], [child], LATE))])


def naive(changes: list[SeatChange], at: datetime) -> tuple[set[str], int]:
    """Return who has a seat at an instant, and how many seats nobody has, change by change."""
    assigned, unassigned = set[str](), 0
    for each in sorted(changes, key=lambda change: change.starting_at):
        if each.starting_at <= at:
            assigned -= set(each.removed)
            taken = min(unassigned, len(each.added))
            unassigned += each.added_unassigned - each.removed_unassigned - taken
            assigned |= set(each.added)
    return assigned, unassigned


@given(histories(), instants)
def test_the_quantity_is_the_number_of_seats(changes: list[SeatChange], at: datetime) -> None:
    """At every instant: those who have one, and those that nobody has."""
    subscription = seats(changes)
    assigned, unassigned = naive(changes, at)
    (now,) = [each for each in subscription.seats() if each.starting_at <= at][-1:]
    assert (set(now.assigned), now.unassigned) == (assigned, unassigned)
    assert [quantity for start, quantity in subscription.quantities() if start <= at][-1] == len(assigned) + unassigned


@settings(max_examples=50)
@given(histories(), instants, st.booleans())
def test_a_pool_is_the_sum_over_time_of_its_seats(
    changes: list[SeatChange], start: datetime, is_prorated: bool
) -> None:
    """Hour by hour the most seats of the period so far give their share; without proration the most of all of it."""
    of = contract(changes, Allocation.POOLED, is_prorated=is_prorated, start=start)
    for child in children([of], (), LATE)[:3]:
        (segment,), its = child.segments, child.allocation
        assert its is not None
        hours = [segment.starting_at + number * HOUR for number in range(its.part.hours)]
        most, shares = 0, 0
        for hour in hours:
            assigned, unassigned = naive(changes, hour)
            most = max(most, len(assigned) + unassigned)
            shares += most
        expected = Fraction(shares if is_prorated else most * its.part.hours, its.whole.hours) * Fraction(AMOUNT)
        assert abs(Fraction(gives(child, of)) - expected) <= ULP * 10


@settings(max_examples=50)
@given(histories(), instants, st.booleans())
def test_each_id_gets_a_part_once(changes: list[SeatChange], start: datetime, is_prorated: bool) -> None:
    """From the first hour on in which it has a seat in the period; unassigned seats give nothing."""
    of = contract(changes, Allocation.INDIVIDUAL, is_prorated=is_prorated, start=start)
    for child in children([of], (), LATE)[:3]:
        (segment,), its = child.segments, child.allocation
        assert its is not None
        grown = adjustments([of], [child], LATE)
        for user in USERS:
            hours = [segment.starting_at + number * HOUR for number in range(its.part.hours)]
            count = next((its.part.hours - n for n, hour in enumerate(hours) if user in naive(changes, hour)[0]), 0)
            count = its.part.hours if count and not is_prorated else count
            parts = [its.given.get(user, Decimal(0)), *(each.per_seat.get(user, Decimal(0)) for each in grown)]
            assert abs(Fraction(total(parts)) - Fraction(count, its.whole.hours) * Fraction(AMOUNT)) <= ULP
        assert all(each.amount == total(list(each.per_seat.values())) for each in grown)
        assert segment.amount == total(list(its.given.values()))


@settings(max_examples=50)
@given(histories(), histories(), st.sampled_from(Allocation), st.booleans())
def test_seats_that_are_told_late_give_what_they_would_have(
    before: list[SeatChange], after: list[SeatChange], allocation: Allocation, is_prorated: bool
) -> None:
    """A child that was made before gives, with its adjustments, what one that is made now gives: to each seat."""
    old = contract(before, allocation, is_prorated=is_prorated, start=START)
    new = contract(after, allocation, is_prorated=is_prorated, start=START)
    for kept, fresh in zip(children([old], (), LATE)[:3], children([new], (), LATE)[:3], strict=True):
        assert gives(kept, new) == gives(fresh, new)
        for user in USERS:
            told = []
            for child in (kept, fresh):
                assert child.allocation is not None
                parts = [each.per_seat.get(user, Decimal(0)) for each in adjustments([new], [child], LATE)]
                told.append(total([child.allocation.given.get(user, Decimal(0)), *parts]))
            assert told[0] == told[1]
        assert not overdrawn(new, [kept], (), LATE)


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(st.sampled_from((*USERS, "eve")), st.integers(1, 40), min_size=1), users, users, st.integers(1, 27)
)
def test_a_seat_never_draws_more_than_its_part(
    used: dict[str, int], first: tuple[str, ...], later: tuple[str, ...], day: int
) -> None:
    """Each user's usage is paid up to what its own seat gives, and the rest is charged; the books sum, seat by seat."""
    come = [each for each in later if each not in first]
    told = [
        "metric calls: SUM, key user",
        "product Calls: metric calls, shown by user",
        "product Seat: subscription",
        "rate Calls: 1.00",
        "rate Seat: 0.00, monthly",
        "contract main: 2026-01-01",
        f"subscription Seats: seats monthly in arrears, product Seat, by user, with {' '.join(first) or '1 unassigned'}"
        + (f", {' '.join(come)} come on 2026-01-{day + 1:02}" if come else ""),
        "recurring credit Own: 31.00 each month from 2026-01-01, for each seat of Seats, increases prorated",
        *(f"usage calls: {amount} on 2026-01-28, user={user}" for user, amount in used.items()),
    ]
    played, _ = story.play("\n".join(told), "seats")
    parts = {**dict.fromkeys(first, 3100), **dict.fromkeys(come, 100 * (31 - day))}
    (draft,) = [each for each in played.drafts(datetime(2026, 1, 31, tzinfo=UTC)) if each.invoice.start is not None]
    paid = {user: min(100 * amount, parts.get(user, 0)) for user, amount in used.items()}
    (entry,) = draft.entries or (None,)
    assert (entry.per_seat if entry else {}) == {user: -amount for user, amount in paid.items() if amount}
    assert draft.invoice.total == sum(100 * amount - paid[user] for user, amount in used.items())
    books.check(draft.invoice, draft.entries)
    if entry is not None:
        crooked = structs.replace(entry, per_seat={**entry.per_seat, "eve": Decimal(-1)})
        with pytest.raises(AssertionError):
            books.check(draft.invoice, [crooked])


def test_what_final_invoices_took_is_missed() -> None:
    """A part that is taken back after it was drawn on is overdrawn, though the others would have enough."""
    there = [SeatChange(starting_at=START, added=("ann", "bob"))]
    gone = [*there, SeatChange(starting_at=START, removed=("ann",))]
    old, new = (contract(each, Allocation.INDIVIDUAL, is_prorated=True, start=START) for each in (there, gone))
    child = children([old], (), START)[0]
    played, _ = story.play(TAKEN, "taken")
    (entry,) = [each for draft in played.finalize(datetime(2026, 2, 2, tzinfo=UTC)) for each in draft.entries]
    taken = structs.replace(entry, balance_id=child.id, segment_id=child.segments[0].id, timestamp=START)
    assert taken.per_seat == {"ann": -5}
    assert not overdrawn(old, [child], [taken], LATE)
    assert overdrawn(new, [child], [taken], LATE)


TAKEN = """
metric calls: SUM, key user
product Calls: metric calls, shown by user
product Seat: subscription
rate Calls: 0.01
rate Seat: 0.00, monthly
contract main: 2026-01-01
subscription Seats: seats monthly in arrears, product Seat, by user, with ann bob
recurring credit Own: 31.00 each month from 2026-01-01, for each seat of Seats
usage calls: 5 on 2026-01-28, user=ann
"""


def test_periods_are_kept_with_a_child() -> None:
    """What a child gives is agreed when it is made: another amount later is for those to come."""
    there = [
        SeatChange(starting_at=START, added=("ann",)),
        SeatChange(starting_at=START + 31 * 12 * HOUR, added=("bob",)),
    ]
    of = contract(there, Allocation.POOLED, is_prorated=True, start=START)
    child = children([of], (), START)[0]
    (term,) = of.recurring_balances
    dearer = structs.replace(term, access_amount=RecurringAmount(USD.id, AMOUNT * 10, Decimal(1)))
    assert gives(child, structs.replace(of, recurring_balances=(dearer,))) == Decimal("46.5")
    assert child.allocation is not None
    assert child.allocation.whole == Period(START, datetime(2028, 2, 1, tzinfo=UTC))
