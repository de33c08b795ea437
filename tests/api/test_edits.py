"""Edits of contracts, commits and credits: what changes at once, what stays, and what the history tells."""

from decimal import Decimal
from typing import Any

import metronome
import psycopg
import pytest

from api import billing, seed
from api.conftest import sdk_of
from api.seed import at
from winkel.store import invoices

pytestmark = pytest.mark.anyio

EDIT, HISTORY = "/v2/contracts/edit", "/v2/contracts/getEditHistory"
COMMIT, CREDIT = "/v2/contracts/commits/edit", "/v2/contracts/credits/edit"
ABSENT = "00000000-0000-4000-8000-000000000000"


def access(amount, year=2026):
    """Return an access schedule of one segment of a year, as JSON."""
    item = {"amount": amount, "starting_at": at(year).isoformat(), "ending_before": at(year + 1).isoformat()}
    return {"schedule_items": [item]}


def dates(*some):
    """Return an invoice schedule of (date, amount)s, as JSON."""
    return {"schedule_items": [{"timestamp": day.isoformat(), "amount": amount} for day, amount in some]}


class Acme:
    """A customer on 15 January that has used 160 cents; its contract has one of each kind of term."""

    def __init__(self, sdk, client, api, url):
        self.sdk, self.client, self.api, self.url = sdk, client, api, url
        self.ids: dict[str, str] = {}

    @property
    def keys(self):
        """The ids that each edit begins with."""
        return {"customer_id": self.ids["customer"], "contract_id": self.ids["contract"]}

    async def build(self):
        """Make it."""
        self.ids["card"], self.ids["usage"] = await billing.priced_card(self.sdk)
        self.ids["fixed"] = await seed.fixed_product(self.sdk)
        made = await self.sdk.v1.customers.create(name="Acme", ingest_aliases=["acme"])
        self.ids["customer"] = made.data.id
        contract = await self.sdk.v1.contracts.create(
            customer_id=self.ids["customer"],
            starting_at=at(2026),
            rate_card_id=self.ids["card"],
            name="First",
            net_payment_terms_days=30,
            commits=[self.commit()],
            credits=[{"product_id": self.ids["fixed"], "name": "Gift", "access_schedule": access(40)}],
            overrides=[self.override(0.5)],
            scheduled_charges=[self.charge()],
        )
        self.ids["contract"] = contract.data.id
        terms = await self.terms()
        self.ids |= {"commit": terms.commits[0].id, "credit": terms.credits[0].id}
        self.ids |= {"override": terms.overrides[0].id, "charge": terms.scheduled_charges[0].id}
        await self.sdk.v1.usage.ingest(usage=[billing.event(1, "acme", self.api.clock(), model="a", tokens=160)])
        await billing.meter(self.api, self.url)
        self.api.clock.move(hours=1)
        return self

    def commit(self, **more):
        """Return 500 cents for 450, asked for in two parts."""
        terms = {"product_id": self.ids["fixed"], "type": "PREPAID", "name": "Prepaid", "access_schedule": access(500)}
        return {**terms, "invoice_schedule": dates((at(2026), 200), (at(2026, 4), 250)), **more}

    def charge(self, **more):
        """Return a fee that is asked for in January and in June."""
        return {
            "product_id": self.ids["fixed"],
            "name": "Fee",
            "schedule": dates((at(2026), 7), (at(2026, 6), 9)),
            **more,
        }

    def override(self, multiplier, **more):
        """Return an override of all prices."""
        terms = {"type": "MULTIPLIER", "multiplier": multiplier, "starting_at": at(2026).isoformat()}
        return {**terms, "product_id": self.ids["usage"], **more}

    async def edit(self, **changes):
        """Edit the contract with the SDK and return the record."""
        self.api.clock.move(seconds=1)
        return (await self.sdk.v2.contracts.edit(**self.keys, **changes)).data.edit

    async def terms(self, **more):
        """Return the contract in V2."""
        return (await self.sdk.v2.contracts.retrieve(**self.keys, **more)).data

    async def history(self):
        """Return its history."""
        return (await self.sdk.v2.contracts.get_edit_history(**self.keys)).data

    async def invoices(self, **query) -> list[dict[str, Any]]:
        """Return its invoices with exact numbers."""
        return await billing.invoices_of(self.client, self.ids["customer"], **query)

    async def asked(self, status="DRAFT") -> list[tuple[str, Decimal]]:
        """Return the date and the total of each of its invoices, usage as "usage"."""
        found = await self.invoices(status=status)
        return [("usage" if each["type"] == "USAGE" else each["issued_at"][:10], each["total"]) for each in found]

    async def january(self):
        """Go on to 2 February and make final what is due."""
        self.api.clock.at = at(2026, 2, 2, 12)
        await billing.bill(self.api, self.url)

    async def refused(self, body, *parts, path=EDIT, status=400):
        """Send a body that must be refused, and nothing must have changed."""
        before = await self.everything()
        key = {
            EDIT: self.keys,
            COMMIT: {"customer_id": self.ids["customer"]},
            CREDIT: {"customer_id": self.ids["customer"]},
        }
        message = await seed.refused(self.client, path, {**key[path], **body}, *parts, status=status)
        assert await self.everything() == before, message

    async def everything(self):
        """Return all that the API tells about the contract."""
        body = {**self.keys, "include_ledgers": True}
        contract = (await seed.post(self.client, "/v2/contracts/get", body)).text
        return contract, await self.invoices(), (await seed.post(self.client, HISTORY, self.keys)).text


