"""Customers through the SDK and through raw HTTP."""

import gzip
import uuid

import anyio
import metronome
import pytest
import zstandard

from winkel.model.customer import Customer
from winkel.store import customers

pytestmark = pytest.mark.anyio

ABSENT = "00000000-0000-4000-8000-000000000000"


async def test_a_customer_is_created_and_read_back(sdk, clock) -> None:
    """Create answers the short form, get the long one; external_id is the first alias, else the id."""
    made = (
        await sdk.v1.customers.create(
            name="Acme", ingest_aliases=["acme", "acme-eu", "acme"], custom_fields={"segment": "smb"}
        )
    ).data
    assert (made.name, made.external_id) == ("Acme", "acme")
    assert made.ingest_aliases == ["acme", "acme-eu"], "each alias once, in order"
    found = (await sdk.v1.customers.retrieve(customer_id=made.id)).data
    assert (found.id, found.name, found.ingest_aliases) == (made.id, "Acme", ["acme", "acme-eu"])
    assert found.custom_fields == {"segment": "smb"}
    assert found.created_at == found.updated_at == clock.at
    assert found.archived_at is None
    assert found.customer_config.salesforce_account_id is None
    plain = (await sdk.v1.customers.create(name="Plain")).data
    assert plain.external_id == plain.id
    legacy = (await sdk.v1.customers.create(name="Old", external_id="old", ingest_aliases=["new", "old"])).data
    assert (legacy.external_id, legacy.ingest_aliases) == ("old", ["old", "new"])


async def test_a_name_is_cut_at_160_characters(sdk) -> None:
    """A longer name is cut, both when a customer is created and when it is renamed."""
    made = (await sdk.v1.customers.create(name="ä" * 161)).data
    assert made.name == "ä" * 160
    renamed = (await sdk.v1.customers.set_name(customer_id=made.id, name="b" * 200)).data
    assert renamed.name == "b" * 160


async def test_renaming_shows_at_once_and_moves_updated_at(sdk, clock) -> None:
    """SetName answers the customer with its new name."""
    made = (await sdk.v1.customers.create(name="Acme")).data
    clock.move(hours=1)
    assert (await sdk.v1.customers.set_name(customer_id=made.id, name="Acme AG")).data.name == "Acme AG"
    found = (await sdk.v1.customers.retrieve(customer_id=made.id)).data
    assert (found.name, found.updated_at) == ("Acme AG", clock.at)
    assert found.created_at < found.updated_at


async def test_set_ingest_aliases_replaces_the_whole_list(sdk) -> None:
    """The list that was sent is the list afterwards, in its order; sending it again changes nothing."""
    made = (await sdk.v1.customers.create(name="Acme", ingest_aliases=["a", "b"])).data
    for _ in range(2):
        await sdk.v1.customers.set_ingest_aliases(customer_id=made.id, ingest_aliases=["c", "b"])
        found = (await sdk.v1.customers.retrieve(customer_id=made.id)).data
        assert (found.ingest_aliases, found.external_id) == (["c", "b"], "c")
    await sdk.v1.customers.set_ingest_aliases(customer_id=made.id, ingest_aliases=[])
    assert (await sdk.v1.customers.retrieve(customer_id=made.id)).data.ingest_aliases == []


async def test_an_alias_belongs_to_one_customer_at_a_time(sdk, app_client) -> None:
    """An alias that another customer holds is refused with 409 and nothing changes; removed there, it is free."""
    first = (await sdk.v1.customers.create(name="First", ingest_aliases=["shared"])).data
    second = (await sdk.v1.customers.create(name="Second", ingest_aliases=["own"])).data
    with pytest.raises(metronome.ConflictError, match="shared"):
        await sdk.v1.customers.set_ingest_aliases(customer_id=second.id, ingest_aliases=["shared"])
    with pytest.raises(metronome.ConflictError, match=first.id):
        await sdk.v1.customers.create(name="Third", ingest_aliases=["other", "shared"])
    assert (await sdk.v1.customers.retrieve(customer_id=second.id)).data.ingest_aliases == ["own"]
    assert sorted([each.name async for each in sdk.v1.customers.list()]) == ["First", "Second"], (
        "the third was not created"
    )
    answer = await app_client.post(f"/v1/customers/{second.id}/setIngestAliases", json={"ingest_aliases": ["shared"]})
    assert answer.headers["x-should-retry"] == "false"
    await sdk.v1.customers.set_ingest_aliases(customer_id=first.id, ingest_aliases=[])
    await sdk.v1.customers.set_ingest_aliases(customer_id=second.id, ingest_aliases=["shared"])


