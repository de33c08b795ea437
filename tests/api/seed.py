"""A small catalog, made with the official SDK: what contracts are about."""

from datetime import UTC, datetime
from decimal import Decimal

import httpx
from metronome import AsyncMetronome


def at(year: int, month: int = 1, day: int = 1, hour: int = 0) -> datetime:
    """Return an instant in UTC."""
    return datetime(year, month, day, hour, tzinfo=UTC)


async def customer(sdk: AsyncMetronome, name: str = "Ada") -> str:
    """Make a customer and return its id."""
    return (await sdk.v1.customers.create(name=name)).data.id


async def usage_product(sdk: AsyncMetronome, name: str = "Tokens", **more) -> str:
    """Make a usage product over a SUM metric with the group keys model and region, and return its id."""
    metric = await sdk.v1.billable_metrics.create(
        name=name,
        aggregation_type="SUM",
        aggregation_key="tokens",
        property_filters=[{"name": each, "exists": True} for each in ("tokens", "model", "region")],
        group_keys=[["model", "region"]],
    )
    made = await sdk.v1.contracts.products.create(name=name, type="USAGE", billable_metric_id=metric.data.id, **more)
    return made.data.id


async def fixed_product(sdk: AsyncMetronome, name: str = "Prepayment") -> str:
    """Make a fixed product and return its id."""
    return (await sdk.v1.contracts.products.create(name=name, type="FIXED")).data.id


async def rate_card(sdk: AsyncMetronome, name: str = "Standard", **more) -> str:
    """Make a rate card and return its id."""
    return (await sdk.v1.contracts.rate_cards.create(name=name, **more)).data.id


async def post(client: httpx.AsyncClient, path: str, body: object) -> httpx.Response:
    """Send a body as it is."""
    return await client.post(path, json=body)


async def refused(client: httpx.AsyncClient, path: str, body: object, *parts: str, status: int = 400) -> str:
    """Send a body that must be refused with a message that contains the parts; return the message."""
    answer = await post(client, path, body)
    assert answer.status_code == status, answer.text
    message: str = answer.json()["message"]
    for part in parts:
        assert part in message
    return message


def exact(response: httpx.Response) -> dict:
    """Return the JSON with exact numbers."""
    import json

    return json.loads(response.text, parse_float=Decimal, parse_int=Decimal)
