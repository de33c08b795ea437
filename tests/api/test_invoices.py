"""Invoices over the API: drafts rated when asked for, finalized when their time has come."""

import io
import uuid
from fractions import Fraction

import pytest
from pypdf import PdfReader

from api import billing, seed
from winkel.bill.worker import Worker
from winkel.config import Settings
from winkel.model.errors import SchemaError
from winkel.store.billing import problems

pytestmark = pytest.mark.anyio


@pytest.fixture
async def acme(sdk, api, database_url):
    """Return a customer with 500 cents prepaid, 100 tokens of model a and 400 of model b used, on 15 January."""
    card, _ = await billing.priced_card(sdk)
    fixed = await seed.fixed_product(sdk)
    customer = (await sdk.v1.customers.create(name="Acme", ingest_aliases=["acme"])).data.id
    term = {"starting_at": seed.at(2026), "ending_before": seed.at(2027)}
    commit = {
        "product_id": fixed,
        "type": "PREPAID",
        "name": "Prepaid",
        "priority": 1,
        "access_schedule": {"schedule_items": [{"amount": 500, **term}]},
        "invoice_schedule": {"schedule_items": [{"timestamp": seed.at(2026), "amount": 450}]},
    }
    await sdk.v1.contracts.create(customer_id=customer, starting_at=seed.at(2026), rate_card_id=card, commits=[commit])
    used = [
        billing.event(1, "acme", api.clock(), model="a", tokens=100),
        billing.event(2, customer, api.clock(), model="b", tokens="400"),
        billing.event(2, customer, api.clock(), model="b", tokens="400"),
    ]
    await sdk.v1.usage.ingest(usage=used)
    await billing.meter(api, database_url)
    return customer


async def test_a_draft_is_rated_when_it_is_asked_for(acme, sdk) -> None:
    """Usage under the alias and under the id is priced by model; the commit pays first, the rest is due."""
    listed = (await sdk.v1.customers.invoices.list(customer_id=acme, status="draft")).data
    assert [invoice.type for invoice in listed] == ["SCHEDULED", "USAGE"]
    draft = (await sdk.v1.customers.invoices.retrieve(customer_id=acme, invoice_id=listed[1].id)).data
    told = [(line.name, line.quantity, line.unit_price, line.total) for line in draft.line_items]
    assert told == [
        ("Tokens", 100, 1, 100),
        ("Tokens", 200, 2.5, 500),
        ("Prepaid applied", None, None, -500),
        ("Tokens", 200, 2.5, 500),
    ]
    assert draft.total == 600
    assert draft.status == "DRAFT"
    assert draft.start_timestamp == seed.at(2026)


async def test_late_usage_moves_the_draft(acme, sdk, app_client, api, database_url) -> None:
    """An event that arrives later, or takes usage back, is in the next answer."""
    await sdk.v1.usage.ingest(usage=[billing.event(3, acme, api.clock(), model="b", tokens="-0.4")])
    await billing.meter(api, database_url)
    (draft,) = await billing.invoices_of(app_client, acme, type="usage")
    assert draft["total"] == 599


async def test_a_period_is_finalized_after_its_grace(acme, sdk, app_client, api, clock, database_url) -> None:
    """The draft becomes final 24 hours after the period, with the same id and total; February has its own draft."""
    await billing.bill(api, database_url)
    (january,) = await billing.invoices_of(app_client, acme, type="usage")
    clock.move(days=17)
    await billing.bill(api, database_url)
    assert [each["status"] for each in await billing.invoices_of(app_client, acme, type="usage")] == ["DRAFT", "DRAFT"]
    clock.move(hours=24)
    await billing.bill(api, database_url)
    final, february = await billing.invoices_of(app_client, acme, type="usage")
    assert (final["id"], final["total"], final["status"]) == (january["id"], january["total"], "FINALIZED")
    assert (february["status"], february["total"]) == ("DRAFT", 0)


