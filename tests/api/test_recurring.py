"""Recurring commits and credits over the wire: agreed, given each period, drawn down, ended."""

import pytest

from api import billing, seed
from api.seed import at
from winkel.model.commit import Balance
from winkel.model.credit_type import USD
from winkel.store import balances

pytestmark = pytest.mark.anyio

V1 = "/v1/contracts"
UNIT = "9f9ee1c7-0000-4000-8000-000000000000"
"""A custom pricing unit."""


@pytest.fixture
async def catalog(sdk) -> dict[str, str]:
    """Make a customer, a priced card (1 cent for model a) and a fixed product."""
    card, _ = await billing.priced_card(sdk)
    return {"customer": await seed.customer(sdk), "card": card, "fixed": await seed.fixed_product(sdk, "Allowance")}


def credit(catalog, amount=3100, **more) -> dict:
    """Return a credit of 31 dollars for each whole month, from 21 January on."""
    return {
        "product_id": catalog["fixed"],
        "name": "Free",
        "access_amount": {"unit_price": amount, "quantity": 1},
        "commit_duration": {"value": 1},
        "priority": 1,
        "starting_at": at(2026, 1, 21),
        **more,
    }


def commit(catalog, **more) -> dict:
    """Return a commit of 100 dollars for 90 each month, from 11 January on."""
    return {
        **credit(catalog, 100),
        "name": "Tokens",
        "access_amount": {"unit_price": 100, "quantity": 100},
        "invoice_amount": {"unit_price": 90, "quantity": 100, "credit_type_id": USD.id},
        "starting_at": at(2026, 1, 11),
        **more,
    }


async def contract(sdk, catalog, **more):
    """Make a contract from 1 January on."""
    made = await sdk.v1.contracts.create(
        customer_id=catalog["customer"], starting_at=at(2026), rate_card_id=catalog["card"], **more
    )
    return made.data.contract


async def kept(owner, app_client, catalog) -> list[Balance]:
    """Return the balances that are in the database, those of recurring terms first to last."""
    found = await balances.of_customer(owner, app_client.tenant.id, catalog["customer"], include_archived=True)
    return sorted(found, key=lambda each: each.created_at)


def spans(views) -> list[tuple[float, str, str]]:
    """Return amount, start and end of the only segments of these."""
    found = []
    for each in views:
        (item,) = each.access_schedule.schedule_items
        found.append((item.amount, f"{item.starting_at:%m-%d}", f"{item.ending_before:%m-%d}"))
    return found