async def test_the_id_of_another_customer_is_no_alias(sdk) -> None:
    """Usage under an id belongs to that customer; one's own id needs no alias and is left out."""
    first = (await sdk.v1.customers.create(name="First")).data
    second = (await sdk.v1.customers.create(name="Second")).data
    with pytest.raises(metronome.ConflictError, match="id of another customer"):
        await sdk.v1.customers.set_ingest_aliases(customer_id=second.id, ingest_aliases=[first.id.upper()])
    await sdk.v1.customers.set_ingest_aliases(customer_id=second.id, ingest_aliases=[second.id, "b"])
    assert (await sdk.v1.customers.retrieve(customer_id=second.id)).data.ingest_aliases == ["b"]


async def test_two_customers_that_want_one_alias_at_once(api, app_client) -> None:
    """One of two simultaneous transactions gets it, the other a conflict, whichever way they are interleaved."""
    ids = [(await app_client.post("/v1/customers", json={"name": n})).json()["data"]["id"] for n in "ab"]
    answers = []

    async def ask(customer_id: str, aliases: list[str]) -> None:
        body = {"ingest_aliases": aliases}
        answers.append((await app_client.post(f"/v1/customers/{customer_id}/setIngestAliases", json=body)).status_code)

    async with anyio.create_task_group() as group:
        for customer_id, aliases in zip(ids, (["x", "y", "z"], ["z", "y", "x"]), strict=True):
            group.start_soon(ask, customer_id, aliases)
    assert sorted(answers) == [200, 409]


async def test_aliases_have_bounds(app_client) -> None:
    """2,000 aliases of 1 to 128 characters are the most; what is beyond is named in the error."""
    fits = [f"alias-{number}" for number in range(2000)]
    made = await app_client.post("/v1/customers", json={"name": "Many", "ingest_aliases": fits})
    assert made.status_code == 200
    assert made.json()["data"]["ingest_aliases"] == fits
    for wrong in ([*fits, "one more"], [""], ["a" * 129], "abc", [5]):
        answer = await app_client.post("/v1/customers", json={"name": "Wrong", "ingest_aliases": wrong})
        assert answer.status_code == 400
        assert "ingest_aliases" in answer.json()["message"]
    longest = {"name": "Long", "ingest_aliases": ["ü" * 128]}
    assert (await app_client.post("/v1/customers", json=longest)).status_code == 200


async def test_config_of_other_systems(sdk, app_client) -> None:
    """The Salesforce account can be set, searched, kept and cleared; the Stripe switch is refused by name."""
    made = (await sdk.v1.customers.create(name="Acme")).data
    await sdk.v1.customers.update_config(customer_id=made.id, salesforce_account_id="001")
    assert [each.id async for each in sdk.v1.customers.list(salesforce_account_ids=["000", "001"])] == [made.id]
    assert [each.id async for each in sdk.v1.customers.list(salesforce_account_ids=["000"])] == []
    url = f"/v1/customers/{made.id}/updateConfig"
    for body, account in (({}, "001"), ({"salesforce_account_id": None}, None)):
        assert (await app_client.post(url, json=body)).content == b""
        config = (await sdk.v1.customers.retrieve(customer_id=made.id)).data.customer_config
        assert config.salesforce_account_id == account
    answer = await app_client.post(url, json={"leave_stripe_invoices_in_draft": True})
    assert answer.status_code == 400
    assert "leave_stripe_invoices_in_draft" in answer.json()["message"]


