"""Discounts over the wire: shown, taken off on their dates, edited with a history, and void with their invoice."""

import metronome
import pytest

from api import billing, seed
from api.conftest import sdk_of
from api.seed import at

pytestmark = pytest.mark.anyio

CREATE, EDIT = "/v1/contracts/create", "/v2/contracts/edit"
ABSENT = "00000000-0000-4000-8000-000000000000"


def dates(*some):
    """Return a schedule of (date, amount)s."""
    return {"schedule_items": [{"timestamp": date.isoformat(), "amount": amount} for date, amount in some]}


class Acme:
    """A customer whose contract has a fee of 1,000 cents and 120 off in January, and 30 off in March."""

    def __init__(self, sdk, client, api, url):
        self.sdk, self.client, self.api, self.url = sdk, client, api, url
        self.keys: dict[str, str] = {}
        self.fixed = ""

    async def build(self, **more):
        """Make it."""
        self.fixed = await seed.fixed_product(self.sdk, "Platform")
        self.keys["customer_id"] = await seed.customer(self.sdk)
        made = await self.sdk.v1.contracts.create(
            customer_id=self.keys["customer_id"],
            starting_at=at(2026),
            scheduled_charges=[{"product_id": self.fixed, "name": "Fee", "schedule": dates((at(2026), 1000))}],
            discounts=[self.discount()],
            **more,
        )
        self.keys["contract_id"] = made.data.id
        return self

    def discount(self, **more):
        """Return 120 off in January and 30 off in March."""
        schedule = dates((at(2026), 120), (at(2026, 3), 30))
        return {
            "product_id": self.fixed,
            "name": "Launch",
            "custom_fields": {"a": "b"},
            "netsuite_sales_order_id": "N1",
            "schedule": schedule,
            **more,
        }

    async def terms(self):
        """Return the contract in V2."""
        return (await self.sdk.v2.contracts.retrieve(**self.keys)).data

    async def edit(self, **changes):
        """Edit the contract; what the SDK's types don't know goes beside them."""
        self.api.clock.move(seconds=1)
        return (await self.sdk.v2.contracts.edit(**self.keys, extra_body=changes)).data.edit

    async def invoices(self, **query):
        """Return (date, total, status) of each scheduled invoice."""
        found = await billing.invoices_of(self.client, self.keys["customer_id"], type="SCHEDULED", **query)
        return [(each["issued_at"][:10], each["total"], each["status"]) for each in found]

    async def invoice(self, its_id):
        """Return one invoice."""
        return (
            await self.sdk.v1.customers.invoices.retrieve(customer_id=self.keys["customer_id"], invoice_id=its_id)
        ).data

    async def refused(self, change, *parts):
        """Ask for an edit that must be refused."""
        await seed.refused(self.client, EDIT, {**self.keys, **change}, *parts)


@pytest.fixture
async def acme(sdk, app_client, api, database_url):
    """Return a customer with a discount."""
    return await Acme(sdk, app_client, api, database_url).build()


async def test_a_discount_is_shown(acme):
    """In both versions of the contract, when it is made and in lists."""
    nested = (await acme.sdk.v1.contracts.retrieve(**acme.keys)).data
    listed = (await acme.sdk.v2.contracts.list(customer_id=acme.keys["customer_id"])).data[0]
    flat = await acme.terms()
    for (seen,) in (flat.discounts, listed.discounts, nested.initial.discounts, nested.current.discounts):
        assert (seen.name, seen.product.name, seen.custom_fields) == ("Launch", "Platform", {"a": "b"})
        assert seen.netsuite_sales_order_id == "N1"
        assert [(each.timestamp, each.amount) for each in seen.schedule.schedule_items] == [
            (at(2026), 120), (at(2026, 3), 30),
        ]  # fmt: skip


async def test_a_discount_is_taken_off_on_its_dates(acme):
    """A negative line that names it; alone on its date it is an invoice below zero, final as any other."""
    found = await billing.invoices_of(acme.client, acme.keys["customer_id"], type="SCHEDULED")
    assert [(each["issued_at"][:10], each["total"]) for each in found] == [("2026-01-01", 880), ("2026-03-01", -30)]
    (discount,) = (await acme.terms()).discounts
    fee, line = found[0]["line_items"]
    assert (fee["name"], fee["total"], "discount_id" in fee) == ("Fee", 1000, False)
    assert fee["scheduled_charge_id"] == (await acme.terms()).scheduled_charges[0].id
    assert (line["name"], line["type"], line["product_type"]) == ("Launch", "scheduled", "FixedProductListItem")
    assert (line["quantity"], line["unit_price"], line["total"]) == (1, -120, -120)
    assert line["discount_id"] == discount.id
    acme.api.clock.move(days=60)
    await billing.bill(acme.api, acme.url)
    assert await acme.invoices() == [("2026-01-01", 880, "FINALIZED"), ("2026-03-01", -30, "FINALIZED")]