async def test_terms_come_back_whole(sdk, catalog):
    """From create and from both reads, and each child says where it comes from."""
    usage = await seed.usage_product(sdk, "Calls")
    made = await contract(
        sdk,
        catalog,
        ending_before=at(2027),
        recurring_commits=[
            commit(
                catalog,
                description="each month",
                ending_before=at(2026, 8),
                recurrence_frequency="MONTHLY",
                commit_duration={"value": 2, "unit": "PERIODS"},
                proration="first",
                proration_rounding={
                    "access": {"decimal_places": -2, "rounding_method": "CEILING"},
                    "invoice": {"decimal_places": 0, "rounding_method": "HALF_UP"},
                },
                rollover_fraction=0.5,
                rate_type="COMMIT_RATE",
                applicable_product_ids=[usage],
                applicable_product_tags=["ai"],
                netsuite_sales_order_id="n-1",
            )
        ],
        recurring_credits=[credit(catalog, specifiers=[{"product_id": usage}])],
    )
    keys = {"customer_id": catalog["customer"], "contract_id": made.id}
    flat = (await sdk.v2.contracts.retrieve(**keys)).data
    nested = (await sdk.v1.contracts.retrieve(**keys)).data
    for seen in (made, flat, nested.initial, nested.current):
        (bought,), (free,) = seen.recurring_commits, seen.recurring_credits
        assert (bought.name, bought.description, bought.product.name) == ("Tokens", "each month", "Allowance")
        assert (bought.access_amount.unit_price, bought.access_amount.quantity) == (100, 100)
        assert (bought.invoice_amount.unit_price, bought.invoice_amount.quantity) == (90, 100)
        assert (bought.starting_at, bought.anchor_date) == (at(2026, 1, 11), at(2026, 1, 11))
        assert (bought.ending_before, free.ending_before) == (at(2026, 8), at(2027))
        assert (bought.recurrence_frequency, bought.proration, bought.rate_type) == ("MONTHLY", "FIRST", "COMMIT_RATE")
        assert (bought.commit_duration.value, bought.commit_duration.unit) == (2, "PERIODS")
        access, invoice = bought.proration_rounding.access, bought.proration_rounding.invoice
        assert (access.decimal_places, access.rounding_method) == (-2, "CEILING")
        assert (invoice.decimal_places, invoice.rounding_method) == (0, "HALF_UP")
        assert (bought.rollover_fraction, bought.netsuite_sales_order_id) == (0.5, "n-1")
        assert (bought.applicable_product_ids, bought.applicable_product_tags) == ([usage], ["ai"])
        assert (bought.contract.id, free.contract.id) == (made.id, made.id)
        assert (free.anchor_date, free.recurrence_frequency) == (at(2026), None), "with the statements"
        assert (free.proration, free.proration_rounding, free.rate_type) == ("FIRST_AND_LAST", None, "LIST_RATE")
        assert free.specifiers[0].product_id == usage
        (january, february), (next_free,) = seen.commits, seen.credits
        assert (january.recurring_commit_id, next_free.recurring_credit_id) == (bought.id, free.id)
        assert (january.rollover_fraction, january.rate_type, january.priority) == (0.5, "COMMIT_RATE", 1)
        assert (january.description, january.created_by, january.cost_basis) == ("each month", None, 0.9)
        assert (january.applicable_product_ids, january.contract.id) == ([usage], made.id)
        assert spans([january, february]) == [(10000, "01-11", "03-11"), (10000, "02-11", "04-11")]
        assert spans([next_free]) == [(1100, "01-21", "02-01")]


async def test_usage_draws_children_down(sdk, api, owner, app_client, database_url, catalog, clock):
    """What the draft says is what is invoiced; children that have begun are kept, and nothing waits for that."""
    await contract(sdk, catalog, recurring_credits=[credit(catalog, proration_rounding={
        "access": {"decimal_places": 0, "rounding_method": "FLOOR"}}, starting_at=at(2026))])  # fmt: skip
    events = [billing.event(1, catalog["customer"], clock(), tokens=5000, model="a")]
    await app_client.post("/v1/ingest", json=events)
    await billing.meter(api, database_url)
    assert await kept(owner, app_client, catalog) == [], "no worker has looked yet"
    found = await billing.invoices_of(app_client, catalog["customer"])
    assert [each["total"] for each in found] == [1900]
    await billing.bill(api, database_url)
    (january,) = await kept(owner, app_client, catalog)
    assert january.segments[0].starting_at == at(2026)
    assert await billing.invoices_of(app_client, catalog["customer"]) == found, "keeping a child changes no number"
    clock.move(days=18)  # 2 February
    await billing.bill(api, database_url)
    final = await billing.invoices_of(app_client, catalog["customer"], status="FINALIZED")
    assert [(each["start_timestamp"][:10], each["total"]) for each in final] == [("2026-01-01", 1900)]
    applied = [line for line in final[0]["line_items"] if line["type"] == "applied_commit_or_credit"]
    assert [(line["name"], line["total"], line["commit_id"]) for line in applied] == [
        ("Free applied", -3100, january.id)
    ]
    assert [each.segments[0].starting_at for each in await kept(owner, app_client, catalog)] == [at(2026), at(2026, 2)]
    page = await sdk.v1.contracts.list_balances(
        customer_id=catalog["customer"], include_contract_balances=True, include_balance=True, include_ledgers=True
    )
    assert [(each.balance, len(each.ledger)) for each in page.data] == [(0, 2), (3100, 1), (0, 0)]
    assert [each.amount for each in page.data[0].ledger] == [3100, -3100]
    net = await sdk.v1.contracts.get_net_balance(customer_id=catalog["customer"])
    assert net.data.balance == 3100