@pytest.fixture
async def acme(sdk, app_client, api, database_url):
    """Return the customer."""
    return await Acme(sdk, app_client, api, database_url).build()


@pytest.fixture(autouse=True)
async def balanced_books(owner):
    """After every test, the ledger and the invoices of the whole database agree."""
    yield
    assert await invoices.unbalanced(owner) == []


# ── What an edit changes ────────────────────────────────────────────────────────────────────────────────────────────

BEFORE = [("2026-01-01", 207), ("usage", 0), ("2026-04-01", 250), ("2026-06-01", 9)]
"""All drafts: the first part of the commit and the fee; 160 tokens at half a cent, paid by balances; the rest."""


async def test_where_every_test_begins(acme):
    """The drafts before any edit, and an empty history."""
    assert await acme.asked() == BEFORE
    assert await acme.history() == []


async def test_overrides(acme):
    """A removed override counts no more and a new one counts at once; the record has the whole new one."""
    await acme.edit(archive_commits=[{"id": acme.ids["commit"]}], archive_credits=[{"id": acme.ids["credit"]}])
    assert ("usage", 80) in await acme.asked()
    record = await acme.edit(remove_overrides=[{"id": acme.ids["override"]}], add_overrides=[acme.override(0.75)])
    assert ("usage", 120) in await acme.asked()
    (added,) = record.add_overrides
    assert (added.multiplier, added.product.name, record.remove_overrides[0].id) == (
        0.75,
        "Tokens",
        acme.ids["override"],
    )
    assert [each.id for each in (await acme.terms()).overrides] == [added.id]


async def test_added_balances(acme):
    """A new commit is asked for on its dates, and a new credit pays at once for what was used before it was agreed."""
    await acme.edit(archive_commits=[{"id": acme.ids["commit"]}], archive_credits=[{"id": acme.ids["credit"]}])
    record = await acme.edit(
        add_commits=[acme.commit(name="More", priority=5, invoice_schedule=dates((at(2026, 3), 11)))],
        add_credits=[{"product_id": acme.ids["fixed"], "name": "Sorry", "access_schedule": access(30), "priority": 1}],
    )
    (commit,), (credit,) = record.add_commits, record.add_credits
    assert (commit.name, commit.type, credit.name, credit.type) == ("More", "PREPAID", "Sorry", "CREDIT")
    assert commit.product.name == "Prepayment"
    terms = await acme.terms(include_balance=True)
    shown = {each.id: each.balance for each in (*terms.commits, *terms.credits)}
    assert (shown[commit.id], shown[credit.id]) == (450, 0), "80 cents are 30 of the credit and 50 of the commit"
    assert await acme.asked() == [("2026-01-01", 7), ("usage", 0), ("2026-03-01", 11), ("2026-06-01", 9)]


async def test_updated_balances(acme):
    """Segments, dates of invoicing, order, purpose and names of commits and credits change."""
    terms = await acme.terms()
    first, second = terms.commits[0].invoice_schedule.schedule_items
    (segment,) = terms.commits[0].access_schedule.schedule_items
    record = await acme.edit(
        update_commits=[
            {
                "commit_id": acme.ids["commit"],
                "name": "Renamed",
                "description": "why",
                "priority": 3,
                "rate_type": "COMMIT_RATE",
                "rollover_fraction": 0.5,
                "netsuite_sales_order_id": "n-1",
                "applicable_product_tags": ["ai"],
                "access_schedule": {
                    "update_schedule_items": [{"id": segment.id, "amount": 300, "ending_before": at(2026, 7)}],
                    "add_schedule_items": [{"amount": 200, "starting_at": at(2026, 7), "ending_before": at(2027)}],
                },
                "invoice_schedule": {
                    "remove_schedule_items": [{"id": first.id}],
                    "update_schedule_items": [{"id": second.id, "quantity": 2, "unit_price": 100}],
                    "add_schedule_items": [{"timestamp": at(2026, 5), "amount": 1}],
                },
            }
        ],
        update_credits=[{"credit_id": acme.ids["credit"], "applicable_product_ids": [acme.ids["usage"]]}],
    )
    assert await acme.asked() == [
        ("2026-01-01", 7), ("usage", 40), ("2026-04-01", 200), ("2026-05-01", 1), ("2026-06-01", 9)
    ], "no product has the tag, so the commit pays for nothing"  # fmt: skip
    (commit,), (credit,) = (terms := await acme.terms()).commits, terms.credits
    assert (commit.name, commit.description, commit.priority, commit.rate_type) == ("Renamed", "why", 3, "COMMIT_RATE")
    assert (commit.rollover_fraction, commit.netsuite_sales_order_id) == (0.5, "n-1")
    assert commit.applicable_product_tags == ["ai"]
    assert [each.amount for each in commit.access_schedule.schedule_items] == [300, 200]
    assert credit.applicable_product_ids == [acme.ids["usage"]]
    (told,) = record.update_commits
    assert (told.id, told.name, told.access_schedule.update_schedule_items[0].amount) == (commit.id, "Renamed", 300)
    assert told.invoice_schedule.remove_schedule_items[0].id == first.id
    assert record.update_credits[0].applicable_product_ids == [acme.ids["usage"]]


