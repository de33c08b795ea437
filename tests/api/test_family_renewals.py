"""Renewals of parents and children over the API: what rolls over is shared as before; who goes on must say where."""

import metronome
import pytest

from api import billing, seed
from api.family import Family, begun
from winkel.store import balances, invoices

pytestmark = pytest.mark.anyio

JANUARY, FEBRUARY, MARCH, YEAR = (seed.at(*each) for each in ((2026,), (2026, 2), (2026, 3), (2027,)))
CREATE, END = "/v1/contracts/create", "/v1/contracts/updateEndDate"
CONSOLIDATED = {"payer": "PARENT", "usage_statement_behavior": "CONSOLIDATE"}


@pytest.fixture(autouse=True)
async def in_balance(owner):
    """Whatever a test does: invoices agree with the ledger, and what rolled over is what left."""
    yield
    assert await invoices.unbalanced(owner) == []
    assert await balances.unbalanced(owner) == []


@pytest.fixture
async def family(sdk, api, clock, database_url) -> Family:
    """Return a family whose parent also has a pool of 400 that rolls over by half, for Hulu alone."""
    made = await begun(sdk, api, clock, database_url)
    only = {"type": "CONTRACT_IDS", "contract_ids": [made.contracts["Hulu"]]}
    more = {**made.commit("Rest", 400, child_access=only), "rollover_fraction": 0.5, "priority": 10**9}
    await sdk.v2.contracts.edit(**made.ref("Disney"), add_commits=[more])
    return made


async def end(family: Family, *names: str, at=FEBRUARY) -> None:
    """End contracts."""
    for name in names:
        await family.sdk.v1.contracts.update_end_date(**family.ref(name), ending_before=at)


async def renew(family: Family, name: str, hierarchy: dict, **more) -> None:
    """Renew a contract in February; it is called Hulu-2."""
    asked = {"starting_at": FEBRUARY, "ending_before": YEAR, "transition": family.renewing(name), **more}
    await family.contract(f"{name}-2", hierarchy, **asked)


async def renew_all(family: Family) -> None:
    """Renew the parent and Hulu; ESPN ends."""
    await end(family, "Hulu", "ESPN")
    await renew(family, "Disney", {"parent_behavior": {"invoice_consolidation_type": "CONCATENATE"}})
    await renew(family, "Hulu", family.under("Disney-2", **CONSOLIDATED))


async def bill(family: Family, at) -> None:
    """Finalize what is due then."""
    family.clock.at = at
    await billing.bill(family.api, family.database_url)


async def usage_of(family: Family, client, name: str, kind: str = "USAGE") -> dict:
    """Return the first usage statement, or consolidated invoice, of a contract that is no void one."""
    found = await billing.invoices_of(client, family.customers[name], type=kind, contract_id=family.contracts[name])
    return min((each for each in found if each["status"] != "VOID"), key=lambda each: each["start_timestamp"])


async def rest(family: Family) -> float:
    """Return what is left of what has rolled over."""
    found = await family.sdk.v2.contracts.retrieve(**family.ref("Disney-2"), include_balance=True)
    return sum(each.balance for each in found.data.commits if each.rolled_over_from is not None)


async def test_children_draw_on_what_rolled_over(family, app_client) -> None:
    """January leaves 300 of which 200 may roll over: Hulu's renewal uses them first, and nobody else does.

    Nobody named it: it renews who was named. Drafts say so before anything is final, and finalizing changes nothing.
    """
    await family.use(Disney=200, Hulu=300, ESPN=100)  # of the first pool of 500, and of the other one 100
    await renew_all(family)
    await family.contract("ABC", family.under("Disney-2"), starting_at=FEBRUARY, ending_before=YEAR)
    family.clock.at = seed.at(2026, 2, 1, 12)
    await family.use(family.clock(), Hulu=150, ABC=40)
    for now, status in ((family.clock(), "DRAFT"), (seed.at(2026, 2, 2), "DRAFT"), (seed.at(2026, 3, 2), "FINALIZED")):
        await bill(family, now)
        drawn = [await usage_of(family, app_client, name) for name in ("Hulu-2", "ABC")]
        assert [(each["total"], each["status"]) for each in drawn] == [(0, status), (40, status)]
        assert await rest(family) == 50
    (paid,) = [line for line in drawn[0]["line_items"] if line["total"] < 0]
    assert (paid["name"], paid["total"]) == ("Rest applied", -150)
    kinds = [(kind, amount) for kind, amount, who in await family.entries("Disney") if who == "Hulu-2" and amount < 0]
    assert kinds == [("AUTOMATED_INVOICE_DEDUCTION", -150)]


