"""The terms of a product: what they may be, and which of them hold."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from winkel.model.errors import InvalidError
from winkel.model.metric import Aggregation, BillableMetric
from winkel.model.product import (
    Operation,
    Product,
    ProductState,
    ProductType,
    ProductUpdate,
    QuantityConversion,
    QuantityRounding,
    RoundingMethod,
)

START = datetime(2026, 1, 1, tzinfo=UTC)

keys = st.lists(st.sampled_from("abcd"), unique=True, max_size=4).map(tuple)


def state(**more) -> ProductState:
    """Return terms with a name."""
    return ProductState(name="n", created_at=START, created_by="test", **more)


def metric(*group_keys: tuple[str, ...]) -> BillableMetric:
    """Return a metric with group keys."""
    return BillableMetric(id="m", name="m", aggregation_type=Aggregation.COUNT, group_keys=group_keys)


@given(pricing=st.none() | keys, presentation=st.none() | keys, group_keys=st.lists(keys.filter(bool), max_size=3))
def test_group_keys_fit_exactly_when_one_key_of_the_metric_holds_both(pricing, presentation, group_keys) -> None:
    """Pricing and presentation keys together are a part of one compound key, or there are none."""
    terms = state(billable_metric_id="m", pricing_group_key=pricing, presentation_group_key=presentation)
    union = {*(pricing or ()), *(presentation or ())}
    if not union or any(union.issubset(key) for key in group_keys):
        terms.check(ProductType.USAGE, metric(*group_keys))
    else:
        with pytest.raises(InvalidError, match="group_keys"):
            terms.check(ProductType.USAGE, metric(*group_keys))


@pytest.mark.parametrize(
    "field",
    [
        {"billable_metric_id": "m"},
        {"pricing_group_key": ()},
        {"presentation_group_key": ("a",)},
        {"quantity_conversion": QuantityConversion(Decimal(1), Operation.MULTIPLY)},
        {"quantity_rounding": QuantityRounding(0, RoundingMethod.ROUND_UP)},
    ],
)
def test_a_fixed_product_has_nothing_to_do_with_usage(field) -> None:
    """Each field of usage is refused by name."""
    with pytest.raises(InvalidError, match=next(iter(field))):
        state(**field).check(ProductType.FIXED, None)
    state().check(ProductType.FIXED, None)


def test_a_usage_product_needs_a_metric() -> None:
    """Without one there is nothing to count."""
    with pytest.raises(InvalidError, match="billable_metric_id"):
        state().check(ProductType.USAGE, None)


@pytest.mark.parametrize("factor", ["0", "-1", "NaN", "Infinity", "1E+38", "1E-39"])
def test_a_factor_is_above_zero_and_not_too_long(factor: str) -> None:
    """What cannot be multiplied exactly, or divided by, is refused."""
    terms = state(quantity_conversion=QuantityConversion(Decimal(factor), Operation.DIVIDE))
    with pytest.raises(InvalidError, match="conversion_factor"):
        terms.check(ProductType.USAGE, metric())


@given(st.lists(st.tuples(st.integers(-3, 3), st.none() | st.text(max_size=3), st.booleans()), max_size=6))
def test_the_latest_change_of_each_field_holds(changes) -> None:
    """At any hour each field has the value of the change with the latest start so far; of those, the last made."""
    updates = tuple(
        ProductUpdate(
            created_at=START,
            created_by="test",
            starting_at=START + timedelta(hours=hours),
            name=UNSET if name is None else name,
            is_refundable=refundable,
        )
        for hours, name, refundable in changes
    )
    product = Product(id="p", type=ProductType.FIXED, initial=state(), updates=updates)
    for hour in range(-4, 5):
        begun = sorted((each for each in changes if each[0] <= hour), key=lambda each: each[0])
        names = [name for _, name, _ in begun if name is not None]
        found = product.at(START + timedelta(hours=hour))
        assert found.name == (names[-1] if names else "n")
        assert found.is_refundable == (begun[-1][2] if begun else None)
