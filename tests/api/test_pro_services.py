"""Professional services over the wire: agreed, asked for on dates, never beyond what may be asked for."""

import pytest

from api import billing, seed
from api.seed import at

pytestmark = pytest.mark.anyio

CREATE, EDIT = "/v1/contracts/create", "/v2/contracts/edit"
SCHEDULE = "/v1/contracts/scheduleProServicesInvoice"
ABSENT = "00000000-0000-4000-8000-000000000000"


class Acme:
    """A customer whose contract agrees on 40 hours of training at 200 cents, 9,000 at most."""

    def __init__(self, sdk, client, api, url):
        self.sdk, self.client, self.api, self.url = sdk, client, api, url
        self.keys: dict[str, str] = {}
        self.product = ""

    async def build(self):
        """Make it."""
        made = await self.sdk.v1.contracts.products.create(name="Training", type="PROFESSIONAL_SERVICE")
        self.product = made.data.id
        self.keys["customer_id"] = await seed.customer(self.sdk)
        contract = await self.sdk.v1.contracts.create(
            customer_id=self.keys["customer_id"], starting_at=at(2026), professional_services=[self.service()]
        )
        self.keys["contract_id"] = contract.data.id
        return self

    def service(self, **more):
        """Return the terms of the training."""
        return {
            "product_id": self.product,
            "unit_price": 200,
            "quantity": 40,
            "max_amount": 9000,
            "description": "On site",
            "custom_fields": {"a": "b"},
            "netsuite_sales_order_id": "N1",
            **more,
        }

    async def terms(self):
        """Return the contract in V2."""
        return (await self.sdk.v2.contracts.retrieve(**self.keys)).data

    async def training(self):
        """Return the id of the first service."""
        return (await self.terms()).professional_services[0].id

    async def schedule(self, day, *lines):
        """Ask for services on a day; return the invoice."""
        its_id = await self.training()
        some = [{"professional_service_id": its_id, **each} for each in lines]
        answer = await self.sdk.v1.contracts.schedule_pro_services_invoice(**self.keys, issued_at=day, line_items=some)
        (invoice,) = answer.data
        return invoice

    async def refused(self, body, *parts):
        """Ask for services in a way that must be refused."""
        its_id = await self.training()
        some = [{"professional_service_id": its_id, **each} for each in body.pop("line_items", [])]
        whole = {**self.keys, "issued_at": at(2026, 2).isoformat(), "line_items": some, **body}
        await seed.refused(self.client, SCHEDULE, whole, *parts)

    async def bill(self):
        """Make final what is due."""
        await billing.bill(self.api, self.url)

    async def invoices(self, **query):
        """Return (date, total, status) of each scheduled invoice."""
        found = await billing.invoices_of(self.client, self.keys["customer_id"], type="SCHEDULED", **query)
        return [(each["issued_at"][:10], each["total"], each["status"]) for each in found]


@pytest.fixture
async def acme(sdk, app_client, api, database_url):
    """Return a customer with a professional service."""
    return await Acme(sdk, app_client, api, database_url).build()


async def test_a_service_is_shown(acme):
    """In both versions of the contract."""
    nested = (await acme.sdk.v1.contracts.retrieve(**acme.keys)).data
    for (seen,) in (
        (await acme.terms()).professional_services,
        nested.initial.professional_services,
        nested.current.professional_services,
    ):
        assert (seen.product_id, seen.description, seen.custom_fields) == (acme.product, "On site", {"a": "b"})
        assert (seen.unit_price, seen.quantity, seen.max_amount) == (200, 40, 9000)
        assert seen.netsuite_sales_order_id == "N1"


async def test_a_service_is_added_by_an_edit(acme):
    """And its history tells it."""
    acme.api.clock.move(seconds=1)
    more = acme.service(max_amount=50, description="More")
    record = (await acme.sdk.v2.contracts.edit(**acme.keys, add_professional_services=[more])).data.edit
    (told,) = record.add_pro_services
    assert (told.description, told.max_amount) == ("More", 50)
    assert [each.id for each in (await acme.terms()).professional_services] == [await acme.training(), told.id]
    initial = (await acme.sdk.v1.contracts.retrieve(**acme.keys)).data.initial
    assert [each.description for each in initial.professional_services] == ["On site"]