async def test_consolidated_invoices_meet_where_the_parent_is_renewed(family, app_client) -> None:
    """January is on the old parent's consolidated invoice, and paid by it; February on and by the new one's."""
    await family.use(Disney=100, Hulu=10)
    await renew_all(family)
    family.clock.at = seed.at(2026, 2, 1, 12)
    await family.use(family.clock(), Disney=400, Hulu=7)
    await bill(family, seed.at(2026, 3, 2))
    for parent, child in (("Disney", "Hulu"), ("Disney-2", "Hulu-2")):
        made = await usage_of(family, app_client, parent, "USAGE_CONSOLIDATED")
        parts = [await usage_of(family, app_client, name) for name in (parent, child)]
        assert [each["invoice_id"] for each in made["constituent_invoices"]] == [each["id"] for each in parts]
        assert made["status"] == "FINALIZED"
        assert made["total"] == sum(each["total"] for each in parts)
        assert [each["payer"] for each in (made, *parts)] == [family.ref(parent)] * 3
    shown = (await family.sdk.v2.contracts.retrieve(**family.ref("Disney"))).data.hierarchy_configuration
    assert [each.contract_id for each in shown.children] == [family.contracts[name] for name in ("Hulu", "ESPN")]
    shown = (await family.sdk.v2.contracts.retrieve(**family.ref("Disney-2"))).data.hierarchy_configuration
    assert [each.contract_id for each in shown.children] == [family.contracts["Hulu-2"]]


async def test_the_renewal_of_a_renewal_keeps_the_pool_when_those_before_are_archived(family, app_client) -> None:
    """The pool names Hulu's first contract; its third one draws on it, whatever is archived of the line."""
    found = (await family.sdk.v2.contracts.retrieve(**family.ref("Disney"))).data.commits
    (pool,) = [each.id for each in found if each.name == "Pool"]
    closed = {"child_access": {"type": "NONE"}}
    asked = {"customer_id": family.customers["Disney"], "commit_id": pool}
    await family.sdk.v2.contracts.edit_commit(**asked, hierarchy_configuration=closed)
    for before, after, start in (("Hulu", "Hulu-2", FEBRUARY), ("Hulu-2", "Hulu-3", MARCH)):
        terms = {"starting_at": start, "transition": family.renewing(before)}
        await family.contract(after, family.under("Disney"), **terms)
    await bill(family, seed.at(2026, 4, 3))
    await family.use(seed.at(2026, 4, 2), Hulu=100)
    for archived in (None, "Hulu", "Hulu-2"):
        if archived is not None:
            await family.sdk.v1.contracts.archive(**family.ref(archived), void_invoices=False)
        (april,) = await billing.invoices_of(
            app_client, family.customers["Hulu"], contract_id=family.contracts["Hulu-3"], status="DRAFT"
        )
        paid = [(line["name"], line["total"]) for line in april["line_items"] if line["total"] < 0]
        assert (april["total"], paid) == (0, [("Rest applied", -100)])


async def test_a_childs_correction_settles_its_parents_rollover_once_more(family, app_client) -> None:
    """What a void January of Hulu's gives back rolls over; made anew it is paid from what is not used yet."""
    await family.use(Disney=500, Hulu=250)
    await renew_all(family)
    await bill(family, seed.at(2026, 2, 2))
    assert await rest(family) == 150
    await family.use(family.clock(), Hulu=100)
    await bill(family, seed.at(2026, 3, 2))
    assert await rest(family) == 50
    january = await usage_of(family, app_client, "Hulu")
    await family.sdk.v1.invoices.void(id=(await usage_of(family, app_client, "Disney", "USAGE_CONSOLIDATED"))["id"])
    await family.sdk.v1.invoices.void(id=january["id"])
    assert await rest(family) == 100, "200 at most, of which 100 are used"
    await family.use(seed.at(2026, 1, 30), Hulu=70)
    await family.sdk.v1.invoices.regenerate(id=january["id"])
    again = await usage_of(family, app_client, "Hulu")
    assert again["total"] == 20, "100 of the 400 went on: 300 are left of them for 320"
    assert await rest(family) == 0
    await family.sdk.v1.invoices.void(id=again["id"])
    assert await rest(family) == 100