async def test_a_finalized_invoice_stays_and_its_balance_is_spent(
    acme, sdk, app_client, api, clock, database_url
) -> None:
    """Usage that arrives after finalization changes the usage endpoints, not the invoice; the commit is used up."""
    clock.move(days=18)
    await sdk.v1.usage.ingest(usage=[billing.event(4, acme, seed.at(2026, 2), model="b", tokens=10)])
    await billing.meter(api, database_url)
    await billing.bill(api, database_url)
    await sdk.v1.usage.ingest(usage=[billing.event(5, acme, seed.at(2026, 1, 31), model="a", tokens=1000)])
    await billing.meter(api, database_url)
    january, february = await billing.invoices_of(app_client, acme, type="usage")
    assert (january["total"], february["total"]) == (600, 25)
    net = await sdk.v1.contracts.get_net_balance(customer_id=acme, invoice_inclusion_mode="FINALIZED")
    assert net.data.balance == 0


async def test_an_invoice_waits_for_the_meter(acme, sdk, app_client, api, clock, database_url) -> None:
    """While accepted events are not metered yet, no period is closed: they must be on its invoice."""
    clock.move(days=16)
    await sdk.v1.usage.ingest(usage=[billing.event(6, acme, seed.at(2026, 1, 31), model="a", tokens=7)])
    clock.move(days=3)
    await billing.bill(api, database_url)
    assert (await billing.invoices_of(app_client, acme, type="usage"))[0]["status"] == "DRAFT"
    await billing.meter(api, database_url)
    await billing.bill(api, database_url)
    final = (await billing.invoices_of(app_client, acme, type="usage"))[0]
    assert (final["status"], final["total"]) == ("FINALIZED", 607)


async def test_an_invoice_as_pdf(acme, sdk, app_client, api, clock, database_url) -> None:
    """A draft is marked as one; final, it is the same bytes each time. The seller is the tenant."""

    async def text(invoice: str) -> tuple[bytes, str]:
        content = await (await sdk.v1.customers.invoices.retrieve_pdf(customer_id=acme, invoice_id=invoice)).read()
        return content, PdfReader(io.BytesIO(content)).pages[0].extract_text()

    (draft,) = await billing.invoices_of(app_client, acme, type="usage")
    _, shown = await text(draft["id"])
    assert all(each in shown for each in ("DRAFT", "Acme", "6.00", "Prepaid applied", app_client.tenant.name))
    clock.move(days=18)
    await billing.bill(api, database_url)
    content, shown = await text(draft["id"])
    assert "DRAFT" not in shown
    clock.move(days=1)
    assert (await text(draft["id"]))[0] == content
    missing = await app_client.get(f"/v1/customers/{acme}/invoices/{uuid.uuid4()}/pdf")
    assert missing.status_code == 404


async def test_an_invoice_as_pdf_in_a_time_zone(acme, app_client, api, clock, database_url) -> None:
    """Its times are told there; amounts, and the invoice as JSON, stay as they are."""
    clock.move(days=18)
    await billing.bill(api, database_url)
    kept = (await billing.invoices_of(app_client, acme, type="usage"))[0]
    path = f"/v1/customers/{acme}/invoices/{kept['id']}"

    async def text(**asked: str) -> str:
        answer = await app_client.get(f"{path}/pdf", params=asked)
        assert answer.status_code == 200, answer.text
        return PdfReader(io.BytesIO(answer.content)).pages[0].extract_text()

    assert "2026-01-01 – 2026-01-31" in await text()
    for zone, times in {
        "UTC": "2026-01-01 – 2026-01-31",
        "Europe/Berlin": "2026-01-01 01:00 – 2026-02-01 01:00 CET",
        "America/New_York": "2025-12-31 19:00 – 2026-01-31 19:00 EST",
        "Asia/Kolkata": "2026-01-01 05:30 – 2026-02-01 05:30 IST",
        "Australia/Lord_Howe": "2026-01-01 11:00 – 2026-02-01 11:00 +11:00",
    }.items():
        shown = await text(time_zone=zone)
        assert all(each in shown for each in (times, "6.00", "Prepaid applied"))
        assert (zone in shown) is (zone != "UTC")
    assert await text() == await text(time_zone="UTC")
    assert (await app_client.get(path)).json()["data"] == kept


