"""The oracle itself, on the examples whose numbers are printed in the documentation (metronome-api.md §8)."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from sim.oracle import Oracle
from sim.oracle_number import rounded
from sim.oracle_period import months_after, periods
from sim.oracle_quantity import quantities
from sim.oracle_values import number_of, text_of
from sim.world import Balance, Contract, Customer, Event, Metric, Price, Product, Rate, Segment, Tenant, Terms

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def oracle(
    aggregation: str, rates: list[tuple[int, str, tuple[tuple[str | None, str], ...]]], commit: str = ""
) -> Oracle:
    """Return an oracle for one customer, one product and rates from a day of January on."""
    key = None if aggregation == "COUNT" else "n"
    metric = Metric("m", "m", aggregation, key, ("use",), None, (), (), START)
    product = Product("p", Terms("p", "m"), START)
    tenant = Tenant(
        "t", customers=[Customer("c", "c", ())], metrics=[metric], products=[product], cards={"card": "USD"}
    )
    tenant.rates = [
        Rate(str(number), "card", "p", Price(kind, tiers), START + day * DAY, None, True, (), number)
        for number, (day, kind, tiers) in enumerate(rates)
    ]
    tenant.contracts = [Contract("k", "c", "card", START, None, "MONTHLY", START, START)]
    if commit:
        segment = Segment("s", commit, START + DAY, START + 365 * DAY)
        tenant.balances = [Balance("b", "PREPAID", "c", "p", "USD", "k", "1", (segment,), START)]
    found = Oracle(tenant)
    found.metrics.append(metric)
    found.products.append(product)
    return found


def use(oracle: Oracle, number: int, at: datetime, value: str = "0") -> None:
    """Meter one event."""
    oracle.meter(Event(f"t{number}", "", "c", "use", at, f'{{"n": {value}}}'), at)


def test_latest_is_billed_by_increments() -> None:
    """Values 7, 9, 10, 5 on four days are billed as 7, 2, 1, −5; in sum what is left at the end."""
    made = oracle("LATEST", [(0, "FLAT", ((None, "3"),))])
    for day, value in enumerate((7, 9, 10, 5)):
        use(made, day, START + day * DAY, str(value))
    [group] = quantities("LATEST", made.events("c", "m"), ()).values()
    assert list(group.values()) == [7, 2, 1, -5]
    assert made.drafts("c", START)[0].total == 15


def test_a_price_change_applies_from_its_hour() -> None:
    """Value 7 at 3, then 9 at 4, costs 21 + 8 = 29."""
    made = oracle("LATEST", [(0, "FLAT", ((None, "3"),)), (1, "FLAT", ((None, "4"),))])
    use(made, 0, START, "7")
    use(made, 1, START + DAY, "9")
    assert made.drafts("c", START)[0].total == 29


def test_tiers_count_from_the_start_of_the_period() -> None:
    """12 uses at 5 free, 5 at 1, the rest at 1.5 cost 8."""
    made = oracle("COUNT", [(0, "TIERED", (("5", "0"), ("5", "1"), (None, "1.5")))])
    for number in range(12):
        use(made, number, START + number * DAY)
    assert made.drafts("c", START)[0].total == 8


def test_a_prepaid_commit_pays_first() -> None:
    """80 tokens at $1 with a $50 commit leave $30 to pay, and nothing in the commit."""
    made = oracle("SUM", [(0, "FLAT", ((None, "100"),))], commit="5000")
    use(made, 0, START + 2 * DAY, "80")
    [bill] = made.finalize("c", START + 40 * DAY, DAY, START + 30 * DAY)
    assert (bill.total, bill.paid) == (3000, {"s": 5000})
    assert made.books["c"].left(START + 40 * DAY) == {"s": 0}


def test_an_id_counts_once_for_34_days() -> None:
    """A repeated id is a duplicate until 34 days of arrival are over, and a conflict if it says something else."""
    made = oracle("COUNT", [(0, "FLAT", ((None, "1"),))])
    for day in (0, 1, 34, 35):
        use(made, 1, START + day * DAY)
    assert (made.counted, made.duplicates, made.conflicts) == (2, 2, 2)


def test_billing_periods_follow_their_anchor() -> None:
    """A contract from the 15th with its anchor on the 10th has periods 15th → 10th → 10th; the 31st comes back."""
    contract = Contract("k", "c", "card", START + 14 * DAY, None, "MONTHLY", START + 9 * DAY, START)
    assert [end.day for _, end in periods(contract, START + 60 * DAY)] == [10, 10]
    assert [months_after(START + 30 * DAY, months).day for months in (1, 2, 3)] == [28, 31, 30]


@pytest.mark.parametrize(
    ("text", "number"),
    [("1e3", 1000), ("-.5", Fraction(-1, 2)), ("9" * 38, 10**38 - 1), ("9" * 39, None), ("1e-39", None), ("NaN", None)],
)
def test_numbers_have_at_most_38_digits(text: str, number: Fraction | None) -> None:
    """Digits before and after the point count together; what is longer, or no number, is none."""
    assert number_of(text)[0] == number


def test_small_rules() -> None:
    """Rounding goes away from zero where it says so, and a truth has a text."""
    assert [rounded(Fraction(-5, 2), method, 0) for method in ("ROUND_UP", "ROUND_DOWN", "ROUND_HALF_UP")] == [
        -3,
        -2,
        -3,
    ]
    assert (text_of(True), text_of("5"), text_of(None), text_of([])) == ("true", "5", None, None)


def test_the_oracle_knows_nothing_of_winkel() -> None:
    """Oracle, generator and world import nothing of what they are compared with."""
    here = Path(__file__).parent
    files = [
        *here.glob("oracle*.py"),
        *(here / f"{name}.py" for name in ("world", "generate", "contracts", "features", "features_commits")),
    ]
    assert len(files) > 15
    for file in files:
        assert "winkel" not in file.read_text().replace("Winkel", ""), file.name
