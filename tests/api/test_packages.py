"""Packages: making, finding and archiving them, and the contracts that are made from them."""

import re
from decimal import Decimal
from typing import Any

import metronome
import msgspec
import pytest
from msgspec import structs

from api import billing, seed
from api.seed import at
from winkel.api.contract_requests import CreateContract
from winkel.api.package_terms import TERMS, PackageTerms
from winkel.api.templates import DATES

pytestmark = pytest.mark.anyio

CREATE, CONTRACT = "/v1/packages/create", "/v1/contracts/create"
ABSENT = "00000000-0000-4000-8000-000000000000"


def after(value, unit="MONTHS"):
    """Return an offset or a duration."""
    return {"value": value, "unit": unit}


def access(*segments):
    """Return an access schedule of (amount, months after the start, months)."""
    items = [
        {"amount": amount, "starting_at_offset": after(start), "duration": after(length)}
        for amount, start, length in segments
    ]
    return {"schedule_items": items}


def invoiced(*items):
    """Return an invoice schedule of (months after the start, unit price, quantity)."""
    return {
        "schedule_items": [
            {"date_offset": after(months), "unit_price": price, "quantity": quantity}
            for months, price, quantity in items
        ]
    }


@pytest.fixture
async def catalog(sdk):
    """Return the ids of a customer and of what can be sold."""
    card, usage = await billing.priced_card(sdk)
    fixed = await seed.fixed_product(sdk)
    seat = (await sdk.v1.contracts.products.create(name="Seat", type="SUBSCRIPTION")).data.id
    await sdk.v1.contracts.rate_cards.rates.add(
        rate_card_id=card,
        product_id=seat,
        entitled=True,
        rate_type="FLAT",
        price=500,
        starting_at=at(2025),
        billing_frequency="MONTHLY",
    )
    customer = (await sdk.v1.customers.create(name="Ada", ingest_aliases=["ada"])).data.id
    return {"customer": customer, "card": card, "usage": usage, "fixed": fixed, "seat": seat}


def everything(catalog) -> dict[str, Any]:
    """Return a package with each kind of term."""
    fixed, usage = catalog["fixed"], catalog["usage"]
    return {
        "name": "Starter",
        "contract_name": "Starter plan",
        "rate_card_id": catalog["card"],
        "duration": after(1, "YEARS"),
        "net_payment_terms_days": 30,
        "usage_statement_schedule": {"frequency": "MONTHLY", "day": "CONTRACT_START"},
        "multiplier_override_prioritization": "EXPLICIT",
        "commits": [
            {
                "product_id": fixed,
                "type": "PREPAID",
                "name": "Prepaid",
                "priority": 2,
                "access_schedule": access((100.5, 0, 1), (200, 1, 11)),
                "invoice_schedule": invoiced((0, 90, 1), (1, 20, 9)),
                "applicable_product_ids": [usage],
                "custom_fields": {"duration": "a custom field is no duration"},
            },
            {
                "product_id": fixed,
                "type": "POSTPAID",
                "access_schedule": access((1000, 0, 12)),
                "invoice_schedule": invoiced((12, 1000, 1)),
                "specifiers": [{"product_id": usage, "pricing_group_values": {"model": "b"}}],
            },
        ],
        "credits": [{"product_id": fixed, "name": "Gift", "access_schedule": access((7, 0, 3))}],
        "overrides": [
            {
                "override_specifiers": [{"product_id": usage, "pricing_group_values": {"model": "a"}}],
                "starting_at_offset": after(1),
                "duration": after(2),
                "type": "MULTIPLIER",
                "multiplier": 0.5,
                "priority": 1,
            },
            {
                "override_specifiers": [{"product_id": usage, "pricing_group_values": {"model": "b"}}],
                "starting_at_offset": after(0),
                "type": "OVERWRITE",
                "overwrite_rate": {"rate_type": "TIERED", "tiers": [{"price": 3, "size": 10}, {"price": 2}]},
            },
        ],
        "scheduled_charges": [{"product_id": fixed, "name": "Setup", "schedule": invoiced((0, 25, 2), (6, 12.5, 1))}],
        "recurring_commits": [
            {
                "product_id": fixed,
                "name": "Monthly",
                "access_amount": {"unit_price": 10, "quantity": 1, "credit_type_id": seed_usd()},
                "invoice_amount": {"unit_price": 9, "quantity": 1, "credit_type_id": seed_usd()},
                "commit_duration": {"value": 1},
                "priority": 5,
                "starting_at_offset": after(1),
                "duration": after(3),
                "recurrence_frequency": "MONTHLY",
            }
        ],
        "recurring_credits": [
            {
                "product_id": fixed,
                "access_amount": {"unit_price": 1, "quantity": 3, "credit_type_id": seed_usd()},
                "commit_duration": {"value": 2},
                "priority": 6,
                "starting_at_offset": after(0),
                "rollover_fraction": 0.5,
                "proration": "NONE",
            }
        ],
        "subscriptions": [
            {
                "subscription_rate": {"product_id": catalog["seat"], "billing_frequency": "MONTHLY"},
                "collection_schedule": "ADVANCE",
                "proration": {"is_prorated": True},
                "initial_quantity": 4,
                "starting_at_offset": after(1),
                "duration": after(6),
            }
        ],
    }


