"""Historical import over the API: past statements from given quantities, rated as all others, all or none."""

from typing import Any

import httpx
import pytest
from metronome import AsyncMetronome
from msgspec import Struct

from api import billing, seed
from api.seed import at
from winkel.model.credit_type import USD
from winkel.store import invoices

pytestmark = pytest.mark.anyio

IMPORT = "/v1/contracts/createHistoricalInvoices"
OCTOBER, NOVEMBER, DECEMBER, JANUARY = at(2025, 10), at(2025, 11), at(2025, 12), at(2026)


class Acme(Struct):
    """A customer with a contract since October, and what its tests ask for."""

    sdk: AsyncMetronome
    client: httpx.AsyncClient
    customer: str
    contract: str
    product: str

    def line(self, quantity: float | None, start=NOVEMBER, end=DECEMBER, model: str = "a", **more: Any) -> dict:
        """Return a line of an invoice."""
        line = {"product_id": self.product, "inclusive_start_date": start, "exclusive_end_date": end}
        line |= {"pricing_group_values": {"model": model}, **more}
        return line if quantity is None else {**line, "quantity": quantity}

    def invoice(self, *lines: dict, start=NOVEMBER, end=DECEMBER, **more: Any) -> dict:
        """Return an invoice of a request."""
        return {
            "customer_id": self.customer,
            "contract_id": self.contract,
            "credit_type_id": USD.id,
            "inclusive_start_date": start,
            "exclusive_end_date": end,
            "issue_date": end,
            "usage_line_items": list(lines),
        } | more

    async def create(self, *some: dict, preview: bool = False) -> list[Any]:
        """Import invoices."""
        return (await self.sdk.v1.contracts.create_historical_invoices(invoices=some, preview=preview)).data

    async def kept(self) -> list[dict]:
        """Return what is kept."""
        return await billing.invoices_of(self.client, self.customer, status="FINALIZED")

    async def refused(self, *parts: str, invoices: list[dict], status: int = 400) -> None:
        """Check that a request is refused with these words, and that nothing of it is kept."""
        import json

        text = json.dumps({"invoices": invoices, "preview": False}, default=lambda each: each.isoformat())
        await seed.refused(self.client, IMPORT, json.loads(text), *parts, status=status)
        assert await self.kept() == []


@pytest.fixture
async def acme(sdk, app_client) -> Acme:
    """Return a customer on 15 January who is to pay 1 cent for model a and 2.5 for model b, with 100 cents prepaid."""
    product = await seed.usage_product(sdk, pricing_group_key=["model"], presentation_group_key=["region"])
    card = await seed.rate_card(sdk)
    for model, price, start in (("a", 1, OCTOBER), ("b", 2.5, OCTOBER), ("a", 2, at(2025, 12, 15))):
        await sdk.v1.contracts.rate_cards.rates.add(
            rate_card_id=card, product_id=product, entitled=True, rate_type="FLAT", price=price, starting_at=start,
            pricing_group_values={"model": model},
        )  # fmt: skip
    customer, fixed = await seed.customer(sdk), await seed.fixed_product(sdk)
    item = {"amount": 100, "starting_at": OCTOBER, "ending_before": at(2027)}
    commit = {"product_id": fixed, "type": "PREPAID", "access_schedule": {"schedule_items": [item]}, "name": "Prepaid"}
    made = await sdk.v1.contracts.create(customer_id=customer, rate_card_id=card, starting_at=OCTOBER, commits=[commit])
    return Acme(sdk, app_client, customer, made.data.contract.id, product)


@pytest.fixture(autouse=True)
async def in_balance(acme, owner):
    """Whatever a test does, invoices agree with the ledger."""
    yield
    assert await invoices.unbalanced(owner) == []


