"""Balances of seats over the wire: each draws on its own part, by hand too, and what a void invoice took comes back."""

from typing import Any

import pytest

from api import billing, seated, seed
from api.seed import at

pytestmark = pytest.mark.anyio

LIST, ENTRY = "/v1/contracts/seatBalances/list", "/v1/contracts/addManualBalanceLedgerEntry"


@pytest.fixture
async def catalog(sdk) -> dict[str, str]:
    """Make usage by user, a seat for 30 dollars, and a customer."""
    return await seated.catalog(sdk)


@pytest.fixture
async def agreed(sdk, catalog) -> tuple[dict[str, str], Any]:
    """Make a contract that gives Ann, Bob and Carl 31 dollars each; return its keys and itself."""
    team = seated.seats(catalog, "ann", "bob", "carl", unassigned=1)
    return await seated.contract(sdk, catalog, team, recurring_credits=[seated.credit(catalog)])


async def uses(sdk, api, database_url, catalog, **tokens: int) -> None:
    """Meter tokens of users, one cent each, on 10 January."""
    some = [
        billing.event(number, catalog["customer"], at(2026, 1, 10), tokens=amount, user=user)
        for number, (user, amount) in enumerate(tokens.items())
    ]
    await sdk.v1.usage.ingest(usage=some)
    await billing.meter(api, database_url)


async def left(sdk, keys, **more: Any) -> dict[str, tuple[float, float]]:
    """Return (balance, what it was given) of each seat."""
    page = await sdk.v1.contracts.list_seat_balances(**keys, **more)
    return {
        each.seat_id: (sum(one.balance for one in each.balances), sum(one.starting_balance for one in each.balances))
        for each in page.data
    }


async def test_each_seat_draws_on_its_own(sdk, api, app_client, database_url, catalog, clock, agreed):
    """What Ann uses beyond her part is charged, though Bob has some left; drafts count, and the ledger says whose."""
    keys, made = agreed
    await billing.bill(api, database_url)
    come = {"add_seat_ids": [{"seat_ids": ["dora"], "starting_at": at(2026, 1, 11)}]}
    await seated.reseat(sdk, keys, made.subscriptions[0].id, **come)
    await uses(sdk, api, database_url, catalog, ann=4000, bob=1000, dora=2000, eve=7)
    expected = {"ann": (0, 3100), "bob": (2100, 3100), "carl": (3100, 3100), "dora": (100, 2100)}
    assert await left(sdk, keys) == expected
    clock.at = at(2026, 1, 31, 23)
    assert await left(sdk, keys) == expected
    clock.at = at(2026, 2, 2)
    await billing.bill(api, database_url)
    page = await sdk.v1.contracts.list_seat_balances(
        **keys, starting_at=at(2026), include_credits_and_commits=True, include_ledgers=True, seat_ids=["dora"]
    )
    (dora,) = page.data
    january, february, *_ = dora.credits
    assert [(each.type, each.amount, each.timestamp) for each in january.ledger_entries] == [
        ("CREDIT_SEAT_BASED_ADJUSTMENT", 2100, at(2026, 1, 11)),
        ("CREDIT_AUTOMATED_INVOICE_DEDUCTION", -2000, at(2026, 2)),
        ("CREDIT_EXPIRATION", -100, at(2026, 2)),
    ]
    assert (january.start_date, january.end_date, january.balance, february.balance) == (at(2026), at(2026, 2), 0, 3100)
    used = [
        each
        for each in await billing.invoices_of(app_client, catalog["customer"], status="FINALIZED")
        if any(line["type"] == "usage" for line in each["line_items"])
    ]
    assert [line["total"] for line in used[0]["line_items"] if line["type"] == "applied_commit_or_credit"] == [
        -3100, -1000, -2000,
    ]  # fmt: skip
    (whole, *_) = (await sdk.v2.contracts.retrieve(**keys, include_ledgers=True)).data.credits
    assert [each.amount for each in whole.ledger] == [9300, 2100, -6100, -5300]
    await sdk.v1.invoices.void(id=used[0]["id"])
    page = await sdk.v1.contracts.list_seat_balances(
        **keys, covering_date=at(2026, 1, 20), include_credits_and_commits=True, include_ledgers=True, seat_ids=["ann"]
    )
    assert [each.amount for each in page.data[0].credits[0].ledger_entries] == [3100, -3100, 3100, -3100]
    remade = (await sdk.v1.invoices.regenerate(id=used[0]["id"])).data.id
    found = await billing.invoices_of(app_client, catalog["customer"], status="FINALIZED")
    assert [each["total"] for each in found if each["id"] == remade] == [used[0]["total"]]


