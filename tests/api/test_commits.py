"""Commits and credits of customers, and the schedules of all commits."""

import uuid
from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import seed
from api.seed import at
from winkel.api import schedules
from winkel.api.balance_views import balances_view
from winkel.api.schedules import InvoiceScheduleIn
from winkel.model import money
from winkel.model.commit import Balance, BalanceType, Segment
from winkel.model.credit_type import BY_ID, USD
from winkel.model.errors import InvalidError
from winkel.model.ledger import EntryKind, LedgerEntry

CUSTOMER = "/v1/contracts/customer"


@pytest.fixture
async def catalog(sdk):
    """Return ids to make balances with: customer, contract, usage and fixed."""
    customer = await seed.customer(sdk)
    contract = await sdk.v1.contracts.create(customer_id=customer, starting_at=at(2026))
    return {
        "customer": customer,
        "contract": contract.data.id,
        "usage": await seed.usage_product(sdk),
        "fixed": await seed.fixed_product(sdk),
    }


def segment(amount, start, end):
    return {"amount": amount, "starting_at": start, "ending_before": end}


def body(catalog, **more):
    """Return the body of a credit as JSON."""
    return {
        "customer_id": catalog["customer"],
        "product_id": catalog["fixed"],
        "priority": 1,
        "access_schedule": {"schedule_items": [segment(10, "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z")]},
        **more,
    }


@pytest.mark.anyio
async def test_commit(sdk, catalog, clock):
    """A commit of a customer comes back as it was given, with what it costs per unit."""
    made = await sdk.v1.customers.commits.create(
        customer_id=catalog["customer"],
        product_id=catalog["fixed"],
        type="PREPAID",
        priority=-2.5,
        name="Big one",
        access_schedule={"schedule_items": [segment(1000, at(2026, 7), at(2027)), segment(200, at(2026), at(2026, 7))]},
        invoice_schedule={
            "recurring_schedule": {
                "amount": 1000,
                "amount_distribution": "DIVIDED_ROUNDED",
                "frequency": "QUARTERLY",
                "starting_at": at(2026),
                "ending_before": at(2026, 7, 1, 1),
            }
        },
        invoice_contract_id=catalog["contract"],
        applicable_contract_ids=[catalog["contract"]],
        salesforce_opportunity_id="s",
        uniqueness_key="big",
    )
    (seen,) = [each async for each in sdk.v1.customers.commits.list(customer_id=catalog["customer"])]
    assert (seen.id, seen.name, seen.priority, seen.type) == (made.data.id, "Big one", -2.5, "PREPAID")
    assert (seen.created_at, seen.contract, seen.invoice_contract.id) == (clock(), None, catalog["contract"])
    assert (seen.applicable_contract_ids, seen.uniqueness_key) == ([catalog["contract"]], "big")
    assert [each.amount for each in seen.access_schedule.schedule_items] == [200, 1000], "in order of time"
    items = seen.invoice_schedule.schedule_items
    assert [(each.timestamp, each.amount) for each in items] == [
        (at(2026), 333),
        (at(2026, 4), 333),
        (at(2026, 7), 334),
    ]
    assert (seen.cost_basis, seen.rate_type) == (pytest.approx(1000 / 1200), "LIST_RATE")


@pytest.mark.anyio
async def test_credit(sdk, app_client, catalog):
    """A credit of a customer comes back as it was given; commits and credits share uniqueness keys."""
    made = await sdk.v1.customers.credits.create(
        customer_id=catalog["customer"],
        product_id=catalog["fixed"],
        priority=1,
        access_schedule={"schedule_items": [segment(0.125, at(2026), at(2027))]},
        specifiers=[{"presentation_group_values": {"team": "a"}}, {"product_tags": ["x", "y"]}],
        rate_type="LIST_RATE",
        description="sorry",
        custom_fields={"why": "outage"},
        uniqueness_key="sorry",
    )
    (seen,) = [each async for each in sdk.v1.customers.credits.list(customer_id=catalog["customer"])]
    assert (seen.id, seen.type, seen.description, seen.custom_fields) == (
        made.data.id,
        "CREDIT",
        "sorry",
        {"why": "outage"},
    )
    assert seen.access_schedule.schedule_items[0].amount == 0.125
    assert [each.product_tags for each in seen.specifiers] == [None, ["x", "y"]]
    again = body(catalog, uniqueness_key="sorry", type="PREPAID")
    await seed.refused(app_client, f"{CUSTOMER}Commits/create", again, "already been used", status=409)
    assert [each async for each in sdk.v1.customers.commits.list(customer_id=catalog["customer"])] == []