def seed_usd() -> str:
    """Return the id of US cents."""
    return "2714e483-4ff1-48e4-9e25-ac732e8f24f2"


def by_hand(catalog) -> dict[str, Any]:
    """Return the body of createContract that agrees from 31 October 2025 on what the package does."""
    start, end = at(2025, 10, 31), at(2026, 10, 31)
    november, january = at(2025, 11, 30), at(2026, 1, 31)
    made = everything(catalog)
    body = {
        "customer_id": catalog["customer"],
        "starting_at": start,
        "ending_before": end,
        "name": made["contract_name"],
        **{
            name: made[name]
            for name in (
                "rate_card_id",
                "net_payment_terms_days",
                "usage_statement_schedule",
                "multiplier_override_prioritization",
            )
        },
    }
    prepaid, postpaid = made["commits"]
    prepaid["access_schedule"]["schedule_items"] = [segment(100.5, start, november), segment(200, november, end)]
    prepaid["invoice_schedule"]["schedule_items"] = [item(start, 90, 1), item(november, 20, 9)]
    postpaid["access_schedule"]["schedule_items"] = [segment(1000, start, end)]
    postpaid["invoice_schedule"]["schedule_items"] = [item(end, 1000, 1)]
    (gift,) = made["credits"]
    gift["access_schedule"]["schedule_items"] = [segment(7, start, january)]
    half, overwrite = [without_offsets(each) for each in made["overrides"]]
    half |= {"starting_at": november, "ending_before": january}
    overwrite |= {"starting_at": start}
    (setup,) = made["scheduled_charges"]
    setup["schedule"]["schedule_items"] = [item(start, 25, 2), item(at(2026, 4, 30), 12.5, 1)]
    (commit,), (credit,) = [
        [without_offsets(each) for each in made[f"recurring_{kind}"]] for kind in ("commits", "credits")
    ]
    commit |= {"starting_at": november, "ending_before": at(2026, 2, 28)}
    credit |= {"starting_at": start}
    (seats,) = [without_offsets(each) for each in made["subscriptions"]]
    seats |= {"starting_at": november, "ending_before": at(2026, 5, 31)}
    return body | {
        "commits": [prepaid, postpaid],
        "credits": [gift],
        "overrides": [half, overwrite],
        "scheduled_charges": [setup],
        "recurring_commits": [commit],
        "recurring_credits": [credit],
        "subscriptions": [seats],
    }


def segment(amount, start, end):
    return {"amount": amount, "starting_at": start, "ending_before": end}


def item(day, price, quantity):
    return {"timestamp": day, "unit_price": price, "quantity": quantity}


