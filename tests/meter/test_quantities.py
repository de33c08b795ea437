"""Hours of usage become quantities that add up to the period."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from winkel.meter.quantities import quantities
from winkel.model.metric import Aggregation
from winkel.model.usage import HourUsage

values = st.decimals(-100, 100, places=2, allow_nan=False)
teams = st.sampled_from(["red", "blue", None])
KEY = ("model", "team")


@st.composite
def rows(draw: st.DrawFn) -> HourUsage:
    """Return the usage of some series in some hour."""
    hour, at = draw(st.integers(0, 50)), draw(st.integers(0, 3599))
    return HourUsage(
        draw(st.sampled_from(["id", "alias"])),
        (draw(st.sampled_from("ab")), draw(teams)),
        hour,
        value=draw(values),
        at=hour * 3600 + at,
        text=draw(st.text("xyz", max_size=2)),
        distinct=frozenset(draw(st.lists(st.sampled_from("pqrst"), min_size=1))),
    )


def period(kind: Aggregation, usage: list[HourUsage]) -> Decimal:
    """Return the quantity of the whole period, computed at once."""
    if kind is Aggregation.UNIQUE:
        return Decimal(len(frozenset().union(*(row.distinct for row in usage))))
    found = [row.value for row in usage if row.value is not None]
    if kind is Aggregation.MAX:
        return max(found)
    if kind is Aggregation.LATEST:
        last = max(usage, key=lambda row: (row.at, row.text, row.value))
        assert last.value is not None
        return last.value
    return sum(found, Decimal(0))


@given(st.sampled_from(Aggregation), st.lists(rows(), min_size=1, max_size=12))
def test_hours_add_up_to_the_period(kind: Aggregation, usage: list[HourUsage]) -> None:
    """Quantities of hours sum to the period's quantity: all groups together, or each kept group by itself."""
    ((all_of_it, hours),) = quantities(kind, usage, KEY, ()).items()
    assert (all_of_it, sum(quantity for _, quantity in hours)) == ((), period(kind, usage))
    by_team = quantities(kind, usage, KEY, ("team",))
    assert set(by_team) == {(("team", row.group_values[1]),) for row in usage}
    for team in {row.group_values[1] for row in usage}:
        mine = [row for row in usage if row.group_values[1] == team]
        assert sum(quantity for _, quantity in by_team[("team", team),]) == period(kind, mine)


@given(st.sampled_from(Aggregation), st.lists(rows(), max_size=8), st.randoms())
def test_order_of_rows_does_not_matter(kind: Aggregation, usage: list[HourUsage], random: object) -> None:
    """Rows may come in any order."""
    expected = quantities(kind, usage, KEY, KEY)
    random.shuffle(usage)  # type: ignore[attr-defined]
    assert quantities(kind, usage, KEY, KEY) == expected


def test_latest_is_billed_by_increments() -> None:
    """Values 7, 9, 10, 5 are billed as 7, 2, 1, −5 (metronome-api.md §8, example 1)."""
    usage = [HourUsage("c", (), hour, value=Decimal(value), at=hour) for hour, value in enumerate((7, 9, 10, 5))]
    assert quantities(Aggregation.LATEST, usage, (), ()) == {
        (): [(hour, Decimal(quantity)) for hour, quantity in enumerate((7, 2, 1, -5))]
    }
