"""The official SDK, unmodified and strict, against a real `winkel up`: from the first event to the balance."""

import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from metronome import Metronome

from e2e.plain import eventually, this_hour
from support.running import Running

FRESH_SECONDS = 1.0
"""Usage and drafts show an accepted event within this time (the middle one of some tries)."""
SLOW_SECONDS = 20.0
"""No try may take longer, even on a machine that is busy with other tests."""


@pytest.fixture(scope="module")
def sdk(winkel: Running) -> Iterator[Metronome]:
    """Return the SDK: it raises when an answer does not fit its types."""
    with Metronome(
        bearer_token=winkel.token, base_url=winkel.url, max_retries=0, _strict_response_validation=True
    ) as client:
        yield client


def event(number: int, customer: str, kind: str, **properties: Any) -> dict[str, Any]:
    """Return an event of just now."""
    return {
        "transaction_id": f"sdk-{customer}-{kind}-{number}",
        "customer_id": customer,
        "event_type": kind,
        "timestamp": datetime.now(UTC).isoformat(),
        "properties": properties,
    }


def window() -> dict[str, Any]:
    """Return days around today."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return {"starting_on": today - timedelta(days=2), "ending_before": today + timedelta(days=3)}


def used(sdk: Metronome, metric_id: str, customer_id: str) -> float:
    """Return the usage of a customer around today."""
    page = sdk.v1.usage.list(
        window_size="NONE", customer_ids=[customer_id], billable_metrics=[{"id": metric_id}], **window()
    )
    return sum(row.value or 0 for row in page)


class Shop:
    """Tokens by model, and calls in tiers; one customer with a prepaid commit and a credit."""

    def __init__(self, sdk: Metronome) -> None:
        self.starting_at = this_hour() - timedelta(hours=30)
        self.alias = f"acme-{uuid.uuid4()}"
        self.tokens = sdk.v1.billable_metrics.create(
            name="tokens",
            aggregation_type="SUM",
            aggregation_key="tokens",
            event_type_filter={"in_values": ["completion"]},
            property_filters=[{"name": "tokens", "exists": True}, {"name": "model", "exists": True}],
            group_keys=[["model"]],
        ).data.id
        self.calls = sdk.v1.billable_metrics.create(
            name="calls", aggregation_type="COUNT", event_type_filter={"in_values": ["call"]}
        ).data.id
        products = sdk.v1.contracts.products
        self.token_product = products.create(
            name="Tokens", type="USAGE", billable_metric_id=self.tokens, pricing_group_key=["model"]
        ).data.id
        self.call_product = products.create(name="Calls", type="USAGE", billable_metric_id=self.calls).data.id
        self.fixed_product = products.create(name="Prepayment", type="FIXED").data.id
        self.card = sdk.v1.contracts.rate_cards.create(name="Standard").data.id
        self._rates(sdk)

    def _rates(self, sdk: Metronome) -> None:
        rates = sdk.v1.contracts.rate_cards.rates
        for model, price in (("small", 0.02), ("large", 0.3)):
            rates.add(
                rate_card_id=self.card,
                product_id=self.token_product,
                starting_at=self.starting_at,
                entitled=True,
                rate_type="FLAT",
                price=price,
                pricing_group_values={"model": model},
            )
        rates.add(
            rate_card_id=self.card,
            product_id=self.call_product,
            starting_at=self.starting_at,
            entitled=True,
            rate_type="TIERED",
            tiers=[{"price": 0, "size": 5}, {"price": 100, "size": 5}, {"price": 150}],
        )

    def sign(self, sdk: Metronome) -> None:
        """Make the customer, its alias and its contract."""
        self.customer = sdk.v1.customers.create(name="Acme").data.id
        sdk.v1.customers.set_ingest_aliases(customer_id=self.customer, ingest_aliases=[self.alias])
        access = {"starting_at": self.starting_at, "ending_before": self.starting_at + timedelta(days=365)}
        self.contract = sdk.v1.contracts.create(
            customer_id=self.customer,
            rate_card_id=self.card,
            starting_at=self.starting_at,
            usage_statement_schedule={"frequency": "MONTHLY", "day": "CONTRACT_START"},
            commits=[
                {
                    "product_id": self.fixed_product,
                    "type": "PREPAID",
                    "name": "Prepaid",
                    "priority": 2,
                    "access_schedule": {"schedule_items": [{"amount": 500, **access}]},
                    "invoice_schedule": {"schedule_items": [{"timestamp": self.starting_at, "amount": 450}]},
                }
            ],
            credits=[
                {
                    "product_id": self.fixed_product,
                    "name": "Welcome",
                    "priority": 1,
                    "access_schedule": {"schedule_items": [{"amount": 100.5, **access}]},
                }
            ],
        ).data.id


def test_the_sdk_sees_exact_usage_drafts_and_balances(sdk: Metronome) -> None:
    """From events sent before their customer existed to what is left of its balances, every number is exact."""
    shop = Shop(sdk)
    tokens = [("small", 1000), ("small", 234), ("large", 1000), ("unknown", 77)]
    sdk.v1.usage.ingest(
        usage=[event(n, shop.alias, "completion", model=model, tokens=str(t)) for n, (model, t) in enumerate(tokens)]
    )
    sdk.v1.usage.ingest(usage=[event(number, shop.alias, "call") for number in range(12)])
    sdk.v1.usage.ingest(usage=[event(number, shop.alias, "call") for number in range(12)])  # a retry changes nothing
    shop.sign(sdk)
    eventually(lambda: used(sdk, shop.calls, shop.customer), 12, SLOW_SECONDS)
    eventually(lambda: used(sdk, shop.tokens, shop.customer), 2311, SLOW_SECONDS)

    groups = sdk.v1.usage.list_with_groups(
        billable_metric_id=shop.tokens, customer_id=shop.customer, window_size="NONE", group_key=["model"], **window()
    )
    assert {row.group["model"]: row.value for row in groups if row.group and row.value} == {
        "small": 1234,
        "large": 1000,
        "unknown": 77,
    }

    # 1,234 × 0.02 + 1,000 × 0.3 + 5 × 0 + 5 × 100 + 2 × 150 = 1,124.68; no rate for the unknown model
    [draft] = sdk.v1.customers.invoices.list(customer_id=shop.customer, status="DRAFT", type="USAGE")
    invoice = sdk.v1.customers.invoices.retrieve(customer_id=shop.customer, invoice_id=draft.id).data
    assert invoice.total == draft.total == 524.18
    usage = [line for line in invoice.line_items if line.type == "usage"]
    assert round(sum(line.total for line in usage), 9) == 1124.68
    assert round(sum(line.total for line in usage if line.product_id == shop.token_product), 9) == 324.68
    tiers: dict[int, float] = {}
    for line in usage:
        if line.product_id == shop.call_product and line.tier is not None:
            tiers[int(line.tier.level)] = tiers.get(int(line.tier.level), 0) + (line.quantity or 0)
    assert tiers == {1: 5, 2: 5, 3: 2}
    applied = sorted(line.total for line in invoice.line_items if line.type == "applied_commit_or_credit")
    assert round(sum(applied), 9) == -600.5

    balances = list(
        sdk.v1.contracts.list_balances(
            customer_id=shop.customer, include_balance=True, include_contract_balances=True, include_ledgers=True
        )
    )
    assert {(each.name, each.balance) for each in balances} == {("Prepaid", 0), ("Welcome", 0)}
    net = sdk.v1.contracts.get_net_balance(customer_id=shop.customer)
    assert net.data.balance == 0
    net = sdk.v1.contracts.get_net_balance(customer_id=shop.customer, invoice_inclusion_mode="FINALIZED")
    assert net.data.balance == 600.5


def test_an_event_is_visible_within_a_second(sdk: Metronome) -> None:
    """Usage and the draft invoice show an event within one second of its acceptance, to the cent."""
    shop = Shop(sdk)
    shop.sign(sdk)
    for number in range(10):
        sdk.v1.usage.ingest(usage=[event(number, shop.customer, "call")])
    eventually(lambda: used(sdk, shop.calls, shop.customer), 10, SLOW_SECONDS)

    def spend() -> float:
        [draft] = sdk.v1.customers.invoices.list(customer_id=shop.customer, status="DRAFT", type="USAGE")
        return sum(line.total for line in draft.line_items if line.type == "usage")

    waits = []
    for number in range(10, 17):
        accepted = time.monotonic()
        sdk.v1.usage.ingest(usage=[event(number, shop.customer, "call")])
        eventually(lambda number=number: used(sdk, shop.calls, shop.customer), number + 1, SLOW_SECONDS)
        eventually(spend, 500 + 150 * (number - 9), SLOW_SECONDS)
        waits.append(time.monotonic() - accepted)
    print("seconds until an event is in usage and draft:", ", ".join(f"{each:.3f}" for each in sorted(waits)))
    assert sorted(waits)[len(waits) // 2] < FRESH_SECONDS