async def test_a_parent_that_is_renewed_late(family, app_client) -> None:
    """All of January is final by then: what a child gives back rolls over at once, and comes back to pay for it."""
    await family.use(Disney=500, Hulu=400)
    await end(family, "Hulu", "ESPN")
    await bill(family, seed.at(2026, 2, 2))
    hulu = await usage_of(family, app_client, "Hulu")
    assert hulu["total"] == 0
    await renew(family, "Disney", {})
    assert await rest(family) == 0
    await family.sdk.v1.invoices.void(id=(await usage_of(family, app_client, "Disney", "USAGE_CONSOLIDATED"))["id"])
    await family.sdk.v1.invoices.void(id=hulu["id"])
    assert await rest(family) == 200
    await family.sdk.v1.invoices.regenerate(id=hulu["id"])
    assert ((await usage_of(family, app_client, "Hulu"))["total"], await rest(family)) == (0, 0)


async def test_a_child_is_renewed_under_the_same_parent(family, app_client) -> None:
    """It draws on what was shared with the one before, and the ten nodes count it once."""
    for number in range(7):
        await family.contract(f"Child {number}", family.under("Disney"))
    await renew(family, "Hulu", family.under("Disney", **CONSOLIDATED))
    await end(family, "ESPN")
    await family.use(Disney=500, Hulu=100)
    family.clock.at = seed.at(2026, 2, 1, 12)
    await family.use(family.clock(), Hulu=250)
    made = await usage_of(family, app_client, "Hulu-2")
    assert (made["total"], made["payer"]) == (0, family.ref("Disney"))
    found = (await family.sdk.v2.contracts.retrieve(**family.ref("Disney"), include_balance=True)).data.commits
    assert [each.balance for each in found if each.name == "Rest"] == [50]
    await family.contract("The ninth", family.under("Disney"))
    with pytest.raises(metronome.BadRequestError, match="ten nodes"):
        await family.contract("One more", family.under("Disney"))


async def test_who_goes_on_must_say_where(family, sdk, app_client) -> None:
    """A parent is not renewed over the head of its children, nor does a child outlive its renewed parent."""
    disney = family.ref("Disney")["customer_id"]
    renewal = {"customer_id": disney, "starting_at": FEBRUARY.isoformat(), "transition": family.renewing("Disney")}
    where = "$.transition.from_contract_id"
    await seed.refused(app_client, CREATE, renewal, family.contracts["Hulu"], "goes on after", "end it by then", where)
    await end(family, "Hulu", "ESPN")
    await end(family, "ESPN", at=MARCH)
    await seed.refused(app_client, CREATE, renewal, family.contracts["ESPN"], "goes on after")
    await end(family, "ESPN")
    named = {"type": "CONTRACT_IDS", "contract_ids": [family.contracts["Hulu"]]}
    items = [{"amount": 9, "starting_at": FEBRUARY, "ending_before": YEAR}]
    own = {**family.commit("New", 9, child_access=named), "access_schedule": {"schedule_items": items}}
    await renew(family, "Disney", {}, commits=[own])

    later = {"ending_before": MARCH.isoformat()}
    message = (family.contracts["Disney-2"], "renews the parent")
    await seed.refused(app_client, END, {**family.ref("Hulu"), **later}, *message, "$.contract_id")
    await seed.refused(app_client, END, family.ref("Hulu"), *message, "$.contract_id")
    edit = {**family.ref("Hulu"), "update_contract_end_date": MARCH.isoformat()}
    await seed.refused(app_client, "/v2/contracts/edit", edit, *message, "$.update_contract_end_date")
    body = {"customer_id": family.customers["ESPN"], "starting_at": FEBRUARY.isoformat()}
    asked = {**body, "hierarchy_configuration": family.under("Disney")}
    await seed.refused(app_client, CREATE, asked, *message, "$.hierarchy_configuration.parent.contract_id")
    for hierarchy in (family.under("Disney-2"), {}):
        assert (await app_client.post(CREATE, json={**body, "hierarchy_configuration": hierarchy})).is_success
    await sdk.v1.contracts.archive(**family.ref("Hulu"), void_invoices=False)
    asked = {"customer_id": disney, "contract_id": family.contracts["Disney"], "void_invoices": False}
    await seed.refused(app_client, "/v1/contracts/archive", asked, "last statement")
