"""A customer with usage and an invoice, driven step by step: ingest, meter, bill, on the test's own clock."""

from datetime import timedelta
from decimal import Decimal

import httpx
from metronome import AsyncMetronome

from api import seed
from winkel.api.state import Api
from winkel.bill.worker import Worker
from winkel.config import Settings
from winkel.meter.worker import Meter
from winkel.model.routing import first
from winkel.store import database, routing


async def meter(api: Api, database_url: str) -> None:
    """Meter everything that is in the log."""
    connection = await database.connect(database_url)
    worker = Meter(connection, api.log, owner="test")
    await routing.begin(connection, api.log.name, first(api.log.partitions))
    for partition in range(api.log.partitions):
        await worker.assign(partition)
    while await worker.step():
        pass
    await connection.close()


async def bill(api: Api, database_url: str) -> None:
    """Compact and finalize what is due, as the bill worker does."""
    connection = await database.connect(database_url)
    worker = Worker(database_url, api.log, Settings(), api.clock)
    await worker.compact(connection)
    await worker.bill(connection)
    await connection.close()


def event(number: int, customer: str, at, **properties) -> dict:
    """Return a usage event with a number as its identity."""
    return {
        "transaction_id": f"event {number}",
        "customer_id": customer,
        "event_type": "llm",
        "timestamp": at.isoformat(),
        "properties": {"region": "eu", **properties},
    }


async def priced_card(sdk: AsyncMetronome) -> tuple[str, str]:
    """Make a product by model and a rate card with 1 cent for model a and 2.5 for model b; return card and product."""
    product = await seed.usage_product(sdk, pricing_group_key=["model"])
    card = await seed.rate_card(sdk)
    for model, price in (("a", 1), ("b", 2.5)):
        await sdk.v1.contracts.rate_cards.rates.add(
            rate_card_id=card,
            product_id=product,
            entitled=True,
            rate_type="FLAT",
            price=price,
            starting_at=seed.at(2026),
            pricing_group_values={"model": model},
        )
    return card, product


async def used(sdk: AsyncMetronome, api: Api, url: str, customer: str, number: int, at, tokens: int) -> None:
    """Use tokens of model a, and meter them."""
    await sdk.v1.usage.ingest(usage=[event(number, customer, at, model="a", tokens=tokens)])
    await meter(api, url)


async def asked(client: httpx.AsyncClient, customer: str) -> Decimal:
    """Return what all final invoices ask for."""
    return sum((each["total"] for each in await invoices_of(client, customer, status="FINALIZED")), Decimal(0))


def day_of(at, days: int = 1):
    """Return the midnights around an instant, for the usage endpoints."""
    start = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return {"starting_on": start, "ending_before": start + timedelta(days=days)}


async def invoices_of(client: httpx.AsyncClient, customer: str, **query) -> list[dict]:
    """Return a customer's invoices with exact numbers."""
    answer = await client.get(f"/v1/customers/{customer}/invoices", params=query)
    assert answer.status_code == 200, answer.text
    return seed.exact(answer)["data"]
