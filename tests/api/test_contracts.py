"""Contracts: agreeing, reading, ending and archiving them."""

import asyncio
import uuid
from datetime import timedelta
from decimal import Decimal

import pytest

from api import seed
from api.seed import at
from winkel.model.contract import Contract, StatementSchedule
from winkel.model.period import Frequency
from winkel.model.rate_card import Rate
from winkel.store import balances, contracts, rate_cards

pytestmark = pytest.mark.anyio
V1 = "/v1/contracts"


@pytest.fixture
async def catalog(sdk):
    """Return ids to agree contracts with: customer, card, usage and fixed."""
    return {
        "customer": await seed.customer(sdk),
        "card": await seed.rate_card(sdk),
        "usage": await seed.usage_product(sdk, tags=["ai"]),
        "fixed": await seed.fixed_product(sdk),
    }


def access(amount=1000, start="2026-01-01T00:00:00Z", end="2027-01-01T00:00:00Z"):
    return {"schedule_items": [{"amount": amount, "starting_at": start, "ending_before": end}]}


def commit(catalog, **more):
    return {"product_id": catalog["fixed"], "type": "PREPAID", "access_schedule": access(), **more}


async def test_create_with_everything(sdk, catalog, clock):
    """A contract comes back whole from create and from both reads, with its commits and credits."""
    made = await sdk.v1.contracts.create(
        customer_id=catalog["customer"],
        starting_at=at(2026, 1, 15, 3),
        ending_before=at(2027),
        rate_card_id=catalog["card"],
        name="Year one",
        net_payment_terms_days=30,
        netsuite_sales_order_id="n-1",
        salesforce_opportunity_id="s-1",
        total_contract_value=120000.5,
        uniqueness_key="year-one",
        custom_fields={"region": "eu"},
        commits=[
            commit(
                catalog,
                name="Prepaid",
                description="for usage",
                priority=1,
                amount=1000,
                rate_type="COMMIT_RATE",
                rollover_fraction=0.5,
                applicable_product_ids=[catalog["usage"]],
                applicable_product_tags=["ai"],
                custom_fields={"a": "b"},
                netsuite_sales_order_id="n-2",
                invoice_schedule={"schedule_items": [{"timestamp": at(2026, 2), "unit_price": 400, "quantity": 2}]},
            )
        ],
        credits=[
            {
                "product_id": catalog["fixed"],
                "access_schedule": access(50),
                "specifiers": [{"product_id": catalog["usage"], "pricing_group_values": {"model": "big"}}],
            }
        ],
    )
    contract = made.data.contract
    keys = {"customer_id": catalog["customer"], "contract_id": contract.id}
    flat = (await sdk.v2.contracts.retrieve(**keys, include_balance=False)).data
    nested = (await sdk.v1.contracts.retrieve(**keys)).data
    for seen in (contract, flat, nested.initial, nested.current):
        assert (seen.starting_at, seen.ending_before) == (at(2026, 1, 15, 3), at(2027))
        assert (seen.name, seen.net_payment_terms_days, seen.rate_card_id) == ("Year one", 30, catalog["card"])
        assert (seen.usage_statement_schedule.frequency, seen.usage_statement_schedule.billing_anchor_date) == (
            "MONTHLY",
            at(2026),
        )
        assert (seen.overrides, seen.scheduled_charges, seen.transitions) == ([], [], [])
        assert (seen.created_at, seen.created_by[:8]) == (clock(), "admin of")
        (prepaid,), (credit,) = seen.commits, seen.credits
        assert (prepaid.type, prepaid.name, prepaid.priority, prepaid.rollover_fraction) == (
            "PREPAID",
            "Prepaid",
            1,
            0.5,
        )
        assert (prepaid.rate_type, prepaid.cost_basis, prepaid.contract.id) == ("COMMIT_RATE", 0.8, contract.id)
        assert prepaid.product.name == "Prepayment"
        (item,) = prepaid.invoice_schedule.schedule_items
        assert (item.amount, item.unit_price, item.quantity, item.timestamp) == (800, 400, 2, at(2026, 2))
        (segment,) = credit.access_schedule.schedule_items
        assert (segment.amount, segment.starting_at, segment.ending_before) == (50, at(2026), at(2027))
        assert (credit.priority, credit.access_schedule.credit_type.name) == (100, "USD (cents)")
        assert credit.specifiers[0].pricing_group_values == {"model": "big"}
    assert (flat.usage_filter, flat.has_more.commits, flat.uniqueness_key) == ([], False, "year-one")
    assert (flat.total_contract_value, flat.salesforce_opportunity_id) == (120000.5, "s-1")
    assert (nested.amendments, nested.custom_fields, nested.uniqueness_key) == ([], {"region": "eu"}, "year-one")


