"""Hierarchies over the API: families share, pay and are invoiced together, and see only what is theirs."""

import asyncio
import io
import uuid
from decimal import Decimal

import metronome
import pytest
from pypdf import PdfReader

from api import billing, seed
from api.family import Family, begun
from winkel.bill.worker import Worker
from winkel.config import Settings
from winkel.model.credit_type import USD
from winkel.store import billing as whom_to_bill
from winkel.store import database, invoices
from winkel.store.accounts import load

pytestmark = pytest.mark.anyio

CREATE, EDIT, ARCHIVE = "/v1/contracts/create", "/v2/contracts/edit", "/v1/contracts/archive"


@pytest.fixture(autouse=True)
async def balanced_books(owner):
    """After every test, the ledger and the invoices of the whole database agree."""
    yield
    assert await invoices.unbalanced(owner) == []


@pytest.fixture
async def family(sdk, api, clock, database_url) -> Family:
    return await begun(sdk, api, clock, database_url)


async def of(client, family, name, **query):
    return await billing.invoices_of(client, family.customers[name], **query)


async def test_configurations_are_shown_from_either_side(family, sdk) -> None:
    """The parent names its children, a child its parent; V1 and V2, get and list agree."""
    parent = {
        "parent_behavior": {"invoice_consolidation_type": "CONCATENATE"},
        "children": [family.ref("Hulu"), family.ref("ESPN")],
    }
    hulu = {"parent": family.ref("Disney"), "payer": "PARENT", "usage_statement_behavior": "CONSOLIDATE"}
    espn = {"parent": family.ref("Disney"), "payer": "SELF", "usage_statement_behavior": "SEPARATE"}
    for name, expected in (("Disney", parent), ("Hulu", hulu), ("ESPN", espn)):
        two = (await sdk.v2.contracts.retrieve(**family.ref(name))).data
        (listed,) = (await sdk.v2.contracts.list(customer_id=family.customers[name])).data
        one = (await sdk.v1.contracts.retrieve(**family.ref(name))).data
        shown = [two, listed, one.initial, one.current]
        assert [each.hierarchy_configuration.model_dump(exclude_none=True) for each in shown] == [expected] * 4
    commit = (await sdk.v2.contracts.retrieve(**family.ref("Disney"))).data.commits[0]
    assert commit.hierarchy_configuration.model_dump() == {"child_access": {"type": "ALL"}}


async def test_children_draw_on_the_pool_and_see_nothing_else(family, sdk, app_client) -> None:
    """Drafts of all share one state; each customer sees its own invoices and balances only."""
    await family.use(Disney=100, Hulu=300, ESPN=200)
    (disney, *_), (hulu,), (espn,) = [await of(app_client, family, name, type="USAGE") for name in family.customers]
    assert [each["total"] for each in (disney, hulu, espn)] == [0, 0, 100]
    assert [each["payer"]["customer_id"] for each in (disney, hulu, espn)] == [
        family.customers[name] for name in ("Disney", "Disney", "ESPN")
    ]
    assert {each["customer_id"] for each in await of(app_client, family, "ESPN")} == {family.customers["ESPN"]}
    assert await family.entries("Hulu") == await family.entries("ESPN") == []
    assert sorted(await family.entries("Disney")) == [
        ("AUTOMATED_INVOICE_DEDUCTION", -300, "Hulu"),
        ("AUTOMATED_INVOICE_DEDUCTION", -100, "Disney"),
        ("AUTOMATED_INVOICE_DEDUCTION", -100, "ESPN"),
        ("SEGMENT_START", 500, None),
    ]
    nets = [
        (await sdk.v1.contracts.get_net_balance(customer_id=each)).data.balance for each in family.customers.values()
    ]
    assert nets == [0, 0, 0]
    with pytest.raises(metronome.NotFoundError):
        await sdk.v1.customers.invoices.retrieve(customer_id=family.customers["ESPN"], invoice_id=hulu["id"])


