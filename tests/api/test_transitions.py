"""Renewals over the API: a contract ends another and gets what is left, exactly once, whatever is corrected later."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from metronome import AsyncMetronome
from msgspec import Struct

from api import billing, seed
from api.seed import at
from winkel.model.credit_type import USD
from winkel.store import balances, invoices

pytestmark = pytest.mark.anyio

CREATE = "/v1/contracts/create"
FEBRUARY, YEAR = at(2026, 2), at(2027)


class Acme(Struct):
    """A customer with a contract from January on, and what its tests do."""

    sdk: AsyncMetronome
    client: httpx.AsyncClient
    customer: str
    card: str
    fixed: str
    old: str = ""

    def balance(self, amount: int, until: datetime = YEAR, start: datetime | None = None, **more: Any) -> dict:
        """Return a commit or a credit for a contract."""
        item = {"amount": amount, "starting_at": start or at(2026), "ending_before": until}
        return {"product_id": self.fixed, "access_schedule": {"schedule_items": [item]}, **more}

    async def create(self, start: datetime, end: datetime | None = None, **more: Any) -> Any:
        """Make a contract."""
        terms = {"starting_at": start, "rate_card_id": self.card, **more} | ({"ending_before": end} if end else {})
        return (await self.sdk.v1.contracts.create(customer_id=self.customer, **terms)).data.contract

    async def renew(self, start: datetime = FEBRUARY, trueup: str | None = None, **more: Any) -> Any:
        """Make a contract that renews the old one."""
        transition: dict = {"type": "RENEWAL", "from_contract_id": self.old}
        if trueup is not None:
            transition["future_invoice_behavior"] = {"trueup": trueup}
        return await self.create(start, YEAR, transition=transition, **more)

    async def contract(self, its_id: str) -> Any:
        """Return a contract with balances and ledgers."""
        found = await self.sdk.v2.contracts.retrieve(
            customer_id=self.customer, contract_id=its_id, include_balance=True, include_ledgers=True
        )
        return found.data

    async def ledger(self, its_id: str, name: str) -> list[tuple[str, float]]:
        """Return the ledger of a commit or credit of a contract."""
        found = await self.contract(its_id)
        (balance,) = [each for each in [*found.commits, *found.credits] if each.name == name]
        return [(each.type.partition("_COMMIT_")[2] or each.type, each.amount) for each in balance.ledger]

    async def net(self) -> float:
        """Return what the customer may use now."""
        return (await self.sdk.v1.contracts.get_net_balance(customer_id=self.customer)).data.balance

    async def refused(self, *parts: str, path: str = CREATE, status: int = 400, **body: Any) -> None:
        """Check that a request is refused with these words."""
        if path == CREATE:
            body = {"starting_at": FEBRUARY.isoformat(), "rate_card_id": self.card, **body}
        await seed.refused(self.client, path, {"customer_id": self.customer, **body}, *parts, status=status)

    def transition(self, from_contract_id: str | None = None, **more: Any) -> dict:
        """Return a transition as JSON."""
        return {"type": "RENEWAL", "from_contract_id": from_contract_id or self.old, **more}


@pytest.fixture
async def acme(sdk, app_client) -> Acme:
    """Return a customer without a contract; a token of model a costs a cent."""
    card, _ = await billing.priced_card(sdk)
    return Acme(sdk, app_client, await seed.customer(sdk), card, await seed.fixed_product(sdk))


@pytest.fixture
def use(acme, sdk, api, clock, database_url):
    """Return what uses so many tokens now and meters them."""
    numbers = iter(range(1, 100))

    async def _use(tokens: int, when: datetime | None = None) -> None:
        event = billing.event(next(numbers), acme.customer, when or clock(), model="a", tokens=tokens)
        await sdk.v1.usage.ingest(usage=[event])
        await billing.meter(api, database_url)

    return _use


@pytest.fixture
def bill(api, clock, database_url):
    """Return what moves the clock and finalizes what is due."""

    async def _bill(now: datetime) -> None:
        clock.at = now
        await billing.bill(api, database_url)

    return _bill


@pytest.fixture(autouse=True)
async def in_balance(acme, owner):
    """Whatever a test does: invoices agree with the ledger, and what rolled over is what left."""
    yield
    assert await invoices.unbalanced(owner) == []
    assert await balances.unbalanced(owner) == []


async def test_what_is_left_is_used_before_the_new_commit(acme, use, bill, clock):
    """Half of 100,000 may roll over, 10,000 are left: all roll over, and are burnt first (§8, example 13)."""
    first = acme.balance(100_000, type="PREPAID", name="First", rollover_fraction=0.5)
    acme.old = (await acme.create(at(2026), commits=[first])).id
    await use(90_000)
    second = acme.balance(200_000, start=FEBRUARY, type="PREPAID", name="Second", priority=0)
    made = await acme.renew(commits=[second])
    (transition,) = made.transitions
    assert (transition.type, transition.from_contract_id, transition.to_contract_id) == ("RENEWAL", acme.old, made.id)
    assert [each.name for each in made.commits] == ["Second"], "nothing has rolled over yet"
    old = await acme.contract(acme.old)
    assert [each.to_dict() for each in old.transitions] == [transition.to_dict()]
    assert old.ending_before == FEBRUARY == old.commits[0].access_schedule.schedule_items[0].ending_before

    clock.at = at(2026, 2, 1, 12)
    await use(12_000)
    own, rolled = (await acme.contract(made.id)).commits
    assert (own.name, rolled.name, rolled.created_at, rolled.created_by) == ("Second", "First", FEBRUARY, None)
    assert (rolled.rolled_over_from.commit_id, rolled.rolled_over_from.contract_id) == (old.commits[0].id, acme.old)
    (item,) = rolled.access_schedule.schedule_items
    assert (item.amount, item.starting_at, item.ending_before) == (10_000, FEBRUARY, YEAR)
    assert (rolled.balance, await acme.net()) == (0, 198_000)
    listed = await acme.sdk.v1.customers.commits.list(customer_id=acme.customer, include_contract_commits=True)
    last = listed.data[-1]
    assert (last.name, last.rolled_over_from is None) == ("First", False)
    assert sorted(each.name for each in listed.data) == ["First", "First", "Second"]
    before = await acme.ledger(acme.old, "First")

    await bill(at(2026, 2, 2))
    assert before == [
        ("SEGMENT_START", 100_000), ("AUTOMATED_INVOICE_DEDUCTION", -90_000), ("ROLLOVER", -10_000),
    ] == await acme.ledger(acme.old, "First")  # fmt: skip
    (entry,) = (await acme.contract(acme.old)).commits[0].ledger[2:]
    assert (entry.new_contract_id, entry.segment_id) == (made.id, old.commits[0].access_schedule.schedule_items[0].id)
    (kept,) = [each for each in (await acme.contract(made.id)).commits if each.name == "First"]
    assert kept == rolled, "what was shown is what is kept"

    await bill(at(2026, 3, 2))
    (invoice,) = await billing.invoices_of(acme.client, acme.customer, contract_id=made.id, status="FINALIZED")
    assert invoice["total"] == 0
    assert [line["total"] for line in invoice["line_items"] if line["total"] > 0] == [10_000, 2_000]
    assert await acme.ledger(made.id, "First") == [("SEGMENT_START", 10_000), ("AUTOMATED_INVOICE_DEDUCTION", -10_000)]


async def test_corrections_settle_what_rolled_over_once_more(acme, use, bill):
    """What a void January gives back rolls over; made anew it draws on what the new contract has not used."""
    acme.old = (await acme.create(at(2026), credits=[acme.balance(100, name="Free", rollover_fraction=1)])).id
    await use(60)
    new = (await acme.renew()).id
    await bill(at(2026, 2, 2))
    await use(10)
    await bill(at(2026, 3, 2))
    assert await acme.net() == 30
    (january,) = await billing.invoices_of(acme.client, acme.customer, contract_id=acme.old)

    await acme.sdk.v1.invoices.void(id=january["id"])
    assert await acme.net() == 90
    await use(20, at(2026, 1, 30))
    again = await acme.sdk.v1.invoices.regenerate(id=january["id"])
    assert (await acme.net(), (await acme.ledger(new, "Free"))[0]) == (10, ("CREDIT_SEGMENT_START", 20))
    await acme.sdk.v1.invoices.void(id=again.data.id)
    await use(50, at(2026, 1, 31))
    await acme.sdk.v1.invoices.regenerate(id=again.data.id)
    (paid, rest) = [
        line["total"]
        for each in await billing.invoices_of(acme.client, acme.customer, contract_id=acme.old, status="FINALIZED")
        for line in each["line_items"]
        if line["total"] > 0
    ]
    assert (paid, rest, await acme.net()) == (90, 40, 0), "10 were used by the new contract and stay there"


async def test_nothing_left_makes_no_balance_until_something_comes_back(acme, use, bill):
    """A credit that was used up rolls nothing over; when its invoice is voided, all of it does."""
    acme.old = (await acme.create(at(2026), credits=[acme.balance(100, name="Free", rollover_fraction=1)])).id
    await use(200)
    new = (await acme.renew()).id
    await bill(at(2026, 2, 2))
    assert (await acme.contract(new)).credits == []
    (january,) = await billing.invoices_of(acme.client, acme.customer, contract_id=acme.old)
    await acme.sdk.v1.invoices.void(id=january["id"])
    (credit,) = (await acme.contract(new)).credits
    assert (credit.rolled_over_from.credit_id is None, credit.balance) == (False, 100)


async def test_a_renewal_that_is_made_late(acme, use, bill):
    """When the last statement is final already, what is left rolls over at once, and is kept by the next round."""
    credit = acme.balance(100, FEBRUARY, name="Free", rollover_fraction=0.2)
    acme.old = (await acme.create(at(2026), FEBRUARY, credits=[credit])).id
    await use(60)
    await bill(at(2026, 2, 2))
    made = await acme.renew()
    assert [each.access_schedule.schedule_items[0].amount for each in made.credits] == [20]
    assert await acme.net() == 20
    await bill(at(2026, 2, 3))
    assert (await acme.ledger(acme.old, "Free"))[2:] == [
        ("CREDIT_ROLLOVER", -20), ("CREDIT_EXPIRATION", -20),
    ]  # fmt: skip


@pytest.mark.parametrize(("trueup", "asked"), [(None, [50, 50]), ("AS_IS", [50, 50]), ("REMOVE", [50])])
async def test_a_promise_rolls_over(acme, use, bill, trueup, asked):
    """Of 400 promised 250 are used and 100 roll over; the other 50 are asked for, unless that was to be removed.

    The new contract promises the 100 and is trued up at its own end.
    """
    item = {"timestamp": YEAR, "amount": 400}
    promise = acme.balance(400, type="POSTPAID", name="Promise", rollover_fraction=0.25)
    acme.old = (await acme.create(at(2026), commits=[{**promise, "invoice_schedule": {"schedule_items": [item]}}])).id
    await use(250)
    new = (await acme.renew(trueup=trueup)).id
    await bill(at(2026, 2, 2))
    await use(50)
    await bill(at(2027, 1, 2))
    found = await billing.invoices_of(acme.client, acme.customer, type="SCHEDULED")
    assert sorted(each["total"] for each in found) == asked
    assert {each["status"] for each in found} == {"FINALIZED"}
    assert await acme.ledger(new, "Promise") == [
        ("INITIAL_BALANCE", 100), ("TRUEUP", -50), ("AUTOMATED_INVOICE_DEDUCTION", -50),
    ] or await acme.ledger(new, "Promise") == [
        ("INITIAL_BALANCE", 100), ("AUTOMATED_INVOICE_DEDUCTION", -50), ("TRUEUP", -50),
    ]  # fmt: skip
    last = "EXPIRATION" if trueup == "REMOVE" else "TRUEUP"
    assert sorted(await acme.ledger(acme.old, "Promise")) == sorted([
        ("INITIAL_BALANCE", 400), ("AUTOMATED_INVOICE_DEDUCTION", -250), ("ROLLOVER", -100), (last, -50),
    ])  # fmt: skip


async def test_children_and_future_terms(acme, use, bill):
    """Charges and children to come are dropped; January's child rolls over by its own fraction."""
    recurring = {
        "product_id": acme.fixed, "priority": 1, "starting_at": at(2026), "name": "Monthly", "rollover_fraction": 0.5,
        "access_amount": {"unit_price": 10, "quantity": 10, "credit_type_id": USD.id},
        "commit_duration": {"value": 1}, "recurrence_frequency": "MONTHLY",
    }  # fmt: skip
    charge = {"product_id": acme.fixed, "schedule": {"schedule_items": [{"timestamp": at(2026, 6), "amount": 70}]}}
    acme.old = (await acme.create(at(2026), recurring_credits=[recurring], scheduled_charges=[charge])).id
    await use(70)
    new = (await acme.renew()).id
    await bill(at(2026, 2, 2))
    assert [each.balance for each in (await acme.contract(new)).credits] == [30]
    old = await acme.contract(acme.old)
    assert [each.name for each in old.credits] == ["Monthly"]
    assert old.recurring_credits[0].ending_before == FEBRUARY
    assert old.scheduled_charges[0].schedule.schedule_items == []
    assert await billing.invoices_of(acme.client, acme.customer, type="SCHEDULED") == []


