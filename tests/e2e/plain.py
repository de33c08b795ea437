"""A client that speaks the API as plain JSON and keeps every digit, and a small shop made with it."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import msgspec

_encoder = msgspec.json.Encoder(decimal_format="number")
_decoder = msgspec.json.Decoder(float_hook=Decimal)


class Plain:
    """The API over HTTP. Numbers of answers are `int` or `Decimal`, never floats."""

    def __init__(self, url: str, token: str) -> None:
        self._http = httpx.Client(base_url=url, headers={"authorization": f"Bearer {token}"}, timeout=30)

    def __enter__(self) -> "Plain":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def post(self, path: str, body: Any) -> Any:
        """Send a body; return the answer."""
        headers = {"content-type": "application/json"}
        return self._answer(self._http.post(path, content=_encoder.encode(body), headers=headers))

    def get(self, path: str, **query: Any) -> Any:
        """Return the answer."""
        return self._answer(self._http.get(path, params=query))

    def make(self, path: str, **fields: Any) -> str:
        """Make an object; return its id."""
        return self.post(path, fields)["data"]["id"]

    @staticmethod
    def _answer(answer: httpx.Response) -> Any:
        assert answer.status_code == 200, f"{answer.request.url}: {answer.status_code} {answer.text}"
        return _decoder.decode(answer.content) if answer.content else None

    # ── a small shop ──

    def metric(self, name: str, event_type: str, aggregation: str, key: str | None = None) -> str:
        """Make a billable metric over one event type; return its id."""
        fields: dict[str, Any] = {"name": name, "aggregation_type": aggregation}
        fields["event_type_filter"] = {"in_values": [event_type]}
        if key is not None:
            fields |= {"aggregation_key": key, "property_filters": [{"name": key, "exists": True}]}
        return self.make("/v1/billable-metrics/create", **fields)

    def product(self, name: str, metric_id: str, **fields: Any) -> str:
        """Make a usage product; return its id."""
        path = "/v1/contract-pricing/products/create"
        return self.make(path, name=name, type="USAGE", billable_metric_id=metric_id, **fields)

    def rate(self, card_id: str, product_id: str, starting_at: datetime, **price: Any) -> None:
        """Add a rate."""
        fields = {"rate_card_id": card_id, "product_id": product_id, "starting_at": starting_at, "entitled": True}
        self.post("/v1/contract-pricing/rate-cards/addRate", fields | price)

    def contract(self, customer_id: str, card_id: str, starting_at: datetime, **fields: Any) -> str:
        """Make a contract whose first billing period is the month that begins with it; return its id."""
        schedule = {"frequency": "MONTHLY", "day": "CONTRACT_START"}
        fields |= {"customer_id": customer_id, "rate_card_id": card_id, "starting_at": starting_at}
        return self.make("/v1/contracts/create", usage_statement_schedule=schedule, **fields)

    def draft(self, customer_id: str) -> dict[str, Any]:
        """Return the one draft usage invoice of a customer."""
        found = self.get(f"/v1/customers/{customer_id}/invoices", status="DRAFT", type="USAGE")["data"]
        assert len(found) == 1, f"one draft, not {found}"
        return found[0]

    def usage(self, metric_id: str) -> dict[str, Decimal]:
        """Return the usage of some days around today, by customer id."""
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        body = {
            "starting_on": today - timedelta(days=3),
            "ending_before": today + timedelta(days=3),
            "window_size": "NONE",
            "billable_metrics": [{"id": metric_id}],
        }
        found: dict[str, Decimal] = {}
        next_page: str | None = None
        while True:
            page = self.post("/v1/usage" + (f"?next_page={next_page}" if next_page else ""), body)
            for row in page["data"]:
                if row["value"] is not None:
                    found[row["customer_id"]] = found.get(row["customer_id"], Decimal(0)) + row["value"]
            next_page = page["next_page"]
            if next_page is None:
                return found


def eventually(look: Callable[[], Any], expected: Any, seconds: float) -> float:
    """Wait until `look()` returns what is expected; return the seconds it took. Fails when it does not in time."""
    began = time.monotonic()
    while (found := look()) != expected:
        assert time.monotonic() - began < seconds, f"after {seconds} s: {found!r}, expected {expected!r}"
        time.sleep(0.01)
    return time.monotonic() - began


def this_hour() -> datetime:
    """Return the beginning of the present hour."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
