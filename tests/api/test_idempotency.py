"""The Idempotency-Key header."""

import anyio
import pytest
from litestar import post
from litestar.exceptions import HTTPException

from winkel.api import app as winkel_app
from winkel.api import auth
from winkel.api.state import Api
from winkel.model.tenant import Caller
from winkel.store import database

pytestmark = pytest.mark.anyio

URL = "/v1/customers"


def keyed(key: str) -> dict[str, str]:
    """Return the header."""
    return {"idempotency-key": key}


async def count(owner, table: str = "customer") -> int:
    """Return how many rows a table has."""
    return (await (await owner.execute(f"SELECT count(*) AS n FROM {table}")).fetchone())["n"]


async def test_the_same_request_is_done_once_and_answered_alike(app_client, owner) -> None:
    """The second time nothing happens, and status and body are those of the first."""
    first = await app_client.post(URL, json={"name": "Acme"}, headers=keyed("k"))
    second = await app_client.post(URL, json={"name": "Acme"}, headers=keyed("k"))
    assert first.status_code == second.status_code == 200
    assert first.content == second.content
    assert first.headers["content-type"] == second.headers["content-type"]
    assert ("idempotent-replayed" in first.headers, second.headers["idempotent-replayed"]) == (False, "true")
    assert await count(owner) == 1


async def test_an_empty_answer_is_repeated_as_an_empty_answer(app_client) -> None:
    """Operations without a body in their answer have none the second time either."""
    made = (await app_client.post(URL, json={"name": "Acme"})).json()["data"]["id"]
    for _ in range(2):
        answer = await app_client.post(
            f"{URL}/{made}/setIngestAliases", json={"ingest_aliases": ["a"]}, headers=keyed("k")
        )
        assert (answer.status_code, answer.content) == (200, b"")


async def test_errors_are_repeated_too(app_client, sdk) -> None:
    """An error that the request is the reason of stays its answer, even when it would succeed by now."""
    holder = (await app_client.post(URL, json={"name": "a", "ingest_aliases": ["x"]})).json()["data"]["id"]
    body = {"name": "b", "ingest_aliases": ["x"]}
    for _ in range(2):
        answer = await app_client.post(URL, json=body, headers=keyed("conflict"))
        assert (answer.status_code, answer.headers["x-should-retry"]) == (409, "false")
        assert "'x'" in answer.json()["message"]
        await sdk.v1.customers.set_ingest_aliases(customer_id=holder, ingest_aliases=[])
    for _ in range(2):
        answer = await app_client.post(URL, content=b"{", headers=keyed("bad"))
        assert answer.status_code == 400
    assert (await app_client.post(URL, json=body, headers=keyed("another"))).status_code == 200


async def test_a_key_belongs_to_one_request(app_client, owner) -> None:
    """With another body, path or query it is a conflict, which says so."""
    await app_client.post(URL, json={"name": "Acme"}, headers=keyed("k"))
    for url, body in (
        (URL, {"name": "Other"}),
        ("/v1/billable-metrics/create", {"name": "Acme"}),
        (f"{URL}?x=1", {"name": "Acme"}),
    ):
        answer = await app_client.post(url, json=body, headers=keyed("k"))
        assert answer.status_code == 409
        assert "Idempotency-Key" in answer.json()["message"]
    assert await count(owner) == 1


async def test_keys_belong_to_a_tenant(make_client, owner) -> None:
    """Two tenants may use the same key; two tokens of one tenant share it."""
    first, second = await make_client(), await make_client()
    mate = await make_client("writer", first.tenant)
    answers = [await each.post(URL, json={"name": "Acme"}, headers=keyed("k")) for each in (first, second, mate)]
    ids = [each.json()["data"]["id"] for each in answers]
    assert ids[0] == ids[2] != ids[1]
    assert await count(owner) == 2


async def test_simultaneous_requests_are_one(app_client, owner) -> None:
    """The others wait for the first and get its answer."""
    bodies = []

    async def ask() -> None:
        bodies.append((await app_client.post(URL, json={"name": "Acme"}, headers=keyed("k"))).content)

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(ask)
    assert len(set(bodies)) == 1
    assert await count(owner) == 1


async def test_keys_are_kept_for_a_day(app_client, owner, clock) -> None:
    """After 24 hours a key is new again, and old keys are removed as new ones come."""
    for number in range(5):
        await app_client.post(URL, json={"name": "old"}, headers=keyed(f"old {number}"))
    clock.move(hours=24)
    await app_client.post(URL, json={"name": "old"}, headers=keyed("old 0"))
    assert await count(owner) == 5, "answered from what is kept"
    clock.move(seconds=1)
    answer = await app_client.post(URL, json={"name": "new"}, headers=keyed("old 0"))
    assert answer.status_code == 200
    assert (await count(owner), await count(owner, "idempotency_key")) == (6, 1)


async def test_a_key_has_bounds(app_client) -> None:
    """1 to 255 characters."""
    assert (await app_client.post(URL, json={"name": "a"}, headers=keyed("k" * 255))).status_code == 200
    for key in ("", "k" * 256):
        answer = await app_client.post(URL, json={"name": "a"}, headers=keyed(key))
        assert answer.status_code == 400
        assert "Idempotency-Key" in answer.json()["message"]


