"""A law of SUBSCRIPTION rates: they charge what a subscription in arrears to as many units would."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from scenarios.story import Story
from winkel.model.invoice import Invoice, LineItem

days = st.integers(0, 70).map(lambda number: date(2026, 1, 1) + timedelta(days=number))
terms = st.tuples(days, st.integers(1, 120)).map(lambda both: (both[0], both[0] + timedelta(days=both[1])))

OVERRIDES = [
    [],
    ["times 0.5", "priority 1", "from 2026-02-10"],
    ["tier 2 times 0.5", "tier rest times 0.9", "priority 1", "product Seat"],
    ["overwrite 7.00", "product Seat", "from 2026-02-10"],
    ["not entitled", "from 2026-01-15", "until 2026-02-20"],
]


def story(term: tuple[date, date], rest: list[tuple[str, str, list[str]]]) -> list[Invoice]:
    """Return what is drafted in the end for a contract of this term."""
    told = Story()
    start, end = term
    for word, name, clauses in [
        ("product", "Seat", ["subscription"]),
        ("contract", "main", [f"{start} to {end}", "explicit priorities", *rest[0][2]]),
        ("credit", "Welcome", ["37.00 from 2026-01-20 to 2026-03-15"]),
        *rest[1:],
    ]:
        told.tell(word, name, clauses)
    return [each.invoice for each in told.drafts(told.contracts["main"].ending_before)]


def comparable(line: LineItem) -> LineItem:
    """Return a line without what says where its quantity comes from."""
    return structs.replace(line, name="", list_price=None, subscription_id=None, schedule_item_id=None)


@given(
    terms,
    st.sampled_from([[], ["quarterly"], ["weekly"], ["anchor 2025-12-31"]]),
    st.integers(0, 9),
    st.tuples(st.integers(0, 90), st.integers(0, 90)),
    st.none() | days,
    st.sampled_from(OVERRIDES),
)
def test_it_charges_what_a_subscription_would(
    term: tuple[date, date],
    schedule: list[str],
    quantity: int,
    prices: tuple[int, int],
    change: date | None,
    override: list[str],
) -> None:
    """In the same lines of the same invoices, whatever the term, the periods, changes of price and overrides."""
    frequency = schedule[0] if schedule and not schedule[0].startswith("anchor") else "monthly"
    first, second = prices
    later = [] if change is None else [f"from {change}"]
    agreed = [("override", "main", override)] if override else []

    by_rate = [("rate", "Seat", [f"{quantity} each at {first}.00"])]
    by_rate += [("rate", "Seat", [f"{quantity} each at {second}.00", *later])] if later else []
    subscribed = [("rate", "Seat", [f"{first}.00", frequency])]
    subscribed += [("rate", "Seat", [f"{second}.00", frequency, *later])] if later else []
    subscribed += [("subscription", "Seats", [f"{quantity} {frequency} in arrears", "product Seat", "prorated"])]

    contract = ("contract", "main", schedule)
    one, other = (story(term, [contract, *some, *agreed]) for some in (by_rate, subscribed))
    assert len(one) == len(other)
    for mine, theirs in zip(one, other, strict=True):
        assert (mine.id, mine.total) == (theirs.id, theirs.total)
        assert [comparable(each) for each in mine.line_items] == [comparable(each) for each in theirs.line_items]