async def test_what_is_asked_for_is_one_invoice(acme):
    """With a line for each way of asking; it is a draft, and then final on its date."""
    asked = await acme.schedule(
        at(2026, 2),
        {"quantity": 10, "metadata": "first week", "netsuite_invoice_billing_start": at(2026)},
        {"quantity": 2.5, "unit_price": 100},
        {"amount": 300},
    )
    assert (asked.type, asked.status, asked.total, asked.issued_at) == ("SCHEDULED", "DRAFT", 2550, at(2026, 2))
    its_id = await acme.training()
    for line in asked.line_items:
        assert (line.type, line.name, line.product_id) == ("scheduled", "Training", acme.product)
        assert (line.product_type, line.professional_service_id) == ("ProServiceProductListItem", its_id)
    lines = [(each.quantity, each.unit_price, each.total) for each in asked.line_items]
    assert lines == [(10, 200, 2000), (2.5, 100, 250), (1, 300, 300)]
    first = asked.line_items[0]
    assert (first.metadata, first.netsuite_invoice_billing_start) == ("first week", at(2026))
    acme.api.clock.move(days=60)
    await acme.bill()
    key = {"customer_id": acme.keys["customer_id"], "invoice_id": asked.id}
    final = (await acme.sdk.v1.customers.invoices.retrieve(**key)).data
    assert (final.status, final.issued_at, final.line_items) == ("FINALIZED", asked.issued_at, asked.line_items)
    paper = await acme.sdk.v1.customers.invoices.retrieve_pdf(**key)
    assert (await paper.read()).startswith(b"%PDF")


async def test_each_request_is_an_invoice_of_its_own(acme):
    """Also on one date; one of the past is final at once."""
    acme.api.clock.move(days=40)
    for amount in (100, 200):
        await acme.schedule(at(2026, 2), {"amount": amount})
    assert sorted(await acme.invoices()) == [("2026-02-01", 100, "DRAFT"), ("2026-02-01", 200, "DRAFT")]
    await acme.bill()
    assert sorted(await acme.invoices()) == [("2026-02-01", 100, "FINALIZED"), ("2026-02-01", 200, "FINALIZED")]


async def test_never_more_than_the_most(acme):
    """Over all lines and invoices, upcoming ones too; and nothing of what is refused is kept."""
    await acme.schedule(at(2026, 2), {"amount": 5000}, {"quantity": 10})
    await acme.schedule(at(2027), {"amount": 1500})
    two = [{"amount": 400}, {"amount": 100.01}]
    await acme.refused({"line_items": two}, "$.line_items[1]", "asks for 100.01", "only 100 of its max_amount")
    await acme.refused({"line_items": [{"quantity": 3}]}, "$.line_items[0]", "asks for 600", "only 500")
    await acme.schedule(at(2026, 3), {"amount": 400}, {"amount": 100})
    await acme.refused({"line_items": [{"amount": 0.01}]}, "$.line_items[0]", "only 0 of")
    assert sum(total for _, total, _ in await acme.invoices()) == 9000


async def test_void_and_regenerate(acme):
    """What a void one asked for may be asked for again, by one of both."""
    acme.api.clock.move(days=40)
    first = await acme.schedule(at(2026, 2), {"amount": 6000})
    await acme.bill()
    await acme.sdk.v1.invoices.void(id=first.id)
    anew = (await acme.sdk.v1.invoices.regenerate(id=first.id)).data.id
    await acme.refused({"line_items": [{"amount": 3001}]}, "only 3000")
    await acme.sdk.v1.invoices.void(id=anew)
    other = await acme.schedule(at(2026, 2), {"amount": 3001})
    await acme.bill()
    await seed.refused(acme.client, "/v1/invoices/regenerate", {"id": anew}, "1 more than the max_amount", "$.id")
    await acme.sdk.v1.invoices.void(id=other.id)
    again = (await acme.sdk.v1.invoices.regenerate(id=anew)).data.id
    made = await acme.sdk.v1.customers.invoices.retrieve(customer_id=acme.keys["customer_id"], invoice_id=again)
    assert (made.data.total, made.data.status) == (6000, "FINALIZED")
    assert made.data.line_items[0].professional_service_id == await acme.training()
    await seed.refused(acme.client, "/v1/invoices/regenerate", {"id": other.id}, "1 more than the max_amount")


