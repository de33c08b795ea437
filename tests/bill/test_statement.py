"""Group keys of products, and the usage that drafts need. Periods are shown by stories (anchor, anchor-31st …)."""

from datetime import UTC, datetime

import pytest

from winkel.bill.statement import Need, group_key_index, usage_key
from winkel.model.errors import InvalidError
from winkel.model.metric import Aggregation, BillableMetric
from winkel.model.product import ProductState

KEYS = (("model", "region", "team"), ("region", "model"), ("team",), ("team", "x"))


def index(*, pricing: tuple[str, ...] | None = None, shown: tuple[str, ...] | None = None) -> int:
    metric = BillableMetric(id="m", name="tokens", aggregation_type=Aggregation.COUNT, group_keys=KEYS)
    state = ProductState(
        name="Chat",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        created_by="test",
        pricing_group_key=pricing,
        presentation_group_key=shown,
    )
    return group_key_index(metric, state)


def test_the_key_that_holds_all_of_them() -> None:
    """Pricing and presentation keys must lie in one key of the metric; the shortest such key is used."""
    assert index() == 0
    assert index(pricing=("model",)) == 1
    assert index(pricing=("model",), shown=("region",)) == 1
    assert index(pricing=("model",), shown=("team",)) == 0
    assert index(shown=("team",)) == 2
    assert index(pricing=("x",), shown=("team",)) == 3


def test_keys_that_no_single_key_holds() -> None:
    """Keys that only several of the metric's keys hold together are refused, with the names to look for."""
    with pytest.raises(InvalidError, match=r"model, x, by which usage of product 'Chat' .*metric 'tokens'"):
        index(pricing=("model",), shown=("x",))


def test_usage_is_named_by_metric_and_key() -> None:
    """Usage under a metric's first key goes by the metric's id alone."""
    assert usage_key("m", 0) == "m"
    assert Need("m", 2, 0, 24).key == usage_key("m", 2) == "m/2"