@pytest.mark.anyio
async def test_refused(sdk, app_client, catalog, make_client):
    """What a balance of a customer cannot be is refused with its place."""

    async def refuse(kind, *parts, status=400, **more):
        asked = {**body(catalog), **({"type": "PREPAID"} if kind == "Commits" else {}), **more}
        sent = {name: value for name, value in asked.items() if value is not ...}
        await seed.refused(app_client, f"{CUSTOMER}{kind}/create", sent, *parts, status=status)

    stranger = await make_client()
    foreign = (await stranger.post("/v1/customers", json={"name": "Bo"})).json()["data"]["id"]
    dates = {"schedule_items": [{"timestamp": "2026-01-01T00:00:00Z", "amount": 5}]}
    for kind in ("Commits", "Credits"):
        await refuse(kind, "priority", priority=...)
        await refuse(kind, "customer", status=404, customer_id=foreign)
        await refuse(kind, "$.product_id", "FIXED", product_id=catalog["usage"])
        await refuse(kind, "no contract", "$.applicable_contract_ids[0]", applicable_contract_ids=[str(uuid.uuid4())])
        await refuse(kind, "unknown field `colour`", colour=1)
        await refuse(kind, "`rollover_fraction` is not supported yet", rollover_fraction=1)
        await refuse(kind, "unknown field `hierarchy_configuration`", hierarchy_configuration={})
        await refuse(kind, "$.access_schedule", access_schedule={"schedule_items": []})
    await refuse("Commits", "date of its true-up", "$.invoice_schedule", type="POSTPAID")
    await refuse("Commits", "$.type", type="LATER")
    await refuse("Commits", "is needed", "$.invoice_contract_id", invoice_schedule=dates)
    missing = str(uuid.uuid4())
    await refuse("Commits", "no contract", "$.invoice_contract_id", invoice_schedule=dates, invoice_contract_id=missing)
    assert [each async for each in sdk.v1.customers.commits.list(customer_id=catalog["customer"])] == []
    free = body(catalog, type="prepaid", invoice_schedule={**dates, "do_not_invoice": True})
    assert (await seed.post(app_client, f"{CUSTOMER}Commits/create", free)).status_code == 200


@pytest.mark.anyio
async def test_list_filters(sdk, app_client, catalog, clock):
    """Lists filter by when there is access, page by a cursor in the body, and show contracts' balances when asked."""
    given, made = sdk.v1.customers.credits, []
    for start, end in [(1, 2), (2, 4), (6, 8)]:
        items = [segment(1, at(2026, start), at(2026, end))]
        asked = body(catalog, access_schedule={"schedule_items": items})
        made.append((await given.create(**asked)).data.id)
        clock.move(seconds=1)
    terms = {"product_id": catalog["fixed"], "access_schedule": body(catalog)["access_schedule"]}
    await sdk.v1.contracts.create(customer_id=catalog["customer"], starting_at=at(2026), credits=[terms])

    async def ids(**wanted):
        return [each.id async for each in given.list(customer_id=catalog["customer"], **wanted)]

    assert await ids() == made
    assert await ids(limit=1) == made
    assert await ids(covering_date=at(2026, 2)) == [made[1]]
    assert await ids(effective_before=at(2026, 2)) == [made[0]]
    assert await ids(starting_at=at(2026, 4)) == [made[2]]
    assert await ids(starting_at=at(2026, 3), effective_before=at(2026, 6)) == [made[1]]
    assert await ids(credit_id=made[1]) == [made[1]]
    assert await ids(credit_id=str(uuid.uuid4())) == []
    assert len(await ids(include_contract_credits=True)) == 4
    assert len(await ids(include_contract_credits=True, include_balance=True, include_ledgers=True)) == 4
    commits = sdk.v1.customers.commits.list
    assert [each async for each in commits(customer_id=catalog["customer"], access_type="QUANTITY")] == []
    asked = {"customer_id": catalog["customer"]}
    for kind in ("Commits", "Credits"):
        await seed.refused(app_client, f"{CUSTOMER}{kind}/list", {**asked, "limit": 26}, "$.limit")
        await seed.refused(app_client, f"{CUSTOMER}{kind}/list", {**asked, "next_page": "bad"}, "next_page")
        await seed.refused(app_client, f"{CUSTOMER}{kind}/list", {"customer_id": str(uuid.uuid4())}, status=404)


