"""Scheduled charges over the wire: shown, drafted on their dates, and cut with the contract."""

import pytest

from api import billing, seed
from api.seed import at

pytestmark = pytest.mark.anyio

V1 = "/v1/contracts"


@pytest.fixture
async def catalog(sdk) -> dict[str, str]:
    """Make a customer and a fixed product."""
    return {"customer": await seed.customer(sdk), "fee": await seed.fixed_product(sdk, "Platform fee")}


async def contract(sdk, catalog, *charges: dict, **more) -> str:
    """Make a contract and return its id."""
    made = await sdk.v1.contracts.create(
        customer_id=catalog["customer"], starting_at=at(2026), scheduled_charges=list(charges), **more
    )
    return made.data.contract.id


def quarterly(catalog: dict[str, str]) -> dict:
    """Return a charge of 300 dollars each quarter of 2026."""
    return {
        "product_id": catalog["fee"],
        "name": "Fee",
        "custom_fields": {"a": "b"},
        "schedule": {
            "recurring_schedule": {
                "amount": 30000, "amount_distribution": "EACH", "frequency": "QUARTERLY",
                "starting_at": at(2026), "ending_before": at(2027),
            }
        },
    }  # fmt: skip


async def test_a_charge_is_shown_and_asked_for_on_its_dates(sdk, app_client, catalog):
    """In both versions of the contract, and as one draft for each date."""
    its_id = await contract(sdk, catalog, quarterly(catalog))
    keys = {"customer_id": catalog["customer"], "contract_id": its_id}
    flat = (await sdk.v2.contracts.retrieve(**keys)).data
    nested = (await sdk.v1.contracts.retrieve(**keys)).data
    for (charge,) in (flat.scheduled_charges, nested.current.scheduled_charges):
        assert (charge.name, charge.product.name, charge.custom_fields) == ("Fee", "Platform fee", {"a": "b"})
        assert [each.timestamp for each in charge.schedule.schedule_items] == [
            at(2026, month) for month in (1, 4, 7, 10)
        ]
    found = await billing.invoices_of(app_client, catalog["customer"], type="SCHEDULED")
    assert [(each["issued_at"][:10], each["total"]) for each in found] == [
        ("2026-01-01", 30000), ("2026-04-01", 30000), ("2026-07-01", 30000), ("2026-10-01", 30000),
    ]  # fmt: skip
    (line,) = found[0]["line_items"]
    assert (line["type"], line["name"], line["product_type"]) == ("scheduled", "Fee", "FixedProductListItem")


async def test_what_is_final_stays_and_an_earlier_end_drops_the_rest(sdk, api, app_client, database_url, catalog):
    """An invoice that is final is never changed; dates after the contract's end are not asked for."""
    its_id = await contract(sdk, catalog, quarterly(catalog))
    await billing.bill(api, database_url)
    final = await billing.invoices_of(app_client, catalog["customer"], status="FINALIZED")
    assert [(each["type"], each["issued_at"][:10]) for each in final] == [("SCHEDULED", "2026-01-01")]
    keys = {"customer_id": catalog["customer"], "contract_id": its_id}
    await sdk.v1.contracts.update_end_date(**keys, ending_before=at(2026, 7))
    found = await billing.invoices_of(app_client, catalog["customer"], type="SCHEDULED")
    assert [(each["issued_at"][:10], each["status"]) for each in found] == [
        ("2026-01-01", "FINALIZED"), ("2026-04-01", "DRAFT"),
    ]  # fmt: skip


async def test_a_later_end_leaves_what_will_be_asked_for_as_it_is(sdk, app_client, catalog):
    """Only an end that comes earlier than before drops dates: a charge may be asked for after the contract's end."""
    its_id = await contract(sdk, catalog, quarterly(catalog), ending_before=at(2026, 7))
    before = await billing.invoices_of(app_client, catalog["customer"], type="SCHEDULED")
    assert [each["issued_at"][:10] for each in before] == ["2026-01-01", "2026-04-01", "2026-07-01", "2026-10-01"]
    await sdk.v1.contracts.update_end_date(
        customer_id=catalog["customer"], contract_id=its_id, ending_before=at(2026, 8)
    )
    assert await billing.invoices_of(app_client, catalog["customer"], type="SCHEDULED") == before


@pytest.mark.parametrize(
    ("charge", "parts"),
    [
        ({"product_id": "00000000-0000-4000-8000-000000000000"}, ("no product", "$.scheduled_charges[0].product_id")),
        ({"schedule": {}}, ("needs schedule_items", "$.scheduled_charges[0].schedule")),
        (
            {"schedule": {"schedule_items": [{"timestamp": "2026-01-01T00:00:00Z", "amount": -1}]}},
            ("negative", "$.scheduled_charges[0].schedule.schedule_items[0].amount"),
        ),
        (
            {"schedule": {"schedule_items": [{"timestamp": "2026-01-01T00:30:00Z", "amount": 1}]}},
            ("on the hour", "$.scheduled_charges[0].schedule.schedule_items[0].timestamp"),
        ),
    ],
)
async def test_what_cannot_be_charged_is_refused(app_client, catalog, charge, parts):
    """With the place of the fault."""
    whole = {
        "product_id": catalog["fee"],
        "schedule": {"schedule_items": [{"timestamp": "2026-01-01T00:00:00Z", "amount": 1}]},
    }
    asked = {
        "customer_id": catalog["customer"],
        "starting_at": "2026-01-01T00:00:00Z",
        "scheduled_charges": [{**whole, **charge}],
    }
    await seed.refused(app_client, f"{V1}/create", asked, *parts)


async def test_a_charge_needs_a_fixed_product(sdk, app_client, catalog):
    """Usage has rates."""
    asked = {
        "customer_id": catalog["customer"],
        "starting_at": "2026-01-01T00:00:00Z",
        "scheduled_charges": [
            {
                "product_id": await seed.usage_product(sdk),
                "schedule": {"schedule_items": [{"timestamp": "2026-01-01T00:00:00Z", "amount": 1}]},
            }
        ],
    }
    await seed.refused(app_client, f"{V1}/create", asked, "FIXED", "$.scheduled_charges[0].product_id")