async def test_the_worker_comes_back_for_the_next_child(sdk, api, owner, app_client, database_url, catalog, clock):
    """A customer is looked at again when the next child begins, though no invoice is due then."""
    await contract(sdk, catalog, recurring_credits=[credit(catalog, recurrence_frequency="WEEKLY")])
    for start in (at(2026, 1, 21), at(2026, 1, 28)):
        await billing.bill(api, database_url)
        row = await (await owner.execute("SELECT at FROM billing_due")).fetchone()
        assert row == {"at": start}
        clock.at = start
    await billing.bill(api, database_url)
    assert [each.segments[0].starting_at for each in await kept(owner, app_client, catalog)] == [
        at(2026, 1, 21), at(2026, 1, 28),
    ]  # fmt: skip


async def test_no_reader_waits_for_a_worker(sdk, app_client, catalog, clock):
    """Months in which no worker ran: every list and every draft has the children that have begun, and the next."""
    made = await contract(sdk, catalog, recurring_commits=[commit(catalog)], recurring_credits=[credit(catalog)])
    clock.move(days=59)  # 15 March
    keys = {"customer_id": catalog["customer"]}
    shares = [(10000 * 21 / 31, "01-11", "02-01"), (10000, "02-01", "03-01"), (10000, "03-01", "04-01")]
    bought = await sdk.v1.customers.commits.list(**keys, include_contract_commits=True)
    assert spans(bought.data) == [*shares, (10000, "04-01", "05-01")]
    free = await sdk.v1.customers.credits.list(**keys, include_contract_credits=True)
    assert spans(free.data)[-1] == (3100, "04-01", "05-01")
    flat = (await sdk.v2.contracts.retrieve(**keys, contract_id=made.id)).data
    assert [each.id for each in flat.commits] == [each.id for each in bought.data]
    asked = await billing.invoices_of(app_client, catalog["customer"], type="SCHEDULED")
    assert [each["issued_at"][:10] for each in asked] == ["2026-01-11", "2026-02-01", "2026-03-01", "2026-04-01"]
    assert [each["total"] for each in asked][1:] == [9000, 9000, 9000]
    assert str(asked[0]["total"]) == "6096.77419354838709677419", "9,000 × 21 of 31 days"
    assert (await sdk.v1.customers.commits.list(**keys)).data == [], "they are the contract's"
    earlier = (await sdk.v2.contracts.retrieve(**keys, contract_id=made.id, as_of_date=at(2026, 1, 31))).data
    assert spans(earlier.commits) == spans(bought.data)[:2]


async def test_lists_page_and_filter_children_that_are_not_kept_as_those_that_are(
    sdk, api, app_client, database_url, catalog, clock
):
    """Before and after the worker has looked, each question has the same answer."""
    await contract(sdk, catalog, recurring_credits=[credit(catalog), credit(catalog, name="Weekly",
                   recurrence_frequency="WEEKLY", commit_duration={"value": 2})])  # fmt: skip
    clock.move(days=40)  # 24 February
    keys = {"customer_id": catalog["customer"], "include_contract_credits": True}

    async def answers() -> list[list[str]]:
        questions = [
            {},
            {"covering_date": at(2026, 2, 5)},
            {"starting_at": at(2026, 2, 20)},
            {"effective_before": at(2026, 2, 1)},
        ]
        found = [[each.id async for each in sdk.v1.customers.credits.list(**keys, **each)] for each in questions]
        found.append([each.id async for each in sdk.v1.customers.credits.list(**keys, limit=2)])
        one = await sdk.v1.customers.credits.list(**keys, credit_id=found[0][3])
        return [*found, [each.id for each in one.data]]

    before = await answers()
    assert [len(each) for each in before] == [9, 3, 5, 3, 9, 1]
    assert before[4] == before[0]
    await billing.bill(api, database_url)
    assert await answers() == before


