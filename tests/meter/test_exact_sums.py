"""64-bit integers are a shortcut for sums, and never an answer."""

from decimal import Decimal

import pytest

from meter.blocks import event, metric
from meter.test_decide import agree
from winkel.meter.numbers import parse
from winkel.model.metric import Aggregation

TOTAL = metric(2, Aggregation.SUM, "n")


@pytest.mark.parametrize(
    "numbers",
    [
        ["4611686018427387904"] * 2,  # 2**62 twice: 2**63 is the first that has no place
        ["-4611686018427387905"] * 2,
        ["9223372036854775807", "1"],
        ["4611686018427.387904"] * 2,  # the same with six places
        ['"999999999999999999"'] * 10,  # 18 digits, as text
    ],
)
def test_a_sum_that_leaves_64_bits_is_exact(numbers: list[str]) -> None:
    """All in one hour, so in one sum of one batch."""
    some = [event(number, f'{{"n": {text}}}') for number, text in enumerate(numbers)]
    (delta,) = agree([some], [TOTAL]).deltas[7]
    assert [Decimal(each) for each in delta.quantities or ()] == [sum(Decimal(each.strip('"')) for each in numbers)]


def test_text_of_19_digits_is_a_number() -> None:
    """`_integers`: 18 digits always fit into 64 bits, 19 do not."""
    numbers = parse(["9" * 19, "1"])
    assert numbers.good.all()
    assert numbers.decimals() == [Decimal("9" * 19), Decimal(1)]
