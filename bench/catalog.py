"""The customers, metrics, prices and contracts of the benchmarks, and the check that nothing was lost or doubled."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from msgspec import Struct

from bench import events
from bench.system import System

USD = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"
PROBES = 100
"""Customers that only the freshness probes use."""


class Catalog(Struct, frozen=True, kw_only=True):
    """Ids of what was made."""

    calls: str
    """COUNT of events."""
    input_tokens: str
    """SUM by model."""
    output_tokens: str
    """SUM by model."""
    customers: dict[str, int]
    """Our number of each customer id."""
    probes: tuple[str, ...]
    """Ids of the probe customers, each with a contract."""

    @property
    def metrics(self) -> tuple[str, str, str]:
        """All three metrics."""
        return self.calls, self.input_tokens, self.output_tokens


def probe(index: int) -> str:
    """Return the ingest alias of a probe customer."""
    return f"probe-{index:03d}"


def make(system: System) -> Catalog:
    """Make everything through the API."""
    calls = _metric(system, "calls", aggregation_type="COUNT")
    tokens = [
        _metric(
            system,
            name,
            aggregation_type="SUM",
            aggregation_key=name,
            property_filters=[{"name": name, "exists": True}, {"name": "model", "exists": True}],
            group_keys=[["model"]],
        )
        for name in ("input_tokens", "output_tokens")
    ]
    card = _rate_card(system, calls)
    customers = [_customer(system, events.customer(index)) for index in range(events.CUSTOMERS)]
    probes = [_customer(system, probe(index)) for index in range(PROBES)]
    for each in probes:
        contract = {"customer_id": each, "rate_card_id": card, "starting_at": _month().isoformat()}
        system.post("/v1/contracts/create", contract)
    numbers = {each: index for index, each in enumerate(customers)}
    return Catalog(
        calls=calls, input_tokens=tokens[0], output_tokens=tokens[1], customers=numbers, probes=tuple(probes)
    )


def period() -> dict[str, Any]:
    """Return the days whose usage is asked for: yesterday to tomorrow, so that midnight disturbs no run."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = {"starting_on": today - timedelta(days=1), "ending_before": today + timedelta(days=2)}
    return {name: day.isoformat() for name, day in days.items()} | {"window_size": "NONE"}


def counted(system: System, catalog: Catalog) -> int:
    """Return how many events of the 1,000 customers are visible in usage now."""
    rows = system.pages("/v1/usage", period() | {"billable_metrics": [{"id": catalog.calls}]})
    return sum(int(row["value"] or 0) for row in rows if row["customer_id"] in catalog.customers)


def differences(system: System, catalog: Catalog, expected: events.Expected) -> int:
    """Return in how many cells (customer × metric × model) /v1/usage differs from what was sent: 0 is exact."""
    by_model = [{"id": metric, "group_by": {"key": "model"}} for metric in catalog.metrics[1:]]
    rows = system.pages("/v1/usage", period() | {"billable_metrics": [{"id": catalog.calls}, *by_model]})
    counts = np.zeros(events.CUSTOMERS, np.int64)
    sums = {metric: np.zeros((events.CUSTOMERS, len(events.MODELS)), np.int64) for metric in catalog.metrics[1:]}
    for row in rows:
        number = catalog.customers.get(row["customer_id"])
        if number is None:
            continue
        if row["billable_metric_id"] == catalog.calls:
            counts[number] += int(row["value"] or 0)
            continue
        for model, value in (row.get("groups") or {}).items():
            sums[row["billable_metric_id"]][number, events.MODELS.index(model)] += int(value or 0)
    return int(
        np.count_nonzero(counts != expected.counts.sum(axis=1))
        + np.count_nonzero(sums[catalog.input_tokens] != expected.input_tokens)
        + np.count_nonzero(sums[catalog.output_tokens] != expected.output_tokens)
    )


def _metric(system: System, name: str, **definition: Any) -> str:
    definition |= {"name": name, "event_type_filter": {"in_values": [events.EVENT_TYPE]}}
    made: str = system.post("/v1/billable-metrics/create", definition)["data"]["id"]
    return made


def _customer(system: System, alias: str) -> str:
    made: str = system.post("/v1/customers", {"name": alias, "ingest_aliases": [alias]})["data"]["id"]
    return made


def _rate_card(system: System, metric: str) -> str:
    product = {"name": "Calls", "type": "USAGE", "billable_metric_id": metric}
    product_id = system.post("/v1/contract-pricing/products/create", product)["data"]["id"]
    card = {"name": "Bench", "fiat_credit_type_id": USD}
    card_id: str = system.post("/v1/contract-pricing/rate-cards/create", card)["data"]["id"]
    rate = {
        "rate_card_id": card_id, "product_id": product_id, "rate_type": "FLAT", "price": 0.2, "entitled": True,
        "starting_at": _month().isoformat(),
    }  # fmt: skip
    system.post("/v1/contract-pricing/rate-cards/addRate", rate)
    return card_id


def _month() -> datetime:
    """Return the first instant of the month that was current yesterday: a draft invoice exists all through the run."""
    yesterday = datetime.now(UTC) - timedelta(days=1)
    return yesterday.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