async def test_access_is_edited(family, sdk, app_client) -> None:
    """Drafts follow at once: only those who are named draw on the pool, and again all."""
    await family.use(Hulu=300, ESPN=200)

    async def totals() -> list[Decimal]:
        return [(await of(app_client, family, name, type="USAGE"))[0]["total"] for name in ("Hulu", "ESPN")]

    commit = (await sdk.v2.contracts.retrieve(**family.ref("Disney"))).data.commits[0].id
    assert await totals() == [0, 0]
    only = {"child_access": {"type": "CONTRACT_IDS", "contract_ids": [family.contracts["ESPN"]]}}
    await sdk.v2.contracts.edit(
        **family.ref("Disney"), update_commits=[{"commit_id": commit, "hierarchy_configuration": only}]
    )
    assert await totals() == [300, 0]
    none = {"child_access": {"type": "NONE"}}
    parent = family.customers["Disney"]
    await sdk.v2.contracts.edit_commit(customer_id=parent, commit_id=commit, hierarchy_configuration=none)
    assert await totals() == [300, 200]
    shown = (await sdk.v2.contracts.retrieve(**family.ref("Disney"))).data.commits[0]
    assert shown.hierarchy_configuration.model_dump() == none


async def test_previews_and_breakdowns_know_the_family(family, sdk, app_client) -> None:
    """What relatives draw is drawn in a preview too, also in one that replaces; a child's windows are its own."""
    await family.use(Hulu=450, ESPN=30)
    espn, event = (
        family.customers["ESPN"],
        {"event_type": "llm", "properties": {"model": "a", "region": "eu", "tokens": 80}},
    )
    for mode, total in (("replace", 30), ("merge", 60)):
        (draft,) = (await sdk.v1.customers.preview_events(customer_id=espn, events=[event], mode=mode)).data
        assert (draft.customer_id, draft.total) == (espn, total)
    days = {"starting_on": "2026-01-01T00:00:00Z", "ending_before": "2026-02-01T00:00:00Z"}
    answer = await app_client.get(f"/v1/customers/{espn}/invoices/breakdowns", params={**days, "limit": 50})
    rows = seed.exact(answer)["data"]
    assert {row["customer_id"] for row in rows} == {espn}
    assert sum(line["total"] for row in rows for line in row["line_items"] if line["type"] == "usage") == 30


async def test_what_contradicts_itself_is_refused(family, app_client, make_client) -> None:
    """One level, ten nodes, another customer of the same tenant; nothing is shared with strangers."""
    other = (await app_client.post("/v1/customers", json={"name": "ABC"})).json()["data"]["id"]
    body = {"customer_id": other, "starting_at": "2026-01-01T00:00:00Z"}
    place = "$.hierarchy_configuration"

    async def refuse(hierarchy: dict, *parts: str, **more) -> None:
        asked = {**body, **more, "hierarchy_configuration": hierarchy}
        await seed.refused(app_client, CREATE, asked, *parts)

    disney, hulu = family.ref("Disney"), family.ref("Hulu")
    await refuse({"payer": "PARENT"}, "needs a parent", f"{place}.payer")
    await refuse({"parent": hulu}, "one level", f"{place}.parent.contract_id")
    await refuse({"parent": disney, "parent_behavior": {}}, "one level", f"{place}.parent_behavior")
    await refuse({"parent": {**disney, "customer_id": other}}, "another customer", f"{place}.parent.customer_id")
    await refuse({"parent": {**disney, "contract_id": hulu["contract_id"]}}, "has no contract")
    await refuse({"parent": disney, "usage_statement_behavior": "CONSOLIDATE"}, "needs the payer PARENT")
    shared = family.commit("Own", 5, child_access={"type": "ALL"})
    dates = {"starting_at": "2026-01-01T00:00:00Z", "ending_before": "2027-01-01T00:00:00Z"}
    shared["access_schedule"] = {"schedule_items": [{"amount": 5, **dates}]}
    await refuse({"parent": disney}, "no children", "$.commits[0].hierarchy_configuration", commits=[shared])
    named = {"child_access": {"type": "CONTRACT_IDS", "contract_ids": [hulu["contract_id"], other]}}
    asked = {**disney, "add_commits": [{**shared, "hierarchy_configuration": named}]}
    await seed.refused(app_client, EDIT, asked, "is no child", "$.add_commits[0]", "contract_ids[1]")
    empty = {"child_access": {"type": "CONTRACT_IDS", "contract_ids": []}}
    asked["add_commits"] = [{**shared, "hierarchy_configuration": empty}]
    await seed.refused(app_client, EDIT, asked, "names contracts")
    stranger = await make_client()
    foreign = (await stranger.post("/v1/customers", json={"name": "Bo"})).json()["data"]["id"]
    asked = {**body, "customer_id": foreign, "hierarchy_configuration": {"parent": disney}}
    await seed.refused(stranger, CREATE, asked, "has no contract", f"{place}.parent.contract_id")
    for _ in range(7):
        assert (await app_client.post(CREATE, json={**body, "hierarchy_configuration": {"parent": disney}})).is_success
    await refuse({"parent": disney}, "ten nodes")
    await seed.refused(app_client, ARCHIVE, {**disney, "void_invoices": False}, "archive its children first")
    await seed.refused(app_client, "/v1/customers/archive", {"id": disney["customer_id"]}, "archive its children")


