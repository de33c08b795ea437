"""What a later end does to what is invoiced for a part of its time: nothing is used for free."""

import pytest

from api import billing, seed
from api.passing import asked, priced, until, used
from api.seed import at
from api.test_subscriptions import seats, subscription_product

pytestmark = pytest.mark.anyio

END, EDIT = "/v1/contracts/updateEndDate", "/v2/contracts/edit"


@pytest.mark.parametrize("by_edit", [False, True])
async def test_a_contract_is_not_extended_beyond_a_final_part_of_a_period(
    sdk, api, clock, database_url, app_client, by_edit
):
    """Else what is used from its old end to the end of the period is on no invoice, ever."""
    card, _ = await priced(sdk)
    customer = await seed.customer(sdk)
    made = await sdk.v1.contracts.create(
        customer_id=customer, starting_at=at(2026), ending_before=at(2026, 1, 15), rate_card_id=card
    )
    keys = {"customer_id": customer, "contract_id": made.data.id}
    until(clock, at(2026, 1, 16, 12))
    await billing.bill(api, database_url)
    end = at(2026, 6).isoformat()
    body = {**keys, "update_contract_end_date": end} if by_edit else {**keys, "ending_before": end}
    answer = await seed.post(app_client, EDIT if by_edit else END, body)
    await used(sdk, api, database_url, customer, 1, at(2026, 1, 16), 1000)
    until(clock, at(2026, 3, 3))
    await billing.bill(api, database_url)
    assert answer.status_code == 400 or await asked(app_client, customer) == 1000


async def test_the_rest_of_an_annual_subscription_is_not_free(sdk, api, clock, database_url, app_client):
    """A contract of a month has paid 31 of 365 days when it is extended to the whole year."""
    card, seat = await seed.rate_card(sdk), await subscription_product(sdk)
    await sdk.v1.contracts.rate_cards.rates.add(
        rate_card_id=card, product_id=seat, entitled=True, rate_type="FLAT", price=36500, starting_at=at(2026),
        billing_frequency="ANNUAL",
    )  # fmt: skip
    customer = await seed.customer(sdk)
    yearly = {"product_id": seat, "billing_frequency": "ANNUAL"}
    sub = seats(
        {"seat": seat}, 1, subscription_rate=yearly, collection_schedule="ARREARS", proration={"is_prorated": True}
    )
    made = await sdk.v1.contracts.create(
        customer_id=customer, starting_at=at(2026), ending_before=at(2026, 2), rate_card_id=card, subscriptions=[sub]
    )
    until(clock, at(2026, 2, 3))
    await billing.bill(api, database_url)
    assert await asked(app_client, customer) == 3100
    body = {"customer_id": customer, "contract_id": made.data.id, "ending_before": at(2027).isoformat()}
    answer = await seed.post(app_client, END, body)
    until(clock, at(2027, 1, 5))
    await billing.bill(api, database_url)
    assert answer.status_code == 400 or await asked(app_client, customer) == 36500


async def test_the_rest_of_a_months_subscription_is_not_free(sdk, api, clock, database_url, app_client):
    """One that ended on the 11th is charged for 10 of 31 days; then it goes on after all."""
    card, seat = await seed.rate_card(sdk), await subscription_product(sdk)
    await sdk.v1.contracts.rate_cards.rates.add(
        rate_card_id=card, product_id=seat, entitled=True, rate_type="FLAT", price=3100, starting_at=at(2026),
        billing_frequency="MONTHLY",
    )  # fmt: skip
    customer = await seed.customer(sdk)
    sub = seats(
        {"seat": seat}, 1, collection_schedule="ARREARS", ending_before=at(2026, 1, 11), proration={"is_prorated": True}
    )
    made = await sdk.v1.contracts.create(
        customer_id=customer, starting_at=at(2026), rate_card_id=card, subscriptions=[sub]
    )
    keys = {"customer_id": customer, "contract_id": made.data.id}
    await billing.bill(api, database_url)
    assert await asked(app_client, customer) == 1000
    (its,) = (await sdk.v2.contracts.retrieve(**keys)).data.subscriptions
    change = {"update_subscriptions": [{"subscription_id": its.id, "ending_before": None}]}
    answer = await seed.post(app_client, EDIT, {**keys, **change})
    until(clock, at(2026, 2, 3))
    await billing.bill(api, database_url)
    assert answer.status_code == 400 or await asked(app_client, customer) == 3100


async def test_who_comes_back_before_a_paid_period_is_over_is_not_refused(sdk, api, clock, database_url, app_client):
    """The whole month was charged in advance: to end within it, and not to end after all, asks for nothing more."""
    card, seat = await seed.rate_card(sdk), await subscription_product(sdk)
    await sdk.v1.contracts.rate_cards.rates.add(
        rate_card_id=card, product_id=seat, entitled=True, rate_type="FLAT", price=3100, starting_at=at(2026),
        billing_frequency="MONTHLY",
    )  # fmt: skip
    customer = await seed.customer(sdk)
    sub = seats({"seat": seat}, 1, collection_schedule="ADVANCE", proration={"is_prorated": True})
    made = await sdk.v1.contracts.create(
        customer_id=customer, starting_at=at(2026), rate_card_id=card, subscriptions=[sub]
    )
    await billing.bill(api, database_url)
    assert await asked(app_client, customer) == 3100
    keys = {"customer_id": customer, "contract_id": made.data.id}
    (its,) = (await sdk.v2.contracts.retrieve(**keys)).data.subscriptions
    for end in (at(2026, 1, 25).isoformat(), None):
        change = {"update_subscriptions": [{"subscription_id": its.id, "ending_before": end}]}
        answer = await seed.post(app_client, EDIT, {**keys, **change})
        assert answer.status_code == 200, answer.text
    until(clock, at(2026, 2, 3))
    await billing.bill(api, database_url)
    assert await asked(app_client, customer) == 6200