def without_offsets(term):
    return {name: each for name, each in term.items() if name not in {"starting_at_offset", "duration"}}


def alike(value, ids):
    """Return the JSON with each id in place of the number of ids that were seen before it.

    What was made at one instant is listed in the order of its ids, which are random: it is put in another order here.
    """
    if isinstance(value, dict):
        return {name: alike(each, ids) for name, each in value.items() if name != "package_id"}
    if isinstance(value, list):
        balances = value and isinstance(value[0], dict) and "access_schedule" in value[0]
        return [alike(each, ids) for each in (sorted(value, key=without_ids) if balances else value)]
    return ids.setdefault(value, len(ids)) if is_id(value) else value


def without_ids(value):
    """Return the text of JSON in which all ids are the same."""
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "", str(value))


def is_id(value):
    """Whether it is nothing but an id."""
    return isinstance(value, str) and len(value) == 36 and not without_ids(value)


async def test_a_contract_of_a_package_is_the_contract_by_hand(sdk, app_client, api, database_url, catalog, clock):
    """Terms, balances, ledgers and every invoice of a year are the same, but for ids. The year begins on a 31st."""
    package = await sdk.v1.packages.create(**everything(catalog))
    other = (await sdk.v1.customers.create(name="Bo", ingest_aliases=["bo"])).data.id
    contract = await sdk.v1.contracts.create(
        customer_id=other, starting_at=at(2025, 10, 31), package_id=package.data.id
    )
    assert contract.data.contract.package_id == package.data.id
    hand = await sdk.v1.contracts.create(**by_hand(catalog))
    assert hand.data.contract.package_id is None
    events = [
        billing.event(f"{who} {day}", who, at(2026, 1, day, 5), tokens=40 + day, model=model)
        for who in ("ada", "bo")
        for day, model in ((1, "a"), (2, "b"), (13, "b"), (14, "a"))
    ]
    assert (await app_client.post("/v1/ingest", json=events)).status_code == 200
    await billing.meter(api, database_url)
    made = [(catalog["customer"], hand.data.id), (other, contract.data.id)]
    for days in (1, 30, 320):
        clock.move(days=days)
        await billing.bill(api, database_url)
        one, two = [await told(app_client, *each) for each in made]
        assert one == two
    invoices = one[-1]
    assert len([each for each in invoices if each["type"] == "SCHEDULED"]) >= 6
    assert len([each for each in invoices if each["type"] == "USAGE" and each["total"]]) >= 6
    assert {each["status"] for each in invoices} == {"FINALIZED"}


async def told(client, customer, contract):
    """Return all that the API tells of a contract, with ids made alike."""
    keys = {"customer_id": customer, "contract_id": contract, "include_balance": True, "include_ledgers": True}
    answers = [await client.post(f"/{version}/contracts/get", json=keys) for version in ("v1", "v2")]
    assert {each.status_code for each in answers} == {200}
    invoices = await billing.invoices_of(client, customer)
    found = [*(seed.exact(each)["data"] for each in answers), sorted(invoices, key=without_ids)]
    return alike(found, {})