@pytest.mark.parametrize("query", ["time_zone=Mars/Olympus", "time_zone=", "time_zone=CEST", "zone=Europe/Berlin"])
async def test_a_time_zone_that_there_is_not_is_refused(acme, app_client, query: str) -> None:
    """The answer names the parameter and how one looks; the JSON of an invoice knows no zone but UTC."""
    (draft,) = await billing.invoices_of(app_client, acme, type="usage")
    path = f"/v1/customers/{acme}/invoices/{draft['id']}"
    answer = await app_client.get(f"{path}/pdf?{query}")
    assert answer.status_code == 400
    wanted = ["query parameter `zone`"] if query.startswith("zone") else ["such as Europe/Berlin", "at `time_zone`"]
    assert all(each in answer.json()["message"] for each in wanted)
    assert (await app_client.get(f"{path}?time_zone=Europe/Berlin")).status_code == 400


async def test_nothing_becomes_final_on_a_newer_schema(acme, app_client, api, clock, database_url, owner) -> None:
    """Contracts may have terms that this version does not know; it is not the customers' fault either."""
    await billing.bill(api, database_url)
    clock.move(days=20)
    await owner.execute("INSERT INTO migration (name) VALUES ('9999_tomorrow')")
    worker = Worker(database_url, api.log, Settings(), clock)
    for job in (worker.bill, worker.compact):
        with pytest.raises(SchemaError, match="9999_tomorrow"):
            await job(owner)
    assert await billing.invoices_of(app_client, acme, type="USAGE", status="FINALIZED") == []
    assert await problems(owner) == []
    await owner.execute("DELETE FROM migration WHERE name = '9999_tomorrow'")
    await billing.bill(api, database_url)
    assert len(await billing.invoices_of(app_client, acme, type="USAGE", status="FINALIZED")) == 1


async def test_billing_twice_changes_nothing(acme, app_client, api, clock, database_url) -> None:
    """A second round, or a second worker, finds nothing to do."""
    clock.move(days=30)
    await billing.bill(api, database_url)
    once = await billing.invoices_of(app_client, acme)
    await billing.bill(api, database_url)
    assert await billing.invoices_of(app_client, acme) == once


async def test_pages_and_filters(acme, app_client, api, clock, database_url) -> None:
    """Pages put together are the list, in both directions; each filter does what it says."""
    clock.move(days=75)
    await billing.bill(api, database_url)
    every = await billing.invoices_of(app_client, acme)
    assert len(every) == 4
    for sort, expected in (("date_asc", every), ("date_desc", every[::-1])):
        seen, cursor = [], None
        while True:
            query = {"limit": 1, "sort": sort, **({"next_page": cursor} if cursor else {})}
            page = seed.exact(await app_client.get(f"/v1/customers/{acme}/invoices", params=query))
            seen += page["data"]
            cursor = page["next_page"]
            if cursor is None:
                break
        assert seen == expected
    assert [each["type"] for each in await billing.invoices_of(app_client, acme, type="SCHEDULED")] == ["SCHEDULED"]
    assert len(await billing.invoices_of(app_client, acme, status="FINALIZED")) == 3
    assert len(await billing.invoices_of(app_client, acme, starting_on="2026-03-01T00:00:00Z")) == 1
    assert await billing.invoices_of(app_client, acme, contract_id=acme) == []


@pytest.mark.parametrize("instant", ["2026", "20260201", "86400000", "1e9", "2026-02-01", "2026-02-01T00:00:00"])
@pytest.mark.parametrize("name", ["starting_on", "ending_before"])
async def test_an_instant_of_a_query_is_one_of_rfc_3339(acme, app_client, name: str, instant: str) -> None:
    """A year, or a date without hyphens, is not so many seconds since 1970; it is refused by its name."""
    times = {"starting_on": "2026-01-01T00:00:00Z", "ending_before": "2026-02-01T00:00:00Z", name: instant}
    for path in ("invoices", "invoices/breakdowns"):
        answer = await app_client.get(f"/v1/customers/{acme}/{path}", params=times)
        assert answer.status_code == 400, answer.text
        assert f"the query parameter `{name}`" in answer.json()["message"]