async def test_listing_filters(sdk) -> None:
    """By ids, by alias, archived or not; filters that match nothing give an empty list."""
    made = [(await sdk.v1.customers.create(name=f"c{n}", ingest_aliases=[f"alias {n}"])).data for n in range(4)]
    await sdk.v1.customers.archive(id=made[3].id)

    async def names(**filters) -> list[str]:
        return sorted([each.name async for each in sdk.v1.customers.list(**filters)])

    assert await names() == ["c0", "c1", "c2"]
    assert await names(only_archived=True) == ["c3"]
    assert await names(customer_ids=[made[0].id, made[2].id, ABSENT]) == ["c0", "c2"]
    assert await names(ingest_alias="alias 1") == ["c1"]
    assert await names(ingest_alias="alias 3") == []
    assert await names(ingest_alias="alias 3", only_archived=True) == ["c3"]
    assert await names(ingest_alias="alias 1", customer_ids=[made[0].id]) == []


async def test_pages_are_stable_while_customers_are_added(sdk, clock) -> None:
    """Every customer that was there at the start appears once, whatever is added meanwhile."""
    names = []
    for number in range(5):
        await sdk.v1.customers.create(name=f"c{number}")
        names.append(f"c{number}")
        clock.move(seconds=1 if number % 2 else 0)
    seen, page = [], await sdk.v1.customers.list(limit=2)
    while True:
        seen += [each.name for each in page.data]
        clock.move(seconds=1)
        if len(seen) < 5:
            await sdk.v1.customers.create(name="late")
        if not page.next_page:
            break
        page = await sdk.v1.customers.list(limit=2, next_page=page.next_page)
    assert sorted(each for each in seen if each != "late") == names
    assert len(seen) == 5 + 2


async def test_archiving_is_final_and_ends_contracts(sdk, owner, app_client, clock) -> None:
    """Archiving archives the contracts too; again, it changes nothing; the aliases stay taken until removed."""
    made = (await sdk.v1.customers.create(name="Acme", ingest_aliases=["acme"])).data
    await owner.execute(
        "INSERT INTO contract (tenant_id, id, customer_id, starting_at, usage_statement_schedule, created_at,"
        " created_by) VALUES (%s, %s, %s, %s, '{}', %s, '')",
        (app_client.tenant.id, str(uuid.uuid4()), made.id, clock.at, clock.at),
    )
    archived_at = clock.at
    for _ in range(2):
        assert (await sdk.v1.customers.archive(id=made.id)).data.id == made.id
        found = (await sdk.v1.customers.retrieve(customer_id=made.id)).data
        assert found.archived_at == archived_at
        rows = await (await owner.execute("SELECT archived_at FROM contract")).fetchall()
        assert [row["archived_at"] for row in rows] == [archived_at]
        clock.move(days=1)
    with pytest.raises(metronome.ConflictError):
        await sdk.v1.customers.create(name="New", ingest_aliases=["acme"])
    await sdk.v1.customers.set_ingest_aliases(customer_id=made.id, ingest_aliases=[])
    await sdk.v1.customers.create(name="New", ingest_aliases=["acme"])