async def test_a_package_is_shown_whole(sdk, app_client, catalog):
    """Get and list show what was asked for, exactly, with ids that stay."""
    asked = everything(catalog)
    made = await sdk.v1.packages.create(**asked, uniqueness_key="starter", aliases=[{"name": "start"}])
    package = (await sdk.v1.packages.retrieve(package_id=made.data.id)).data
    assert (package.name, package.contract_name, package.uniqueness_key) == ("Starter", "Starter plan", "starter")
    assert (package.rate_card_id, package.net_payment_terms_days) == (catalog["card"], 30)
    assert [each.name for each in package.aliases] == ["start"]
    assert (package.duration.value, package.duration.unit) == (1, "YEARS")
    assert (package.usage_statement_schedule.frequency, package.usage_statement_schedule.day) == (
        "MONTHLY",
        "CONTRACT_START",
    )
    prepaid, postpaid = package.commits
    assert (prepaid.type, postpaid.type, prepaid.product.name) == ("PREPAID", "POSTPAID", "Prepayment")
    assert prepaid.custom_fields == {"duration": "a custom field is no duration"}
    assert prepaid.access_schedule.credit_type.name == "USD (cents)"
    items = prepaid.access_schedule.schedule_items
    assert [(each.amount, each.starting_at_offset.value, each.duration.value) for each in items] == [
        (100.5, 0, 1),
        (200, 1, 11),
    ]
    assert [
        (each.date_offset.value, each.unit_price, each.quantity) for each in prepaid.invoice_schedule.schedule_items
    ] == [
        (0, 90, 1),
        (1, 20, 9),
    ]
    assert not prepaid.invoice_schedule.do_not_invoice
    assert [each.multiplier for each in package.overrides] == [0.5, None]
    assert package.overrides[1].overwrite_rate.rate_type == "TIERED"
    (monthly,) = package.recurring_commits
    assert (monthly.access_amount.unit_price, monthly.invoice_amount.unit_price, monthly.rate_type) == (
        10,
        9,
        "LIST_RATE",
    )
    (seats,) = package.subscriptions
    assert (seats.proration.is_prorated, seats.proration.invoice_behavior) == (True, "BILL_ON_NEXT_COLLECTION_DATE")
    assert (seats.subscription_rate.product.name, seats.initial_quantity, seats.duration.value) == ("Seat", 4, 6)
    again = seed.exact(await seed.post(app_client, "/v1/packages/get", {"package_id": made.data.id}))["data"]
    (listed,) = seed.exact(await seed.post(app_client, "/v1/packages/list", {}))["data"]
    assert again == listed
    assert again["commits"][0]["id"] == prepaid.id
    ids = [each["id"] for name in ("commits", "credits", "overrides", "scheduled_charges") for each in again[name]]
    assert len(set(ids)) == 6


async def test_an_empty_package_is_a_package(sdk, catalog):
    """Only a name is needed; its contracts have nothing but a start."""
    made = await sdk.v1.packages.create(name="Empty")
    package = (await sdk.v1.packages.retrieve(package_id=made.data.id)).data
    assert (package.commits, package.overrides, package.scheduled_charges) == ([], [], [])
    contract = await sdk.v1.contracts.create(
        customer_id=catalog["customer"], starting_at=at(2026), package_id=made.data.id, custom_fields={"a": "b"}
    )
    contract = contract.data.contract
    assert (contract.name, contract.rate_card_id, contract.ending_before) == (None, None, None)
    assert contract.custom_fields == {"a": "b"}


async def test_packages_are_listed_and_archived(sdk, app_client, catalog, clock):
    """Ten a page, oldest first; archived ones are asked for, and no contract is made from them any more."""
    ids = []
    for number in range(12):
        ids.append((await sdk.v1.packages.create(name=f"Package {number}", aliases=[{"name": f"p{number}"}])).data.id)
        clock.move(seconds=1)
    page = await sdk.v1.packages.list()
    assert [each.id for each in page.data] == ids[:10]
    assert [each.id async for each in sdk.v1.packages.list(limit=5)] == ids
    before = await sdk.v1.contracts.create(customer_id=catalog["customer"], starting_at=at(2026), package_id=ids[0])
    for _ in range(2):
        assert (await sdk.v1.packages.archive(package_id=ids[0])).data.id == ids[0]
    assert [each.id async for each in sdk.v1.packages.list()] == ids[1:]
    assert [each.id async for each in sdk.v1.packages.list(archive_filter="ARCHIVED")] == ids[:1]
    assert [each.id async for each in sdk.v1.packages.list(archive_filter="ALL")] == ids
    assert (await sdk.v1.packages.retrieve(package_id=ids[0])).data.archived_at == clock()
    for name, value in (("package_id", ids[0]), ("package_alias", "p0")):
        body = {"customer_id": catalog["customer"], "starting_at": "2026-01-01T00:00:00Z", name: value}
        await seed.refused(app_client, CONTRACT, body, "this package is archived", f"`$.{name}`")
    kept = await sdk.v2.contracts.retrieve(customer_id=catalog["customer"], contract_id=before.data.id)
    assert kept.data.archived_at is None
    for path in ("get", "archive", "listContractsOnPackage"):
        await seed.refused(app_client, f"/v1/packages/{path}", {"package_id": ABSENT}, "no package", status=404)