@pytest.mark.parametrize(
    ("schedule", "anchor"),
    [
        ({"frequency": "MONTHLY"}, at(2025, 9)),
        ({"frequency": "quarterly", "day": "first_of_month"}, at(2025, 9)),
        ({"frequency": "WEEKLY", "day": "CONTRACT_START"}, at(2025, 9, 15)),
        ({"frequency": "ANNUAL", "day": "CUSTOM_DATE", "billing_anchor_date": at(2025, 9, 10)}, at(2025, 9, 10)),
    ],
)
async def test_anchor(sdk, catalog, schedule, anchor):
    """Statements count from the first of the month, the start of the contract, or a date of one's own."""
    made = await sdk.v1.contracts.create(
        customer_id=catalog["customer"], starting_at=at(2025, 9, 15), usage_statement_schedule=schedule
    )
    seen = made.data.contract.usage_statement_schedule
    assert (seen.billing_anchor_date, seen.frequency) == (anchor, schedule["frequency"].upper())


async def test_alias_is_resolved_once(sdk, app_client, catalog):
    """An alias stands for the card that has it when the contract starts; later moves change no contract."""
    keys = {"customer_id": catalog["customer"], "rate_card_alias": "paygo"}
    body = {**keys, "starting_at": "2026-01-01T00:00:00Z"}
    await seed.refused(app_client, f"{V1}/create", body, "no rate card has the alias 'paygo'", "$.rate_card_alias")
    await sdk.v1.contracts.rate_cards.update(rate_card_id=catalog["card"], aliases=[{"name": "paygo"}])
    new = await seed.rate_card(sdk, "new", aliases=[{"name": "paygo", "starting_at": at(2026, 3)}])
    first = await sdk.v1.contracts.create(**keys, starting_at=at(2026, 2, 28, 23))
    second = await sdk.v1.contracts.create(**keys, starting_at=at(2026, 3))
    cards = [each.data.contract.rate_card_id for each in (first, second)]
    assert cards == [catalog["card"], new]
    await sdk.v1.contracts.rate_cards.update(rate_card_id=new, aliases=[])
    seen = await sdk.v2.contracts.retrieve(customer_id=catalog["customer"], contract_id=second.data.id)
    assert seen.data.rate_card_id == new


async def test_uniqueness_key(sdk, app_client, catalog, make_client):
    """A uniqueness key is used once; a second request leaves nothing behind; other tenants have keys of their own."""
    body = {"customer_id": catalog["customer"], "starting_at": "2026-01-01T00:00:00Z", "uniqueness_key": "k"}
    assert (await seed.post(app_client, f"{V1}/create", body)).status_code == 200
    words = "This uniqueness key has already been used."
    assert await seed.refused(app_client, f"{V1}/create", body, status=409) == words
    assert len([each async for each in sdk.v2.contracts.list(customer_id=catalog["customer"])]) == 1
    assert (await seed.post(app_client, f"{V1}/create", {**body, "uniqueness_key": "l"})).status_code == 200
    stranger = await make_client()
    other = (await stranger.post("/v1/customers", json={"name": "Bo"})).json()["data"]["id"]
    assert (await seed.post(stranger, f"{V1}/create", {**body, "customer_id": other})).status_code == 200


async def test_uniqueness_key_under_concurrency(sdk, app_client):
    """Of many requests at once with one key, exactly one succeeds."""
    customers = [await seed.customer(sdk, f"customer {index}") for index in range(4)]
    body = {"starting_at": "2026-01-01T00:00:00Z", "uniqueness_key": "once"}
    answers = await asyncio.gather(
        *[seed.post(app_client, f"{V1}/create", {**body, "customer_id": each}) for each in customers]
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]


