"""Lumen AI: what it sells, to whom, and how that is told to the API (metronome-api.md §4.2, §4.4–4.7)."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from msgspec import Struct

from winkel.cli.client import Client
from winkel.model.credit_type import USD

MILLION = 1_000_000
MODELS = ("lumen-nano", "lumen-pro", "lumen-max")


class PriceList(Struct, frozen=True):
    """Prices in cents. Tokens per million and by model; requests in tiers of (size, price), the last without a size."""

    name: str
    input_tokens: dict[str, str]
    output_tokens: dict[str, str]
    requests: tuple[tuple[int | None, str], ...]
    image: str


STANDARD = PriceList(
    "Lumen AI list prices 2026",
    input_tokens={"lumen-nano": "12.5", "lumen-pro": "250", "lumen-max": "1250"},
    output_tokens={"lumen-nano": "50", "lumen-pro": "1000", "lumen-max": "6250"},
    requests=((1_000, "0"), (9_000, "0.08"), (None, "0.05")),
    image="3.2",
)
NEGOTIATED = PriceList(
    "Meridian Trust, negotiated",
    input_tokens={"lumen-nano": "9.375", "lumen-pro": "187.5", "lumen-max": "937.5"},
    output_tokens={"lumen-nano": "37.5", "lumen-pro": "750", "lumen-max": "4687.5"},
    requests=((None, "0.03"),),
    image="2.4",
)


class Buyer(Struct, frozen=True, kw_only=True):
    """A customer of Lumen AI. `balance` is a prepaid commit or a credit, in cents."""

    name: str
    alias: str
    kind: str
    prices: PriceList
    share: float
    """Its part of all traffic."""
    balance: int = 0
    balance_kind: str = ""
    """"credits" or "commits": where in the contract the balance is written."""


BUYERS = (
    Buyer(name="Pixel Garden", alias="pixel-garden", kind="startup, pays as it goes", prices=STANDARD, share=0.22),
    Buyer(
        name="Ferrolane Robotics", alias="ferrolane", kind="scale-up, credits first", prices=STANDARD, share=0.33,
        balance=4_000, balance_kind="credits",
    ),
    Buyer(
        name="Meridian Trust", alias="meridian", kind="enterprise, prepaid commit and prices of its own",
        prices=NEGOTIATED, share=0.45, balance=25_000, balance_kind="commits",
    ),
)  # fmt: skip


class Account(Struct, frozen=True):
    """A buyer that the API knows."""

    buyer: Buyer
    customer_id: str
    alias: str


def set_up(client: Client, start: datetime) -> list[Account]:
    """Tell the API everything about Lumen AI; contracts begin at `start`, on the hour. Return the accounts."""
    products = _products(client)
    cards = {
        prices.name: _rate_card(client, prices, products, start)
        for prices in {buyer.prices.name: buyer.prices for buyer in BUYERS}.values()
    }
    return [_account(client, buyer, cards[buyer.prices.name], products["balance"], start) for buyer in BUYERS]


def _id(client: Client, path: str, body: dict[str, Any]) -> str:
    """Create something; return its id."""
    identifier: str = client.post(path, body)["data"]["id"]
    return identifier


def _products(client: Client) -> dict[str, str]:
    """Make the metrics and the products that are priced by them; return product ids by what they are for."""

    def metric(name: str, event_type: str, key: str | None, groups: list[str]) -> str:
        body: dict[str, Any] = {
            "name": name,
            "event_type_filter": {"in_values": [event_type]},
            "aggregation_type": "SUM" if key else "COUNT",
            "property_filters": [{"name": each, "exists": True} for each in [*([key] if key else []), *groups]],
        }
        body |= {"aggregation_key": key} if key else {}
        body |= {"group_keys": [groups]} if groups else {}
        return _id(client, "/v1/billable-metrics/create", body)

    def product(name: str, metric_id: str, **more: Any) -> str:
        body = {"name": name, "type": "USAGE", "billable_metric_id": metric_id, **more}
        return _id(client, "/v1/contract-pricing/products/create", body)

    by_million = {
        "quantity_conversion": {"conversion_factor": MILLION, "operation": "DIVIDE", "name": "million tokens"},
        "pricing_group_key": ["model"],
    }
    tokens_in = metric("Input tokens", "llm.request", "input_tokens", ["model"])
    tokens_out = metric("Output tokens", "llm.request", "output_tokens", ["model"])
    return {
        "input_tokens": product("Input tokens (million)", tokens_in, **by_million),
        "output_tokens": product("Output tokens (million)", tokens_out, **by_million),
        "requests": product("Requests", metric("Requests", "llm.request", None, [])),
        "image": product("Images", metric("Images", "image.generation", "images", [])),
        "balance": _id(client, "/v1/contract-pricing/products/create", {"name": "Prepaid usage", "type": "FIXED"}),
    }


def _rate_card(client: Client, prices: PriceList, products: dict[str, str], start: datetime) -> str:
    """Make a rate card with all rates of a price list; return its id."""
    card = {"name": prices.name, "fiat_credit_type_id": USD.id}
    card_id = _id(client, "/v1/contract-pricing/rate-cards/create", card)
    common = {"starting_at": start, "entitled": True}
    rates: list[dict[str, Any]] = [
        {
            "product_id": products[kind], "rate_type": "FLAT", "price": Decimal(by_model[model]),
            "pricing_group_values": {"model": model}, **common,
        }
        for kind, by_model in (("input_tokens", prices.input_tokens), ("output_tokens", prices.output_tokens))
        for model in MODELS
    ]  # fmt: skip
    tiers = [{"price": Decimal(price), **({"size": size} if size else {})} for size, price in prices.requests]
    rates.append({"product_id": products["requests"], "rate_type": "TIERED", "tiers": tiers, **common})
    rates.append({"product_id": products["image"], "rate_type": "FLAT", "price": Decimal(prices.image), **common})
    client.post("/v1/contract-pricing/rate-cards/addRates", {"rate_card_id": card_id, "rates": rates})
    return card_id


def _account(client: Client, buyer: Buyer, card_id: str, balance_product: str, start: datetime) -> Account:
    """Make a customer and its contract, with its balance."""
    alias, taken = buyer.alias, list(client.pages("/v1/customers", ingest_alias=buyer.alias))
    if taken:  # an earlier demo played on this folder
        alias = f"{alias}-{start:%Y%m%d%H}-{len(list(client.pages('/v1/customers')))}"
    customer_id = _id(client, "/v1/customers", {"name": buyer.name, "ingest_aliases": [alias]})
    contract: dict[str, Any] = {
        "customer_id": customer_id,
        "rate_card_id": card_id,
        "starting_at": start,
        "name": buyer.kind,
        "usage_statement_schedule": {"frequency": "MONTHLY", "day": "CONTRACT_START"},
    }
    if buyer.balance:
        year = {"amount": buyer.balance, "starting_at": start, "ending_before": start + timedelta(days=365)}
        balance = {
            "product_id": balance_product,
            "name": "Launch credits" if buyer.balance_kind == "credits" else "Annual commit",
            "priority": 1,
            "access_schedule": {"credit_type_id": USD.id, "schedule_items": [year]},
            **({"type": "PREPAID"} if buyer.balance_kind == "commits" else {}),
        }
        contract[buyer.balance_kind] = [balance]
    client.post("/v1/contracts/create", contract)
    return Account(buyer, customer_id, alias)