async def test_a_consolidated_invoice_from_draft_to_regenerated(family, sdk, app_client, clock, database_url) -> None:
    """It copies the statements of the parent and of who consolidates; it is void before them, and made anew after."""
    await family.use(Disney=100, Hulu=600, ESPN=50)
    for status in ("DRAFT", "FINALIZED"):
        (made,) = await of(app_client, family, "Disney", type="USAGE_CONSOLIDATED", status=status)
        parts = [await of(app_client, family, name, type="USAGE", status=status) for name in ("Disney", "Hulu")]
        assert [ref["invoice_id"] for ref in made["constituent_invoices"]] == [each["id"] for (each,) in parts]
        assert made["total"] == sum(each["total"] for (each,) in parts) == 200
        lines = [{name: line[name] for name in line if name != "origin"} for line in made["line_items"]]
        assert lines == [line for (each,) in parts for line in each["line_items"]]
        assert {line["origin"]["customer_id"] for line in made["line_items"]} == {
            family.customers[name] for name in ("Disney", "Hulu")
        }
        shown = await sdk.v1.customers.invoices.retrieve(customer_id=made["customer_id"], invoice_id=made["id"])
        assert (shown.data.type, shown.data.status) == ("USAGE_CONSOLIDATED", status)
        if status == "DRAFT":
            clock.move(days=10)
            await billing.bill(family.api, database_url)
    assert await of(app_client, family, "Hulu", type="USAGE_CONSOLIDATED") == []
    ((hulu,),) = parts[1:]
    with pytest.raises(metronome.BadRequestError, match=made["id"]):
        await sdk.v1.invoices.void(id=hulu["id"])
    await sdk.v1.invoices.void(id=made["id"])
    await sdk.v1.invoices.void(id=hulu["id"])
    anew = (await sdk.v1.invoices.regenerate(id=hulu["id"])).data.id
    again = (await sdk.v1.invoices.regenerate(id=made["id"])).data.id
    (kept,) = await of(app_client, family, "Disney", type="USAGE_CONSOLIDATED", status="FINALIZED")
    assert (kept["id"], kept["total"], kept["regenerated_from_invoice_id"]) == (again, 200, made["id"])
    assert [ref["invoice_id"] for ref in kept["constituent_invoices"]][1:] == [anew]


async def test_paper_says_who_pays_and_which_of_both_is_to_be_paid(
    family, sdk, app_client, clock, database_url
) -> None:
    """Statements name their payer; those on a consolidated invoice ask for nothing while it stands, drafts as final."""
    await family.use(Disney=100, Hulu=600, ESPN=50)
    for status in ("DRAFT", "FINALIZED"):
        (made,) = await of(app_client, family, "Disney", type="USAGE_CONSOLIDATED", status=status)
        parts = {ref["customer_id"]: ref for ref in made["constituent_invoices"]}
        paper = await on_paper(app_client, made)
        for name in ("Disney", "Hulu"):
            ref = parts[family.customers[name]]
            assert f"{name} Contract {ref['contract_id']} Statement {ref['invoice_id']} Tokens" in paper
            (statement,) = await of(app_client, family, name, type="USAGE", status=status)
            shown = await on_paper(app_client, statement)
            assert ("Paid by Disney" in shown) is (name == "Hulu")
            assert "Payment on the consolidated invoice only" in shown
            assert made["id"] not in shown, "it is the parent's to see"
        (alone,) = await of(app_client, family, "ESPN", type="USAGE", status=status)
        assert "onsolidated" not in await on_paper(app_client, alone)
        clock.move(days=10)
        await billing.bill(family.api, database_url)
    await sdk.v1.invoices.void(id=made["id"])
    (hulu,) = await of(app_client, family, "Hulu", type="USAGE", status="FINALIZED")
    shown = await on_paper(app_client, hulu)
    assert "Paid by Disney" in shown
    assert "onsolidated" not in shown, "nothing else asks for it"
    await sdk.v1.invoices.regenerate(id=made["id"])
    assert "Payment on the consolidated invoice only" in await on_paper(app_client, hulu)