async def test_metrics_of_a_customer(sdk, owner, app_client, clock) -> None:
    """All live metrics of the tenant, or with on_current_plan those that a product on the current contract counts."""
    made = (await sdk.v1.customers.create(name="Acme")).data
    used, other = [
        (await sdk.v1.billable_metrics.create(name=name, aggregation_type="COUNT")).data.id
        for name in ("used", "other")
    ]
    product = (await sdk.v1.contracts.products.create(name="Calls", type="USAGE", billable_metric_id=used)).data.id
    ids = [each.id async for each in sdk.v1.customers.list_billable_metrics(customer_id=made.id, limit=1)]
    assert sorted(ids) == sorted([used, other])

    async def current() -> list[str]:
        return [
            each.id async for each in sdk.v1.customers.list_billable_metrics(customer_id=made.id, on_current_plan=True)
        ]

    assert await current() == []
    card, tenant_id = str(uuid.uuid4()), app_client.tenant.id
    await owner.execute(
        "INSERT INTO rate_card (tenant_id, id, name, fiat_credit_type_id, created_at, created_by)"
        " VALUES (%s, %s, '', %s, %s, '')",
        (tenant_id, card, ABSENT, clock.at),
    )
    await owner.execute(
        "INSERT INTO rate (tenant_id, id, rate_card_id, product_id, price, entitled, starting_at, credit_type_id)"
        " VALUES (%s, %s, %s, %s, '{}', true, %s, %s)",
        (tenant_id, str(uuid.uuid4()), card, product, clock.at, ABSENT),
    )
    await owner.execute(
        "INSERT INTO contract (tenant_id, id, customer_id, rate_card_id, starting_at, usage_statement_schedule,"
        " created_at, created_by) VALUES (%s, %s, %s, %s, %s, '{}', %s, '')",
        (tenant_id, str(uuid.uuid4()), made.id, card, clock.at, clock.at),
    )
    assert await current() == [used]
    clock.move(hours=-1)
    assert await current() == [], "the contract has not begun"
    clock.move(hours=1)
    await sdk.v1.billable_metrics.archive(id=used)
    assert await current() == []
    page = await sdk.v1.customers.list_billable_metrics(
        customer_id=made.id, on_current_plan=True, include_archived=True
    )
    assert [each.id for each in page.data] == [used]


async def test_absent_customers_are_404(sdk, app_client) -> None:
    """An id that nobody has is 404 everywhere; one that is no UUID is 400 and named."""
    with pytest.raises(metronome.NotFoundError):
        await sdk.v1.customers.retrieve(customer_id=ABSENT)
    with pytest.raises(metronome.NotFoundError):
        await sdk.v1.customers.archive(id=ABSENT)
    with pytest.raises(metronome.NotFoundError):
        await sdk.v1.customers.set_name(customer_id=ABSENT, name="x")
    with pytest.raises(metronome.NotFoundError):
        await sdk.v1.customers.set_ingest_aliases(customer_id=ABSENT, ingest_aliases=["x"])
    for body in ({}, {"salesforce_account_id": "1"}):
        assert (await app_client.post(f"/v1/customers/{ABSENT}/updateConfig", json=body)).status_code == 404
    for bad in ("abc", "1", "%00", "' OR 1=1 --", "a" * 3000):
        answer = await app_client.get(f"/v1/customers/{bad}")
        assert answer.status_code == 400, answer.text
        assert "customer_id" in answer.json()["message"]


BAD_QUERIES = {
    "limit=101": "limit",
    "limit=ten": "limit",
    "limit=99999999999999999999999": "limit",
    "limit=1e1": "limit",
    "limit=1.0": "limit",
    "limit=+1": "limit",
    "limit=0": "between 1 and 100, but is 0 - at the query parameter `limit`",
    "next_page=rubbish": "next_page",
    "next_page=WyJ4Il0": "next_page",
    "customer_ids=abc": "customer_ids",
    "customer_ids=": "customer_ids",
    "only_archived=maybe": "only_archived",
    "ingest_alias=%00": "ingest_alias",
    "ingest_alias=a&ingest_alias=b": "ingest_alias",
    "ingest_aliass=a": "ingest_aliass",
    "customer_ids=" + ",".join([ABSENT] * 101): "customer_ids",
}


async def test_bad_query_parameters_are_named(app_client) -> None:
    """A query parameter that is unknown, given twice, of the wrong type or out of bounds is 400 and named."""
    for query, named in BAD_QUERIES.items():
        answer = await app_client.get(f"/v1/customers?{query}")
        assert answer.status_code == 400, (query, answer.text)
        assert named in answer.json()["message"]


async def test_ids_may_be_repeated_or_joined(app_client) -> None:
    """Lists in a query come comma-joined, as the SDK sends them, or as a repeated parameter."""
    ids = [(await app_client.post("/v1/customers", json={"name": n})).json()["data"]["id"] for n in "abc"]
    for query in (f"customer_ids={ids[0]},{ids[2]}", f"customer_ids={ids[0]}&customer_ids={ids[2]}"):
        found = (await app_client.get(f"/v1/customers?{query}")).json()["data"]
        assert {each["id"] for each in found} == {ids[0], ids[2]}


