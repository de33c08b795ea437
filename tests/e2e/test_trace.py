"""A real hour of a language model service: what it costs, to the last digit."""

import csv
import os
import subprocess
import sys
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from e2e.plain import Plain, eventually, this_hour
from support.running import Running

CHECKOUT = Path(__file__).resolve().parents[2]
TRACE = CHECKOUT.parent / "shared" / "data" / "azure_llm_conv_2023.csv"
ROWS = 19_366
INPUT_PRICE = "0.0003123456789012345678901"
OUTPUT_PRICE = "0.00099999999999999999999999999"
REQUEST_TIERS = (("1000", "0"), ("5000.5", "0.0707"), (None, "0.03141592653589793238462643"))


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    """Return the rows of the trace, as text. In CI (which sets CI) it must be there; elsewhere it is optional."""
    if not TRACE.exists():
        message = (
            f"the trace is missing at {os.path.relpath(TRACE, CHECKOUT)} (from the checkout): put there "
            "AzureLLMInferenceTrace_conv.csv of the Azure LLM inference trace 2023 (AzurePublicDataset, CC-BY 4.0)"
        )
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with TRACE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def expected(rows: list[dict[str, str]]) -> Fraction:
    """Return the price of the trace in cents, row by row."""
    total = Fraction(0)
    for row in rows:
        total += int(row["ContextTokens"]) * Fraction(INPUT_PRICE)
        total += int(row["GeneratedTokens"]) * Fraction(OUTPUT_PRICE)
    left = Fraction(len(rows))
    for size, price in REQUEST_TIERS:
        units = left if size is None else min(left, Fraction(size))
        total += units * Fraction(price)
        left -= units
    return total


def set_up(plain: Plain) -> tuple[str, dict[str, str]]:
    """Sell tokens and requests to one customer; return its id and the metrics' ids by name."""
    metrics = {
        "input": plain.metric("input tokens", "completion", "SUM", "ContextTokens"),
        "output": plain.metric("output tokens", "completion", "SUM", "GeneratedTokens"),
        "requests": plain.metric("requests", "completion", "COUNT"),
    }
    starting_at = this_hour() - timedelta(hours=30)  # the trace lies within its first month, whatever today is
    card_id = plain.make("/v1/contract-pricing/rate-cards/create", name="LLM")
    prices: dict[str, dict[str, Any]] = {
        "input": {"rate_type": "FLAT", "price": Decimal(INPUT_PRICE)},
        "output": {"rate_type": "FLAT", "price": Decimal(OUTPUT_PRICE)},
        "requests": {
            "rate_type": "TIERED",
            "tiers": [
                {"price": Decimal(price)} if size is None else {"size": Decimal(size), "price": Decimal(price)}
                for size, price in REQUEST_TIERS
            ],
        },
    }
    for name, metric_id in metrics.items():
        plain.rate(card_id, plain.product(name, metric_id), starting_at, **prices[name])
    customer_id = plain.make("/v1/customers", name="Conversations", ingest_aliases=["azure-conv"])
    plain.contract(customer_id, card_id, starting_at)
    return customer_id, metrics


def replay(winkel: Running) -> str:
    """Send the trace with the command that people use, as if it ended now."""
    command = [sys.executable, "-m", "winkel", "replay", str(TRACE)]
    command += ["--timestamp", "TIMESTAMP", "--customer", "azure-conv", "--event-type", "completion"]
    command += ["--property", "ContextTokens", "--property", "GeneratedTokens", "--shift-to", "now"]
    environment = {**os.environ, "WINKEL_URL": winkel.url, "WINKEL_TOKEN": winkel.token}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_invoice_of_a_real_trace_is_exact_to_the_last_digit(winkel: Running, rows: list[dict[str, str]]) -> None:
    """19,366 real requests cost exactly what a sum of fractions over the file says, and sent again the same."""
    assert len(rows) == ROWS
    with Plain(winkel.url, winkel.token) as plain:
        customer_id, metrics = set_up(plain)
        for attempt in ("first", "again"):
            replay(winkel)
            seconds = eventually(lambda: plain.usage(metrics["requests"]), {customer_id: ROWS}, 60)
            print(f"{attempt}: all {ROWS:,} requests metered {seconds:.2f} s after the replay ended")
            if attempt == "again":
                assert_all_metered(winkel)
            draft = plain.draft(customer_id)
            assert Fraction(draft["total"]) == expected(rows)
            assert sum(Fraction(line["total"]) for line in draft["line_items"]) == expected(rows)
            tokens = sum(int(row["ContextTokens"]) for row in rows)
            assert plain.usage(metrics["input"]) == {customer_id: tokens}
            assert plain.usage(metrics["output"]) == {customer_id: sum(int(row["GeneratedTokens"]) for row in rows)}


def assert_all_metered(winkel: Running) -> None:
    """Wait until the meter has seen all that arrived: then what was sent twice is known as such."""
    import psycopg

    def counts() -> tuple[int, int]:
        with psycopg.connect(winkel.database_url) as connection:
            row = connection.execute("SELECT sum(counted), sum(duplicates) FROM event_count").fetchone()
        assert row is not None
        return int(row[0]), int(row[1])

    eventually(counts, (ROWS, ROWS), 60)