async def test_a_child_can_be_changed_before_it_is_kept(sdk, owner, app_client, catalog, clock):
    """A manual entry and an earlier end keep it; what the entry took stays taken."""
    await contract(sdk, catalog, recurring_credits=[credit(catalog, starting_at=at(2026))])
    keys = {"customer_id": catalog["customer"]}
    january, february = (await sdk.v1.customers.credits.list(**keys, include_contract_credits=True)).data
    await sdk.v1.contracts.add_manual_balance_entry(
        **keys, id=january.id, segment_id=january.access_schedule.schedule_items[0].id, amount=-100, reason="gift"
    )
    await sdk.v1.customers.credits.update_end_date(**keys, credit_id=february.id, access_ending_before=at(2026, 2, 11))
    assert [each.id for each in await kept(owner, app_client, catalog)] == [january.id, february.id]
    found = await sdk.v1.customers.credits.list(**keys, include_contract_credits=True, include_balance=True)
    assert [each.balance for each in found.data] == [3000, 0]
    assert spans(found.data) == [(3100, "01-01", "02-01"), (3100, "02-01", "02-11")]


async def test_a_contract_that_ends_earlier_gives_no_more(sdk, api, app_client, database_url, catalog, clock):
    """What has begun keeps its amount and is cut; what has not follows the new end; a later end brings nothing back."""
    made = await contract(sdk, catalog, recurring_commits=[commit(catalog, starting_at=at(2026))])
    keys = {"customer_id": catalog["customer"], "contract_id": made.id}

    async def children() -> list[tuple[float, str, str]]:
        return spans((await sdk.v2.contracts.retrieve(**keys)).data.commits)

    async def asked() -> list[str]:
        found = await billing.invoices_of(app_client, catalog["customer"], type="SCHEDULED")
        return [f"{each['issued_at'][:10]} {each['status']} {each['total']}" for each in found]

    assert await children() == [(10000, "01-01", "02-01"), (10000, "02-01", "03-01")]
    await sdk.v1.contracts.update_end_date(**keys, ending_before=at(2026, 2, 15))
    assert await children() == [(10000, "01-01", "02-01"), (5000, "02-01", "02-15")], "14 of 28 days"
    assert await asked() == ["2026-01-01 DRAFT 9000", "2026-02-01 DRAFT 4500"]
    await sdk.v1.contracts.update_end_date(**keys, ending_before=at(2026, 1, 20))
    assert await children() == [(10000, "01-01", "01-20")], "given is given"
    await sdk.v1.contracts.update_end_date(**keys)
    clock.move(days=59)
    await billing.bill(api, database_url)
    assert await children() == [(10000, "01-01", "01-20")]
    assert await asked() == ["2026-01-01 FINALIZED 9000"]
    terms = (await sdk.v2.contracts.retrieve(**keys)).data.recurring_commits
    assert [each.ending_before for each in terms] == [at(2026, 1, 20)]


async def test_an_archived_contract_gives_no_more(sdk, api, app_client, database_url, catalog, clock):
    """Its children are archived with it, and no other is shown or kept."""
    made = await contract(sdk, catalog, recurring_credits=[credit(catalog, starting_at=at(2026))])
    await billing.bill(api, database_url)
    await sdk.v1.contracts.archive(customer_id=catalog["customer"], contract_id=made.id, void_invoices=False)
    clock.move(days=59)
    await billing.bill(api, database_url)
    keys = {"customer_id": catalog["customer"], "include_contract_credits": True}
    assert (await sdk.v1.customers.credits.list(**keys)).data == []
    assert len((await sdk.v1.customers.credits.list(**keys, include_archived=True)).data) == 1