@pytest.mark.anyio
async def test_update_end_date(sdk, app_client, catalog):
    """Access and invoicing can end earlier, never later; what lies behind the new end is gone."""
    items = [segment(1, at(2026, 1), at(2026, 3)), segment(2, at(2026, 3), at(2026, 5))]
    dates = [{"timestamp": at(2026, month), "amount": 1} for month in (2, 3)]
    made = await sdk.v1.customers.commits.create(
        **body(catalog, access_schedule={"schedule_items": items}),
        type="PREPAID",
        invoice_schedule={"schedule_items": dates},
        invoice_contract_id=catalog["contract"],
    )
    keys = {"customer_id": catalog["customer"], "commit_id": made.data.id}

    async def seen():
        (found,) = [each async for each in sdk.v1.customers.commits.list(customer_id=catalog["customer"])]
        ends = [each.ending_before for each in found.access_schedule.schedule_items]
        return ends, [each.timestamp for each in found.invoice_schedule.schedule_items]

    change = sdk.v1.customers.commits.update_end_date
    assert (await change(**keys, access_ending_before=at(2026, 4))).data.id == made.data.id
    assert await seen() == ([at(2026, 3), at(2026, 4)], [at(2026, 2), at(2026, 3)])
    await change(**keys, access_ending_before=at(2026, 2), invoices_ending_before=at(2026, 3))
    assert await seen() == ([at(2026, 2)], [at(2026, 2)])
    path = f"{CUSTOMER}Commits/updateEndDate"
    later = {**keys, "access_ending_before": "2026-02-01T01:00:00Z"}
    await seed.refused(app_client, path, later, "earlier", "$.access_ending_before")
    await seed.refused(app_client, path, {**keys, "access_ending_before": "2026-01-01T00:00:00Z"}, "first segment")
    await seed.refused(app_client, path, {**keys, "access_ending_before": "2026-01-01T00:01:00Z"}, "hour")
    other = {**keys, "commit_id": str(uuid.uuid4())}
    await seed.refused(app_client, path, other, "no commit or credit", status=404)
    as_credit = {"customer_id": catalog["customer"], "credit_id": made.data.id}
    as_credit["access_ending_before"] = "2026-01-02T00:00:00Z"
    await seed.refused(app_client, f"{CUSTOMER}Credits/updateEndDate", as_credit, "is no credit", status=404)
    credit = (await sdk.v1.customers.credits.create(**body(catalog))).data.id
    ended = {"customer_id": catalog["customer"], "credit_id": credit, "access_ending_before": at(2026, 2)}
    assert (await sdk.v1.customers.credits.update_end_date(**ended)).data.id == credit
    (found,) = [each async for each in sdk.v1.customers.credits.list(customer_id=catalog["customer"])]
    assert found.access_schedule.schedule_items[0].ending_before == at(2026, 2)
    keys["commit_id"] = credit
    await seed.refused(app_client, path, keys, "is no commit", status=404)


def recurring(**more):
    return msgspec.convert(
        {
            "recurring_schedule": {
                "amount_distribution": "DIVIDED",
                "frequency": "MONTHLY",
                "starting_at": "2026-01-31T00:00:00Z",
                "ending_before": "2027-01-31T00:00:00Z",
                **more,
            }
        },
        InvoiceScheduleIn,
    )