async def test_past_invoices_are_rated_and_draw_balances_down(acme, api, database_url):
    """Unit prices are the contract's; earlier periods draw first, whatever their order in the request."""
    later = acme.invoice(acme.line(90), acme.line(4, model="b"))
    earlier = acme.invoice(acme.line(30, OCTOBER, NOVEMBER), start=OCTOBER, end=NOVEMBER, issue_date=at(2025, 11, 3))
    november, october = await acme.create(later, earlier)
    assert (november.status, november.type, november.total, october.total) == ("FINALIZED", "USAGE", 30, 0)
    assert (october.issued_at, november.start_timestamp) == (at(2025, 11, 3), NOVEMBER)
    found = [(each.name, each.quantity, each.unit_price, each.total) for each in november.line_items]
    assert found == [
        ("Tokens", 60, 1, 60), ("Prepaid applied", None, None, -60), ("Tokens", 30, 1, 30),
        ("Tokens", 4, 2.5, 10), ("Prepaid applied", None, None, -10),
    ]  # fmt: skip
    assert [each["id"] for each in await acme.kept()] == [october.id, november.id]
    seen = await acme.sdk.v2.contracts.retrieve(
        customer_id=acme.customer, contract_id=acme.contract, include_ledgers=True, include_balance=True
    )
    (commit,) = seen.data.commits
    assert (commit.balance, [(each.amount, each.timestamp) for each in commit.ledger[1:]]) == (
        0, [(-30, NOVEMBER), (-70, DECEMBER)],
    )  # fmt: skip
    drafts = await billing.invoices_of(acme.client, acme.customer, status="DRAFT")
    assert [each["start_timestamp"][:7] for each in drafts] == ["2025-12", "2026-01"]


async def test_a_preview_stores_nothing(acme):
    """It shows what would be made, each invoice after those before it."""
    asked = [acme.invoice(acme.line(80)), acme.invoice(acme.line(30, DECEMBER, JANUARY), start=DECEMBER, end=JANUARY)]
    shown = await acme.create(*asked, preview=True)
    assert [(each.status, each.total) for each in shown] == [("DRAFT", 0), ("DRAFT", 10)]
    assert await acme.kept() == []
    made = await acme.create(*asked)
    assert [(each.id, each.line_items) for each in made] == [(each.id, each.line_items) for each in shown]


async def test_breakdowns_and_regenerating_follow_the_given_quantities(acme):
    """Subtotals by day: each has its price, shows on its day, and stays when the invoice is made anew."""

    def day(number: int, quantity: float) -> dict:
        start, end = at(2025, 12, number), at(2025, 12, number + 1)
        return {"inclusive_start_date": start, "exclusive_end_date": end, "quantity": quantity}

    line = acme.line(None, DECEMBER, JANUARY, subtotals_with_quantity=[day(10, 5), day(20, 60)],
                     presentation_group_values={"region": "eu"})  # fmt: skip
    asked = acme.invoice(line, start=DECEMBER, end=JANUARY, breakdown_granularity="DAY")
    (made,) = await acme.create(asked)
    assert made.total == 25
    assert {each.presentation_group_values["region"] for each in made.line_items if each.quantity} == {"eu"}

    async def by_day() -> dict[str, float]:
        path = f"/v1/customers/{acme.customer}/invoices/breakdowns"
        query = {"starting_on": DECEMBER.isoformat(), "ending_before": JANUARY.isoformat(), "window_size": "DAY"}
        rows = seed.exact(await acme.client.get(path, params={**query, "limit": 100}))["data"]
        mine = [each for each in rows if each["status"] == "FINALIZED"]
        used = {
            each["breakdown_start_timestamp"][8:10]: sum(
                one["quantity"] for one in each["line_items"] if "quantity" in one
            )
            for each in mine
        }
        return {name: quantity for name, quantity in used.items() if quantity}

    assert await by_day() == {"10": 5, "20": 60}
    await acme.sdk.v1.invoices.void(id=made.id)
    again = await acme.sdk.v1.invoices.regenerate(id=made.id)
    (kept,) = await acme.kept()
    assert (kept["id"], kept["total"]) == (again.data.id, 25)
    assert await by_day() == {"10": 5, "20": 60}