async def test_a_postpaid_commit_promises_what_it_asks_for(acme):
    """Its amount changes in both schedules or in neither; once an end has cut it, what it is called still changes."""
    terms = {"type": "POSTPAID", "access_schedule": access(900), "invoice_schedule": dates((at(2027), 900))}
    (made,) = (await acme.edit(add_commits=[acme.commit(name="Promise", **terms)])).add_commits
    (segment,), (item,) = made.access_schedule.schedule_items, made.invoice_schedule.schedule_items
    both = {
        "access_schedule": {"update_schedule_items": [{"id": segment.id, "amount": 800}]},
        "invoice_schedule": {"update_schedule_items": [{"id": item.id, "amount": 800}]},
    }
    for name, change in both.items():
        body = {"update_commits": [{"commit_id": made.id, name: change}]}
        await acme.refused(body, "must be equal", "$.update_commits[0].invoice_schedule")
    await acme.edit(update_commits=[{"commit_id": made.id, **both}])
    await acme.edit(update_contract_end_date=at(2026, 6))
    await acme.edit(update_commits=[{"commit_id": made.id, "name": "Kept"}])
    assert [each.name for each in (await acme.terms()).commits] == ["Prepaid", "Kept"]
    last = seed.exact(await seed.post(acme.client, HISTORY, acme.keys))["data"][-1]
    assert last["update_commits"] == [{"id": made.id, "name": "Kept"}]


async def test_specifiers_take_the_place_of_products(acme):
    """They exclude each other, so naming one kind takes the other away; null takes away without a replacement."""
    keys = {"customer_id": acme.ids["customer"], "commit_id": acme.ids["commit"]}

    async def after(**changes):
        await acme.sdk.v2.contracts.edit_commit(**keys, **changes)
        (commit,) = (await acme.terms()).commits
        return (
            commit.applicable_product_ids,
            commit.applicable_product_tags,
            commit.specifiers and len(commit.specifiers),
        )

    usage = acme.ids["usage"]
    assert await after(applicable_product_ids=[usage]) == ([usage], None, None)
    assert await after(specifiers=[{"product_id": usage}]) == (None, None, 1)
    assert await after(applicable_product_tags=["ai"]) == (None, ["ai"], None)
    assert await after(applicable_product_tags=None) == (None, None, None)


async def test_archived_terms(acme):
    """What is archived pays and asks for nothing any more, and stays readable; in the past it was there."""
    before = acme.api.clock()
    record = await acme.edit(
        archive_commits=[{"id": acme.ids["commit"]}],
        archive_credits=[{"id": acme.ids["credit"]}],
        archive_scheduled_charges=[{"id": acme.ids["charge"]}],
    )
    assert await acme.asked() == [("usage", 80)]
    terms = await acme.terms()
    for (each,) in (terms.commits, terms.credits, terms.scheduled_charges):
        assert each.archived_at == acme.api.clock()
    assert record.archive_scheduled_charges[0].id == acme.ids["charge"]
    then = await acme.terms(as_of_date=before)
    for (each,) in (then.commits, then.credits, then.scheduled_charges):
        assert each.archived_at is None


async def test_scheduled_charges(acme):
    """A new charge is asked for on its dates, and a changed one on its new ones."""
    (charge,) = (await acme.terms()).scheduled_charges
    record = await acme.edit(
        add_scheduled_charges=[acme.charge(name="Setup", schedule=dates((at(2026, 2), 5)))],
        update_scheduled_charges=[
            {
                "scheduled_charge_id": charge.id,
                "netsuite_sales_order_id": "n-1",
                "invoice_schedule": {
                    "update_schedule_items": [{"id": charge.schedule.schedule_items[1].id, "timestamp": at(2026, 7)}],
                    "add_schedule_items": [{"timestamp": at(2026, 8), "amount": 1}],
                },
            }
        ],
    )
    assert await acme.asked() == [
        ("2026-01-01", 207), ("2026-02-01", 5), ("usage", 0), ("2026-04-01", 250), ("2026-07-01", 9), ("2026-08-01", 1),
    ]  # fmt: skip
    (told,), (added,) = record.update_scheduled_charges, record.add_scheduled_charges
    assert (told.id, told.netsuite_sales_order_id, added.name) == (charge.id, "n-1", "Setup")


async def test_recurring_balances(acme):
    """What recurs from a date on gives children from then on, as if it had been agreed at first."""
    amount = {"unit_price": 10, "quantity": 1, "credit_type_id": "2714e483-4ff1-48e4-9e25-ac732e8f24f2"}
    terms = {"access_amount": amount, "commit_duration": {"value": 1}, "product_id": acme.ids["fixed"]}
    record = await acme.edit(
        add_recurring_commits=[{**terms, "invoice_amount": amount, "priority": 1, "starting_at": at(2026, 2)}],
        add_recurring_credits=[{**terms, "priority": 0, "starting_at": at(2026)}],
    )
    ((commit,), (credit,)) = record.add_recurring_commits, record.add_recurring_credits
    seen = await acme.terms()
    given = {(each.recurring_commit_id, each.access_schedule.schedule_items[0].starting_at) for each in seen.commits}
    assert given == {(None, at(2026)), (commit.id, at(2026, 2))}
    assert sorted(str(each.recurring_credit_id) for each in seen.credits) == sorted(["None", credit.id, credit.id])
    first = (await acme.sdk.v1.contracts.retrieve(**acme.keys)).data.initial
    assert (len(first.commits), len(first.credits), first.recurring_credits) == (1, 1, [])
    bad = {**terms, "priority": 1, "starting_at": "2025-12-01T00:00:00Z"}
    await acme.refused(
        {"add_recurring_credits": [bad]}, "term of the contract", "$.add_recurring_credits[0].starting_at"
    )


