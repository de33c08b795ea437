"""Archiving commits and credits, and promises that ask for nothing in the end."""

import metronome
import pytest

from api import billing, seed
from api.seed import at

pytestmark = pytest.mark.anyio

COMMIT, CREDIT = "/v2/contracts/commits/archive", "/v2/contracts/credits/archive"
TRUE_UP = "/v1/contracts/commits/disableTrueup"
ABSENT = "00000000-0000-4000-8000-000000000000"
YEAR = {"starting_at": at(2026).isoformat(), "ending_before": at(2027).isoformat()}


class Acme:
    """A customer that used 160 cents; it and its contract each have a commit of 500 for 450 and a credit of 40."""

    def __init__(self, sdk, client, api, url):
        self.sdk, self.client, self.api, self.url = sdk, client, api, url
        self.ids: dict[str, str] = {}

    async def build(self):
        """Make it."""
        sdk, ids = self.sdk, self.ids
        card, _ = await billing.priced_card(sdk)
        ids["fixed"] = await seed.fixed_product(sdk)
        ids["customer"] = (await sdk.v1.customers.create(name="Acme", ingest_aliases=["acme"])).data.id
        made = await sdk.v1.contracts.create(
            customer_id=ids["customer"],
            starting_at=at(2026),
            rate_card_id=card,
            commits=[self.commit("own commit")],
            credits=[self.credit("own credit")],
        )
        ids["contract"] = made.data.id
        ids["own commit"], ids["own credit"] = made.data.contract.commits[0].id, made.data.contract.credits[0].id
        beside = {"customer_id": ids["customer"], "priority": 200}
        commit = await sdk.v1.customers.commits.create(
            **self.commit("commit"), **beside, invoice_contract_id=ids["contract"]
        )
        credit = await sdk.v1.customers.credits.create(**self.credit("credit"), **beside)
        ids |= {"commit": commit.data.id, "credit": credit.data.id}
        await sdk.v1.usage.ingest(usage=[billing.event(1, "acme", self.api.clock(), model="a", tokens=160)])
        await billing.meter(self.api, self.url)
        return self

    def credit(self, name, amount=40):
        """Return a credit of this year."""
        schedule = {"schedule_items": [{"amount": amount, **YEAR}]}
        return {"product_id": self.ids["fixed"], "name": name, "access_schedule": schedule}

    def commit(self, name):
        """Return a prepaid commit that is asked for in March."""
        invoiced = {"schedule_items": [{"timestamp": at(2026, 3).isoformat(), "amount": 450}]}
        return {**self.credit(name, 500), "type": "PREPAID", "invoice_schedule": invoiced}

    async def archive(self, name):
        """Archive one of its balances."""
        kind = name.split()[-1]
        path = COMMIT if kind == "commit" else CREDIT
        return await seed.post(self.client, path, {"customer_id": self.ids["customer"], f"{kind}_id": self.ids[name]})

    async def held(self, **more):
        """Return the names of what it holds, with what is left of each."""
        found = await self.sdk.v1.contracts.list_balances(
            customer_id=self.ids["customer"], include_contract_balances=True, include_balance=True, **more
        )
        return {each.name: each.balance for each in found.data}

    async def history(self):
        """Return the history of its contract."""
        keys = {"customer_id": self.ids["customer"], "contract_id": self.ids["contract"]}
        return (await self.sdk.v2.contracts.get_edit_history(**keys)).data


@pytest.fixture
async def acme(sdk, app_client, api, database_url):
    """Return a customer with commits and credits."""
    return await Acme(sdk, app_client, api, database_url).build()


async def test_what_is_archived_pays_and_asks_for_nothing_more(acme):
    """Drafts follow at once; lists show it when asked, and the history of the contract has what belongs to it."""
    before = await acme.held()
    assert set(before) == {"own commit", "own credit", "commit", "credit"}
    for name in before:
        answer = await acme.archive(name)
        assert (answer.status_code, answer.json()) == (200, {"data": {"id": acme.ids[name]}})
        acme.api.clock.move(seconds=1)
    assert await acme.held() == {}
    assert await acme.held(include_archived=True) == dict.fromkeys(before, 0)
    drafts = await billing.invoices_of(acme.client, acme.ids["customer"])
    assert [(each["type"], each["total"]) for each in drafts] == [("USAGE", 160)]
    told = [(each.archive_commits or each.archive_credits)[0].id for each in await acme.history()]
    assert sorted(told) == sorted([acme.ids["own commit"], acme.ids["own credit"]])


