"""Balances over the API: what is left of commits and credits, and why."""

import pytest

from api import billing, seed

pytestmark = pytest.mark.anyio


@pytest.fixture
async def acme(sdk, api, database_url):
    """Return a customer with a credit of 100 and a contract with 500 prepaid, of which 60 cents are used."""
    card, _ = await billing.priced_card(sdk)
    fixed = await seed.fixed_product(sdk)
    customer = (await sdk.v1.customers.create(name="Acme")).data.id
    term = {"starting_at": seed.at(2026), "ending_before": seed.at(2026, 2)}
    credit = {"product_id": fixed, "name": "Welcome", "access_schedule": {"schedule_items": [{"amount": 100, **term}]}}
    commit = {
        **credit,
        "type": "PREPAID",
        "name": "Prepaid",
        "access_schedule": {"schedule_items": [{"amount": 500, **term}]},
    }
    await sdk.v1.contracts.create(customer_id=customer, starting_at=seed.at(2026), rate_card_id=card, commits=[commit])
    await sdk.v1.customers.credits.create(customer_id=customer, priority=1, **credit)
    await sdk.v1.usage.ingest(usage=[billing.event(1, customer, api.clock(), model="a", tokens=60)])
    await billing.meter(api, database_url)
    return customer


async def net(sdk, customer, **more) -> float:
    return (await sdk.v1.contracts.get_net_balance(customer_id=customer, **more)).data.balance


async def test_the_net_balance_counts_drafts_unless_told_not_to(acme, sdk) -> None:
    """Pending deductions count by default; filters are alternatives whose parts must all hold."""
    assert await net(sdk, acme) == 540
    assert await net(sdk, acme, invoice_inclusion_mode="FINALIZED") == 600
    assert await net(sdk, acme, filters=[{"balance_types": ["CREDIT"]}]) == 40
    assert await net(sdk, acme, filters=[{"balance_types": ["PREPAID_COMMIT"]}]) == 500
    assert await net(sdk, acme, filters=[{"balance_types": ["POSTPAID_COMMIT"]}]) == 0


async def test_the_list_shows_balances_and_ledgers(acme, sdk) -> None:
    """Contract balances come when asked for; a ledger sums to its balance."""
    own = (await sdk.v1.contracts.list_balances(customer_id=acme, include_balance=True)).data
    assert [(each.name, each.balance) for each in own] == [("Welcome", 40)]
    every = (
        await sdk.v1.contracts.list_balances(
            customer_id=acme, include_balance=True, include_ledgers=True, include_contract_balances=True
        )
    ).data
    assert {each.name: each.balance for each in every} == {"Welcome": 40, "Prepaid": 500}
    assert all(sum(entry.amount for entry in each.ledger) == each.balance for each in every)
    commits = (await sdk.v1.customers.credits.list(customer_id=acme, include_balance=True)).data
    assert [each.balance for each in commits] == [40]


async def test_a_manual_entry_changes_a_balance_for_good(acme, sdk, app_client) -> None:
    """The entry needs a reason, stays in the ledger, and its key is used once."""
    (welcome,) = (await sdk.v1.contracts.list_balances(customer_id=acme)).data
    segment = welcome.access_schedule.schedule_items[0].id
    asked = {"id": welcome.id, "customer_id": acme, "segment_id": segment, "amount": -15, "reason": "goodwill ended"}
    await sdk.v1.contracts.add_manual_balance_entry(**asked, uniqueness_key="once")
    assert await net(sdk, acme) == 525
    (told,) = (await sdk.v1.contracts.list_balances(customer_id=acme, include_ledgers=True)).data
    assert [(entry.type, entry.amount) for entry in told.ledger] == [
        ("CREDIT_SEGMENT_START", 100),
        ("CREDIT_MANUAL", -15),
        ("CREDIT_AUTOMATED_INVOICE_DEDUCTION", -60),
    ]
    path = "/v1/contracts/addManualBalanceLedgerEntry"
    await seed.refused(app_client, path, {**asked, "uniqueness_key": "once"}, "already been used", status=409)
    await seed.refused(app_client, path, {**asked, "amount": 0}, "$.amount")
    await seed.refused(app_client, path, {**asked, "reason": ""}, "$.reason")
    await seed.refused(app_client, path, {**asked, "segment_id": acme}, "no segment", status=404)
    await seed.refused(app_client, path, {**asked, "timestamp": "2027-01-01T00:00:00Z"}, "$.timestamp")


async def test_an_expired_balance_is_gone(acme, sdk, api, clock, database_url) -> None:
    """After its segment a balance is zero; its ledger says what was used and what expired."""
    clock.move(days=20)
    await billing.bill(api, database_url)
    assert await net(sdk, acme) == 0
    (told,) = (await sdk.v1.contracts.list_balances(customer_id=acme, include_ledgers=True, include_balance=True)).data
    assert [(entry.type, entry.amount) for entry in told.ledger] == [
        ("CREDIT_SEGMENT_START", 100),
        ("CREDIT_AUTOMATED_INVOICE_DEDUCTION", -60),
        ("CREDIT_EXPIRATION", -40),
    ]
    assert told.balance == 0
    spent = (await sdk.v1.contracts.list_balances(customer_id=acme, exclude_zero_balances=True)).data
    assert spent == []
