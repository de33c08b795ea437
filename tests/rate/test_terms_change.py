"""Whatever an invoice line depends on begins a new line when it changes in a period, and the next period goes on."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from winkel.model.period import Period
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
from winkel.rate.schedule import terms

START, MIDDLE, END = (datetime(2026, *each, tzinfo=UTC) for each in ((1, 1), (1, 15), (2, 1)))
BILLED: dict[str, Any] = {
    "name": "another",
    "billable_metric_id": "another",
    "pricing_group_key": ("model",),
    "presentation_group_key": ("user",),
    "quantity_conversion": QuantityConversion(conversion_factor=Decimal(2), operation=Operation.DIVIDE),
    "quantity_rounding": QuantityRounding(rounding_method=RoundingMethod.ROUND_UP, decimal_places=0),
    "tags": ("ai",),
    "composite_product_ids": ("p",),
    "composite_tags": ("ai",),
    "exclude_free_usage": True,
    "include_composite_spend": True,
}
SILENT = {
    "created_at",
    "created_by",
    "starting_at",
    "is_refundable",
    "netsuite_internal_item_id",
    "netsuite_overage_item_id",
}


@pytest.mark.parametrize("field", BILLED)
def test_a_change_within_a_period_begins_a_new_span(field: str) -> None:
    initial = ProductState(name="Calls", created_at=START, created_by="me")
    update = ProductUpdate(created_at=START, created_by="me", starting_at=MIDDLE, **{field: BILLED[field]})
    product = Product(id="p", type=ProductType.USAGE, initial=initial, updates=(update,))
    spans = [(span, getattr(state, field)) for span, state in terms(product, Period(START, END))]
    assert spans == [(Period(START, MIDDLE), getattr(initial, field)), (Period(MIDDLE, END), BILLED[field])]


def test_every_field_is_one_or_the_other() -> None:
    """A new field of a product's terms has to be decided on."""
    assert {each.name for each in structs.fields(ProductState)} == {*BILLED, *SILENT}
