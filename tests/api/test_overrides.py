"""Overrides over the wire: what is agreed is shown, and priced."""

import pytest

from api import billing, seed
from api.seed import at

pytestmark = pytest.mark.anyio

V1 = "/v1/contracts"


@pytest.fixture
async def catalog(sdk) -> dict[str, str]:
    """Make a customer and a card: 1 cent for model a, 2.5 for model b."""
    card, product = await billing.priced_card(sdk)
    return {"customer": await seed.customer(sdk), "card": card, "product": product}


def body(catalog: dict[str, str], *overrides: dict, **more) -> dict:
    """Return the body of create."""
    keys = {"customer_id": catalog["customer"], "rate_card_id": catalog["card"]}
    return {**keys, "starting_at": "2026-01-01T00:00:00Z", "overrides": list(overrides), **more}


async def test_overrides_are_shown_as_they_were_given(sdk, catalog, clock):
    """In both versions of the contract, with the product's name."""
    made = await sdk.v1.contracts.create(
        customer_id=catalog["customer"],
        rate_card_id=catalog["card"],
        starting_at=at(2026),
        multiplier_override_prioritization="EXPLICIT",
        overrides=[
            {"type": "MULTIPLIER", "multiplier": 0.75, "priority": 2, "product_id": catalog["product"],
             "starting_at": at(2026, 2), "ending_before": at(2026, 3)},
            {"type": "TIERED", "priority": 1, "starting_at": at(2026), "applicable_product_tags": ["ai"],
             "tiers": [{"multiplier": 0.9, "size": 100}, {"multiplier": 0.5}]},
            {"type": "OVERWRITE", "starting_at": at(2026), "entitled": True,
             "overwrite_rate": {"rate_type": "FLAT", "price": 0.125},
             "override_specifiers": [{"product_id": catalog["product"], "pricing_group_values": {"model": "b"}}]},
        ],
    )  # fmt: skip
    keys = {"customer_id": catalog["customer"], "contract_id": made.data.contract.id}
    flat = (await sdk.v2.contracts.retrieve(**keys)).data
    nested = (await sdk.v1.contracts.retrieve(**keys)).data
    assert flat.multiplier_override_prioritization == "EXPLICIT"
    for seen in (made.data.contract, flat, nested.current, nested.initial):
        times, tiers, overwrite = seen.overrides
        assert (times.type, times.multiplier, times.priority) == ("MULTIPLIER", 0.75, 2)
        assert (times.starting_at, times.ending_before, times.created_at) == (at(2026, 2), at(2026, 3), clock())
        assert (times.product.id, times.product.name) == (catalog["product"], "Tokens")
        assert (tiers.applicable_product_tags, tiers.override_tiers[0].multiplier) == (["ai"], 0.9)
        assert [each.size for each in tiers.override_tiers] == [100, None]
        assert (overwrite.overwrite_rate.rate_type, overwrite.overwrite_rate.price) == ("FLAT", 0.125)
        assert (overwrite.entitled, overwrite.override_specifiers[0].pricing_group_values) == (True, {"model": "b"})


async def test_usage_is_priced_by_them(sdk, api, database_url, catalog, clock):
    """The line shows the list price beside the unit price, and the contract's rate schedule shows both."""
    made = await sdk.v1.contracts.create(
        customer_id=catalog["customer"],
        rate_card_id=catalog["card"],
        starting_at=at(2026),
        overrides=[{"type": "MULTIPLIER", "multiplier": 0.8, "starting_at": at(2026)}],
    )
    await sdk.v1.usage.ingest(usage=[billing.event(1, catalog["customer"], clock(), model="b", tokens=10)])
    await billing.meter(api, database_url)
    (invoice,) = [each async for each in sdk.v1.customers.invoices.list(customer_id=catalog["customer"])]
    (line,) = [each for each in invoice.line_items if each.quantity]
    assert (line.quantity, line.unit_price, line.total, line.list_price.price) == (10, 2, 20, 2.5)
    rates = await sdk.v1.contracts.retrieve_rate_schedule(
        customer_id=catalog["customer"], contract_id=made.data.contract.id, at=at(2026, 1, 2)
    )
    found = {each.list_rate.pricing_group_values["model"]: each for each in rates.data}
    assert (found["b"].list_rate.price, found["b"].override_rate.price) == (2.5, 2)
    assert (found["a"].list_rate.price, found["a"].override_rate.price) == (1, 0.8)


NOWHERE = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ({}, ("type is needed", "$.overrides[0]")),
        ({"type": "MULTIPLIER"}, ("multiplier is needed", "$.overrides[0]")),
        ({"type": "MULTIPLIER", "multiplier": -1}, ("negative", "$.overrides[0].multiplier")),
        ({"type": "MULTIPLIER", "multiplier": 1, "priority": 1}, ("priority needs", "$.overrides[0]")),
        ({"type": "TIERED", "tiers": [{"multiplier": 1}]}, ("EXPLICIT", "$.overrides[0]")),
        ({"type": "MULTIPLIER", "multiplier": 1, "product_id": NOWHERE}, ("no product", "$.overrides[0].product_id")),
        (
            {"type": "MULTIPLIER", "multiplier": 1, "override_specifiers": [{}]},
            ("names no condition", "$.overrides[0].override_specifiers[0]"),
        ),
        ({"entitled": True, "is_commit_specific": True}, ("needs a type", "$.overrides[0]")),
        ({"type": "MULTIPLIER", "multiplier": 1, "target": "COMMIT_RATE"}, ("is_commit_specific", "$.overrides[0]")),
        (
            {"type": "MULTIPLIER", "multiplier": 1, "override_specifiers": [{"commit_ids": [NOWHERE]}]},
            ("is_commit_specific", "$.overrides[0]"),
        ),
        ({"entitled": True, "starting_at": "2026-01-01T00:30:00Z"}, ("on the hour", "$.overrides[0].starting_at")),
        ({"entitled": True, "ending_before": "2025-01-01T00:00:00Z"}, ("after starting_at", "$.overrides[0]")),
        (
            {"type": "OVERWRITE", "overwrite_rate": {"rate_type": "FLAT"}, "product_id": NOWHERE},
            ("no product", "$.overrides[0].product_id"),
        ),
    ],
)
async def test_what_contradicts_itself_is_refused(app_client, catalog, override, parts):
    """With the place of the fault, and without a contract."""
    wrong = {"starting_at": "2026-01-01T00:00:00Z", **override}
    await seed.refused(app_client, f"{V1}/create", body(catalog, wrong), *parts)
    listed = await app_client.post(f"{V1}/list", json={"customer_id": catalog["customer"]})
    assert listed.json()["data"] == []


async def test_an_overwrite_names_every_pricing_group_value(app_client, catalog):
    """Or else nobody knows which of the product's rates it replaces."""
    wrong = {
        "type": "OVERWRITE",
        "starting_at": "2026-01-01T00:00:00Z",
        "overwrite_rate": {"rate_type": "FLAT", "price": 1},
        "product_id": catalog["product"],
    }
    await seed.refused(
        app_client, f"{V1}/create", body(catalog, wrong), "name exactly model", "$.overrides[0].product_id"
    )
