"""What the hour costs, computed a second way: from the events themselves, with fractions, without any code of Winkel's.

It shares nothing with the product but the price list. If both come to the same cents, to the last digit, nothing was
lost, counted twice, rounded or put on the wrong account on its way through HTTP, log, meter, rating and draw-down.
"""

from collections import Counter
from collections.abc import Iterable
from fractions import Fraction

from msgspec import Struct

from winkel.cli.demo.company import MILLION, Account, PriceList
from winkel.cli.demo.traffic import Sent


class Bill(Struct, frozen=True):
    """What an account used (`spend`), what of it no balance pays for (`total`), what its balance has left: in cents."""

    spend: Fraction
    total: Fraction
    left: Fraction


def bill(account: Account, index: int, sent: Iterable[Sent]) -> Bill:
    """Return what the account at this index owes for what was sent; every transaction id counts once."""
    once = {each.body["transaction_id"]: each.body for each in sent if each.account == index}
    spend = _spend(account.buyer.prices, once.values())
    paid = min(spend, Fraction(account.buyer.balance))
    return Bill(spend, spend - paid, account.buyer.balance - paid)


def _spend(prices: PriceList, events: Iterable[dict[str, dict[str, str]]]) -> Fraction:
    tokens: Counter[tuple[str, str]] = Counter()
    requests = images = 0
    for event in events:
        properties = event["properties"]
        if "model" not in properties:
            images += int(properties["images"])
            continue
        requests += 1
        for kind in ("input_tokens", "output_tokens"):
            tokens[kind, properties["model"]] += int(properties[kind])
    by_kind = {"input_tokens": prices.input_tokens, "output_tokens": prices.output_tokens}
    cost = sum(
        (Fraction(by_kind[kind][model]) * count / MILLION for (kind, model), count in tokens.items()), Fraction(0)
    )
    return cost + _tiered(prices.requests, requests) + images * Fraction(prices.image)


def _tiered(tiers: tuple[tuple[int | None, str], ...], count: int) -> Fraction:
    cost = Fraction(0)
    for size, price in tiers:
        here = count if size is None else min(count, size)
        cost += here * Fraction(price)
        count -= here
    return cost
