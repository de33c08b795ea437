"""Counts what was sold: metered units → sold units, converted and rounded once for the whole billing period."""

from decimal import ROUND_DOWN, ROUND_HALF_UP, ROUND_UP, Decimal

from winkel.model.money import ZERO, add, divide, multiply, plain, rounded
from winkel.model.product import Operation, ProductState, RoundingMethod

ROUNDING = {
    RoundingMethod.ROUND_UP: ROUND_UP,
    RoundingMethod.ROUND_DOWN: ROUND_DOWN,
    RoundingMethod.ROUND_HALF_UP: ROUND_HALF_UP,
}
"""Away from and towards zero, so that taking a quantity back undoes it exactly."""


class Counter:
    """Counts what one group of one product consumed since the billing period began.

    `position` is in sold units. It is rounded as a whole, and a line gets the difference between two positions:
    however a period is split into lines, their quantities add up to the period's rounded quantity.
    """

    def __init__(self) -> None:
        self.position = ZERO
        self._base = ZERO
        self._metered = ZERO
        self._rule: tuple[object, object] | None = None

    def advance(self, state: ProductState, metered: Decimal) -> tuple[Decimal, Decimal]:
        """Count metered units under these terms; return the position before and after.

        When conversion or rounding change, counting goes on from the position reached, with the new rule.
        """
        rule = (state.quantity_conversion, state.quantity_rounding)
        if rule != self._rule:
            self._rule, self._base, self._metered = rule, self.position, ZERO
        before = self.position
        self._metered = add(self._metered, metered)
        self.position = add(self._base, sold(state, self._metered))
        return before, self.position


def sold(state: ProductState, metered: Decimal) -> Decimal:
    """Return metered units in sold units: converted, then rounded (metronome-api.md §4.5)."""
    quantity = metered
    if conversion := state.quantity_conversion:
        match conversion.operation:
            case Operation.MULTIPLY:
                quantity = multiply(quantity, conversion.conversion_factor)
            case Operation.DIVIDE:
                quantity = plain(divide(quantity, conversion.conversion_factor))
    if rounding := state.quantity_rounding:
        quantity = rounded(quantity, rounding.decimal_places, ROUNDING[rounding.rounding_method])
    return quantity