async def on_paper(client, invoice) -> str:
    """Return the text of an invoice as PDF."""
    answer = await client.get(f"/v1/customers/{invoice['customer_id']}/invoices/{invoice['id']}/pdf")
    pages = PdfReader(io.BytesIO(answer.content)).pages
    return " ".join(" ".join(each.extract_text().split()) for each in pages)


async def test_what_was_void_for_a_while_comes_back_to_the_consolidated_invoice(
    family, sdk, app_client, clock, database_url
) -> None:
    """Hulu's statement was void when the consolidated invoice was made anew; it is made anew, and so is that, again."""
    await family.use(Disney=500, Hulu=300)
    clock.move(days=10)
    await billing.bill(family.api, database_url)
    ((first,), (hulu,)) = [
        await of(app_client, family, name, type=kind, status="FINALIZED")
        for name, kind in (("Disney", "USAGE_CONSOLIDATED"), ("Hulu", "USAGE"))
    ]
    assert first["total"] == 300
    for each in (first, hulu):
        await sdk.v1.invoices.void(id=each["id"])
    without = (await sdk.v1.invoices.regenerate(id=first["id"])).data.id
    (kept,) = await of(app_client, family, "Disney", type="USAGE_CONSOLIDATED", status="FINALIZED")
    assert (kept["id"], kept["total"], len(kept["constituent_invoices"])) == (without, 0, 1)
    anew = (await sdk.v1.invoices.regenerate(id=hulu["id"])).data.id
    await sdk.v1.invoices.void(id=without)
    await sdk.v1.invoices.regenerate(id=without)
    (kept,) = await of(app_client, family, "Disney", type="USAGE_CONSOLIDATED", status="FINALIZED")
    assert (kept["total"], [ref["invoice_id"] for ref in kept["constituent_invoices"]][1:]) == (300, [anew])


async def test_the_first_hierarchy_of_a_tenant_makes_a_family(sdk, app_client, owner) -> None:
    """Without hierarchies each customer is a family; who does not exist, or is another tenant's, has none."""
    tenant, (parent, child, loner) = app_client.tenant.id, [await seed.customer(sdk, name) for name in ("A", "B", "C")]
    asked = [loner, child, child, str(uuid.uuid4())]
    assert await whom_to_bill.families(owner, tenant, asked) == {child: (child,), loner: (loner,)}
    assert await whom_to_bill.families(owner, tenant + 1, asked) == {}
    main = (await sdk.v1.contracts.create(customer_id=parent, starting_at=seed.at(2026))).data.id
    place = {"parent": {"customer_id": parent, "contract_id": main}}
    made = await sdk.v1.contracts.create(customer_id=child, starting_at=seed.at(2026), hierarchy_configuration=place)
    both = tuple(sorted([parent, child]))
    assert await whom_to_bill.families(owner, tenant, asked) == {child: both, loner: (loner,)}
    await sdk.v1.contracts.archive(customer_id=child, contract_id=made.data.id, void_invoices=False)
    assert await whom_to_bill.families(owner, tenant, asked) == {child: (child,), loner: (loner,)}