async def test_an_earlier_end_drops_invoices_to_come(acme):
    """They count no more either; an archived contract asks for nothing."""
    await acme.schedule(at(2026, 2), {"amount": 1000})
    await acme.schedule(at(2026, 4), {"amount": 8000})
    await acme.sdk.v1.contracts.update_end_date(**acme.keys, ending_before=at(2026, 3))
    assert await acme.invoices() == [("2026-02-01", 1000, "DRAFT")]
    await acme.schedule(at(2026, 2), {"amount": 8000})
    await acme.sdk.v1.contracts.archive(**acme.keys, void_invoices=True)
    assert await acme.invoices() == []
    await seed.refused(
        acme.client,
        SCHEDULE,
        {**acme.keys, "issued_at": at(2026, 2).isoformat(), "line_items": [{"professional_service_id": ABSENT}]},
        "this contract is archived",
    )


async def test_in_the_currency_of_the_card(acme):
    """Amounts are in the currency of the contract's rate card."""
    euro = "Euro"
    units = (await acme.client.get("/v1/credit-types/list")).json()["data"]
    euro = next(each["id"] for each in units if each["name"].startswith("EUR"))
    card = await seed.rate_card(acme.sdk, fiat_credit_type_id=euro)
    made = await acme.sdk.v1.contracts.create(
        customer_id=acme.keys["customer_id"],
        starting_at=at(2026),
        rate_card_id=card,
        professional_services=[acme.service()],
    )
    acme.keys["contract_id"] = made.data.id
    invoice = await acme.schedule(at(2026, 2), {"quantity": 1})
    assert (invoice.credit_type.id, invoice.line_items[0].credit_type.id, invoice.total) == (euro, euro, 200)


async def test_what_a_line_must_say(acme):
    """Each fault is refused with its place."""
    place = "$.line_items[0]"
    for line, *parts in (
        ({}, place, "needs an amount, or a quantity"),
        ({"unit_price": 3}, place, "needs an amount, or a quantity"),
        ({"amount": 3, "quantity": 1}, place, "give an amount, or a quantity"),
        ({"amount": 3, "unit_price": 1}, place, "give an amount, or a quantity"),
        ({"amount": -1}, f"{place}.amount", "negative"),
        ({"quantity": -1}, f"{place}.quantity", "negative"),
        ({"quantity": 1, "unit_price": -1}, f"{place}.unit_price", "negative"),
        ({"amount": 1, "amendment_id": ABSENT}, f"{place}.amendment_id", "no amendment"),
        ({"professional_service_id": ABSENT}, f"{place}.professional_service_id", "no professional service"),
    ):
        await acme.refused({"line_items": [line]}, *parts)
    await acme.refused({"line_items": []}, "$.line_items")
    header = {"netsuite_invoice_header_start": at(2026).isoformat(), "line_items": [{"amount": 1}]}
    await acme.refused(header, "not supported yet")
    absent = {**acme.keys, "contract_id": ABSENT, "issued_at": at(2026).isoformat()}
    lines = [{"professional_service_id": ABSENT, "amount": 1}]
    await seed.refused(acme.client, SCHEDULE, {**absent, "line_items": lines}, "no contract", status=404)


async def test_what_a_service_must_say(acme):
    """A PRO_SERVICE product that is there and not archived, and numbers that are amounts."""
    fixed = await seed.fixed_product(acme.sdk)
    place = "$.professional_services[0]"
    for change, *parts in (
        ({"product_id": fixed}, f"{place}.product_id", "needs a PRO_SERVICE product"),
        ({"product_id": ABSENT}, f"{place}.product_id", "no product"),
        ({"max_amount": -1}, f"{place}.max_amount", "negative"),
        ({"unit_price": -1}, f"{place}.unit_price", "negative"),
        ({"quantity": -1}, f"{place}.quantity", "negative"),
    ):
        body = {
            "customer_id": acme.keys["customer_id"],
            "starting_at": at(2026).isoformat(),
            "professional_services": [acme.service(**change)],
        }
        await seed.refused(acme.client, CREATE, body, *parts)
    await acme.sdk.v1.contracts.products.archive(product_id=acme.product)
    edit = {**acme.keys, "add_professional_services": [acme.service()]}
    await seed.refused(acme.client, EDIT, edit, "$.add_professional_services[0].product_id", "archived")