async def test_what_recurs_changes_for_children_to_come(acme):
    """A child that has begun stays as it is; the next one gives, asks for and counts as agreed now, until a new end."""
    amount = {"unit_price": 10, "quantity": 2, "credit_type_id": "2714e483-4ff1-48e4-9e25-ac732e8f24f2"}
    terms = {"access_amount": amount, "commit_duration": {"value": 1}, "product_id": acme.ids["fixed"], "priority": 9}
    added = await acme.edit(
        add_recurring_commits=[{**terms, "invoice_amount": amount, "starting_at": at(2026)}],
        add_recurring_credits=[{**terms, "starting_at": at(2026)}],
    )
    (commit,), (credit,) = added.add_recurring_commits, added.add_recurring_credits

    async def given(its_id):
        found = await acme.terms()
        some = [each for each in (*found.commits, *found.credits) if its_id in str(each)]
        return [each.access_schedule.schedule_items[0].amount for each in some]

    assert (await given(commit.id), await given(credit.id)) == ([20, 20], [20, 20])
    change = {"recurring_commit_id": commit.id, "rate_type": "COMMIT_RATE"}
    change |= {"access_amount": {"unit_price": 15}, "invoice_amount": {"quantity": 3}}
    record = await acme.edit(
        update_recurring_commits=[change],
        update_recurring_credits=[{"recurring_credit_id": credit.id, "ending_before": at(2026, 2)}],
    )
    assert (await given(commit.id), await given(credit.id)) == ([20, 30], [20])
    assert [each for each in await acme.asked() if each[0] in {"2026-01-01", "2026-02-01"}] == [
        ("2026-01-01", 227), ("2026-02-01", 30),
    ]  # fmt: skip
    assert record.update_recurring_commits[0].access_amount.unit_price == 15
    assert record.update_recurring_credits[0].ending_before == at(2026, 2)
    place = "$.update_recurring_commits[0]"
    for bad, message, where in (
        ({"recurring_commit_id": credit.id, "rate_type": "LIST_RATE"}, "no recurring commit", ".recurring_commit_id"),
        ({"recurring_commit_id": commit.id}, "asks for no change", ""),
        ({**change, "access_amount": {"quantity": 0}}, "above zero", ".access_amount"),
        ({**change, "ending_before": "2026-01-01T00:00:00Z"}, "after starting_at", ".ending_before"),
        ({**change, "proration_rounding": None}, "not supported yet", ""),
    ):
        await acme.refused({"update_recurring_commits": [bad]}, message, f"{place}{where}")


async def test_name_terms_and_end(acme):
    """They change; an earlier end cuts what is agreed, also what the same edit adds; null takes each of them away."""
    record = await acme.edit(
        update_contract_name="Second",
        update_net_payment_terms_days=10,
        update_contract_end_date=at(2026, 5),
        add_scheduled_charges=[acme.charge(name="Late", schedule=dates((at(2026, 3), 1), (at(2026, 9), 2)))],
    )
    assert (record.update_contract_name, record.update_contract_end_date) == ("Second", at(2026, 5))
    terms = await acme.terms()
    assert (terms.name, terms.net_payment_terms_days, terms.ending_before) == ("Second", 10, at(2026, 5))
    assert terms.commits[0].access_schedule.schedule_items[0].ending_before == at(2026, 5)
    assert await acme.asked() == [("2026-01-01", 207), ("usage", 0), ("2026-03-01", 1), ("2026-04-01", 250)]
    await acme.edit(update_contract_name=None, update_net_payment_terms_days=None, update_contract_end_date=None)
    terms = await acme.terms()
    assert (terms.name, terms.net_payment_terms_days, terms.ending_before) == (None, None, None)


# ── What is final ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_final_invoices_stay_until_they_are_made_anew(acme):
    """An edit changes no finalized invoice; what is voided and regenerated follows it."""
    await acme.january()
    final = await acme.invoices(status="FINALIZED")
    (january,) = [each for each in final if each["type"] == "USAGE"]
    assert [line["total"] for line in january["line_items"]] == [40, -40, 40, -40]
    await acme.edit(remove_overrides=[{"id": acme.ids["override"]}], add_overrides=[acme.override(2)])
    assert await acme.invoices(status="FINALIZED") == final
    await acme.sdk.v1.invoices.void(id=january["id"])
    await acme.sdk.v1.invoices.regenerate(id=january["id"])
    (again,) = [each for each in await acme.invoices(status="FINALIZED") if each["type"] == "USAGE"]
    charged = [line["total"] for line in again["line_items"] if line["type"] == "usage"]
    assert (sum(charged), again["total"]) == (320, 0), "160 tokens at two cents, paid by 40 and 280"


