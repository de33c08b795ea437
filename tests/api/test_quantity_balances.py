"""Commits and credits of units (`access_type` QUANTITY) over the API: agreed, drawn down, told, edited, corrected."""

import pytest

from api import billing, seed
from api.seed import at
from winkel.model.credit_type import QUANTITY, USD
from winkel.store import invoices

pytestmark = pytest.mark.anyio
V1 = "/v1/contracts"
WIRE_TERM = {"starting_at": "2026-01-01T00:00:00Z", "ending_before": "2027-01-01T00:00:00Z"}


def units(amount, **more) -> dict:
    """Return an access schedule of units for the year."""
    return {"access_type": "QUANTITY", "schedule_items": [{"amount": amount, **WIRE_TERM}], **more}


@pytest.fixture
async def catalog(sdk) -> dict[str, str]:
    """Make a customer, a priced card (1 cent for model a, 2.5 for model b) and a fixed product."""
    card, product = await billing.priced_card(sdk)
    return {
        "customer": await seed.customer(sdk),
        "card": card,
        "usage": product,
        "fixed": await seed.fixed_product(sdk, "Bundle"),
    }


@pytest.fixture
def commit(catalog) -> dict:
    """Return 700 tokens of model b, for five dollars."""
    return {
        "product_id": catalog["fixed"],
        "type": "PREPAID",
        "name": "Bundle",
        "access_schedule": units(700),
        "invoice_schedule": {"schedule_items": [{"timestamp": "2026-01-01T00:00:00Z", "amount": 500}]},
        "specifiers": [{"product_id": catalog["usage"], "pricing_group_values": {"model": "b"}}],
    }


@pytest.fixture
async def acme(sdk, api, database_url, catalog, commit) -> str:
    """Return a contract with the bundle and two dollars free; 100 tokens of model a and 1,000 of b were used."""
    gift = {"product_id": catalog["fixed"], "name": "Gift", "access_schedule": {"schedule_items": []}}
    gift["access_schedule"]["schedule_items"] = [{"amount": 200, **WIRE_TERM}]
    made = await sdk.v1.contracts.create(
        customer_id=catalog["customer"],
        starting_at=at(2026),
        rate_card_id=catalog["card"],
        commits=[{**commit, "priority": 1}],
        credits=[{**gift, "priority": 2}],
    )
    some = [
        billing.event(1, catalog["customer"], api.clock(), model="a", tokens=100),
        billing.event(2, catalog["customer"], api.clock(), model="b", tokens=1000),
    ]
    await sdk.v1.usage.ingest(usage=some)
    await billing.meter(api, database_url)
    return made.data.id


async def net(sdk, catalog, **asked) -> tuple[float, str]:
    made = await sdk.v1.contracts.get_net_balance(customer_id=catalog["customer"], **asked)
    return made.data.balance, made.data.credit_type_id


async def test_units_are_drawn_by_usage(sdk, app_client, catalog, acme):
    """The draft covers them at their price, the ledger counts units, and the net balance is of units or of money."""
    (draft,) = await billing.invoices_of(app_client, catalog["customer"], type="USAGE")
    lines = [(each["name"], each.get("quantity"), each["total"]) for each in draft["line_items"]]
    assert lines == [
        ("Tokens", 100, 100),
        ("Tokens", 700, 1750),
        ("Bundle applied", -700, -1750),
        ("Tokens", 80, 200),
        ("Gift applied", None, -200),
        ("Tokens", 220, 550),
    ]
    assert draft["total"] == 650
    payers = [each.get("applied_commit_or_credit") for each in draft["line_items"]]
    assert [each["access_type"] for each in payers if each is not None] == ["QUANTITY", "SPEND"]
    held = [
        each
        async for each in sdk.v1.contracts.list_balances(
            customer_id=catalog["customer"],
            include_contract_balances=True,
            include_ledgers=True,
            include_balance=True,
            access_type="QUANTITY",
        )
    ]
    (bundle,) = held
    assert (bundle.access_schedule.access_type, bundle.access_schedule.credit_type) == ("QUANTITY", None)
    assert [each.amount for each in bundle.ledger] == [700, -700]
    assert bundle.balance == 0
    assert await net(sdk, catalog, access_type="QUANTITY") == (0, QUANTITY)
    assert await net(sdk, catalog, access_type="QUANTITY", invoice_inclusion_mode="FINALIZED") == (700, QUANTITY)
    assert await net(sdk, catalog, invoice_inclusion_mode="FINALIZED") == (200, USD.id)
    body = {"customer_id": catalog["customer"], "access_type": "QUANTITY", "credit_type_id": USD.id}
    await seed.refused(app_client, f"{V1}/customerBalances/getNetBalance", body, "$.credit_type_id", "leave it out")


async def test_lists_by_access_type(sdk, catalog, acme):
    """Commits are listed by how they are drawn down, and all without it; children of recurring ones too."""
    await sdk.v2.contracts.edit(
        customer_id=catalog["customer"],
        contract_id=acme,
        add_recurring_commits=[
            {
                "product_id": catalog["fixed"],
                "name": "Included",
                "access_amount": {"access_type": "QUANTITY", "unit_price": 1, "quantity": 50},
                "commit_duration": {"value": 1},
                "priority": 1,
                "starting_at": at(2026),
                "proration": "NONE",
            }
        ],
    )
    contract = (await sdk.v2.contracts.retrieve(customer_id=catalog["customer"], contract_id=acme)).data
    (term,) = contract.recurring_commits
    assert (term.access_amount.credit_type_id, term.access_amount.access_type) == (QUANTITY, "QUANTITY")

    async def names(**asked) -> set[str]:
        listed = sdk.v1.customers.commits.list(
            customer_id=catalog["customer"], include_contract_commits=True, covering_date=at(2026, 1, 2), **asked
        )
        return {each.name async for each in listed}

    assert await names(access_type="QUANTITY") == await names() == {"Bundle", "Included"}
    assert await names(access_type="SPEND") == set()