async def test_repeated_with_an_idempotency_key(app_client, catalog):
    """A request that is sent again with its Idempotency-Key gets the same answer and makes nothing twice."""
    body = {"customer_id": catalog["customer"], "starting_at": "2026-01-01T00:00:00Z", "commits": [commit(catalog)]}
    headers = {"idempotency-key": "k"}
    first, again = [await app_client.post(f"{V1}/create", json=body, headers=headers) for _ in range(2)]
    assert (first.status_code, first.text) == (200, again.text)
    asked = {"customer_id": catalog["customer"]}
    listed = await app_client.post("/v2/contracts/list", json=asked, headers={"idempotency-key": "l"})
    assert [each["id"] for each in listed.json()["data"]] == [first.json()["data"]["id"]]


async def test_refused(sdk, app_client, catalog, make_client):
    """What a contract cannot be is refused with its place, and nothing of it is kept."""

    async def refuse(*parts, status=400, **more):
        body = {"customer_id": catalog["customer"], "starting_at": "2026-01-01T00:00:00Z", **more}
        await seed.refused(app_client, f"{V1}/create", body, *parts, status=status)

    async def refuse_commit(place, *parts, **more):
        await refuse(f"at `$.commits[0]{place}`", *parts, commits=[commit(catalog, **more)])

    await refuse("there is no customer", status=404, customer_id=str(uuid.uuid4()))
    await refuse("$.customer_id", customer_id="ada")
    await refuse("hour", "$.starting_at", starting_at="2026-01-01T00:00:01Z")
    await refuse("$.starting_at", starting_at="2026-01-01")
    await refuse("$.ending_before", ending_before="2026-01-01T00:00:00Z")
    await refuse("not both", rate_card_id=catalog["card"], rate_card_alias="a")
    await refuse("there is no rate card", "$.rate_card_id", rate_card_id=str(uuid.uuid4()))
    await refuse("negative", "$.net_payment_terms_days", net_payment_terms_days=-1)
    await refuse("finite", "$.total_contract_value", total_contract_value="Infinity")
    await refuse("$.uniqueness_key", uniqueness_key="")
    await refuse("CUSTOM_DATE", usage_statement_schedule={"frequency": "MONTHLY", "day": "CUSTOM_DATE"})
    anchored = {"frequency": "MONTHLY", "billing_anchor_date": "2026-01-01T00:00:00Z"}
    await refuse("needs the day CUSTOM_DATE", usage_statement_schedule=anchored)
    for day in ("2026-01-05", "2025-12-01"):
        first = {"frequency": "MONTHLY", "invoice_generation_starting_at": f"{day}T00:00:00Z"}
        place = "$.usage_statement_schedule.invoice_generation_starting_at"
        await refuse("the start of a billing period", place, usage_statement_schedule=first)
    for field in ("reseller_royalties", "spend_trackers"):
        await refuse(f"`{field}` is not supported yet - at `$`", **{field: []})
    await refuse("unknown field `discount`", discount=1)
    await refuse_commit(".invoice_schedule", "date of its true-up", type="postpaid")
    await refuse_commit(".product_id", "FIXED", product_id=catalog["usage"])
    await refuse_commit(".product_id", "there is no product", product_id=str(uuid.uuid4()))
    await refuse_commit(".access_schedule.schedule_items[0].amount", "above zero", access_schedule=access(0))
    await refuse_commit(".access_schedule.schedule_items[0].amount", "negative", access_schedule=access(-5))
    off = access(start="2026-01-01T00:30:00Z")
    await refuse_commit(".access_schedule.schedule_items[0].starting_at", "hour", access_schedule=off)
    empty = access(end="2026-01-01T00:00:00Z")
    await refuse_commit(".access_schedule.schedule_items[0].ending_before", access_schedule=empty)
    overlapping = {"schedule_items": access()["schedule_items"] + access(end="2026-01-01T01:00:00Z")["schedule_items"]}
    await refuse_commit(".access_schedule.schedule_items[1]", "overlaps", access_schedule=overlapping)
    custom = {**access(), "credit_type_id": str(uuid.uuid4())}
    await refuse_commit(".access_schedule.credit_type_id", "there is no pricing unit", access_schedule=custom)
    await refuse_commit(".rollover_fraction", "between 0 and 1", rollover_fraction=1.5)
    await refuse_commit(".amount", "sums to 1000", amount=999)
    specified = {"specifiers": [{"product_tags": ["a"]}], "applicable_product_tags": ["a"]}
    await refuse_commit(".specifiers", "exclude", **specified)
    await refuse_commit(".specifiers[0]", "names no condition", specifiers=[{}])
    await refuse_commit(".specifiers[0].product_id", "there is no product", specifiers=[{"product_id": "x"}])
    unknown = [catalog["usage"], str(uuid.uuid4())]
    await refuse_commit(".applicable_product_ids[1]", "there is no product", applicable_product_ids=unknown)
    disagreeing = {"timestamp": "2026-01-01T00:00:00Z", "amount": 5, "unit_price": 2, "quantity": 2}
    bad_item = ".invoice_schedule.schedule_items[0]"
    schedule = {"schedule_items": [disagreeing]}
    await refuse_commit(f"{bad_item}.amount", "unit_price × quantity is 4", invoice_schedule=schedule)
    schedule = {"schedule_items": [{"timestamp": "2026-01-01T00:00:00Z", "unit_price": 2}]}
    await refuse_commit(bad_item, "given together", invoice_schedule=schedule)
    schedule = {"schedule_items": [{"timestamp": "2026-01-01T00:00:00Z", "amount": -2}]}
    await refuse_commit(f"{bad_item}.amount", "negative", invoice_schedule=schedule)
    await refuse_commit(".invoice_schedule", "needs schedule_items", invoice_schedule={})
    await refuse("`temporary_id` is not supported yet", commits=[commit(catalog, temporary_id="t")])
    fine, bad = commit(catalog), commit(catalog, product_id=str(uuid.uuid4()))
    await refuse("$.commits[1].product_id", commits=[fine, bad], uniqueness_key="k")
    assert [each async for each in sdk.v1.contracts.list(customer_id=catalog["customer"])] == []
    await sdk.v1.contracts.rate_cards.archive(id=catalog["card"])
    await refuse("archived", "$.rate_card_id", rate_card_id=catalog["card"])
    stranger = await make_client()
    body = {"customer_id": catalog["customer"], "starting_at": "2026-01-01T00:00:00Z"}
    await seed.refused(stranger, f"{V1}/create", body, "there is no customer", status=404)
    await sdk.v1.customers.archive(id=catalog["customer"])
    await refuse("archived", "$.customer_id")