async def test_dates_on_final_invoices_stay(acme):
    """A date that was asked for can be changed, removed or archived only when its invoice is void."""
    await acme.january()
    terms = await acme.terms()
    paid = terms.commits[0].invoice_schedule.schedule_items[0].id
    fee = terms.scheduled_charges[0].schedule.schedule_items[0].id
    commit, charge = {"commit_id": acme.ids["commit"]}, {"scheduled_charge_id": acme.ids["charge"]}
    for change, place in (
        ({"update_schedule_items": [{"id": paid, "amount": 1}]}, "update_schedule_items[0]"),
        ({"remove_schedule_items": [{"id": paid}]}, "remove_schedule_items[0]"),
    ):
        body = {"update_commits": [{**commit, "invoice_schedule": change}]}
        await acme.refused(body, "finalized", f"$.update_commits[0].invoice_schedule.{place}")
        await acme.refused(
            {**commit, "invoice_schedule": change}, "finalized", f"$.invoice_schedule.{place}", path=COMMIT
        )
    change = {"remove_schedule_items": [{"id": fee}]}
    body = {"update_scheduled_charges": [{**charge, "invoice_schedule": change}]}
    await acme.refused(body, "finalized", "$.update_scheduled_charges[0].invoice_schedule.remove_schedule_items[0]")
    for name in ("commits", "credits", "scheduled_charges"):
        its_id = acme.ids[{"scheduled_charges": "charge"}.get(name, name[:-1])]
        await acme.refused({f"archive_{name}": [{"id": its_id}]}, "void them first", f"$.archive_{name}[0].id")
    for each in await acme.invoices(status="FINALIZED"):
        await acme.sdk.v1.invoices.void(id=each["id"])
    await acme.edit(**body)
    await acme.edit(
        archive_commits=[{"id": acme.ids["commit"]}],
        archive_credits=[{"id": acme.ids["credit"]}],
        archive_scheduled_charges=[{"id": acme.ids["charge"]}],
    )
    assert [each for each in await acme.asked() if each[0] != "usage"] == []


async def test_a_new_date_on_a_final_day_makes_a_second_invoice(acme):
    """The first one stays as it is."""
    await acme.january()
    final = await acme.invoices(status="FINALIZED")
    await acme.edit(add_scheduled_charges=[acme.charge(schedule=dates((at(2026), 3)))])
    await billing.bill(acme.api, acme.url)
    now = await acme.invoices(status="FINALIZED")
    assert [each for each in now if each in final] == final
    assert [each["total"] for each in now if each not in final] == [3]


async def test_segments_that_final_invoices_draw_on_stay(acme):
    """They can neither be removed nor begin later nor become less than what was taken; void, they can."""
    await acme.january()
    (credit,) = (await acme.terms()).credits
    (segment,) = credit.access_schedule.schedule_items
    its = {"credit_id": credit.id}

    def of(**change):
        return {**its, "access_schedule": change}

    new = access(1, 2027)["schedule_items"]
    gone = of(remove_schedule_items=[{"id": segment.id}], add_schedule_items=new)
    late = of(update_schedule_items=[{"id": segment.id, "starting_at": "2026-01-02T00:00:00Z"}])
    less = of(update_schedule_items=[{"id": segment.id, "amount": 39}])
    for body, message, place in (
        (gone, "void it first", "remove_schedule_items[0]"),
        (late, "cannot begin later", "update_schedule_items[0].starting_at"),
        (less, "less than what was taken", "update_schedule_items[0].amount"),
    ):
        await acme.refused({"update_credits": [body]}, message, f"$.update_credits[0].access_schedule.{place}")
        await acme.refused(body, message, f"$.access_schedule.{place}", path=CREDIT)
    await acme.edit(update_credits=[of(update_schedule_items=[{"id": segment.id, "amount": 41}])])
    (january,) = [each for each in await acme.invoices(status="FINALIZED") if each["type"] == "USAGE"]
    await acme.sdk.v1.invoices.void(id=january["id"])
    await acme.edit(update_credits=[gone])
    (credit,) = (await acme.terms()).credits
    assert [each.starting_at for each in credit.access_schedule.schedule_items] == [at(2027)]


async def test_a_manual_entry_holds_its_segment(acme):
    """A segment with one cannot be removed, or the ledger would speak of nothing; other changes are allowed."""
    (credit,) = (await acme.terms()).credits
    (segment,) = credit.access_schedule.schedule_items
    await acme.sdk.v1.contracts.add_manual_balance_entry(
        customer_id=acme.ids["customer"], id=credit.id, segment_id=segment.id, amount=-50, reason="Slip"
    )
    new = access(1, 2027)["schedule_items"]
    change = {"remove_schedule_items": [{"id": segment.id}], "add_schedule_items": new}
    body = {"credit_id": credit.id, "access_schedule": change}
    await acme.refused(body, "manual", "$.access_schedule.remove_schedule_items[0]", path=CREDIT)
    keep = {"update_schedule_items": [{"id": segment.id, "ending_before": at(2026, 9)}]}
    await acme.edit(update_credits=[{"credit_id": credit.id, "access_schedule": keep}])


async def test_an_end_before_final_usage(acme):
    """It is allowed unless the edit says otherwise."""
    await acme.january()
    strict = {"allow_contract_ending_before_finalized_invoice": False}
    body = {"update_contract_end_date": "2026-01-20T00:00:00Z", **strict}
    await acme.refused(body, "2026-02-01", "$.update_contract_end_date")
    await acme.edit(update_contract_end_date=at(2026, 1, 20))
    assert (await acme.terms()).ending_before == at(2026, 1, 20)


