"""The share of an amount that falls on a part of a period."""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal

from winkel.model.money import divide, multiply, plain
from winkel.model.period import Period
from winkel.model.proration import AmountRounding, AmountRoundingMethod

_ROUNDING = {
    AmountRoundingMethod.HALF_UP: ROUND_HALF_UP,
    AmountRoundingMethod.FLOOR: ROUND_FLOOR,
    AmountRoundingMethod.CEILING: ROUND_CEILING,
}


def prorated(amount: Decimal, part: Period, whole: Period, rounding: AmountRounding | None) -> Decimal:
    """Return amount × hours of the part ÷ hours of the whole; the whole period's amount is never rounded.

    A share without an end is given to 20 decimal places, half-even, or rounded once as `rounding` says (docs/pricing.md
    §9).
    """
    if part == whole:
        return amount
    hours = multiply(amount, Decimal(part.hours)), Decimal(whole.hours)
    if rounding is None:
        return plain(divide(*hours))
    return plain(divide(*hours, rounding.decimal_places, _ROUNDING[rounding.rounding_method]))
