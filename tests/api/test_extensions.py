"""What a later end does to what is invoiced for a part of its time: nothing is used for free."""

import pytest

from api import billing, seed
from api.seed import at
from api.test_subscriptions import seats, subscription_product

pytestmark = pytest.mark.anyio

END, EDIT = "/v1/contracts/updateEndDate", "/v2/contracts/edit"


async def seated(sdk, price: int, frequency: str, **terms) -> dict[str, str]:
    """Make a customer with one prorated seat at a price; return the keys of its contract."""
    card, seat = await seed.rate_card(sdk), await subscription_product(sdk)
    rate = {"product_id": seat, "billing_frequency": frequency}
    await sdk.v1.contracts.rate_cards.rates.add(
        **rate, rate_card_id=card, entitled=True, rate_type="FLAT", price=price, starting_at=at(2026)
    )
    sub = seats({"seat": seat}, 1, subscription_rate=rate, proration={"is_prorated": True}, **terms)
    customer = await seed.customer(sdk)
    made = await sdk.v1.contracts.create(
        customer_id=customer, starting_at=at(2026), rate_card_id=card, subscriptions=[sub]
    )
    return {"customer_id": customer, "contract_id": made.data.id}


@pytest.mark.parametrize("by_edit", [False, True])
async def test_a_contract_is_not_extended_beyond_a_final_part_of_a_period(
    sdk, api, clock, database_url, app_client, by_edit
):
    """Else what is used from its old end to the end of the period is on no invoice, ever."""
    card, _ = await billing.priced_card(sdk)
    customer = await seed.customer(sdk)
    made = await sdk.v1.contracts.create(
        customer_id=customer, starting_at=at(2026), ending_before=at(2026, 1, 15), rate_card_id=card
    )
    keys = {"customer_id": customer, "contract_id": made.data.id}
    clock.at = at(2026, 1, 16, 12)
    await billing.bill(api, database_url)
    name, path = ("update_contract_end_date", EDIT) if by_edit else ("ending_before", END)
    body = {**keys, name: at(2026, 6).isoformat()}
    await seed.refused(app_client, path, body, "void it first", f"$.{name}")
    (part,) = await billing.invoices_of(app_client, customer, status="FINALIZED")
    await sdk.v1.invoices.void(id=part["id"])
    assert (await seed.post(app_client, path, body)).status_code == 200
    await billing.used(sdk, api, database_url, customer, 1, at(2026, 1, 16), 1000)
    clock.at = at(2026, 3, 3)
    await sdk.v1.invoices.regenerate(id=part["id"])
    assert await billing.asked(app_client, customer) == 1000


async def test_no_part_of_a_period_is_left_out_when_a_later_statement_is_final(
    sdk, api, clock, database_url, app_client
):
    """January was made anew for a contract that had ended on the 15th, and February stayed final."""
    card, _ = await billing.priced_card(sdk)
    customer = await seed.customer(sdk)
    made = await sdk.v1.contracts.create(customer_id=customer, starting_at=at(2026), rate_card_id=card)
    keys = {"customer_id": customer, "contract_id": made.data.id}
    clock.at = at(2026, 1, 21)
    await billing.used(sdk, api, database_url, customer, 1, at(2026, 1, 14), 100)
    await billing.used(sdk, api, database_url, customer, 2, at(2026, 1, 20), 1000)
    clock.at = at(2026, 3, 3)
    await billing.bill(api, database_url)
    january, _ = await billing.invoices_of(app_client, customer, status="FINALIZED")
    await sdk.v1.invoices.void(id=january["id"])
    body = {**keys, "ending_before": at(2026, 1, 15).isoformat(), "allow_ending_before_finalized_invoice": True}
    assert (await seed.post(app_client, END, body)).status_code == 200
    anew = (await sdk.v1.invoices.regenerate(id=january["id"])).data.id
    assert await billing.asked(app_client, customer) == 100
    body = {**keys, "ending_before": at(2026, 6).isoformat()}
    await seed.refused(app_client, END, body, "ends 2026-01-15", "$.ending_before")
    await seed.refused(
        app_client, EDIT, {**keys, "update_contract_end_date": at(2026, 6).isoformat()}, "ends 2026-01-15"
    )
    await sdk.v1.invoices.void(id=anew)
    assert (await seed.post(app_client, END, body)).status_code == 200
    await sdk.v1.invoices.regenerate(id=anew)
    assert await billing.asked(app_client, customer) == 1100


async def test_the_rest_of_an_annual_subscription_is_not_free(sdk, api, clock, database_url, app_client):
    """A contract of a month has paid 31 of 365 days when it is extended to the whole year."""
    keys = await seated(sdk, 36500, "ANNUAL", collection_schedule="ARREARS")
    await sdk.v1.contracts.update_end_date(**keys, ending_before=at(2026, 2))
    clock.at = at(2026, 2, 3)
    await billing.bill(api, database_url)
    assert await billing.asked(app_client, keys["customer_id"]) == 3100
    body = {**keys, "ending_before": at(2027).isoformat()}
    await seed.refused(app_client, END, body, "void that invoice first", "$.ending_before")


async def test_the_rest_of_a_months_subscription_is_not_free(sdk, api, database_url, app_client):
    """One that ended on the 11th is charged for 10 of 31 days; then it goes on after all."""
    keys = await seated(sdk, 3100, "MONTHLY", collection_schedule="ARREARS", ending_before=at(2026, 1, 11))
    await billing.bill(api, database_url)
    assert await billing.asked(app_client, keys["customer_id"]) == 1000
    (its,) = (await sdk.v2.contracts.retrieve(**keys)).data.subscriptions
    body = {**keys, "update_subscriptions": [{"subscription_id": its.id, "ending_before": None}]}
    await seed.refused(app_client, EDIT, body, "void that invoice first", "$.update_subscriptions")


async def test_who_comes_back_before_a_paid_period_is_over_is_not_refused(sdk, api, clock, database_url, app_client):
    """The whole month was charged in advance: to end within it, and not to end after all, asks for nothing more."""
    keys = await seated(sdk, 3100, "MONTHLY", collection_schedule="ADVANCE")
    await billing.bill(api, database_url)
    assert await billing.asked(app_client, keys["customer_id"]) == 3100
    (its,) = (await sdk.v2.contracts.retrieve(**keys)).data.subscriptions
    for end in (at(2026, 1, 25).isoformat(), None):
        body = {**keys, "update_subscriptions": [{"subscription_id": its.id, "ending_before": end}]}
        answer = await seed.post(app_client, EDIT, body)
        assert answer.status_code == 200, answer.text
    clock.at = at(2026, 2, 3)
    await billing.bill(api, database_url)
    assert await billing.asked(app_client, keys["customer_id"]) == 6200