# ── History ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_history_tells_every_change(acme, owner):
    """Oldest first, each exactly as it was answered, whichever way it came; none can be changed."""
    answer = await seed.post(acme.client, EDIT, {**acme.keys, "update_contract_name": "B", "uniqueness_key": "k"})
    first = seed.exact(answer)["data"]
    assert first["id"] == first["edit"]["id"]
    customer = acme.ids["customer"]
    await acme.sdk.v1.contracts.update_end_date(**acme.keys, ending_before=at(2026, 12))
    await acme.sdk.v2.contracts.edit_commit(customer_id=customer, commit_id=acme.ids["commit"], name="C")
    await acme.sdk.v2.contracts.edit_credit(customer_id=customer, credit_id=acme.ids["credit"], priority=7)
    await acme.sdk.v1.contracts.update_end_date(**acme.keys)
    told = await acme.history()
    assert [(each.update_contract_name, each.update_contract_end_date) for each in told] == [
        ("B", None), (None, at(2026, 12)), (None, None), (None, None), (None, None)
    ]  # fmt: skip
    assert (told[2].update_commits[0].id, told[2].update_commits[0].name) == (acme.ids["commit"], "C")
    assert (told[3].update_credits[0].id, told[3].update_credits[0].priority) == (acme.ids["credit"], 7)
    found = seed.exact(await seed.post(acme.client, HISTORY, acme.keys))["data"]
    assert found[0] == first["edit"] == {
        "id": first["id"], "timestamp": acme.api.clock().isoformat().replace("+00:00", "Z"),
        "update_contract_name": "B", "uniqueness_key": "k",
    }  # fmt: skip
    assert found[4]["update_contract_end_date"] is None, "an end that was taken away is told as null"
    for statement in ("UPDATE contract_edit SET made_by = ''", "DELETE FROM contract_edit"):
        with pytest.raises(psycopg.errors.RaiseException, match="contract_edit are never changed"):
            await owner.execute(statement)


async def test_an_earlier_end_of_a_commit_is_an_edit(acme):
    """UpdateEndDate of a contract's commit or credit is told as the edit that it is."""
    await acme.sdk.v1.customers.commits.update_end_date(
        customer_id=acme.ids["customer"],
        commit_id=acme.ids["commit"],
        access_ending_before=at(2026, 9),
        invoices_ending_before=at(2026, 4),
    )
    await acme.sdk.v1.customers.credits.update_end_date(
        customer_id=acme.ids["customer"], credit_id=acme.ids["credit"], access_ending_before=at(2026, 8)
    )
    ((commit,), (credit,)) = [each.update_commits or each.update_credits for each in await acme.history()]
    assert (commit.id, credit.id) == (acme.ids["commit"], acme.ids["credit"])
    (until,) = [each.ending_before for each in commit.access_schedule.update_schedule_items]
    (dropped,) = commit.invoice_schedule.remove_schedule_items
    assert until == at(2026, 9)
    assert dropped.id not in str((await acme.terms()).commits)
    assert credit.access_schedule.update_schedule_items[0].ending_before == at(2026, 8)


async def test_the_past_is_as_it_was(acme):
    """as_of_date tells what held at any instant, and V1 what was agreed at first, after any number of edits."""
    seen = [(acme.api.clock(), await acme.terms())]
    for change in (
        {"update_contract_name": "B", "remove_overrides": [{"id": acme.ids["override"]}]},
        {"add_credits": [{"product_id": acme.ids["fixed"], "access_schedule": access(1)}]},
        {"archive_scheduled_charges": [{"id": acme.ids["charge"]}], "update_contract_end_date": at(2026, 11)},
        {"archive_commits": [{"id": acme.ids["commit"]}], "add_overrides": [acme.override(3)]},
    ):
        await acme.edit(**change)
        seen.append((acme.api.clock(), await acme.terms()))
    cut = {"commits", "credits"}
    for instant, then in seen:
        now = await acme.terms(as_of_date=instant)
        assert now.model_dump(exclude=cut) == then.model_dump(exclude=cut)
        for name in cut:
            said = [[(each.id, each.archived_at) for each in getattr(told, name)] for told in (now, then)]
            assert said[0] == said[1], name
    nested = (await acme.sdk.v1.contracts.retrieve(**acme.keys)).data
    first, last = seen[0][1], seen[-1][1]
    for told, held in ((nested.initial, first), (nested.current, last)):
        assert [each.id for each in told.overrides] == [each.id for each in held.overrides]
        assert [each.id for each in told.credits] == [each.id for each in held.credits]
        assert (told.name, told.ending_before) == (held.name, held.ending_before)


async def test_history_of_one_contract(acme):
    """Another contract's edits are not in it, nor are those of the customer's own commits."""
    other = await acme.sdk.v1.contracts.create(customer_id=acme.ids["customer"], starting_at=at(2026))
    own = await acme.sdk.v1.customers.credits.create(
        customer_id=acme.ids["customer"], product_id=acme.ids["fixed"], priority=1, access_schedule=access(1)
    )
    await acme.edit(update_contract_name="B")
    edit = {"customer_id": acme.ids["customer"], "credit_id": own.data.id, "applicable_contract_ids": [other.data.id]}
    await acme.sdk.v2.contracts.edit_credit(**edit)
    keys = {**acme.keys, "contract_id": other.data.id}
    assert (await acme.sdk.v2.contracts.get_edit_history(**keys)).data == []
    assert len(await acme.history()) == 1
    found = [each async for each in acme.sdk.v1.customers.credits.list(customer_id=acme.ids["customer"])]
    assert [each.applicable_contract_ids for each in found] == [[other.data.id]]


# ── Order ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def independent(acme) -> list[dict[str, Any]]:
    """Return edits none of which is about what another is about."""
    return [
        {"add_overrides": [acme.override(0.25)]},
        {"remove_overrides": [{"id": acme.ids["override"]}]},
        {"update_commits": [{"commit_id": acme.ids["commit"], "priority": 1, "name": "Renamed"}]},
        {"archive_credits": [{"id": acme.ids["credit"]}]},
        {"add_credits": [{"product_id": acme.ids["fixed"], "name": "New", "access_schedule": access(3)}]},
        {"add_scheduled_charges": [acme.charge(name="Setup", schedule=dates((at(2026, 8), 6)))]},
        {"archive_scheduled_charges": [{"id": acme.ids["charge"]}]},
        {"update_net_payment_terms_days": 5},
    ]