async def test_void_gives_units_back(sdk, api, clock, owner, database_url, app_client, catalog, acme):
    """Finalized, voided and regenerated after an edit of the segment: the books agree all the way."""
    clock.move(days=40)
    await billing.bill(api, database_url)
    (final, *_) = await billing.invoices_of(app_client, catalog["customer"], type="USAGE", status="FINALIZED")
    assert final["total"] == 650
    assert await invoices.unbalanced(owner) == []
    await sdk.v1.invoices.void(id=final["id"])
    assert await invoices.unbalanced(owner) == []
    assert await net(sdk, catalog, access_type="QUANTITY", invoice_inclusion_mode="FINALIZED") == (700, QUANTITY)
    (bundle,) = (await sdk.v2.contracts.retrieve(customer_id=catalog["customer"], contract_id=acme)).data.commits
    (segment,) = bundle.access_schedule.schedule_items
    change = {"commit_id": bundle.id, "access_schedule": {"update_schedule_items": [{"id": segment.id, "amount": 900}]}}
    await sdk.v2.contracts.edit(customer_id=catalog["customer"], contract_id=acme, update_commits=[change])
    await sdk.v1.invoices.regenerate(id=final["id"])
    (again, *_) = await billing.invoices_of(app_client, catalog["customer"], type="USAGE", status="FINALIZED")
    assert [each["quantity"] for each in again["line_items"] if each["name"] == "Bundle applied"] == [-900]
    assert again["total"] == 150
    assert await invoices.unbalanced(owner) == []


async def test_windows_have_their_units(app_client, catalog, acme, clock):
    """A breakdown by day says how many units were taken on that day."""
    query = {"window_size": "DAY", **{name: f"{each:%FT%TZ}" for name, each in billing.day_of(clock()).items()}}
    answer = await app_client.get(f"/v1/customers/{catalog['customer']}/invoices/breakdowns", params=query)
    (window,) = seed.exact(answer)["data"]
    assert [(each["quantity"], each["total"]) for each in window["line_items"] if each["name"] == "Bundle applied"] == [
        (-700, -1750)
    ]


async def test_a_package_gives_units(sdk, catalog):
    """Units in a package have the null unit, and contracts made from it get them."""
    bundle = {
        "product_id": catalog["fixed"],
        "type": "PREPAID",
        "access_schedule": {
            "access_type": "QUANTITY",
            "schedule_items": [
                {
                    "amount": 5,
                    "starting_at_offset": {"unit": "DAYS", "value": 0},
                    "duration": {"unit": "DAYS", "value": 9},
                }
            ],
        },
    }
    credit = {
        "product_id": catalog["fixed"],
        "access_amount": {"access_type": "QUANTITY", "unit_price": 1, "quantity": 50},
        "commit_duration": {"value": 1},
        "priority": 1,
        "starting_at_offset": {"unit": "DAYS", "value": 0},
    }
    made = await sdk.v1.packages.create(
        name="Starter", rate_card_id=catalog["card"], commits=[bundle], recurring_credits=[credit]
    )
    shown = (await sdk.v1.packages.retrieve(package_id=made.data.id)).data
    (access,) = [each.access_schedule for each in shown.commits]
    assert (access.access_type, access.credit_type.id) == ("QUANTITY", QUANTITY)
    assert [each.access_amount.credit_type_id for each in shown.recurring_credits] == [QUANTITY]
    contract = await sdk.v1.contracts.create(
        customer_id=catalog["customer"], starting_at=at(2026), package_id=made.data.id
    )
    keys = {"customer_id": catalog["customer"], "contract_id": contract.data.id}
    (made_of_it,) = (await sdk.v2.contracts.retrieve(**keys)).data.commits
    assert made_of_it.access_schedule.access_type == "QUANTITY"


async def test_units_that_cannot_be(app_client, catalog, commit):
    """With a pricing unit beside them, or promised by a postpaid commit, or in the unit that is none."""
    body = {"customer_id": catalog["customer"], "starting_at": "2026-01-01T00:00:00Z"}

    async def refuse(place, *parts, **changes):
        path, terms = f"{V1}/create", {**body, "commits": [{**commit, **changes}]}
        await seed.refused(app_client, path, terms, f"$.commits[0].{place}", *parts)

    await refuse("access_schedule.credit_type_id", "leave it out", access_schedule=units(5, credit_type_id=USD.id))
    await refuse("access_schedule.access_type", "make it PREPAID", type="POSTPAID")
    in_none = {**units(5, credit_type_id=QUANTITY), "access_type": "SPEND"}
    await refuse("access_schedule.credit_type_id", "there is no pricing unit", access_schedule=in_none)
    await refuse("access_schedule.schedule_items[0].amount", "above zero", access_schedule=units(0))
