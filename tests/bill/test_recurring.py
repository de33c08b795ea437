"""Laws of recurring commits and credits: which children there are, when, and for how much."""

import calendar
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from hypothesis import assume, example, given
from hypothesis import strategies as st
from msgspec import Struct, structs

from winkel.bill.proration import prorated
from winkel.bill.recurring import begun, children, next_start
from winkel.model.commit import Balance, BalanceType
from winkel.model.contract import Contract, StatementSchedule
from winkel.model.credit_type import USD
from winkel.model.period import HOUR, Frequency, Period, RecurrenceFrequency, cycle, cycle_at
from winkel.model.proration import AmountRounding, AmountRoundingMethod, Proration
from winkel.model.recurring import RecurringAmount, RecurringBalance

EARLY = datetime(2027, 12, 1, tzinfo=UTC)
FULL = Decimal(1000)
ASKED = Decimal(900)
LATE = datetime(2040, 1, 1, tzinfo=UTC)
ULP = Fraction(1, 10**20)
"""The last place that a share is given to."""


class Given(Struct):
    """A contract with one recurring commit."""

    contract: Contract

    @property
    def term(self) -> RecurringBalance:
        (term,) = self.contract.recurring_balances
        return term

    @property
    def when(self):
        return self.contract.recurrence(self.term)

    @property
    def end(self) -> datetime | None:
        return min((each for each in (self.term.ending_before, self.contract.ending_before) if each), default=None)

    def children(self, at: datetime = LATE, kept: frozenset[str] = frozenset()) -> list[Balance]:
        return children([self.contract], kept, at)

    def whole(self, child: Balance) -> Period:
        """Return the cycle in which a child begins."""
        number = cycle_at(*self.when, child.segments[0].starting_at)
        return Period(cycle(*self.when, number), cycle(*self.when, number + 1))


hours = st.integers(0, 3 * 366 * 24).map(lambda number: EARLY + number * HOUR)
"""Across the leap day of 2028."""
frequencies = st.none() | st.sampled_from(RecurrenceFrequency)
month_ends = st.sampled_from([datetime(2028, 1, day, tzinfo=UTC) for day in (28, 29, 30, 31)])


@st.composite
def terms(draw: st.DrawFn, frequencies=frequencies, **fixed) -> Given:
    """Return a recurring commit of 1,000 for 900, for some months, with or without ends."""
    start = draw(hours | month_ends)
    ends = st.none() | st.integers(1, 400 * 24).map(lambda number: start + number * HOUR)
    term = RecurringBalance(
        id="term",
        type=BalanceType.PREPAID,
        product_id="fixed",
        access_amount=RecurringAmount(USD.id, Decimal(10), Decimal(100)),
        invoice_amount=RecurringAmount(USD.id, Decimal(9), Decimal(100)),
        commit_duration=draw(st.integers(1, 4)),
        priority=Decimal(1),
        starting_at=start,
        ending_before=draw(ends),
        recurrence_frequency=draw(frequencies),
        proration=draw(st.sampled_from(Proration)),
    )
    contract = Contract(
        id="contract",
        customer_id="customer",
        starting_at=EARLY,
        ending_before=draw(ends),
        created_at=EARLY,
        created_by="test",
        usage_statement_schedule=StatementSchedule(draw(st.sampled_from(Frequency)), draw(hours | month_ends)),
        recurring_balances=(structs.replace(term, **fixed),),
    )
    return Given(contract)


@given(terms())
def test_periods_follow_each_other(given_: Given) -> None:
    """The first child begins with the term; each other one on the next date of the calendar, until the end."""
    starts = [each.segments[0].starting_at for each in given_.children()]
    anchor, frequency = given_.when
    assert starts[0] == given_.term.starting_at
    for before, after in pairwise(starts):
        assert before < after
        if frequency in {"WEEKLY", "DAILY"}:
            days = {"WEEKLY": 7, "DAILY": 1}[frequency]
            assert (after - anchor) % timedelta(days=days) == timedelta(0)
            assert after - before <= timedelta(days=days)
            continue
        last = calendar.monthrange(after.year, after.month)[1]
        assert (after.day, after.timetz()) == (min(anchor.day, last), anchor.timetz())
        months = (after.year - before.year) * 12 + after.month - before.month
        assert months <= {"MONTHLY": 1, "QUARTERLY": 3, "ANNUAL": 12}[frequency]
    after_last = cycle(*given_.when, cycle_at(*given_.when, starts[-1]) + 1)
    assert given_.end is None or (starts[-1] < given_.end <= after_last)