async def test_what_a_token_may_not_do_is_not_remembered(make_client, app_client, owner) -> None:
    """401 and 403 say something about the token: with another token the same key works."""
    reader = await make_client("reader", app_client.tenant)
    assert (await reader.post(URL, json={"name": "a"}, headers=keyed("k"))).status_code == 403
    stranger = {**keyed("k"), "authorization": "Bearer nobody"}
    assert (await app_client.post(URL, json={"name": "a"}, headers=stranger)).status_code == 401
    assert await count(owner, "idempotency_key") == 0
    assert (await app_client.post(URL, json={"name": "a"}, headers=keyed("k"))).status_code == 200


async def test_reading_ignores_the_header(app_client) -> None:
    """GET and PUT are idempotent by themselves."""
    assert (await app_client.get(URL, headers=keyed("k"))).status_code == 200
    answer = await app_client.post(URL, json={"name": "a"}, headers=keyed("k"))
    assert "idempotent-replayed" not in answer.headers


async def test_a_list_by_post_can_have_a_key(app_client) -> None:
    """Lists that read a snapshot of several tables are repeated like any other answer."""
    await app_client.post(URL, json={"name": "a"})
    body = {"starting_on": "2026-01-14T00:00:00Z", "ending_before": "2026-01-15T00:00:00Z", "window_size": "DAY"}
    first, second = [await app_client.post("/v1/usage", json=body, headers=keyed("k")) for _ in range(2)]
    assert first.status_code == second.status_code == 200
    assert first.content == second.content
    assert "idempotent-replayed" in second.headers


async def test_pool_of_keyed_requests_does_not_stall(app_client, owner) -> None:
    """Many keyed requests at once share few connections, for each needs only one."""

    async def ask(number: int) -> None:
        answer = await app_client.post(URL, json={"name": "a"}, headers=keyed(f"k{number}"))
        assert answer.status_code == 200

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(ask, number)
    assert await count(owner) == 20


@pytest.fixture
def faulty(monkeypatch) -> list[Exception]:
    """Add routes to the application: one that writes and then fails with the listed errors, one for ingest tokens."""
    faults: list[Exception] = []

    @post("/test/faulty", status_code=200)
    async def write_and_fail(api: Api, caller: Caller) -> dict[str, str]:
        async with api.database.transaction(caller.tenant_id) as tx:
            await tx.execute(
                "INSERT INTO uniqueness_key (tenant_id, kind, key, object_id)"
                " SELECT %(t)s, 'test', 'k' || count(*), gen_random_uuid() FROM uniqueness_key",
                {"t": caller.tenant_id},
            )
        if faults:
            raise faults.pop()
        return {"done": "yes"}

    @post("/test/events", status_code=200, guards=[auth.ingester])
    async def events(api: Api, caller: Caller) -> dict[str, str]:
        async with api.database.transaction(caller.tenant_id) as tx:
            rows = await tx.execute("SELECT count(*) AS n FROM idempotency_key")
            return {"keys": str((await rows.fetchone())["n"])}

    monkeypatch.setattr(winkel_app, "ROUTES", [*winkel_app.ROUTES, write_and_fail, events])
    return faults


async def test_after_a_fault_of_ours_it_is_done_again(faulty, app_client, owner) -> None:
    """A 5xx or 429 answer is not kept, and neither is anything that the request wrote before: it may be sent again."""
    for fault in (ValueError("a bug"), HTTPException(status_code=503), HTTPException(status_code=429)):
        faulty.append(fault)
        answer = await app_client.post("/test/faulty", headers=keyed("k"))
        assert answer.status_code in {429, 500, 503}
        assert (await count(owner, "uniqueness_key"), await count(owner, "idempotency_key")) == (0, 0)
    answers = [await app_client.post("/test/faulty", headers=keyed("k")) for _ in range(3)]
    assert [each.json() for each in answers] == [{"done": "yes"}] * 3
    assert await count(owner, "uniqueness_key") == 1


async def test_ingest_routes_are_exempt(faulty, app_client) -> None:
    """Events have transaction ids: no key is kept for them."""
    for _ in range(2):
        answer = await app_client.post("/test/events", headers=keyed("k"))
        assert answer.json() == {"keys": "0"}
        assert "idempotent-replayed" not in answer.headers


async def test_a_body_over_the_limit_is_refused_before_it_is_read(app_client, owner) -> None:
    """413, and no key is kept."""
    body = b'{"name": "' + b"a" * winkel_app.BODY_BYTES_MAX + b'"}'
    answer = await app_client.post(URL, content=body, headers={**keyed("k"), "content-type": "application/json"})
    assert answer.status_code == 413
    assert await count(owner, "idempotency_key") == 0


@pytest.fixture
def impatient(monkeypatch) -> None:
    """Let the API wait for locks for a tenth of a second only."""
    monkeypatch.setitem(database._SESSION, "lock_timeout", "100ms")


async def test_a_first_request_that_takes_too_long_is_a_conflict(impatient, app_client, owner, clock) -> None:
    """Who waits longer than one waits for a lock is told that the first is still under way."""
    async with owner.transaction():
        await owner.execute(
            "INSERT INTO idempotency_key (tenant_id, key, request, created_at) VALUES (%s, 'k', '', %s)",
            (app_client.tenant.id, clock.at),
        )
        answer = await app_client.post(URL, json={"name": "a"}, headers=keyed("k"))
    assert answer.status_code == 409
    assert "under way" in answer.json()["message"]