async def test_the_order_of_independent_edits_does_not_matter(acme, make_client):
    """One by one, the other way round (so each pair in both orders), or all as one: the drafts are the same."""
    found = []
    for way in ("forth", "back", "at once"):
        client = await make_client()
        async with sdk_of(client) as sdk:
            other = await Acme(sdk, client, acme.api, acme.url).build()
            steps = independent(other)
            if way == "at once":
                steps = [{name: value for each in steps for name, value in each.items()}]
            for each in reversed(steps) if way == "back" else steps:
                await other.edit(**each)
            drafts = await other.invoices(status="DRAFT")
            found.append([(each["total"], each.get("due_date"), told(each["line_items"])) for each in drafts])
    assert found[0] == found[1] == found[2]
    assert [each[0] for each in found[0]] == [200, 0, 250, 6]
    assert found[0][1][2] == [("Tokens", 40), ("Renamed applied", -40)]


def told(lines: list[dict[str, Any]]) -> list[tuple[str, Decimal]]:
    """Return the names and totals of lines."""
    return [(line["name"], line["total"]) for line in lines]


# ── What is refused ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_not_there(acme):
    """Ids that the contract does not have, with their place; also those of another kind or of the customer."""
    for name, word in (("commits", "commit"), ("credits", "credit"), ("scheduled_charges", "scheduled charge")):
        await acme.refused({f"archive_{name}": [{"id": ABSENT}]}, f"no {word} {ABSENT}", f"$.archive_{name}[0].id")
        its = f"{name[:-1]}_id"
        body = {f"update_{name}": [{its: ABSENT}]}
        await acme.refused(body, f"no {word} {ABSENT}", f"$.update_{name}[0].{its}")
    await acme.refused({"remove_overrides": [{"id": ABSENT}]}, "no override", "$.remove_overrides[0].id")
    await acme.refused({"archive_credits": [{"id": acme.ids["commit"]}]}, "no credit", "$.archive_credits[0].id")
    twice = [{"id": acme.ids["override"]}] * 2
    await acme.refused({"remove_overrides": twice}, "no override", "$.remove_overrides[1].id")
    own = await acme.sdk.v1.customers.credits.create(
        customer_id=acme.ids["customer"], product_id=acme.ids["fixed"], priority=1, access_schedule=access(1)
    )
    await acme.refused({"archive_credits": [{"id": own.data.id}]}, "no credit", "$.archive_credits[0].id")
    item = {"remove_schedule_items": [{"id": ABSENT}]}
    place = "$.update_commits[0].access_schedule.remove_schedule_items[0]"
    body = {"update_commits": [{"commit_id": acme.ids["commit"], "access_schedule": item}]}
    await acme.refused(body, "no schedule item", place)
    await acme.refused({"contract_id": ABSENT, "update_contract_name": "B"}, "no contract", status=404)
    await acme.refused({"customer_id": ABSENT, "update_contract_name": "B"}, "no customer", status=404)
    await acme.refused({"commit_id": ABSENT, "name": "B"}, ABSENT, path=COMMIT, status=404)
    await acme.refused({"credit_id": acme.ids["commit"], "name": "B"}, "no credit", path=CREDIT, status=404)
    unknown = {**acme.keys, "contract_id": ABSENT}
    await seed.refused(acme.client, HISTORY, unknown, "no contract", status=404)


async def test_what_contradicts_itself(acme):
    """Each fault is named with its place."""
    commit = {"commit_id": acme.ids["commit"]}
    (segment,) = (await acme.terms()).commits[0].access_schedule.schedule_items
    overlap = {"add_schedule_items": access(1)["schedule_items"]}
    last = {"remove_schedule_items": [{"id": segment.id}]}
    both = {"specifiers": [{"product_id": acme.ids["usage"]}], "applicable_product_tags": ["ai"]}
    for change, message, place in (
        ({"access_schedule": overlap}, "overlaps", ".access_schedule"),
        ({"access_schedule": last}, "at least one segment", ".access_schedule"),
        ({"access_schedule": {"update_schedule_items": [{"id": segment.id, "amount": 0}]}}, "above zero", "amount"),
        ({"invoice_schedule": {"add_schedule_items": [{"timestamp": "2026-01-01T00:00:00Z"}]}}, "amount", "items[0]"),
        ({"product_id": acme.ids["usage"]}, "FIXED", ".product_id"),
        ({"product_id": ABSENT}, "no product", ".product_id"),
        ({"applicable_product_ids": [ABSENT]}, "no product", ".applicable_product_ids[0]"),
        (both, "exclude", ".specifiers"),
        ({}, "asks for no change", ""),
    ):
        await acme.refused({"update_commits": [{**commit, **change}]}, message, "$.update_commits[0]", place)
        await acme.refused({**commit, **change}, message, "$", place, path=COMMIT)
    body = {"update_commits": [{**commit, "rollover_fraction": 2}]}
    await acme.refused(body, "between 0 and 1", "$.update_commits[0].rollover_fraction")
    away = {**commit, "invoice_contract_id": acme.ids["contract"]}
    await acme.refused(away, "belongs to a contract", "$.invoice_contract_id", path=COMMIT)
    away = {**commit, "applicable_contract_ids": []}
    await acme.refused(away, "of the customer", "$.applicable_contract_ids", path=COMMIT)
    for end in ("2026-01-01T00:00:00Z", "2026-05-01T00:00:01Z"):
        await acme.refused({"update_contract_end_date": end}, "$.update_contract_end_date")
    await acme.refused({"update_net_payment_terms_days": -1}, "negative", "$.update_net_payment_terms_days")
    await acme.refused({"add_overrides": [acme.override(-1)]}, "negative", "$.add_overrides[0].multiplier")
    await acme.refused({"add_commits": [acme.commit(product_id=ABSENT)]}, "no product", "$.add_commits[0].product_id")