async def test_entries_by_hand_say_whose_they_are(sdk, api, app_client, database_url, catalog, agreed):
    """They sum to the amount and change the parts of seats that have one; parts do not roll over."""
    keys, made = agreed
    child = made.credits[0]
    entry = {
        "id": child.id, "customer_id": keys["customer_id"], "segment_id": child.access_schedule.schedule_items[0].id,
        "amount": 500, "reason": "goodwill",
    }  # fmt: skip
    await sdk.v1.contracts.add_manual_balance_entry(**entry, per_group_amounts={"ann": 700, "bob": -200})
    assert await left(sdk, keys) == {"ann": (3800, 3100), "bob": (2900, 3100), "carl": (3100, 3100)}
    await uses(sdk, api, database_url, catalog, ann=4000, bob=3000)
    assert await left(sdk, keys) == {"ann": (0, 3100), "bob": (0, 3100), "carl": (3100, 3100)}
    place = "$.per_group_amounts"
    for parts, wrong in (
        ("sum to it", {}),
        ("sum to it", {"ann": 400}),
        ("no part", {"ann": 400, "eve": 100}),
    ):
        await seed.refused(app_client, ENTRY, {**entry, "per_group_amounts": wrong}, parts, place)
    rolling = {**keys, "update_credits": [{"credit_id": child.id, "rollover_fraction": 0.5}]}
    where = "$.update_credits[0].rollover_fraction"
    await seed.refused(app_client, "/v2/contracts/edit", rolling, "does not roll over", where)
    _, pooled = await seated.contract(
        sdk, catalog, seated.seats(catalog, "ann"), recurring_credits=[seated.credit(catalog, "POOLED")]
    )
    its = pooled.credits[0]
    other = entry | {"id": its.id, "segment_id": its.access_schedule.schedule_items[0].id}
    await seed.refused(app_client, ENTRY, {**other, "per_group_amounts": {"ann": 500}}, "leave it out", place)


async def test_the_list_is_paged_and_filtered(sdk, app_client, catalog, agreed):
    """By seat, by subscription and by page; what there is not is refused, or passed over if asked."""
    keys, made = agreed
    first = await sdk.v1.contracts.list_seat_balances(**keys, limit=2)
    assert [each.seat_id for each in first.data] == ["ann", "bob"]
    assert (first.pagination.seats_included, first.pagination.seats_available_for_next_page) == (2, 1)
    last = await sdk.v1.contracts.list_seat_balances(**keys, limit=2, cursor=first.pagination.next_page)
    assert [each.seat_id for each in last.data] == ["carl"]
    assert (last.pagination.seats_available_for_next_page, last.pagination.next_page) == (0, None)
    team = made.subscriptions[0].id
    assert set(await left(sdk, keys, subscription_ids=[team], seat_ids=["bob"])) == {"bob"}
    assert await left(sdk, keys, seat_ids=["bob", "eve"], skip_missing_seat_ids=True) == {"bob": (3100, 3100)}
    await seed.refused(app_client, LIST, {**keys, "seat_ids": ["bob", "eve"]}, "'eve'", "$.seat_ids[1]")
    dates = {"covering_date": "2026-01-01T00:00:00Z", "starting_at": "2026-01-01T00:00:00Z"}
    await seed.refused(app_client, LIST, {**keys, **dates}, "$.covering_date")
    quantity = seated.seats(catalog, quantity_management_mode="QUANTITY_ONLY", initial_quantity=1)
    del quantity["seat_config"]
    plain, other = await seated.contract(sdk, catalog, quantity)
    wrong = {**plain, "subscription_ids": [other.subscriptions[0].id]}
    await seed.refused(app_client, LIST, wrong, "SEAT_BASED", "$.subscription_ids[0]")
    assert await left(sdk, plain) == {}