async def test_two_workers_draw_the_pool_once(family, app_client, clock, owner, database_url) -> None:
    """They begin at the same moment, one asked for the parent and one for a child: nothing is drawn or asked twice."""
    await family.use(Disney=200, Hulu=300, ESPN=200)
    clock.move(days=10)
    tenant = app_client.tenant.id
    connections = [await database.connect(database_url) for _ in range(4)]
    workers = [Worker(database_url, family.api.log, Settings(), clock) for _ in connections]
    names = ["Disney", "Hulu", "ESPN", "Hulu"]

    async def race(worker: Worker, connection, name: str) -> int:
        came_to = await worker._bill_some(connection, (), tenant, [family.customers[name]], clock())
        return sum(len(each.invoices) for each in came_to)

    made = await asyncio.gather(*map(race, workers, connections, names))
    assert sorted(made) == [0, 0, 0, 4], "one has the family, and the others leave it alone"
    for connection in connections:
        await connection.close()
    taken = [amount for kind, amount, _ in await family.entries("Disney") if kind == "AUTOMATED_INVOICE_DEDUCTION"]
    assert sum(taken) == -500
    (due,) = await (
        await owner.execute("SELECT count(*) FROM billing_due WHERE at <= %s AND tenant_id = %s", (clock(), tenant))
    ).fetchall()
    assert due["count"] == 0, "nobody of the family is due any more"


async def test_who_waits_for_a_family_that_grows_waits_for_all_of_it(family, app_client, api, database_url) -> None:
    """A lock that was asked for before a customer joined a family is the lock of that family when it is had."""
    tenant, loner = app_client.tenant.id, await seed.customer(family.sdk, "ABC")
    gate, waiter, third, owner = [await database.connect(database_url) for _ in range(4)]
    held = asyncio.Event()

    async def wait_for_the_lock() -> None:
        async with waiter.transaction():
            await whom_to_bill.lock_customer(waiter, tenant, loner)
            held.set()
            account = await load(waiter, tenant, loner)
            assert {each.id for each in account.customers} == {loner, *family.customers.values()}
            async with third.transaction():  # a worker leaves all of them alone now
                assert await whom_to_bill.take(third, tenant, list(family.customers.values()), api.clock()) == {}

    async with gate.transaction():
        await whom_to_bill.lock_customer(gate, tenant, loner, family.customers["Disney"])
        task = asyncio.ensure_future(wait_for_the_lock())
        while not (await (await owner.execute("SELECT FROM pg_locks WHERE NOT granted")).fetchall()):
            await asyncio.sleep(0)
        await gate.execute(
            """
            INSERT INTO contract (tenant_id, id, customer_id, starting_at, usage_statement_schedule, created_at,
                                  created_by, as_child)
            SELECT tenant_id, gen_random_uuid(), %s, starting_at, usage_statement_schedule, created_at,
                   created_by, as_child
            FROM contract WHERE id = %s
            """,
            (loner, family.contracts["ESPN"]),
        )
        assert not held.is_set()
    await task
    for connection in (gate, waiter, third, owner):
        await connection.close()


async def test_an_import_is_of_its_own_customer_and_draws_on_what_is_shared(family, sdk, app_client, clock) -> None:
    """A parent cannot import for its child's contract; the child's past draws on the pool, once."""
    clock.move(days=20)
    span = {"inclusive_start_date": "2026-01-01T00:00:00Z", "exclusive_end_date": "2026-02-01T00:00:00Z"}
    line = {**span, "product_id": family.product, "quantity": 300, "pricing_group_values": {"model": "a"}}
    invoice = {**span, "credit_type_id": USD.id, "issue_date": "2026-02-01T00:00:00Z", "usage_line_items": [line]}
    wrong = {"customer_id": family.customers["Disney"], "contract_id": family.contracts["Hulu"]}
    path = "/v1/contracts/createHistoricalInvoices"
    for whose in (wrong, {**family.ref("ESPN"), "contract_id": family.contracts["Hulu"]}):
        body = {"preview": False, "invoices": [{**invoice, **whose}]}
        await seed.refused(app_client, path, body, "no open contract", "$.invoices[0]")
    both = [{**invoice, **family.ref("Hulu")}, {**invoice, **family.ref("ESPN")}]
    answer = await app_client.post(path, json={"preview": False, "invoices": both})
    assert answer.status_code == 200, answer.text
    assert sorted(each["total"] for each in answer.json()["data"]) == [0, 100], "600 cents, of which the pool has 500"
    drawn = [each for each in await family.entries("Disney") if each[0] == "AUTOMATED_INVOICE_DEDUCTION"]
    assert sorted(each[1] for each in drawn) == [-300, -200]
    assert {each[2] for each in drawn} == {"Hulu", "ESPN"}
