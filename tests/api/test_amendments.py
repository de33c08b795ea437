"""Amendments over the wire: edits that only add, told in the words of V1."""

import pytest

from api import billing, seed
from api.seed import at

pytestmark = pytest.mark.anyio

AMEND = "/v1/contracts/amend"
SCHEDULE = "/v1/contracts/scheduleProServicesInvoice"
TRUE_UP = "/v1/contracts/commits/disableTrueup"
ABSENT = "00000000-0000-4000-8000-000000000000"


class Acme:
    """A customer with a contract for 2026 on a card with a product at 1 cent for model a."""

    def __init__(self, sdk, client, api, url):
        self.sdk, self.client, self.api, self.url = sdk, client, api, url
        self.keys: dict[str, str] = {}
        self.fixed = self.work = self.tokens = ""

    async def build(self):
        """Make it."""
        self.fixed = await seed.fixed_product(self.sdk, "Platform")
        self.work = (await self.sdk.v1.contracts.products.create(name="Training", type="PRO_SERVICE")).data.id
        card, self.tokens = await billing.priced_card(self.sdk)
        self.keys["customer_id"] = await seed.customer(self.sdk)
        made = await self.sdk.v1.contracts.create(
            customer_id=self.keys["customer_id"],
            rate_card_id=card,
            starting_at=at(2026),
            ending_before=at(2027),
            credits=[{"product_id": self.fixed, "name": "First", "access_schedule": access(5)}],
        )
        self.keys["contract_id"] = made.data.id
        return self

    def terms(self):
        """Return one term of each kind."""
        schedule = {"schedule_items": [{"timestamp": at(2026, 3), "amount": 100}]}
        return {
            "commits": [
                {
                    "product_id": self.fixed,
                    "name": "Promise",
                    "type": "POSTPAID",
                    "access_schedule": access(100),
                    "invoice_schedule": schedule,
                }
            ],
            "credits": [{"product_id": self.fixed, "name": "More", "access_schedule": access(70)}],
            "overrides": [
                {"product_id": self.tokens, "type": "MULTIPLIER", "multiplier": 0.5, "starting_at": at(2026)}
            ],
            "scheduled_charges": [{"product_id": self.fixed, "name": "Fee", "schedule": schedule}],
            "discounts": [{"product_id": self.fixed, "name": "Launch", "schedule": schedule}],
            "professional_services": [
                {"product_id": self.work, "unit_price": 20, "quantity": 4, "max_amount": 90, "description": "On site"}
            ],
        }

    async def amend(self, **terms):
        """Amend the contract a second later; return the id of the amendment."""
        self.api.clock.move(seconds=1)
        asked = {"starting_at": at(2026, 2), **(terms or self.terms())}
        return (await self.sdk.v1.contracts.amend(**self.keys, **asked)).data.id

    async def v1(self):
        """Return the contract in the shape of V1."""
        return (await self.sdk.v1.contracts.retrieve(**self.keys)).data

    async def refused(self, change, *parts, status=400):
        """Ask for an amendment that must be refused."""
        body = {**self.keys, "starting_at": at(2026, 2).isoformat(), **change}
        await seed.refused(self.client, AMEND, body, *parts, status=status)


def access(amount):
    """Return access to an amount in 2026."""
    return {"schedule_items": [{"amount": amount, "starting_at": at(2026), "ending_before": at(2027)}]}


@pytest.fixture
async def acme(sdk, app_client, api, database_url):
    """Return a customer with a contract."""
    return await Acme(sdk, app_client, api, database_url).build()


async def test_an_amendment_adds_what_an_edit_would(acme):
    """Under V1's `amendments` and `current`, not under `initial`; V2 has it folded in, and in its history."""
    its_id = await acme.amend(**acme.terms(), netsuite_sales_order_id="N1", salesforce_opportunity_id="S1")
    nested = await acme.v1()
    (seen,) = nested.amendments
    assert (seen.id, seen.starting_at, seen.created_at) == (its_id, at(2026, 2), acme.api.clock())
    assert (seen.netsuite_sales_order_id, seen.salesforce_opportunity_id) == ("N1", "S1")
    flat = (await acme.sdk.v2.contracts.retrieve(**acme.keys)).data
    for name in ("commits", "credits", "overrides", "scheduled_charges", "discounts", "professional_services"):
        (added,) = getattr(seen, name)
        assert added.id in [each.id for each in getattr(nested.current, name)], name
        assert added.id in [each.id for each in getattr(flat, name)], name
        assert added.id not in [each.id for each in getattr(nested.initial, name) or ()], name
    (told,) = (await acme.sdk.v2.contracts.get_edit_history(**acme.keys)).data
    assert (told.id, [each.name for each in told.add_credits]) == (its_id, ["More"])
    (listed,) = (await acme.sdk.v1.contracts.list(customer_id=acme.keys["customer_id"])).data
    assert [each.id for each in listed.amendments] == [its_id]