async def test_an_alias_is_one_package_at_a_time(sdk, app_client, catalog):
    """A new package takes the name over from its first instant on; the contract's start decides."""
    old = (await sdk.v1.packages.create(name="Old", contract_name="Old", aliases=[{"name": "starter"}])).data.id
    new = await sdk.v1.packages.create(
        name="New",
        contract_name="New",
        aliases=[{"name": "starter", "starting_at": at(2026, 3), "ending_before": at(2027)}],
    )
    assert (await sdk.v1.packages.retrieve(package_id=old)).data.aliases[0].ending_before == at(2026, 3)
    for start, package, name in ((at(2026, 2, 28), old, "Old"), (at(2026, 3), new.data.id, "New")):
        made = await sdk.v1.contracts.create(
            customer_id=catalog["customer"], starting_at=start, package_alias="starter"
        )
        assert (made.data.contract.package_id, made.data.contract.name) == (package, name)
    body = {"customer_id": catalog["customer"], "package_alias": "starter", "starting_at": "2027-01-01T00:00:00Z"}
    await seed.refused(app_client, CONTRACT, body, "no package has the alias 'starter'", "`$.package_alias`")
    twice = {"name": "Twice", "aliases": [{"name": "a"}, {"name": "a"}]}
    await seed.refused(app_client, CREATE, twice, "given twice", "`$.aliases[1]`")


async def test_the_alias_of_a_rate_card_is_resolved_when_sold(sdk, catalog, clock):
    """Each contract gets the card that has the alias when it starts, not the one of when the package was made."""
    first = await seed.rate_card(sdk, "First", aliases=[{"name": "standard"}])
    package = (await sdk.v1.packages.create(name="Standard", rate_card_alias="standard")).data.id
    second = await seed.rate_card(sdk, "Second", aliases=[{"name": "standard", "starting_at": at(2026, 3)}])
    for start, card in ((at(2026, 2), first), (at(2026, 3), second)):
        made = await sdk.v1.contracts.create(customer_id=catalog["customer"], starting_at=start, package_id=package)
        assert made.data.contract.rate_card_id == card


async def test_a_package_is_made_once(sdk, catalog):
    """The uniqueness key of packages is theirs: a contract may have the same one."""
    await sdk.v1.packages.create(name="Once", uniqueness_key="once")
    with pytest.raises(metronome.ConflictError, match="This uniqueness key has already been used"):
        await sdk.v1.packages.create(name="Twice", uniqueness_key="once")
    assert [each.name async for each in sdk.v1.packages.list()] == ["Once"]
    await sdk.v1.contracts.create(customer_id=catalog["customer"], starting_at=at(2026), uniqueness_key="once")


