"""The demo's second computation, on numbers one can do in one's head; and its hour of traffic."""

from collections import Counter
from datetime import UTC, datetime
from fractions import Fraction

from winkel.cli.demo.check import bill
from winkel.cli.demo.company import BUYERS, Account
from winkel.cli.demo.traffic import Sent, hour

START = datetime(2026, 1, 15, 11, tzinfo=UTC)
ACCOUNTS = [Account(buyer, f"id-{buyer.alias}", buyer.alias) for buyer in BUYERS]


def request(number: int, account: int, model: str, tokens_in: int, tokens_out: int) -> Sent:
    properties = {"model": model, "input_tokens": str(tokens_in), "output_tokens": str(tokens_out)}
    return Sent(0.0, account, {"transaction_id": str(number), "properties": properties})


def test_tokens_requests_and_images_add_up_and_ids_count_once() -> None:
    """Two million tokens in at 12.5 ¢, one out at 50 ¢, 1,500 requests of which 1,000 are free, three images."""
    sent = [request(number, 0, "lumen-nano", 0, 0) for number in range(1, 1500)]
    sent += [request(0, 0, "lumen-nano", 2_000_000, 1_000_000)] * 2
    sent.append(Sent(0.0, 0, {"transaction_id": "i", "properties": {"images": "3"}}))
    sent.append(request(5000, 1, "lumen-max", 10**9, 10**9))
    assert bill(ACCOUNTS[0], 0, sent).total == Fraction("25") + 50 + 500 * Fraction("0.08") + Fraction("9.6")


def test_a_balance_pays_until_it_is_used_up() -> None:
    """Spend is paid by the balance first; what is left of either remains."""
    own = bill(ACCOUNTS[1], 1, [request(1, 1, "lumen-max", 1_000_000, 0)])
    assert (own.spend, own.total, own.left) == (1250, 0, 2750)
    own = bill(ACCOUNTS[1], 1, [request(1, 1, "lumen-max", 4_000_000, 0)])
    assert (own.spend, own.total, own.left) == (5000, 1000, 0)


def test_the_hour_is_always_the_same_and_repeats_some_events() -> None:
    """The same seed gives the same events; about 2 % come twice, word for word; all lie within the hour."""
    first, second = (hour(ACCOUNTS, START, "run", events=5000) for _ in range(2))
    assert first == second
    times = Counter(each.body["transaction_id"] for each in first)
    assert len(times) == 5000
    assert 50 < sum(count == 2 for count in times.values()) < 200
    assert sum(not each.original for each in first) == len(first) - 5000
    assert all(0 <= (each.body["timestamp"] - START).total_seconds() < 3600 for each in first)