@pytest.mark.parametrize(
    ("wrong", "parts"),
    [
        ({"product_id": "00000000-0000-4000-8000-000000000000"}, ("no product", ".product_id")),
        ({"commit_duration": {"value": 0}}, ("whole number from 1", ".commit_duration.value")),
        ({"commit_duration": {"value": 1.5}}, ("whole number", ".commit_duration.value")),
        ({"commit_duration": {"value": "NaN"}}, ("whole number", ".commit_duration.value")),
        ({"access_amount": {"unit_price": 1}}, ("is needed", ".access_amount.quantity")),
        ({"access_amount": {"unit_price": 0, "quantity": 1}}, ("above zero", ".access_amount")),
        ({"access_amount": {"unit_price": -1, "quantity": 1}}, ("negative", ".access_amount.unit_price")),
        (
            {"access_amount": {"unit_price": 1e30, "quantity": 1e30}},
            ("at most 38 digits", ".access_amount"),
        ),
        (
            {
                "access_amount": {
                    "unit_price": 1, "quantity": 1, "access_type": "QUANTITY", "credit_type_id": USD.id
                }
            },
            ("leave it out", ".access_amount.credit_type_id"),
        ),
        (
            {"invoice_amount": {"unit_price": 1, "quantity": -1, "credit_type_id": USD.id}},
            ("negative", ".invoice_amount.quantity"),
        ),
        (
            {"invoice_amount": {"unit_price": 1, "quantity": 1, "credit_type_id": UNIT}},
            ("there is no pricing unit", ".invoice_amount.credit_type_id"),
        ),
        (
            {"proration_rounding": {"access": {"decimal_places": 6, "rounding_method": "FLOOR"}}},
            ("whole number from -5 to 5", ".proration_rounding.access.decimal_places"),
        ),
        (
            {"proration_rounding": {"invoice": {"decimal_places": 0.5, "rounding_method": "FLOOR"}}},
            ("whole number from -5 to 5", ".proration_rounding.invoice.decimal_places"),
        ),
        ({"starting_at": "2025-12-31T00:00:00Z"}, ("within the term", ".starting_at")),
        ({"starting_at": "2027-01-01T00:00:00Z"}, ("within the term", ".starting_at")),
        ({"starting_at": "2026-01-01T00:30:00Z"}, ("on the hour", ".starting_at")),
        ({"ending_before": "2026-01-11T00:00:00Z"}, ("after starting_at", ".ending_before")),
        ({"rollover_fraction": 100}, ("between 0 and 1", ".rollover_fraction")),
        ({"priority": "Infinity"}, ("finite", ".priority")),
        (
            {"specifiers": [{"product_tags": ["ai"]}], "applicable_product_tags": ["ai"]},
            ("exclude", ".specifiers"),
        ),
    ],
)  # fmt: skip
async def test_what_contradicts_itself_is_refused(app_client, catalog, wrong, parts):
    """With the place of the fault, and nothing is made."""
    message, place = parts
    fine = {**commit(catalog), "starting_at": "2026-01-11T00:00:00Z"}
    asked = {
        "customer_id": catalog["customer"],
        "starting_at": "2026-01-01T00:00:00Z",
        "ending_before": "2027-01-01T00:00:00Z",
        "recurring_commits": [fine, {**fine, **wrong}],
    }
    await seed.refused(app_client, f"{V1}/create", asked, message, f"`$.recurring_commits[1]{place}`")
    found = await seed.post(app_client, "/v2/contracts/list", {"customer_id": catalog["customer"]})
    assert found.json()["data"] == []


async def test_what_is_not_there_yet_is_refused_by_name(app_client, catalog):
    """Temporary ids; an invoice rounding of a credit, which asks for nothing; two that are DAILY."""
    fine = {**credit(catalog), "starting_at": "2026-01-11T00:00:00Z"}
    asked = {"customer_id": catalog["customer"], "starting_at": "2026-01-01T00:00:00Z"}

    async def refused(message: str, *terms: dict) -> None:
        await seed.refused(app_client, f"{V1}/create", {**asked, "recurring_credits": list(terms)}, message)

    await refused("`temporary_id` is not supported yet", {**fine, "temporary_id": "t"})
    await refused("unknown field `invoice_amount`", {**fine, "invoice_amount": {}})
    await refused("unknown field `invoice`", {**fine, "proration_rounding": {"invoice": {}}})
    daily = {**fine, "recurrence_frequency": "DAILY"}
    await refused("one that is DAILY - at `$.recurring_credits[1].recurrence_frequency`", daily, daily)