@given(terms(), hours)
def test_at_most_one_is_ahead(given_: Given, at: datetime) -> None:
    """What is there at an instant: all that has begun, and the next one once the period before it has begun."""
    every = given_.children()
    there = given_.children(at)
    assert there == every[: len(there)], "what follows never changes what was there"
    assert begun(there, at) == [each for each in every if each.segments[0].starting_at <= at]
    ahead = there[len(begun(there, at)) :]
    assert len(ahead) <= 1
    for each in ahead:
        start = each.segments[0].starting_at
        assert at >= cycle(*given_.when, cycle_at(*given_.when, start - HOUR)), "no more than a period before its own"
    assert len(there) == len(every) or not begun(there, at) or ahead, "the next one is there"
    to_come = [each.segments[0].starting_at for each in every if each.segments[0].starting_at > at]
    assert next_start(given_.contract, at) == (to_come[0] if to_come else None)
    assert all(each.created_at <= at for each in there if at > given_.contract.created_at)
    assert sorted(there, key=lambda each: (each.created_at, each.id)) == there


@given(terms(), hours)
def test_made_twice_it_is_the_same_twice(given_: Given, at: datetime) -> None:
    """Ids follow from the term and the start; what is kept is not made again, and no two are one."""
    there = given_.children(at)
    assert there == given_.children(at)
    ids = [its for each in there for its in (each.id, each.segments[0].id, each.invoice_schedule.schedule_items[0].id)]
    assert len(set(ids)) == 3 * len(there)
    assert given_.children(at, frozenset(each.id for each in there[::2])) == there[1::2]
    renamed = Given(structs.replace(given_.contract, archived_at=at))
    assert renamed.children(at) == []


@given(terms())
def test_children_overlap_as_long_as_they_last(given_: Given) -> None:
    """At no instant may more children be used than commit_duration says; none after the contract's end."""
    segments = [each.segments[0] for each in given_.children()]
    for number, segment in enumerate(segments):
        usable = sum(1 for each in segments if each.starting_at <= segment.starting_at < each.ending_before)
        assert usable == min(number + 1, given_.term.commit_duration)
        assert segment.starting_at < segment.ending_before
        assert given_.contract.ending_before is None or segment.ending_before <= given_.contract.ending_before