async def test_list(sdk, app_client, catalog, clock):
    """Lists page by cursor, oldest first, and filter by covering date or by start, but not by both."""
    customer = catalog["customer"]
    made = []
    for month in (1, 2, 3, 4, 5):
        end = at(2026, month + 1) if month < 5 else None
        terms = {"starting_at": at(2026, month)} | ({"ending_before": end} if end else {})
        made.append((await sdk.v1.contracts.create(customer_id=customer, **terms)).data.id)
        clock.move(seconds=1)
    for api in (sdk.v1.contracts, sdk.v2.contracts):

        async def ids(api=api, **wanted):
            return [each.id async for each in api.list(customer_id=customer, **wanted)]

        assert await ids() == made
        assert await ids(limit=2) == made
        assert await ids(covering_date=at(2026, 2)) == [made[1]]
        assert await ids(covering_date=at(2030)) == [made[4]]
        assert await ids(starting_at=at(2026, 3)) == made[2:]
    both = {"covering_date": "2026-01-01T00:00:00Z", "starting_at": "2026-01-01T00:00:00Z"}
    for version in ("v1", "v2"):
        body = {"customer_id": customer}
        await seed.refused(app_client, f"/{version}/contracts/list", {**body, **both}, "not both")
        for wrong in (0, 21, 1.5):
            await seed.refused(app_client, f"/{version}/contracts/list", {**body, "limit": wrong}, "$.limit")
        shown = await app_client.post(f"/{version}/contracts/list", json={**body, "limit": 2.0})
        assert len(shown.json()["data"]) == 2
        await seed.refused(app_client, f"/{version}/contracts/list", {**body, "cursor": "?"}, "cursor")
        await seed.refused(
            app_client, f"/{version}/contracts/list", {"customer_id": str(uuid.uuid4())}, "customer", status=404
        )


