"""Imports of a family, and into a renewal: earlier periods draw first."""

from datetime import datetime

import pytest

from api import billing, family, seed
from api.seed import at
from winkel.model.credit_type import USD
from winkel.store import invoices

pytestmark = pytest.mark.anyio

IMPORT = "/v1/contracts/createHistoricalInvoices"


def imported(ref: dict, product: str, quantity: int, start: datetime, end: datetime) -> dict:
    """Return an invoice of a request."""
    span = {"inclusive_start_date": start.isoformat(), "exclusive_end_date": end.isoformat()}
    lines = [{"product_id": product, "quantity": quantity, "pricing_group_values": {"model": "a"}, **span}]
    return {**ref, **span, "credit_type_id": USD.id, "issue_date": end.isoformat(), "usage_line_items": lines}


@pytest.mark.parametrize("preview", [True, False])
async def test_imports_of_a_family_draw_in_order_of_time(sdk, api, clock, database_url, app_client, preview):
    """Of a pool of 500, whoever is first by id: January takes 400, and February the rest; a preview says so, too."""
    fam = await family.begun(sdk, api, clock, database_url)
    clock.at = at(2026, 3, 5)
    low, high = sorted(["Disney", "Hulu"], key=lambda name: fam.customers[name])
    some = [
        imported(fam.ref(low), fam.product, 400, at(2026, 2), at(2026, 3)),
        imported(fam.ref(high), fam.product, 400, at(2026), at(2026, 2)),
    ]
    answer = await seed.post(app_client, IMPORT, {"invoices": some, "preview": preview})
    assert answer.status_code == 200, answer.text
    assert [(each["start_timestamp"][:7], each["total"]) for each in answer.json()["data"]] == [
        ("2026-02", 300), ("2026-01", 0),
    ]  # fmt: skip


async def test_an_import_into_a_renewal_does_not_pass_over_what_rolls_over(
    sdk, api, clock, database_url, app_client, owner
):
    """January leaves 400 of 500, which are used before all others: February's 300 cost nothing."""
    card, product = await billing.priced_card(sdk)
    customer, fixed = await seed.customer(sdk), await seed.fixed_product(sdk)
    item = {"amount": 500, "starting_at": at(2026), "ending_before": at(2027)}
    commit = {"product_id": fixed, "type": "PREPAID", "rollover_fraction": 1}
    commit["access_schedule"] = {"schedule_items": [item]}
    terms = {"customer_id": customer, "rate_card_id": card}
    old = (await sdk.v1.contracts.create(**terms, starting_at=at(2026), commits=[commit])).data.id
    renewal = {"type": "RENEWAL", "from_contract_id": old}
    new = (await sdk.v1.contracts.create(**terms, starting_at=at(2026, 2), transition=renewal)).data.id
    clock.at = at(2026, 3, 5)
    january, february, march = (at(2026, month) for month in (1, 2, 3))
    some = [
        imported({"customer_id": customer, "contract_id": old}, product, 100, january, february),
        imported({"customer_id": customer, "contract_id": new}, product, 300, february, march),
    ]
    answer = await seed.post(app_client, IMPORT, {"invoices": some, "preview": False})
    assert answer.status_code == 200, answer.text
    await billing.bill(api, database_url)
    assert await billing.asked(app_client, customer) == 0
    assert (await sdk.v1.contracts.get_net_balance(customer_id=customer)).data.balance == 100
    assert await invoices.unbalanced(owner) == []