async def test_what_is_on_final_invoices_stays_until_they_are_void(acme):
    """Also when only its access was used; afterwards the invoice made anew does without it."""
    acme.api.clock.move(days=18)
    await billing.bill(acme.api, acme.url)
    for name in ("own commit", "own credit"):
        answer = await acme.archive(name)
        assert (answer.status_code, "void them first" in answer.json()["message"]) == (400, True)
    (final,) = await billing.invoices_of(acme.client, acme.ids["customer"], status="FINALIZED")
    await acme.sdk.v1.invoices.void(id=final["id"])
    for name in ("own commit", "own credit", "credit"):
        assert (await acme.archive(name)).status_code == 200
    new = (await acme.sdk.v1.invoices.regenerate(id=final["id"])).data.id
    invoice = await acme.sdk.v1.customers.invoices.retrieve(customer_id=acme.ids["customer"], invoice_id=new)
    assert [(each.name, each.total) for each in invoice.data.line_items] == [("Tokens", 160), ("commit applied", -160)]


async def test_what_cannot_be_archived(acme):
    """An unknown one, one of the other kind, one twice."""
    customer = {"customer_id": acme.ids["customer"]}
    await seed.refused(acme.client, COMMIT, {**customer, "commit_id": ABSENT}, status=404)
    await seed.refused(acme.client, COMMIT, {**customer, "commit_id": acme.ids["credit"]}, "no commit", status=404)
    await seed.refused(acme.client, CREDIT, {**customer, "credit_id": acme.ids["commit"]}, "no credit", status=404)
    await acme.archive("credit")
    answer = await acme.archive("credit")
    assert (answer.status_code, "archived" in answer.json()["message"]) == (400, True)


def promise(fixed, **more):
    """Return a promise of 1,000 for January, trued up in February."""
    segment = {"amount": 1000, "starting_at": at(2026).isoformat(), "ending_before": at(2026, 2).isoformat()}
    return {
        "type": "POSTPAID",
        "product_id": fixed,
        "access_schedule": {"schedule_items": [segment]},
        "invoice_schedule": {"schedule_items": [{"timestamp": at(2026, 2).isoformat(), "amount": 1000}]},
        **more,
    }


async def test_a_true_up_can_be_disabled(acme):
    """The promise goes on counting; nothing is asked for in the end, and the history tells it once."""
    keys = {"customer_id": acme.ids["customer"], "contract_id": acme.ids["contract"]}
    acme.ids["fixed"] = await seed.fixed_product(acme.sdk, "Promise")
    edit = (await acme.sdk.v2.contracts.edit(**keys, add_commits=[promise(acme.ids["fixed"])])).data.edit
    asked = {**keys, "commit_id": edit.add_commits[0].id}

    async def asked_for():
        drafts = await billing.invoices_of(acme.client, acme.ids["customer"], type="SCHEDULED")
        return [each["issued_at"][:10] for each in drafts]

    assert await asked_for() == ["2026-02-02", "2026-03-01"], "January is final a day after it ends"
    for _ in range(2):
        acme.api.clock.move(seconds=1)
        answer = await seed.post(acme.client, TRUE_UP, asked)
        assert (answer.status_code, answer.json()) == (200, {"data": {"id": asked["commit_id"]}})
    assert await asked_for() == ["2026-03-01"]
    (first, told) = await acme.history()
    assert (first.id, [each.id for each in told.update_commits]) == (edit.id, [asked["commit_id"]])
    acme.api.clock.move(days=60)
    await billing.bill(acme.api, acme.url)
    final = await billing.invoices_of(acme.client, acme.ids["customer"], status="FINALIZED", type="SCHEDULED")
    assert [each["total"] for each in final] == [450 * 2], "the two prepaid commits of March"


async def test_what_has_no_true_up_to_disable(acme):
    """A prepaid commit, a commit of another contract, and one whose true-up is final."""
    keys = {"customer_id": acme.ids["customer"], "contract_id": acme.ids["contract"]}
    await seed.refused(acme.client, TRUE_UP, {**keys, "commit_id": acme.ids["own commit"]}, "POSTPAID", "$.commit_id")
    other = {**keys, "contract_id": ABSENT, "commit_id": acme.ids["own commit"]}
    await seed.refused(acme.client, TRUE_UP, other, "has no commit", status=404)
    amended = {**keys, "commit_id": acme.ids["own commit"], "amendment_id": ABSENT}
    await seed.refused(acme.client, TRUE_UP, amended, "no amendment", "$.amendment_id")
    made = await acme.sdk.v2.contracts.edit(**keys, add_commits=[promise(acme.ids["fixed"])])
    asked = {**keys, "commit_id": made.data.edit.add_commits[0].id}
    acme.api.clock.move(days=60)
    await billing.bill(acme.api, acme.url)
    await seed.refused(acme.client, TRUE_UP, asked, "finalized", "$.commit_id")
    true_ups = await billing.invoices_of(acme.client, acme.ids["customer"], type="SCHEDULED")
    (true_up,) = [each for each in true_ups if each["line_items"][0].get("postpaid_commit")]
    await acme.sdk.v1.invoices.void(id=true_up["id"])
    assert (await seed.post(acme.client, TRUE_UP, asked)).status_code == 200
    with pytest.raises(metronome.BadRequestError, match="agreed any more"):
        await acme.sdk.v1.invoices.regenerate(id=true_up["id"])