async def test_what_cannot_be_renewed_is_refused(acme, use, bill):
    """The place is named, and nothing changes."""
    acme.old = (await acme.create(at(2026))).id
    where = "$.transition.from_contract_id"
    await acme.refused("no contract", where, transition=acme.transition(acme.customer))
    await acme.refused("SUPERSEDE", "$.transition.type", transition=acme.transition(type="SUPERSEDE"))
    bad = {"future_invoice_behavior": {"trueup": "SOON"}}
    await acme.refused("SOON", "trueup", transition=acme.transition(**bad))
    early = "2026-01-01T00:00:00Z"
    await acme.refused("begin before", "$.starting_at", starting_at=early, transition=acme.transition())
    archived = (await acme.create(at(2026))).id
    await acme.sdk.v1.contracts.archive(customer_id=acme.customer, contract_id=archived, void_invoices=False)
    await acme.refused("archived", where, transition=acme.transition(archived))
    await bill(at(2026, 2, 3))
    middle = "2026-01-20T00:00:00Z"
    await acme.refused("invoiced for good", "$.starting_at", starting_at=middle, transition=acme.transition())
    await acme.renew()
    await acme.refused("is renewed by", where, transition=acme.transition())


async def test_what_a_renewal_fixes(acme, use, bill):
    """The end of the old contract, its life until its last statement is final, and what rolled over."""
    credit = acme.balance(100, name="Free", rollover_fraction=1)
    acme.old = (await acme.create(at(2026), credits=[credit])).id
    new = (await acme.renew()).id
    ids = {"contract_id": acme.old}
    end = "/v1/contracts/updateEndDate"
    await acme.refused("renews this one", "$.contract_id", path=end, **ids, ending_before="2026-06-01T00:00:00Z")
    await acme.refused("renews this one", "$.update_contract_end_date", path="/v2/contracts/edit", **ids,
                       update_contract_end_date="2026-06-01T00:00:00Z")  # fmt: skip
    await acme.refused("last statement", "$.contract_id", path="/v1/contracts/archive", **ids, void_invoices=False)
    await bill(at(2026, 2, 1, 12))
    await acme.refused("last statement", "$.contract_id", path="/v1/contracts/archive", **ids, void_invoices=False)
    await bill(at(2026, 2, 2))
    (rolled,) = (await acme.contract(new)).credits
    (source,) = (await acme.contract(acme.old)).credits
    edit = {"credit_id": rolled.id, "name": "Mine"}
    await acme.refused("cannot be edited", path="/v2/contracts/credits/edit", **edit)
    await acme.refused("cannot be edited", "$.update_credits[0].credit_id", path="/v2/contracts/edit",
                       contract_id=new, update_credits=[edit])  # fmt: skip
    await acme.refused("cannot be edited", path="/v1/contracts/customerCredits/updateEndDate",
                       credit_id=rolled.id, access_ending_before="2026-06-01T00:00:00Z")  # fmt: skip
    less = {"credit_id": source.id, "rollover_fraction": 0}
    await acme.refused("has rolled over", "$.update_credits[0].rollover_fraction", path="/v2/contracts/edit",
                       **ids, update_credits=[less])  # fmt: skip
    for void in (False, True, True):
        await acme.sdk.v1.contracts.archive(customer_id=acme.customer, contract_id=acme.old, void_invoices=void)
        assert await acme.net() == 100


async def test_v1_tells_the_transition_of_both(acme):
    """The new contract was agreed with it, the old one without."""
    acme.old = (await acme.create(at(2026))).id
    new = (await acme.renew()).id
    for its_id, at_first in ((acme.old, 0), (new, 1)):
        seen = (await acme.sdk.v1.contracts.retrieve(customer_id=acme.customer, contract_id=its_id)).data
        assert [each.to_contract_id for each in seen.current.transitions] == [new]
        assert len(seen.initial.transitions) == at_first


async def test_exact_fractions_over_the_wire(acme, bill):
    """A third of a cent rolls over as it is, and comes back as it is."""
    credit = acme.balance(1, name="Free", rollover_fraction=0.333)
    acme.old = (await acme.create(at(2026), credits=[credit])).id
    new = (await acme.renew()).id
    await bill(at(2026, 2, 2))
    answer = await seed.post(acme.client, "/v2/contracts/get", {"customer_id": acme.customer, "contract_id": new})
    (seen,) = seed.exact(answer)["data"]["credits"]
    assert seen["access_schedule"]["schedule_items"][0]["amount"] == Decimal("0.333")