async def test_a_bad_contract_never_stops_the_others(acme, sdk, app_client, api, clock, database_url, owner) -> None:
    """A customer whose billing fails is written down with its problem; everybody else is billed."""
    card, product = await billing.priced_card(sdk)
    broken = (await sdk.v1.customers.create(name="Broken")).data.id
    await sdk.v1.contracts.create(customer_id=broken, starting_at=seed.at(2026), rate_card_id=card)
    await owner.execute(
        "UPDATE product SET initial = initial || jsonb_build_object('billable_metric_id', gen_random_uuid()) "
        "WHERE tenant_id = %s AND id = %s",
        (app_client.tenant.id, product),
    )
    clock.move(days=18)
    await billing.bill(api, database_url)
    row = await (
        await owner.execute("SELECT customer_id::text, problem FROM billing_due WHERE problem <> ''")
    ).fetchone()
    assert row["customer_id"] == broken
    assert row["problem"]
    assert len(await billing.invoices_of(app_client, acme, status="FINALIZED")) == 2


async def broken_card(sdk, owner):
    """Make a rate card whose product has a metric that does not exist; return it, and a function that mends it."""
    card, product = await billing.priced_card(sdk)
    row = await (await owner.execute("SELECT initial FROM product WHERE id = %s", (product,))).fetchone()
    change = "UPDATE product SET initial = jsonb_set(initial, '{billable_metric_id}', to_jsonb(%s::text)) WHERE id = %s"
    await owner.execute(change, (str(uuid.uuid4()), product))
    return card, lambda: owner.execute(change, (row["initial"]["billable_metric_id"], product))


@pytest.mark.parametrize("linked", [False, True], ids=["apart", "linked by a credit"])
async def test_a_bad_contract_holds_back_those_that_share_a_balance_with_it(
    acme, sdk, app_client, api, clock, database_url, owner, linked: bool
) -> None:
    """The customer's other contract is billed on time, unless one balance may pay for both; mended, all is billed."""
    card, mend = await broken_card(sdk, owner)
    bad = await sdk.v1.contracts.create(customer_id=acme, starting_at=seed.at(2026), rate_card_id=card)
    if linked:
        await sdk.v1.customers.credits.create(
            customer_id=acme,
            product_id=await seed.fixed_product(sdk),
            priority=1,
            access_schedule={
                "schedule_items": [{"amount": 50, "starting_at": seed.at(2026), "ending_before": seed.at(2027)}]
            },
        )
    clock.move(days=18)
    await billing.bill(api, database_url)
    final = {"customer_id": acme, "tenant_id": app_client.tenant.id}
    count = "SELECT count(*) AS n FROM invoice WHERE customer_id = %(customer_id)s AND tenant_id = %(tenant_id)s"

    async def made() -> int:
        return (await (await owner.execute(count, final)).fetchone())["n"]

    row = await (await owner.execute("SELECT problem FROM billing_due WHERE problem <> ''")).fetchone()
    assert bad.data.id in row["problem"]
    assert await made() == (0 if linked else 2)
    await mend()
    await billing.bill(api, database_url)
    assert await made() == (0 if linked else 2), "it is tried again later, not at once"
    clock.move(minutes=6)
    await billing.bill(api, database_url)
    invoices = await billing.invoices_of(app_client, acme, status="FINALIZED", type="USAGE")
    assert await made() == 3
    assert sorted(each["total"] for each in invoices) == ([0, 550] if linked else [0, 600])


async def test_amounts_keep_every_digit(sdk, app_client, api, database_url) -> None:
    """A price and a quantity of many digits give their exact product."""
    product = await seed.usage_product(sdk)
    card = await seed.rate_card(sdk)
    price, tokens = "0.0000000123456789123456789", "1234567890123456.789"
    body = f'{{"rate_card_id":"{card}","product_id":"{product}","entitled":true,"rate_type":"FLAT","price":{price},'
    answer = await app_client.post(
        "/v1/contract-pricing/rate-cards/addRate",
        content=body + '"starting_at":"2026-01-01T00:00:00Z"}',
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 200, answer.text
    customer = await seed.customer(sdk)
    await sdk.v1.contracts.create(customer_id=customer, starting_at=seed.at(2026), rate_card_id=card)
    await sdk.v1.usage.ingest(usage=[billing.event(1, customer, api.clock(), model="x", tokens=tokens)])
    await billing.meter(api, database_url)
    (draft,) = await billing.invoices_of(app_client, customer)
    assert Fraction(draft["total"]) == Fraction(price) * Fraction(tokens)