async def test_contracts_of_a_package_are_listed(sdk, app_client, catalog, clock):
    """By page, by the date that they cover or from which on they start; archived ones only if asked for."""
    package = (await sdk.v1.packages.create(name="Year", duration=after(1, "YEARS"))).data.id
    ids = []
    for year in (2024, 2025, 2026):
        made = await sdk.v1.contracts.create(
            customer_id=catalog["customer"], starting_at=at(year), package_id=package, uniqueness_key=str(year)
        )
        ids.append(made.data.id)
        clock.move(seconds=1)
    await sdk.v1.contracts.create(customer_id=catalog["customer"], starting_at=at(2026))

    async def listed(**asked):
        return [
            each.contract_id async for each in sdk.v1.packages.list_contracts_on_package(package_id=package, **asked)
        ]

    assert await listed() == await listed(limit=1) == ids
    assert await listed(covering_date=at(2025, 12, 31)) == ids[1:2]
    assert await listed(covering_date=at(2026)) == ids[2:]
    assert await listed(starting_at=at(2025)) == ids[1:]
    await sdk.v1.contracts.archive(customer_id=catalog["customer"], contract_id=ids[1], void_invoices=False)
    assert await listed() == [ids[0], ids[2]]
    assert await listed(include_archived=True) == ids
    page = await sdk.v1.packages.list_contracts_on_package(package_id=package, include_archived=True)
    assert [(each.customer_id, each.starting_at, each.ending_before) for each in page.data] == [
        (catalog["customer"], at(year), at(year + 1)) for year in (2024, 2025, 2026)
    ]
    assert [each.archived_at is None for each in page.data] == [True, False, True]
    both = {"package_id": package, "covering_date": "2026-01-01T00:00:00Z", "starting_at": "2026-01-01T00:00:00Z"}
    await seed.refused(app_client, "/v1/packages/listContractsOnPackage", both, "`$.covering_date`")


async def test_an_edited_contract_stays_with_its_package(sdk, catalog):
    """Terms that come from a package are edited like others; where they came from does not change."""
    package = (await sdk.v1.packages.create(**everything(catalog))).data.id
    made = await sdk.v1.contracts.create(customer_id=catalog["customer"], starting_at=at(2026), package_id=package)
    keys = {"customer_id": catalog["customer"], "contract_id": made.data.id}
    await sdk.v2.contracts.edit(
        **keys, update_contract_name="Better", remove_overrides=[{"id": made.data.contract.overrides[0].id}]
    )
    edited = (await sdk.v2.contracts.retrieve(**keys)).data
    assert (edited.name, len(edited.overrides)) == ("Better", 1)
    whole = (await sdk.v1.contracts.retrieve(**keys)).data
    assert (whole.package_id, whole.initial.name, whole.current.name) == (package, "Starter plan", "Better")