async def test_unit_prices_and_quantities(acme):
    """Quantity × unit price = total, below zero; zero is zero."""
    item = {"timestamp": at(2026, 5).isoformat(), "unit_price": 2.5, "quantity": 3}
    nothing = {"timestamp": at(2026, 5).isoformat(), "amount": 0}
    await acme.edit(add_discounts=[acme.discount(schedule={"schedule_items": [item, nothing]})])
    found = await billing.invoices_of(acme.client, acme.keys["customer_id"], type="SCHEDULED")
    (invoice,) = [each for each in found if each["issued_at"][:7] == "2026-05"]
    lines = [(str(each["quantity"]), str(each["unit_price"]), str(each["total"])) for each in invoice["line_items"]]
    assert lines == [("3", "-2.5", "-7.5"), ("1", "0", "0")]


async def test_edits_and_their_history(acme):
    """Add, update and archive; drafts follow at once, and the history tells each."""
    (first,) = (await acme.terms()).discounts
    added = await acme.edit(add_discounts=[acme.discount(name="More", schedule=dates((at(2026, 3), 5)))])
    assert [(each.name, each.schedule.schedule_items[0].amount) for each in added.add_discounts] == [("More", 5)]
    assert (await acme.invoices())[-1] == ("2026-03-01", -35, "DRAFT")
    change = {
        "id": first.id,
        "name": "Start",
        "netsuite_sales_order_id": None,
        "custom_fields": {"c": "d"},
        "schedule": dates((at(2026), 200), (at(2026, 4), 10)),
    }
    record = await acme.edit(update_discounts=[change])
    (told,) = record.update_discounts
    assert (told.id, told.name, told.custom_fields) == (first.id, "Start", {"c": "d"})
    assert [each.amount for each in told.schedule.schedule_items] == [200, 10]
    seen = (await acme.terms()).discounts[0]
    assert (seen.name, seen.netsuite_sales_order_id, seen.custom_fields) == ("Start", None, {"c": "d"})
    assert seen.schedule.schedule_items[0].id == first.schedule.schedule_items[0].id, "the same date keeps its id"
    assert [each[:2] for each in await acme.invoices()] == [
        ("2026-01-01", 800),
        ("2026-03-01", -5),
        ("2026-04-01", -10),
    ]
    await acme.edit(archive_discounts=[{"id": first.id}])
    assert [each[:2] for each in await acme.invoices()] == [("2026-01-01", 1000), ("2026-03-01", -5)]
    await acme.refused({"archive_discounts": [{"id": first.id}]}, "archived", "$.archive_discounts[0].id")
    await acme.refused({"update_discounts": [{"id": first.id, "name": "X"}]}, "archived", "$.update_discounts[0].id")
    history = (await acme.sdk.v2.contracts.get_edit_history(**acme.keys)).data
    assert [each.add_discounts is not None for each in history] == [True, False, False]
    assert history[1].update_discounts[0].name == "Start"
    then = (await acme.sdk.v1.contracts.retrieve(**acme.keys)).data
    assert [each.name for each in then.initial.discounts] == ["Launch"]


async def test_what_is_final_stays(acme):
    """A date on a finalized invoice is not changed or dropped, nor its discount archived, until that is void."""
    await billing.bill(acme.api, acme.url)
    (made,) = (await acme.terms()).discounts
    update = {"id": made.id, "schedule": dates((at(2026), 100), (at(2026, 3), 30))}
    await acme.refused({"update_discounts": [update]}, "finalized", "$.update_discounts[0].schedule")
    euro = next(each.id for each in (await acme.sdk.v1.pricing_units.list()).data if each.name == "EUR")
    update["schedule"] = {**dates((at(2026), 120)), "credit_type_id": euro}
    await acme.refused({"update_discounts": [update]}, "finalized", "$.update_discounts[0].schedule")
    await acme.refused({"archive_discounts": [{"id": made.id}]}, "finalized", "$.archive_discounts[0].id")
    await acme.edit(update_discounts=[{"id": made.id, "schedule": dates((at(2026), 120), (at(2026, 3), 50))}])
    assert await acme.invoices() == [("2026-01-01", 880, "FINALIZED"), ("2026-03-01", -50, "DRAFT")]