async def test_what_asks_for_nothing_or_is_not_known(acme):
    """An edit without a change is a mistake; fields that Winkel does not know yet are named."""
    await acme.refused({}, "asks for no change", "`$`")
    await acme.refused({"uniqueness_key": "k", "add_commits": []}, "asks for no change")
    for name in ("add_spend_trackers", "add_reseller_royalties"):
        await acme.refused({name: []}, f"`{name}` is not supported yet")
    await acme.refused({"add_everything": []}, "unknown field `add_everything`")


async def test_archived_objects_are_not_edited(acme):
    """Neither an archived commit or charge, nor anything of an archived contract or customer."""
    await acme.edit(
        archive_commits=[{"id": acme.ids["commit"]}], archive_scheduled_charges=[{"id": acme.ids["charge"]}]
    )
    commit = {"commit_id": acme.ids["commit"], "name": "B"}
    await acme.refused({"update_commits": [commit]}, "archived", "$.update_commits[0]")
    await acme.refused(commit, "archived", path=COMMIT)
    await acme.refused({"archive_commits": [{"id": acme.ids["commit"]}]}, "archived", "$.archive_commits[0].id")
    place = "$.archive_scheduled_charges[0].id"
    await acme.refused({"archive_scheduled_charges": [{"id": acme.ids["charge"]}]}, "archived", place)
    await acme.sdk.v1.contracts.archive(**acme.keys, void_invoices=False)
    await acme.refused({"update_contract_name": "B"}, "archived", "$.contract_id")
    await acme.sdk.v1.customers.archive(id=acme.ids["customer"])
    await acme.refused({"update_contract_name": "B"}, "customer is archived", "$.customer_id")


async def test_nothing_is_half_applied(acme):
    """One bad part, wherever it stands in the order, and none of the good ones holds; its key is not used up."""
    good = {
        "remove_overrides": [{"id": acme.ids["override"]}],
        "archive_commits": [{"id": acme.ids["commit"]}],
        "add_credits": [{"product_id": acme.ids["fixed"], "access_schedule": access(1)}],
        "update_contract_name": "B",
        "uniqueness_key": "once",
    }
    for bad in (
        {"archive_credits": [{"id": ABSENT}]},
        {"update_credits": [{"credit_id": acme.ids["credit"], "product_id": ABSENT}]},
        {"add_scheduled_charges": [acme.charge(product_id=ABSENT)]},
        {"update_contract_end_date": "2025-01-01T00:00:00Z"},
        {"update_net_payment_terms_days": -1},
    ):
        await acme.refused({**good, **bad})
    await acme.edit(**good)
    again = {"update_contract_name": "C", "uniqueness_key": "once"}
    words = "This uniqueness key has already been used."
    await acme.refused(again, words, status=409)
    with pytest.raises(metronome.ConflictError):
        await acme.edit(**again)


async def test_a_commit_of_the_customer_keeps_its_payer_once_it_was_asked_for(acme):
    """An invoice belongs to one contract, void or not; before the first one the payer may change."""
    other = (await acme.sdk.v1.contracts.create(customer_id=acme.ids["customer"], starting_at=at(2026))).data.id
    terms = acme.commit(priority=1, invoice_schedule=dates((at(2026, 2), 3)))
    made = await acme.sdk.v1.customers.commits.create(
        **terms, customer_id=acme.ids["customer"], invoice_contract_id=acme.ids["contract"]
    )
    keys = {"customer_id": acme.ids["customer"], "commit_id": made.data.id}
    await acme.sdk.v2.contracts.edit_commit(**keys, invoice_contract_id=other)
    (found,) = await acme.invoices(contract_id=other, type="SCHEDULED")
    assert (found["total"], found["status"]) == (3, "DRAFT")
    await acme.refused({**keys, "invoice_contract_id": ABSENT}, "no contract", "$.invoice_contract_id", path=COMMIT)
    await acme.january()
    back = {**keys, "invoice_contract_id": acme.ids["contract"]}
    await acme.refused(back, "keeps its contract", "$.invoice_contract_id", path=COMMIT)
    (found,) = await acme.invoices(contract_id=other, type="SCHEDULED")
    await acme.sdk.v1.invoices.void(id=found["id"])
    await acme.refused(back, "keeps its contract", "$.invoice_contract_id", path=COMMIT)


async def test_a_commit_of_the_customer_needs_a_payer_to_be_asked_for(acme):
    """Dates for a free commit need the contract with which they are invoiced."""
    terms = acme.commit(priority=1)
    del terms["invoice_schedule"]
    made = await acme.sdk.v1.customers.commits.create(**terms, customer_id=acme.ids["customer"])
    add = {
        "commit_id": made.data.id,
        "invoice_schedule": {"add_schedule_items": dates((at(2026, 2), 3))["schedule_items"]},
    }
    await acme.refused(add, "is needed", "$.invoice_contract_id", path=COMMIT)
    await acme.sdk.v2.contracts.edit_commit(
        customer_id=acme.ids["customer"], invoice_contract_id=acme.ids["contract"], **add
    )
    assert ("2026-02-01", 3) in await acme.asked()
