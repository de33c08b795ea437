"""Usage filters over the wire: contracts that share the usage of a customer."""

import pytest

from api import billing, seed
from api.seed import at

pytestmark = pytest.mark.anyio

SET = "/v1/contracts/setUsageFilter"


@pytest.fixture
async def catalog(sdk) -> dict[str, str]:
    """Make a customer and a card: 1 cent for model a, whatever the region."""
    card, product = await billing.priced_card(sdk)
    return {"customer": await seed.customer(sdk), "card": card, "product": product}


async def contract(sdk, catalog, *regions: str, **more) -> str:
    """Make a contract for the usage of some regions and return its id."""
    made = await sdk.v1.contracts.create(
        customer_id=catalog["customer"],
        rate_card_id=catalog["card"],
        starting_at=at(2026),
        usage_filter={"group_key": "region", "group_values": list(regions), **more},
    )
    return made.data.contract.id


async def test_contracts_share_usage(sdk, api, app_client, database_url, catalog, clock):
    """Each has what passes its filter; a new filter counts from its start on, in drafts at once."""
    eu, us = await contract(sdk, catalog, "eu"), await contract(sdk, catalog, "us")
    used = [("eu", 5), ("us", 30), ("mars", 700)]
    events = [
        billing.event(number, catalog["customer"], clock(), model="a", tokens=tokens, region=region)
        for number, (region, tokens) in enumerate(used)
    ]
    await sdk.v1.usage.ingest(usage=events)
    await billing.meter(api, database_url)

    async def totals() -> dict[str, int]:
        found = await billing.invoices_of(app_client, catalog["customer"])
        return {each["contract_id"]: int(each["total"]) for each in found}

    assert await totals() == {eu: 5, us: 30}
    await sdk.v1.contracts.set_usage_filter(
        customer_id=catalog["customer"], contract_id=eu, group_key="region", group_values=["eu", "mars"],
        starting_at=at(2026, 1, 15),
    )  # fmt: skip
    assert await totals() == {eu: 705, us: 30}

    keys = {"customer_id": catalog["customer"], "contract_id": eu}
    flat = (await sdk.v2.contracts.retrieve(**keys)).data
    assert [(each.group_values, each.starting_at, each.ending_before) for each in flat.usage_filter] == [
        (["eu"], at(2026), at(2026, 1, 15)), (["eu", "mars"], at(2026, 1, 15), None),
    ]  # fmt: skip
    nested = (await sdk.v1.contracts.retrieve(**keys)).data.current.usage_filter
    assert (nested.initial.group_values, nested.current.group_values) == (["eu"], ["eu", "mars"])
    assert [each.starting_at for each in nested.updates] == [at(2026, 1, 15)]


async def test_what_cannot_be_filtered_by_is_refused(sdk, app_client, catalog):
    """A name that the metrics of the card do not know, no value, an instant off the hour."""
    its_id = await contract(sdk, catalog, "eu")
    fine = {
        "customer_id": catalog["customer"], "contract_id": its_id, "group_key": "region", "group_values": ["eu"],
        "starting_at": "2026-02-01T00:00:00Z",
    }  # fmt: skip
    await seed.refused(app_client, SET, {**fine, "group_key": "colour"}, "colour", "group_key", "$.group_key")
    await seed.refused(app_client, SET, {**fine, "group_values": []}, "$.group_values")
    await seed.refused(app_client, SET, {**fine, "starting_at": "2026-02-01T00:30:00Z"}, "hour", "$.starting_at")
    body = {
        "customer_id": catalog["customer"], "rate_card_id": catalog["card"], "starting_at": "2026-01-01T00:00:00Z",
        "usage_filter": {"group_key": "colour", "group_values": ["red"]},
    }  # fmt: skip
    await seed.refused(app_client, "/v1/contracts/create", body, "colour", "$.usage_filter.group_key")
    await sdk.v1.contracts.archive(customer_id=catalog["customer"], contract_id=its_id, void_invoices=False)
    await seed.refused(app_client, SET, fine, "archived", "$.contract_id")


@pytest.fixture
async def apart(sdk, catalog) -> str:
    """Make a contract for region eu on a card that sells by region or by team, and return its id."""
    metric = await sdk.v1.billable_metrics.create(
        name="Calls",
        aggregation_type="COUNT",
        property_filters=[{"name": name} for name in ("region", "team")],
        group_keys=[["region"], ["team"]],
    )
    product = await sdk.v1.contracts.products.create(name="Calls", type="USAGE", billable_metric_id=metric.data.id)
    catalog["card"], catalog["product"] = await seed.rate_card(sdk), product.data.id
    await sdk.v1.contracts.rate_cards.rates.add(rate_card_id=catalog["card"], **priced(product.data.id))
    return await contract(sdk, catalog, "eu")


def priced(product: str) -> dict[str, object]:
    return {"product_id": product, "entitled": True, "rate_type": "FLAT", "price": 1, "starting_at": at(2026)}


async def test_filters_must_be_countable_together(sdk, app_client, catalog, apart):
    """Each name is part of a key of the metric, but no key has both."""
    body = {
        "customer_id": catalog["customer"], "contract_id": apart, "group_key": "team", "group_values": ["x"],
        "starting_at": "2026-02-01T00:00:00Z",
    }  # fmt: skip
    await seed.refused(app_client, SET, body, "region, team", "one group key", "$.group_key")
    assert (await app_client.get(f"/v1/customers/{catalog['customer']}/invoices")).status_code == 200


async def test_nothing_is_sold_that_a_filter_cannot_count(sdk, app_client, catalog, apart, clock):
    """A rate of a product without regions is refused, unless all contracts that filter by them end before it."""
    metric = await sdk.v1.billable_metrics.create(name="Other", aggregation_type="COUNT")
    other = await sdk.v1.contracts.products.create(name="Other", type="USAGE", billable_metric_id=metric.data.id)
    late = priced(other.data.id) | {"starting_at": "2026-06-01T00:00:00Z"}
    path = "/v1/contract-pricing/rate-cards/addRate"
    await seed.refused(
        app_client, path, {"rate_card_id": catalog["card"], **late}, "filter usage", "region", "$.product_id"
    )
    several = {
        "rate_card_id": catalog["card"],
        "rates": [priced(catalog["product"]) | {"starting_at": late["starting_at"]}, late],
    }
    await seed.refused(app_client, f"{path}s", several, "filter usage", "$.rates[1].product_id")
    keys = {"customer_id": catalog["customer"], "contract_id": apart}
    await sdk.v1.contracts.update_end_date(**keys, ending_before=at(2026, 6))
    assert (await app_client.post(path, json={"rate_card_id": catalog["card"], **late})).status_code == 200
    assert (await app_client.get(f"/v1/customers/{catalog['customer']}/invoices")).status_code == 200


async def test_no_product_becomes_one_that_a_filter_cannot_count(sdk, app_client, catalog, apart):
    """To be shown by team, usage would have to be kept by region and team together."""
    body = {
        "product_id": catalog["product"], "presentation_group_key": ["team"], "starting_at": "2026-01-20T00:00:00Z",
    }  # fmt: skip
    path = "/v1/contract-pricing/products/update"
    await seed.refused(app_client, path, body, "filter usage", "team, region")
    assert (await app_client.get(f"/v1/customers/{catalog['customer']}/invoices")).status_code == 200
