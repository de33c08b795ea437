"""What holds when."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from winkel.model.credit_type import USD
from winkel.model.period import Period
from winkel.model.price import Flat
from winkel.model.product import Product, ProductState, ProductType, ProductUpdate
from winkel.model.rate_card import Rate
from winkel.rate.schedule import cut, rated, terms

START = datetime(2026, 1, 1, tzinfo=UTC)
MONTH = Period(START, START + timedelta(days=31))


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def rate(number: int, price: int, start: int, end: int | None = None, *, entitled: bool = True) -> Rate:
    return Rate(
        id=str(number),
        rate_card_id="card",
        product_id="product",
        price=Flat(Decimal(price)),
        entitled=entitled,
        starting_at=day(start),
        ending_before=None if end is None else day(end),
        number=number,
        credit_type_id=USD.id,
    )


def told(rates: list[Rate]) -> list[tuple[int, int, int]]:
    """Return (first day, last day, price) of each span."""
    return [
        ((span.start - START).days, (span.end - START).days, int(each.price.price))  # type: ignore[union-attr]
        for span, each in rated(rates, MONTH)
    ]


def test_a_later_start_wins_and_an_ended_rate_gives_way() -> None:
    """The rate that starts last holds; when it ends, the one before it holds again."""
    assert told([rate(1, 10, -5), rate(2, 20, 5, 10)]) == [(0, 5, 10), (5, 10, 20), (10, 31, 10)]


def test_of_two_that_start_together_the_later_added_wins() -> None:
    """Rates of one start: the number decides, whatever the order in which they are given."""
    assert told([rate(2, 20, 0), rate(1, 10, 0)]) == [(0, 31, 20)]


def test_gaps_leave_nothing_and_missing_entitlement_is_a_span() -> None:
    """Times without a rate are left out; a rate that entitles nobody is not, for a contract may."""
    rates = [rate(1, 10, 0, 5), rate(2, 20, 10), rate(3, 20, 20, 25, entitled=False)]
    assert told(rates) == [(0, 5, 10), (10, 20, 20), (20, 25, 20), (25, 31, 20)]
    assert [each.entitled for _, each in rated(rates, MONTH)] == [True, True, False, True]


def test_an_equal_rate_is_no_change() -> None:
    """A rate that changes neither price nor currency starts no new span."""
    assert told([rate(1, 10, 0), rate(2, 10, 7)]) == [(0, 31, 10)]


@given(st.lists(st.tuples(st.integers(-9, 40), st.none() | st.integers(1, 30), st.integers(1, 3), st.booleans())))
def test_spans_say_what_holds_at_each_hour(given_rates: list[tuple[int, int | None, int, bool]]) -> None:
    """At every instant the spans name the price of the covering rate that started last, and they never overlap."""
    rates = [
        rate(number, price, start, None if length is None else start + length, entitled=entitled)
        for number, (start, length, price, entitled) in enumerate(given_rates)
    ]
    spans = rated(rates, MONTH)
    for number in range(31):
        instant = day(number)
        covering = [
            each for each in rates if each.starting_at <= instant and (each.ending_before or MONTH.end) > instant
        ]
        last = max(covering, key=lambda each: (each.starting_at, each.number), default=None)
        expected = [(last.price, last.entitled)] if last is not None else []
        assert [(each.price, each.entitled) for span, each in spans if span.covers(instant)] == expected


def test_cut() -> None:
    """A period is cut only at instants inside it, each once."""
    assert cut(MONTH, [day(-3), day(0), day(31)]) == [MONTH]
    assert cut(MONTH, [day(9), day(5), day(9)]) == [
        Period(day(0), day(5)),
        Period(day(5), day(9)),
        Period(day(9), day(31)),
    ]


def test_terms_change_only_where_something_billed_changes() -> None:
    """A new name starts a new span; a change of an accounting id doesn't."""
    made = {"created_at": START, "created_by": "test"}
    product = Product(
        id="p",
        type=ProductType.USAGE,
        initial=ProductState(name="Old", **made),
        updates=(
            ProductUpdate(starting_at=day(20), name="New", **made),
            ProductUpdate(starting_at=day(10), netsuite_internal_item_id="7", **made),
            ProductUpdate(starting_at=day(-10), tags=("ai",), **made),
        ),
    )
    found = terms(product, MONTH)
    assert [(span.start, span.end, state.name, state.tags) for span, state in found] == [
        (day(0), day(20), "Old", ("ai",)),
        (day(20), day(31), "New", ("ai",)),
    ]