def test_recurring_dates():
    """Dates count from the first one, so a 31st comes back; the end is exclusive."""
    items = schedules.invoice_schedule(recurring(amount=12), "$").schedule_items
    assert [each.timestamp.day for each in items] == [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    for frequency, count in [("QUARTERLY", 4), ("SEMI_ANNUAL", 2), ("annual", 1)]:
        found = schedules.invoice_schedule(recurring(amount=12, frequency=frequency), "$")
        assert len(found.schedule_items) == count


def test_each():
    """EACH asks for the whole amount on every date, and keeps unit price and quantity."""
    asked = recurring(unit_price="2.5", quantity="4", amount_distribution="each", frequency="SEMI_ANNUAL")
    items = schedules.invoice_schedule(asked, "$").schedule_items
    assert [(each.amount, each.unit_price, each.quantity) for each in items] == [
        (Decimal(10), Decimal("2.5"), Decimal(4))
    ] * 2


def test_both_kinds_of_dates_are_refused():
    """A schedule lists its dates or recurs, and is not longer than a hundred years of months."""
    both = recurring(amount=1)
    both.schedule_items = [schedules.ItemIn(timestamp=at(2026), amount=Decimal(1))]
    with pytest.raises(InvalidError, match="not both"):
        schedules.invoice_schedule(both, "$")
    with pytest.raises(InvalidError, match="more than 1200 dates"):
        schedules.invoice_schedule(recurring(amount=1, ending_before="2200-01-01T00:00:00Z"), "$")


amounts = st.decimals(0, 10**12, places=4, allow_nan=False, allow_infinity=False)


@given(amounts, st.integers(1, 60), st.sampled_from([None, 0, 2]))
def test_divided_amounts_sum_to_the_amount(amount, count, places):
    """However an amount is divided, its parts are not negative, equal but for the last, and sum to it exactly."""
    parts = schedules.split(amount, count, places, "$")
    assert len(parts) == count
    assert money.total(parts) == amount
    assert min(parts) >= 0
    assert len(set(parts[:-1])) <= 1
    if places is not None:
        assert all(part == round(part, places) for part in parts[:-1])


def test_rounded_parts_are_whole_coins():
    """Dollars are divided in whole cents, other currencies in hundredths."""
    euro = next(each for each, unit in BY_ID.items() if unit.name == "EUR")
    for unit, parts in [(USD.id, ["333", "333", "334"]), (euro, ["333.33", "333.33", "333.34"])]:
        asked = recurring(amount="1000", amount_distribution="DIVIDED_ROUNDED", ending_before="2026-04-01T00:00:00Z")
        asked.credit_type_id = uuid.UUID(unit)
        items = schedules.invoice_schedule(asked, "$").schedule_items
        assert [each.amount for each in items] == [Decimal(each) for each in parts]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 10)), max_size=6), st.integers(0, 60))
def test_segments_until(spans, hours):
    """Cut segments never reach beyond the end, start as before, and lose nothing of what lies before it."""
    segments = [
        Segment(str(index), Decimal(1), at(2026) + timedelta(hours=start), at(2026) + timedelta(hours=start + length))
        for index, (start, length) in enumerate(spans)
    ]
    end = at(2026) + timedelta(hours=hours)
    kept = schedules.segments_until(segments, end)
    assert all(each.starting_at < each.ending_before <= end for each in kept)
    for hour in range(hours):
        instant = at(2026) + timedelta(hours=hour)
        covered = [
            sum(each.starting_at <= instant < each.ending_before for each in group) for group in (segments, kept)
        ]
        assert covered[0] == covered[1]


def test_view_of_ledger():
    """A balance shows its ledger with the type's prefix and the fields that each kind of entry has."""
    balance = Balance(
        id="b",
        type=BalanceType.CREDIT,
        customer_id="c",
        product_id="p",
        credit_type_id=USD.id,
        segments=(Segment("s", Decimal(100), at(2026), at(2027)),),
        created_at=at(2026),
        created_by="me",
        priority=Decimal(1),
    )
    entries = [
        LedgerEntry(
            id=str(kind),
            balance_id="b",
            segment_id="s",
            kind=kind,
            amount=Decimal("1.50"),
            timestamp=at(2026),
            invoice_id="i" if kind is EntryKind.AUTOMATED_INVOICE_DEDUCTION else None,
            reason="thanks" if kind is EntryKind.MANUAL else None,
        )
        for kind in (EntryKind.SEGMENT_START, EntryKind.AUTOMATED_INVOICE_DEDUCTION, EntryKind.MANUAL)
    ]
    shown = msgspec.to_builtins(
        balances_view(balance, "Gift", BY_ID, entries, Decimal("98.50")), builtin_types=[Decimal]
    )
    common = {"amount": Decimal("1.5"), "timestamp": "2026-01-01T00:00:00Z"}
    assert shown["balance"] == Decimal("98.5")
    assert shown["ledger"] == [
        {"type": "CREDIT_SEGMENT_START", "segment_id": "s", **common},
        {"type": "CREDIT_AUTOMATED_INVOICE_DEDUCTION", "segment_id": "s", "invoice_id": "i", **common},
        {"type": "CREDIT_MANUAL", "reason": "thanks", **common},
    ]
    bare = msgspec.to_builtins(balances_view(balance, "Gift", BY_ID))
    assert "ledger" not in bare
    assert "balance" not in bare
    assert "cost_basis" not in bare