async def test_drafts_follow_at_once(acme):
    """Terms count from dates of their own, whenever the amendment is said to start."""
    event = billing.event(1, acme.keys["customer_id"], at(2026, 1, 10), model="a", tokens=200)
    await acme.sdk.v1.usage.ingest(usage=[event])
    await billing.meter(acme.api, acme.url)
    await acme.amend()
    (usage,) = await billing.invoices_of(acme.client, acme.keys["customer_id"], type="USAGE", status="DRAFT")
    assert usage["total"] == 25, "200 at half a cent, of which both credits pay 75"
    found = await billing.invoices_of(acme.client, acme.keys["customer_id"], type="SCHEDULED", status="DRAFT")
    assert ("2026-03-01", 0) in [(each["issued_at"][:10], each["total"]) for each in found], "a fee and a discount"


async def test_what_an_amendment_added_may_be_named_with_it(acme):
    """A service and a commit, with the id of the amendment that added them and of no other."""
    its_id = await acme.amend()
    other = await acme.amend(credits=acme.terms()["credits"])
    assert [each.id for each in (await acme.v1()).amendments] == [its_id, other]
    (seen, _) = (await acme.v1()).amendments
    service, commit = seen.professional_services[0].id, seen.commits[0].id
    line = {"professional_service_id": service, "quantity": 2}
    invoice = {**acme.keys, "issued_at": at(2026, 2).isoformat()}
    for wrong in (other, ABSENT):
        body = {**invoice, "line_items": [{**line, "amendment_id": wrong}]}
        await seed.refused(acme.client, SCHEDULE, body, "$.line_items[0].amendment_id", "no amendment")
        body = {**acme.keys, "commit_id": commit, "amendment_id": wrong}
        await seed.refused(acme.client, TRUE_UP, body, "$.amendment_id", "no amendment")
    (made,) = (
        await acme.sdk.v1.contracts.schedule_pro_services_invoice(
            **acme.keys, issued_at=at(2026, 2), line_items=[{**line, "amendment_id": its_id}]
        )
    ).data
    assert made.total == 40
    answer = await seed.post(acme.client, TRUE_UP, {**acme.keys, "commit_id": commit, "amendment_id": its_id})
    assert answer.status_code == 200, answer.text


async def test_what_an_edit_refuses_an_amendment_refuses(acme):
    """At the place where it stands in the body of amend; and nothing of it is kept."""
    terms = acme.terms()
    wrong = {**terms["credits"][0], "product_id": ABSENT}
    body = {"credits": [{"product_id": acme.fixed, "access_schedule": json(access(1))}, json(wrong)]}
    await acme.refused(body, "there is no product", "`$.credits[1].product_id`")
    service = {**terms["professional_services"][0], "product_id": acme.fixed}
    await acme.refused({"professional_services": [service]}, "`$.professional_services[0].product_id`")
    rate = {"rate_type": "FLAT", "price": 1, "credit_type_id": ABSENT}
    override = {"product_id": acme.tokens, "type": "OVERWRITE", "overwrite_rate": rate, "starting_at": json(at(2026))}
    where = "`$.overrides[0].overwrite_rate.credit_type_id`"
    await acme.refused({"overrides": [override]}, "there is no pricing unit", where)
    await acme.refused({}, "asks for no change")
    good = {"credits": json(terms["credits"])}
    for start in (at(2025, 12), at(2027)):
        await acme.refused({**good, "starting_at": start.isoformat()}, "within the term", "$.starting_at")
    await acme.refused({**good, "starting_at": at(2026).replace(minute=5).isoformat()}, "hour", "$.starting_at")
    for name in ("reseller_royalties", "custom_fields", "total_contract_value"):
        await acme.refused({**good, name: {}}, f"`{name}` is not supported yet")
    await acme.refused({**good, "add_credits": []}, "unknown field `add_credits`")
    await acme.refused({**good, "contract_id": ABSENT}, "no contract", status=404)
    assert [each.name for each in (await acme.v1()).current.credits] == ["First"]
    await acme.sdk.v1.contracts.archive(**acme.keys, void_invoices=False)
    await acme.refused(good, "archived", "$.contract_id")


def json(value):
    """Return terms with their dates as text."""
    if isinstance(value, dict):
        return {name: json(each) for name, each in value.items()}
    if isinstance(value, list):
        return [json(each) for each in value]
    return value.isoformat() if hasattr(value, "isoformat") else value