async def test_archive(sdk, app_client, catalog):
    """An archived contract is listed only when asked for, its commits are archived with it, and it ends no more."""
    customer = catalog["customer"]
    made = await sdk.v1.contracts.create(customer_id=customer, starting_at=at(2026), commits=[commit(catalog)])
    keys = {"customer_id": customer, "contract_id": made.data.id}
    for _ in range(2):
        assert (await sdk.v1.contracts.archive(**keys, void_invoices=False)).data.id == made.data.id
    for api in (sdk.v1.contracts, sdk.v2.contracts):
        assert [each async for each in api.list(customer_id=customer)] == []
        (seen,) = [each async for each in api.list(customer_id=customer, include_archived=True)]
        assert seen.archived_at == at(2026, 1, 15, 12)
    seen = (await sdk.v2.contracts.retrieve(**keys)).data
    assert seen.commits[0].archived_at == at(2026, 1, 15, 12)
    lists = {"customer_id": customer, "include_contract_commits": True}
    assert [each async for each in sdk.v1.customers.commits.list(**lists)] == []
    assert len([each async for each in sdk.v1.customers.commits.list(**lists, include_archived=True)]) == 1
    await seed.refused(app_client, f"{V1}/updateEndDate", keys, "archived")
    await seed.refused(app_client, f"{V1}/archive", keys, "void_invoices")
    unknown = {**keys, "contract_id": str(uuid.uuid4()), "void_invoices": True}
    await seed.refused(app_client, f"{V1}/archive", unknown, "no contract", status=404)


async def test_update_end_date(sdk, app_client, catalog, clock):
    """An end can be set, moved and cleared; V1 remembers the first one, and as_of_date tells what held when."""
    customer = catalog["customer"]
    made = await sdk.v1.contracts.create(customer_id=customer, starting_at=at(2026))
    keys = {"customer_id": customer, "contract_id": made.data.id}

    async def move(end):
        clock.move(hours=1)
        more = {"ending_before": end} if end else {}
        assert (await sdk.v1.contracts.update_end_date(**keys, **more)).data.id == made.data.id
        return (await sdk.v2.contracts.retrieve(**keys)).data.ending_before

    assert await move(at(2026, 6)) == at(2026, 6)
    assert await move(at(2026, 3)) == at(2026, 3)
    assert await move(at(2026, 9)) == at(2026, 9)
    assert await move(None) is None
    assert await move(at(2026, 4)) == at(2026, 4)
    seen = (await sdk.v1.contracts.retrieve(**keys)).data
    assert (seen.initial.ending_before, seen.current.ending_before) == (None, at(2026, 4))
    made_at = at(2026, 1, 15, 12)
    told = [
        (await sdk.v2.contracts.retrieve(**keys, as_of_date=made_at + timedelta(hours=hours))).data.ending_before
        for hours in range(6)
    ]
    assert told == [None, at(2026, 6), at(2026, 3), at(2026, 9), None, at(2026, 4)]
    early = {**keys, "as_of_date": "2026-01-15T11:59:59Z"}
    await seed.refused(app_client, "/v2/contracts/get", early, "not there yet", status=404)
    both = {**keys, "as_of_date": "2026-01-15T12:00:00Z", "include_ledgers": True}
    await seed.refused(app_client, "/v2/contracts/get", both, "include_ledgers")
    for end in ("2026-01-01T00:00:00Z", "2025-01-01T00:00:00Z"):
        await seed.refused(app_client, f"{V1}/updateEndDate", {**keys, "ending_before": end}, "after starting_at")
    off = {**keys, "ending_before": "2026-05-01T00:00:10Z"}
    await seed.refused(app_client, f"{V1}/updateEndDate", off, "hour", "$.ending_before")