async def test_void_and_regenerate(acme):
    """The void invoice's discount is taken off anew, as it is agreed by then."""
    await billing.bill(acme.api, acme.url)
    (made,) = (await acme.terms()).discounts
    (old,) = await billing.invoices_of(acme.client, acme.keys["customer_id"], status="FINALIZED", type="SCHEDULED")
    await acme.sdk.v1.invoices.void(id=old["id"])
    await acme.edit(update_discounts=[{"id": made.id, "schedule": dates((at(2026), 400))}])
    new = (await acme.sdk.v1.invoices.regenerate(id=old["id"])).data.id
    invoice = await acme.invoice(new)
    assert (invoice.total, [each.total for each in invoice.line_items]) == (600, [1000, -400])
    await acme.sdk.v1.invoices.void(id=new)
    await acme.edit(archive_discounts=[{"id": made.id}])
    last = (await acme.sdk.v1.invoices.regenerate(id=new)).data.id
    invoice = (
        await acme.sdk.v1.customers.invoices.retrieve(customer_id=acme.keys["customer_id"], invoice_id=last)
    ).data
    assert (invoice.total, [each.total for each in invoice.line_items]) == (1000, [1000])


async def test_a_date_on_an_invoice_keeps_its_currency(acme):
    """On a void one too: what is made in its place asks in one currency."""
    await billing.bill(acme.api, acme.url)
    (made,) = (await acme.terms()).discounts
    (old,) = await billing.invoices_of(acme.client, acme.keys["customer_id"], status="FINALIZED", type="SCHEDULED")
    await acme.sdk.v1.invoices.void(id=old["id"])
    euro = next(each.id for each in (await acme.sdk.v1.pricing_units.list()).data if each.name == "EUR")
    update = {"id": made.id, "schedule": {**dates((at(2026), 400)), "credit_type_id": euro}}
    await acme.refused({"update_discounts": [update]}, "keeps its currency", "$.update_discounts[0].schedule")
    update["schedule"] = {**dates((at(2026, 3), 30)), "credit_type_id": euro}
    await acme.edit(update_discounts=[update])
    new = await acme.invoice((await acme.sdk.v1.invoices.regenerate(id=old["id"])).data.id)
    assert (new.total, [each.total for each in new.line_items]) == (1000, [1000])


async def test_an_earlier_end_drops_dates(acme):
    """As those of charges."""
    await acme.sdk.v1.contracts.update_end_date(**acme.keys, ending_before=at(2026, 2))
    assert await acme.invoices() == [("2026-01-01", 880, "DRAFT")]
    (made,) = (await acme.terms()).discounts
    assert [each.timestamp for each in made.schedule.schedule_items] == [at(2026)]


async def test_on_paper(acme):
    """An invoice with a discount can be set."""
    (first, _) = await billing.invoices_of(acme.client, acme.keys["customer_id"], type="SCHEDULED")
    answer = await acme.client.get(f"/v1/customers/{acme.keys['customer_id']}/invoices/{first['id']}/pdf")
    assert (answer.status_code, answer.content[:5]) == (200, b"%PDF-")


async def test_what_cannot_be(acme, sdk, app_client):
    """With the place of the fault."""
    usage = await seed.usage_product(sdk)
    whole = {"customer_id": acme.keys["customer_id"], "starting_at": at(2026).isoformat()}
    for change, parts in [
        ({"product_id": usage}, ("FIXED", "$.discounts[0].product_id")),
        ({"product_id": ABSENT}, ("no product", "$.discounts[0].product_id")),
        ({"schedule": dates((at(2026), -1))}, ("negative", "$.discounts[0].schedule.schedule_items[0].amount")),
        ({"schedule": {}}, ("needs schedule_items", "$.discounts[0].schedule")),
    ]:
        await seed.refused(app_client, CREATE, {**whole, "discounts": [acme.discount(**change)]}, *parts)
    (made,) = (await acme.terms()).discounts
    await acme.refused({"add_discounts": [acme.discount(schedule={})]}, "needs", "$.add_discounts[0].schedule")
    await acme.refused({"update_discounts": [{"id": made.id}]}, "no change", "$.update_discounts[0]")
    await acme.refused({"update_discounts": [{"id": ABSENT, "name": "X"}]}, "no discount", "$.update_discounts[0].id")
    await acme.refused({"archive_discounts": [{"id": ABSENT}]}, "no discount", "$.archive_discounts[0].id")


async def test_another_tenant_sees_none(acme, make_client):
    """A discount belongs to its tenant, as its contract does."""
    async with sdk_of(await make_client()) as other:
        with pytest.raises(metronome.NotFoundError):
            await other.v2.contracts.edit(**acme.keys, extra_body={"add_discounts": [acme.discount()]})


