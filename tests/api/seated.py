"""A catalog for seats: usage by user, a seat for 30 dollars a month, and contracts whose seats give credits."""

from typing import Any

from metronome import AsyncMetronome

from api import seed
from api.seed import at


async def catalog(sdk: AsyncMetronome) -> dict[str, str]:
    """Make a customer, a card (1 cent for a token, shown by user; 30 dollars a seat) and a fixed product."""
    metric = await sdk.v1.billable_metrics.create(
        name="Tokens", aggregation_type="SUM", aggregation_key="tokens", group_keys=[["user"]],
        property_filters=[{"name": "tokens", "exists": True}, {"name": "user"}],
    )  # fmt: skip
    tokens = await sdk.v1.contracts.products.create(
        name="Tokens", type="USAGE", billable_metric_id=metric.data.id, presentation_group_key=["user"]
    )
    seat = (await sdk.v1.contracts.products.create(name="Seat", type="SUBSCRIPTION")).data.id
    card = await seed.rate_card(sdk)
    for product, price, more in ((tokens.data.id, 1, {}), (seat, 3000, {"billing_frequency": "MONTHLY"})):
        await sdk.v1.contracts.rate_cards.rates.add(
            rate_card_id=card, product_id=product, entitled=True, rate_type="FLAT", price=price, starting_at=at(2026),
            **more,
        )  # fmt: skip
    fixed = await seed.fixed_product(sdk, "Allowance")
    return {"customer": await seed.customer(sdk), "card": card, "seat": seat, "fixed": fixed, "tokens": tokens.data.id}


def seats(catalog: dict[str, str], *ids: str, unassigned: int = 0, **more: Any) -> dict[str, Any]:
    """Return a subscription with seats, monthly in advance, named `team` by its request."""
    return {
        "subscription_rate": {"product_id": catalog["seat"], "billing_frequency": "MONTHLY"},
        "collection_schedule": "ADVANCE",
        "proration": {"is_prorated": True, "invoice_behavior": "BILL_IMMEDIATELY"},
        "quantity_management_mode": "SEAT_BASED",
        "seat_config": {
            "seat_group_key": "user", "initial_seat_ids": list(ids), "initial_unassigned_seats": unassigned,
        },
        "temporary_id": "team",
    } | more  # fmt: skip


def credit(catalog: dict[str, str], allocation: str = "INDIVIDUAL", **more: Any) -> dict[str, Any]:
    """Return a credit of 31 dollars a month for each seat of the subscription `team`."""
    config = {
        "subscription_id": "team", "allocation": allocation, "apply_seat_increase_config": {"is_prorated": True},
    }  # fmt: skip
    return {
        "product_id": catalog["fixed"], "name": "Free", "access_amount": {"unit_price": 3100}, "priority": 1,
        "commit_duration": {"value": 1}, "starting_at": at(2026), "subscription_config": config,
        "applicable_product_ids": [catalog["tokens"]],
    } | more  # fmt: skip


async def contract(sdk: AsyncMetronome, catalog: dict[str, str], *some: dict[str, Any], **more: Any) -> Any:
    """Make a contract from 1 January on with these subscriptions; return (its keys, the contract)."""
    made = await sdk.v1.contracts.create(
        **{
            "customer_id": catalog["customer"], "rate_card_id": catalog["card"], "starting_at": at(2026),
            "subscriptions": list(some), **more,
        }
    )  # fmt: skip
    keys = {"customer_id": catalog["customer"], "contract_id": made.data.contract.id}
    return keys, (await sdk.v2.contracts.retrieve(**keys)).data


async def reseat(sdk: AsyncMetronome, keys: dict[str, str], subscription_id: str, **updates: Any) -> None:
    """Change the seats of a subscription."""
    await sdk.v2.contracts.edit(
        **keys, update_subscriptions=[{"subscription_id": subscription_id, "seat_updates": updates}]
    )