async def test_an_earlier_end_cuts_the_terms(sdk, catalog, clock):
    """An earlier end cuts access and drops invoices to come, a later one brings nothing back; other balances stay."""
    clock.at = at(2026, 4, 15)
    quarters = [(1, 4), (4, 7), (7, 10)]
    prepaid = commit(
        catalog,
        access_schedule={
            "schedule_items": [
                {"amount": 100, "starting_at": at(2026, start), "ending_before": at(2026, end)}
                for start, end in quarters
            ]
        },
        invoice_schedule={
            "schedule_items": [{"timestamp": at(2026, month), "amount": 100} for month in (1, 4, 7)],
        },
    )
    made = await sdk.v1.contracts.create(
        customer_id=catalog["customer"], starting_at=at(2026), ending_before=at(2027), commits=[prepaid]
    )
    own = await sdk.v1.customers.credits.create(
        customer_id=catalog["customer"], product_id=catalog["fixed"], priority=1, access_schedule=access()
    )
    keys = {"customer_id": catalog["customer"], "contract_id": made.data.id}
    await sdk.v1.contracts.update_end_date(**keys, ending_before=at(2026, 3))
    await sdk.v1.contracts.update_end_date(**keys, ending_before=at(2026, 12))
    (seen,) = (await sdk.v2.contracts.retrieve(**keys)).data.commits
    segments = seen.access_schedule.schedule_items
    assert [(each.starting_at, each.ending_before) for each in segments] == [(at(2026), at(2026, 3))]
    dates = [each.timestamp for each in seen.invoice_schedule.schedule_items]
    assert dates == [at(2026, 1), at(2026, 4)], "what is due already stays"
    (credit,) = [each async for each in sdk.v1.customers.credits.list(customer_id=catalog["customer"])]
    assert (credit.id, credit.access_schedule.schedule_items[0].ending_before) == (own.data.id, at(2027))


async def test_end_before_finalized_invoice(app_client, catalog, owner):
    """When asked to, an end before usage that is invoiced for good is refused."""
    body = {"customer_id": catalog["customer"], "starting_at": "2026-01-01T00:00:00Z"}
    made = (await seed.post(app_client, f"{V1}/create", body)).json()["data"]["id"]
    await owner.execute(
        """INSERT INTO invoice (tenant_id, id, customer_id, contract_id, type, status, start, "end", issued_at,
                                created_at, credit_type_id, total, line_items)
           SELECT tenant_id, gen_random_uuid(), customer_id, id, 'USAGE', 'FINALIZED', '2026-01-01', '2026-02-01',
                  '2026-02-02', '2026-02-02', '2714e483-4ff1-48e4-9e25-ac732e8f24f2', 0, '[]' FROM contract"""
    )
    keys = {"customer_id": catalog["customer"], "contract_id": made, "ending_before": "2026-01-20T00:00:00Z"}
    strict = {**keys, "allow_ending_before_finalized_invoice": False}
    await seed.refused(app_client, f"{V1}/updateEndDate", strict, "2026-02-01")
    strict["ending_before"] = "2026-02-01T00:00:00Z"
    assert (await seed.post(app_client, f"{V1}/updateEndDate", strict)).status_code == 200
    assert (await seed.post(app_client, f"{V1}/updateEndDate", keys)).status_code == 200


async def test_store_reads(api, app_client, sdk, catalog, make_client):
    """The store gives back what the API kept, as the types of the model, and nothing of another tenant."""
    customer, card = catalog["customer"], catalog["card"]
    for price in (1, 2):
        await sdk.v1.contracts.rate_cards.rates.add(
            rate_card_id=card,
            product_id=catalog["usage"],
            rate_type="FLAT",
            price=price,
            entitled=True,
            starting_at=at(2026),
        )
    made = await sdk.v1.contracts.create(
        customer_id=customer, starting_at=at(2026), rate_card_id=card, commits=[commit(catalog)]
    )
    await sdk.v1.customers.credits.create(
        customer_id=customer, product_id=catalog["fixed"], priority=2, access_schedule=access(5)
    )
    tenant = app_client.tenant.id
    async with api.database.transaction(tenant) as tx:
        found = await rate_cards.rates(tx, tenant, [card, str(uuid.uuid4())])
        (contract,) = await contracts.of_customer(tx, tenant, customer)
        assert contract == await contracts.get(tx, tenant, customer, made.data.id)
        held = await balances.of_customer(tx, tenant, customer)
    assert [[each.price.price for each in rates] for rates in found.values()] == [[1, 2], []]
    assert all(isinstance(each, Rate) for each in found[card])
    assert found[card][0].number < found[card][1].number
    assert isinstance(contract, Contract)
    assert contract.usage_statement_schedule == StatementSchedule(Frequency.MONTHLY, at(2026))
    assert sorted((each.contract_id is None, each.segments[0].amount) for each in held) == [
        (False, Decimal(1000)),
        (True, Decimal(5)),
    ]
    stranger = (await make_client()).tenant.id
    async with api.database.transaction(stranger) as tx:
        assert await contracts.of_customer(tx, stranger, customer) == ()
        assert await balances.of_customer(tx, stranger, customer) == ()
        assert await rate_cards.rates(tx, stranger, [card]) == {card: ()}