async def test_dates_on_usage_invoices(sdk, app_client, api, database_url):
    """A contract with ALL has what falls on the last day of a period below its usage; the rest beside it."""
    acme = await Acme(sdk, app_client, api, database_url).build(
        scheduled_charges_on_usage_invoices="ALL", rate_card_id=(await billing.priced_card(sdk))[0]
    )
    nested = (await sdk.v1.contracts.retrieve(**acme.keys)).data
    marks = [(await acme.terms()), nested, nested.initial, nested.current]
    assert {each.scheduled_charges_on_usage_invoices for each in marks} == {"ALL"}
    await acme.edit(
        add_scheduled_charges=[{"product_id": acme.fixed, "name": "Fee", "schedule": dates((at(2026, 2), 70))}],
        add_discounts=[acme.discount(schedule=dates((at(2026, 2), 20)))],
    )
    assert [each[:2] for each in await acme.invoices()] == [("2026-01-01", 880), ("2026-03-01", -30)]
    api.clock.move(days=19)
    await billing.bill(api, database_url)
    (usage,) = await billing.invoices_of(app_client, acme.keys["customer_id"], type="USAGE", status="FINALIZED")
    assert (usage["total"], [each["total"] for each in usage["line_items"]]) == (50, [70, -20])
    assert await acme.invoices() == [("2026-01-01", 880, "FINALIZED")], "February's statement collects March's discount"
    charge, discount = (await acme.terms()).scheduled_charges[1], (await acme.terms()).discounts[1]
    await acme.refused({"archive_scheduled_charges": [{"id": charge.id}]}, "finalized", "archive_scheduled_charges[0]")
    await acme.refused({"archive_discounts": [{"id": discount.id}]}, "finalized", "$.archive_discounts[0]")
    await sdk.v1.invoices.void(id=usage["id"])
    await acme.edit(update_discounts=[{"id": discount.id, "schedule": dates((at(2026, 2), 30))}])
    new = (await sdk.v1.invoices.regenerate(id=usage["id"])).data.id
    again = await acme.invoice(new)
    assert (again.total, [each.total for each in again.line_items]) == (40, [70, -30])
    await acme.edit(
        add_scheduled_charges=[{"product_id": acme.fixed, "name": "Late", "schedule": dates((at(2026, 2), 8))}]
    )
    assert (await acme.invoices())[-1] == ("2026-02-01", 8, "DRAFT"), "the statement is final: an invoice of its own"
    await sdk.v1.invoices.void(id=new)
    item = {"id": charge.schedule.schedule_items[0].id, "timestamp": at(2026, 5).isoformat(), "amount": 90}
    schedule = {"update_schedule_items": [item]}
    await acme.edit(update_scheduled_charges=[{"scheduled_charge_id": charge.id, "invoice_schedule": schedule}])
    last = await acme.invoice((await sdk.v1.invoices.regenerate(id=new)).data.id)
    assert sorted(each.total for each in last.line_items) == [-30, 8, 90], "also what has another date by now"
    assert [each[:2] for each in await acme.invoices()] == [("2026-01-01", 880)], "and what was open for its day"


async def test_a_commit_on_a_usage_invoice_is_not_asked_for_again(sdk, app_client, api, database_url):
    """Also not by another contract when the one that asked for it is archived."""
    customer, fixed = await seed.customer(sdk), await seed.fixed_product(sdk)
    keys = {"customer_id": customer, "starting_at": at(2026)}
    first = (await sdk.v1.contracts.create(**keys, scheduled_charges_on_usage_invoices="ALL")).data.id
    second = (await sdk.v1.contracts.create(**keys)).data.id
    segment = {"amount": 500, "starting_at": at(2026), "ending_before": at(2027)}
    commit = await sdk.v1.customers.commits.create(
        customer_id=customer,
        type="PREPAID",
        priority=1,
        product_id=fixed,
        access_schedule={"schedule_items": [segment]},
        invoice_schedule={"schedule_items": [{"timestamp": at(2026, 2), "amount": 450}]},
        invoice_contract_id=first,
    )
    api.clock.move(days=18)
    await billing.bill(api, database_url)
    await sdk.v1.contracts.archive(customer_id=customer, contract_id=first, void_invoices=False)
    found = await billing.invoices_of(app_client, customer)
    assert [each["total"] for each in found if each["total"]] == [450]
    move = {"customer_id": customer, "commit_id": commit.data.id, "invoice_contract_id": second}
    await seed.refused(app_client, "/v2/contracts/commits/edit", move, "keeps its contract", "$.invoice_contract_id")
    archive = {"customer_id": customer, "commit_id": commit.data.id}
    await seed.refused(app_client, "/v2/contracts/commits/archive", archive, "void them first")