@given(terms())
def test_a_whole_period_carries_the_whole_amount(given_: Given) -> None:
    """Partial periods carry their share by hours where the term prorates them; access and invoice alike."""
    for child in given_.children():
        whole = given_.whole(child)
        low, high = max(whole.start, given_.term.starting_at), min(whole.end, given_.end or whole.end)
        if given_.term.proration in {Proration.NONE, Proration.LAST}:
            low = whole.start
        if given_.term.proration in {Proration.NONE, Proration.FIRST}:
            high = whole.end
        share = Fraction((high - low) // HOUR, (whole.end - whole.start) // HOUR)
        (access,), (item,) = child.segments, child.invoice_schedule.schedule_items
        assert 0 < access.amount <= FULL
        assert abs(Fraction(access.amount) - share * Fraction(FULL)) <= ULP / 2
        assert abs(Fraction(item.amount) - share * Fraction(ASKED)) <= ULP / 2
        assert (access.amount == FULL) == (share == 1)
        assert item.quantity * item.unit_price == item.amount
        assert item.timestamp == access.starting_at
        if share == 1:
            assert (item.unit_price, item.quantity) == (9, 100)


@given(
    terms(st.sampled_from([RecurrenceFrequency.WEEKLY, RecurrenceFrequency.DAILY]), proration=Proration.FIRST_AND_LAST),
    st.integers(1, 5000),
)
def test_a_term_gives_as_much_as_it_is_long(given_: Given, length: int) -> None:
    """Where all periods are equally long, the shares sum to amount × hours of the term ÷ hours of a period."""
    end = given_.term.starting_at + length * HOUR
    contract = structs.replace(given_.contract, ending_before=end)
    given_ = Given(structs.replace(contract, recurring_balances=(structs.replace(given_.term, ending_before=None),)))
    every = given_.children()
    period = given_.whole(every[0])
    amount = sum((Fraction(each.segments[0].amount) for each in every), Fraction(0))
    expected = Fraction(FULL) * Fraction(length, (period.end - period.start) // HOUR)
    assert abs(amount - expected) <= ULP


@given(terms(), hours)
def test_an_end_that_comes_earlier(given_: Given, end: datetime) -> None:
    """No child begins from the end on; those of whole periods before it stay as they were, but for their access."""
    assume(given_.end is None or end < given_.end)
    before = given_.children()
    term = given_.term.until(end)
    ended = Given(structs.replace(given_.contract, ending_before=end, recurring_balances=(term,)))
    after = ended.children()
    assert [each.id for each in after] == [each.id for each in before if each.segments[0].starting_at < end]
    for one, other in zip(before, after, strict=False):
        (old,), (new,) = one.segments, other.segments
        assert new.ending_before == min(old.ending_before, end)
        if given_.whole(one).end <= end or not given_.term.proration.of_last:
            assert new.amount == old.amount
        assert new.amount <= old.amount
    assert [each.id for each in Given(structs.replace(ended.contract, ending_before=None)).children()] == [
        each.id for each in after
    ], "a later end brings nothing back"


@example(Decimal("0.9999999999999999999999998"), 1, 2, 0, AmountRoundingMethod.HALF_UP)
@given(
    st.decimals("0.01", "1e12", places=25),
    st.integers(1, 8784),
    st.integers(1, 8784),
    st.integers(-5, 5),
    st.sampled_from(AmountRoundingMethod),
)
def test_a_share_is_rounded_once(amount: Decimal, one: int, other: int, places: int, how: AmountRoundingMethod) -> None:
    """From the exact share, however many places the amount has: never down because of an earlier step."""
    low, high = sorted((one, other))
    part, whole = Period(EARLY, EARLY + low * HOUR), Period(EARLY, EARLY + high * HOUR)
    found = prorated(amount, part, whole, AmountRounding(places, how))
    exact = Fraction(amount) * Fraction(low, high)
    unit = Fraction(10) ** -places
    steps = exact / unit
    expected = {
        AmountRoundingMethod.FLOOR: steps.__floor__(),
        AmountRoundingMethod.CEILING: steps.__ceil__(),
        AmountRoundingMethod.HALF_UP: (steps + Fraction(1, 2)).__floor__(),
    }[how]
    assert Fraction(found) == (expected * unit if low < high else Fraction(amount))


def test_a_share_that_rounds_to_nothing_gives_no_child() -> None:
    """Neither access nor an invoice for it."""
    start = datetime(2026, 1, 31, 23, tzinfo=UTC)
    term = RecurringBalance(
        id="term",
        type=BalanceType.PREPAID,
        product_id="fixed",
        access_amount=RecurringAmount(USD.id, Decimal(700), Decimal(1)),
        invoice_amount=RecurringAmount(USD.id, Decimal(700), Decimal(1)),
        commit_duration=1,
        priority=Decimal(1),
        starting_at=start,
        access_rounding=AmountRounding(0, AmountRoundingMethod.FLOOR),
    )
    contract = Contract(
        id="contract",
        customer_id="customer",
        starting_at=start,
        created_at=start,
        created_by="test",
        usage_statement_schedule=StatementSchedule(Frequency.MONTHLY, datetime(2026, 1, 1, tzinfo=UTC)),
        recurring_balances=(term,),
    )
    (child,) = children([contract], (), start)
    assert child.segments[0].starting_at == datetime(2026, 2, 1, tzinfo=UTC)
    assert child.segments[0].amount == 700