def faults(catalog) -> list[tuple[dict[str, Any], tuple[str, ...]]]:
    """Return packages that no contract can be made from, and what the refusal says."""
    fixed, usage = catalog["fixed"], catalog["usage"]
    credit = {"product_id": fixed, "access_schedule": access((1, 0, 1))}
    item = {"amount": 1, "starting_at_offset": after(0), "duration": after(1)}
    commit = {**credit, "type": "PREPAID"}
    half = {"override_specifiers": [{"product_id": usage}], "type": "MULTIPLIER", "multiplier": 0.5}
    monthly = {
        "product_id": fixed,
        "access_amount": {"unit_price": 1, "quantity": 1, "credit_type_id": seed_usd()},
        "commit_duration": {"value": 1},
        "priority": 1,
        "starting_at_offset": after(0),
    }
    seats = {
        "subscription_rate": {"product_id": catalog["seat"], "billing_frequency": "MONTHLY"},
        "collection_schedule": "ARREARS",
        "proration": {},
        "initial_quantity": 1,
    }

    def scheduled(*items):
        return {"credits": [{**credit, "access_schedule": {"schedule_items": list(items)}}]}

    segments = "`$.credits[0].access_schedule.schedule_items"
    return [
        ({"rate_card_id": ABSENT}, ("no rate card", "`$.rate_card_id`")),
        ({"rate_card_alias": "nothing"}, ("no rate card has the alias", "`$.rate_card_alias`")),
        ({"credits": [{**credit, "product_id": ABSENT}]}, ("no product", "`$.credits[0].product_id`")),
        ({"commits": [{**commit, "product_id": usage}]}, ("FIXED", "`$.commits[0].product_id`")),
        (
            {"credits": [credit, {**credit, "specifiers": [{"product_id": usage}], "applicable_product_ids": [usage]}]},
            ("exclude applicable_product_ids", "`$.credits[1].specifiers`"),
        ),
        ({"commits": [{**commit, "type": "POSTPAID"}]}, ("its true-up", "`$.commits[0].invoice_schedule`")),
        (scheduled(item, item), ("overlaps", f"{segments}[1]`")),
        (scheduled({**item, "amount": 0}), ("above zero", f"{segments}[0].amount`")),
        (scheduled({**item, "duration": after(0)}), ("must be 1 to 1200 MONTHS", f"{segments}[0].duration`")),
        (
            scheduled({**item, "starting_at_offset": after(-1, "DAYS")}),
            ("must be 0", f"{segments}[0].starting_at_offset`"),
        ),
        (scheduled({**item, "duration": after(1, "HOURS")}), ("Invalid enum value", f"{segments}[0].duration.unit`")),
        (scheduled({"amount": 1, "duration": after(1)}), ("starting_at_offset", f"{segments}[0]`")),
        (
            scheduled({**item, "starting_at": "2026-01-01T00:00:00Z"}),
            ("unknown field `starting_at`", f"{segments}[0]`"),
        ),
        (
            {"scheduled_charges": [{"product_id": fixed, "schedule": {"schedule_items": [{"date_offset": after(1)}]}}]},
            ("unit_price and a quantity", "`$.scheduled_charges[0].schedule.schedule_items[0]`"),
        ),
        ({"overrides": [{**half, "starting_at_offset": after(0), "multiplier": -1}]}, ("`$.overrides[0].multiplier`",)),
        ({"overrides": [{**half}]}, ("starting_at_offset", "`$.overrides[0]`")),
        (
            {"duration": after(6), "recurring_credits": [{**monthly, "starting_at_offset": after(6)}]},
            ("within the term", "`$.recurring_credits[0].starting_at_offset`"),
        ),
        ({"recurring_commits": [{**monthly, "rollover_fraction": 2}]}, ("`$.recurring_commits[0].rollover_fraction`",)),
        ({"subscriptions": [seats]}, ("no MONTHLY rate", "`$.subscriptions[0].subscription_rate.billing_frequency`")),
        (
            {"rate_card_id": catalog["card"], "duration": after(2), "subscriptions": [{**seats, "duration": after(3)}]},
            ("after the end of the contract", "`$.subscriptions[0].duration`"),
        ),
        ({"billing_provider": "stripe"}, ("`billing_provider` is not supported yet", "`$`")),
        ({"starting_at": "2026-01-01T00:00:00Z"}, ("unknown field `starting_at`", "`$`")),
        ({"custom_fields": {}}, ("unknown field `custom_fields`", "`$`")),
        ({"name": ""}, ("`$.name`",)),
    ]


async def test_a_package_that_cannot_be_sold_is_refused(sdk, app_client, catalog):
    """Whatever createContract refuses, and dates that are none, are refused with their place; nothing is kept."""
    for fault, parts in faults(catalog):
        await seed.refused(app_client, CREATE, {"name": "Faulty", **fault}, *parts)
    assert [each async for each in sdk.v1.packages.list(archive_filter="ALL")] == []


async def test_a_package_that_fails_in_february_is_refused_in_january(app_client, catalog):
    """30 days and then a second month: from 1 February on they would overlap. 28 days never do."""

    def body(days):
        first = {"amount": 1, "starting_at_offset": after(0), "duration": after(days, "DAYS")}
        second = {"amount": 1, "starting_at_offset": after(1), "duration": after(1)}
        schedule = {"schedule_items": [first, second]}
        return {"name": "Short", "credits": [{"product_id": catalog["fixed"], "access_schedule": schedule}]}

    place = "`$.credits[0].access_schedule.schedule_items[1]`"
    for days in (29, 30):
        await seed.refused(app_client, CREATE, body(days), "overlaps", place)
    assert (await seed.post(app_client, CREATE, body(28))).status_code == 200