async def test_billing_configuration_is_refused_by_name(app_client) -> None:
    """What is not supported yet is not silently ignored."""
    for name in ("billing_config", "customer_billing_provider_configurations", "nonsense"):
        answer = await app_client.post("/v1/customers", json={"name": "Acme", name: []})
        assert answer.status_code == 400
        assert name in answer.json()["message"]


BAD_BODIES = {
    b"": "name",
    b"{": "JSON",
    b'{"name": "a"': "JSON",
    b"[]": "object",
    b'{"name": NaN}': "JSON",
    b'{"name": 1e400}': "name",
    b'{"name": ""}': "name",
    b'{"name": null}': "name",
    b'{"name": "a\\u0000b"}': "NUL",
    b'{"name": "a\x00b"}': "JSON",
    b'{"name": "\\ud800"}': "needs its other half",
    b'{"name": "\xff"}': "UTF-8",
    b'{"name": "a", "custom_fields": {"a": 5}}': "custom_fields",
    b'{"name": "a", "custom_fields": {"a": "' + b"x" * 201 + b'"}}': "custom_fields",
    b'{"name": "a", "ingest_aliases": ["a\\u0000"]}': "NUL",
    b'{"name": ' + b"[" * 10_000 + b"]" * 10_000 + b"}": "name",
    b'{"name": "a", "extra": ' + b"[" * 10_000 + b"]" * 10_000 + b"}": "extra",
}


async def test_bad_bodies_are_400_and_say_why(app_client) -> None:
    """Whatever is sent instead of a customer is refused with the place of the fault, never with 500."""
    headers = {"content-type": "application/json"}
    for body, named in BAD_BODIES.items():
        answer = await app_client.post("/v1/customers", content=body, headers=headers)
        assert answer.status_code == 400, (body[:60], answer.text)
        assert named in answer.json()["message"]
    assert (await app_client.get("/v1/customers")).json()["data"] == []


async def test_only_json_is_read(app_client) -> None:
    """Another content type is refused with 415; one that says nothing is JSON."""
    answer = await app_client.post("/v1/customers", content=b"name=a", headers={"content-type": "text/plain"})
    assert answer.status_code == 415
    assert "application/json, not text/plain" in answer.json()["message"]
    answer = await app_client.post("/v1/customers", content=b'{"name": "a"}', headers={"content-type": ""})
    assert answer.status_code == 200, answer.text


async def test_a_body_is_unpacked_as_its_content_encoding_says(app_client) -> None:
    """As on the ingest routes: gzip and zstd, never more than a plain body may have, and nothing that is not so."""
    body = b'{"name": "a"}'
    for encoding, content, status, words in (
        ("gzip", gzip.compress(body), 200, ""),
        ("zstd", zstandard.compress(body), 200, ""),
        ("identity", body, 200, ""),
        ("gzip", body, 400, "the body is not gzip"),
        ("br", body, 415, "gzip, zstd and identity, not br"),
        ("gzip", gzip.compress(bytes(8 * 2**20 + 1)), 413, "unpacks to more than 8388608 bytes"),
        ("identity", b" " * (8 * 2**20 + 1), 413, "the body is larger than 8388608 bytes"),
    ):
        answer = await app_client.post("/v1/customers", content=content, headers={"content-encoding": encoding})
        assert (encoding, answer.status_code) == (encoding, status), answer.text
        assert words in answer.json().get("message", "")


async def test_store_says_which_customers_exist(owner, app_client, clock) -> None:
    """`exists` sees one tenant's customers only."""
    customer = Customer(id=str(uuid.uuid4()), name="a", created_at=clock.at, updated_at=clock.at)
    await customers.insert(owner, app_client.tenant.id, customer)
    assert await customers.exists(owner, app_client.tenant.id, customer.id)
    assert not await customers.exists(owner, app_client.tenant.id + 1, customer.id)
    assert not await customers.exists(owner, app_client.tenant.id, ABSENT)