async def test_statements_begin_later_than_the_contract(acme, api, clock, database_url):
    """Periods before are on no draft and never final by themselves; they can be imported."""
    seen = await acme.sdk.v2.contracts.retrieve(customer_id=acme.customer, contract_id=acme.contract)
    schedule = {"frequency": "MONTHLY", "invoice_generation_starting_at": at(2026, 2)}
    made = await acme.sdk.v1.contracts.create(
        customer_id=acme.customer, rate_card_id=seen.data.rate_card_id, starting_at=OCTOBER,
        usage_statement_schedule=schedule,
    )  # fmt: skip
    assert made.data.contract.usage_statement_schedule.to_dict() == seen.data.usage_statement_schedule.to_dict()
    await acme.sdk.v1.contracts.archive(customer_id=acme.customer, contract_id=acme.contract, void_invoices=False)
    assert await billing.invoices_of(acme.client, acme.customer) == []
    await billing.bill(api, database_url)
    acme.contract = made.data.contract.id
    (november,) = await acme.create(acme.invoice(acme.line(7)))
    assert november.total == 7
    clock.at = at(2026, 3, 2)
    await billing.bill(api, database_url)
    assert [each["start_timestamp"][:7] for each in await acme.kept()] == ["2025-11", "2026-02"]


async def test_all_or_none(acme):
    """The second invoice cannot be made, so there is no first; the place says which."""
    await acme.refused("is priced by: model", "$.invoices[1]", invoices=[
        acme.invoice(acme.line(1, OCTOBER, NOVEMBER), start=OCTOBER, end=NOVEMBER),
        acme.invoice(acme.line(1, pricing_group_values={})),
    ])  # fmt: skip
    twice = [acme.invoice(acme.line(1)), acme.invoice(acme.line(2))]
    await acme.refused("has the invoice", "$.invoices[1]", invoices=twice, status=409)


async def test_what_cannot_be_imported_is_refused(acme, api, clock, database_url):
    """Periods that are none of the contract's, not over, or invoiced; quantities without a rate; unknown things."""
    half = acme.invoice(acme.line(1, NOVEMBER, at(2025, 11, 15)), end=at(2025, 11, 15))
    await acme.refused("must be a billing period", "$.invoices[0]", invoices=[half])
    now = acme.invoice(acme.line(1, JANUARY, at(2026, 2)), start=JANUARY, end=at(2026, 2))
    await acme.refused("lasts until", "$.invoices[0]", invoices=[now])
    await acme.refused("can be billed", invoices=[acme.invoice(acme.line(1, model="c"))])
    await acme.refused("can be billed", invoices=[acme.invoice(acme.line(5, model="c"), acme.line(-5, model="c"))])
    await acme.refused(
        "is shown by: region", invoices=[acme.invoice(acme.line(1, presentation_group_values={"x": "y"}))]
    )
    await acme.refused("no usage product", invoices=[acme.invoice({**acme.line(1), "product_id": acme.customer})])
    await acme.refused("no open contract", invoices=[acme.invoice(acme.line(1), contract_id=acme.customer)])
    await acme.refused("$.invoices[0].customer_id", invoices=[acme.invoice(acme.line(1), customer_id=acme.product)])
    place = "$.invoices[0].usage_line_items[0]"
    await acme.refused("either a quantity", place, invoices=[acme.invoice(acme.line(None))])
    await acme.refused("within", place, invoices=[acme.invoice(acme.line(1, OCTOBER, NOVEMBER))])
    hour = {"inclusive_start_date": NOVEMBER, "exclusive_end_date": at(2025, 11, 1, 1), "quantity": 1}
    daily = acme.invoice(acme.line(None, subtotals_with_quantity=[hour]), breakdown_granularity="DAY")
    await acme.refused("one DAY", f"{place}.subtotals_with_quantity[0]", invoices=[daily])
    await acme.refused("rates of this contract", ".credit_type_id",
                       invoices=[acme.invoice(acme.line(1), credit_type_id=acme.customer)])  # fmt: skip
    await acme.refused("not supported yet", invoices=[acme.invoice(acme.line(1), billable_status="unbillable")])
    await billing.bill(api, database_url)
    (october, *_) = await billing.invoices_of(acme.client, acme.customer, status="FINALIZED")
    await acme.sdk.v1.invoices.void(id=october["id"])
    with pytest.raises(Exception, match=r"has the invoice"):
        await acme.create(acme.invoice(acme.line(1, OCTOBER, NOVEMBER), start=OCTOBER, end=NOVEMBER))


async def test_a_reader_may_not_import(make_client, acme, app_client):
    """It writes invoices, so it takes a token that may write; also for a preview."""
    reader = await make_client("reader", app_client.tenant)
    body = {"invoices": [], "preview": True}
    assert (await seed.post(reader, IMPORT, body)).status_code == 403