async def test_what_a_contract_of_a_package_may_not_say(sdk, app_client, catalog):
    """The package says all but whose contract it is and when it begins."""
    package = (await sdk.v1.packages.create(name="Starter")).data.id
    body = {"customer_id": catalog["customer"], "starting_at": "2026-01-01T00:00:00Z", "package_id": package}
    credit = {
        "product_id": catalog["fixed"],
        "access_schedule": {"schedule_items": [segment(1, "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z")]},
    }
    for name, value in {
        "rate_card_id": catalog["card"],
        "name": "Mine",
        "ending_before": "2027-01-01T00:00:00Z",
        "credits": [credit],
        "usage_statement_schedule": {"frequency": "WEEKLY"},
        "net_payment_terms_days": 0,
        "multiplier_override_prioritization": "EXPLICIT",
    }.items():
        await seed.refused(app_client, CONTRACT, {**body, name: value}, "together with a package", f"`$.{name}`")
    await seed.refused(app_client, CONTRACT, {**body, "package_alias": "starter"}, "not both", "`$.package_alias`")
    await seed.refused(app_client, CONTRACT, {**body, "package_id": ABSENT}, "no package", "`$.package_id`")
    await seed.refused(
        app_client, CONTRACT, {**body, "starting_at": "2026-01-01T00:30:00Z"}, "on the hour", "`$.starting_at`"
    )
    listed = await sdk.v1.packages.list_contracts_on_package(package_id=package)
    assert listed.data == []


async def test_what_was_archived_since_is_not_sold(sdk, app_client, catalog):
    """The terms are checked again when a contract is made, and the refusal says which of the package's it is."""
    credit = {"product_id": catalog["fixed"], "access_schedule": access((1, 0, 1))}
    package = (await sdk.v1.packages.create(name="Gift", credits=[credit], aliases=[{"name": "gift"}])).data.id
    await sdk.v1.contracts.products.archive(product_id=catalog["fixed"])
    body = {"customer_id": catalog["customer"], "starting_at": "2026-01-01T00:00:00Z"}
    for name, value in (("package_id", package), ("package_alias", "gift")):
        message = await seed.refused(app_client, CONTRACT, {**body, name: value}, "this product is archived")
        assert message.endswith(f" - at `$.credits[0].product_id` - at `$.{name}`")


async def test_digits_stay(app_client, sdk, catalog):
    """Amounts of a package are exact when they are shown and when they are sold."""
    amount = "12345678901234567890.123456789012345678"
    text = (
        '{"name": "Exact", "credits": [{"product_id": "%s", "access_schedule": {"schedule_items": [{"amount": %s,'
        '"starting_at_offset": {"value": 0, "unit": "days"}, "duration": {"value": 1, "unit": "Days"}}]}}]}'
    )
    headers = {"content-type": "application/json"}
    answer = await app_client.post(CREATE, content=text % (catalog["fixed"], amount), headers=headers)
    package = answer.json()["data"]["id"]
    shown = seed.exact(await seed.post(app_client, "/v1/packages/get", {"package_id": package}))["data"]
    assert shown["credits"][0]["access_schedule"]["schedule_items"][0]["amount"] == Decimal(amount)
    body = {"customer_id": catalog["customer"], "starting_at": "2026-01-01T00:00:00Z", "package_id": package}
    made = seed.exact(await seed.post(app_client, CONTRACT, body))["data"]["contract"]
    assert made["credits"][0]["access_schedule"]["schedule_items"][0]["amount"] == Decimal(amount)


def test_no_term_of_a_package_has_a_date():
    """Whatever contracts learn to say, packages say it with offsets: a new kind of date needs a name in DATES."""
    text = str(msgspec.json.schema(PackageTerms))
    assert "starting_at_offset" in text
    assert "date-time" not in text
    assert not {name for name, _ in DATES.values()} & set(DATES)


async def test_what_contracts_do_not_know_packages_do_not_know(app_client):
    """Terms that Metronome's packages have are taken, or refused in the words of createContract."""
    known = {each.name for each in structs.fields(CreateContract)}
    assert {"commits", "subscriptions", "ending_before"} <= TERMS & known
    for name in TERMS - known:
        await seed.refused(app_client, CREATE, {"name": "New", name: {}}, f"`{name}` is not supported yet", "`$`")
