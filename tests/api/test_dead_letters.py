"""What a tenant sees of its dead letters, and does about them, over HTTP."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from meter.blocks import event, metric, new_records
from winkel.log.log import NewRecord
from winkel.meter.worker import Meter
from winkel.model.metric import Aggregation
from winkel.model.routing import first
from winkel.store import database, metrics, routing, usage

pytestmark = pytest.mark.anyio

PATH = "/winkel/v1/dead-letters"
TOKENS = metric(2, Aggregation.SUM, "n")


@pytest.fixture
async def meter(database_url: str, api: Any, owner: Any) -> Any:
    """Return a meter over the application's log; call it to meter what is there."""
    connection = await database.connect(database_url)
    await routing.begin(owner, api.log.name, first(api.log.partitions))
    made = Meter(connection, api.log, owner="one")
    for partition in range(api.log.partitions):
        await made.assign(partition)

    async def run() -> None:
        for _ in range(20):
            await made.step()

    yield run
    await connection.close()


@pytest.fixture
async def letter(app_client: Any, api: Any, owner: Any, meter: Any) -> dict[str, Any]:
    """Return the dead letter of an event whose property is no number."""
    await metrics.insert(owner, app_client.tenant.id, TOKENS)
    await api.log.append(new_records(app_client.tenant.id, [event(1, {"n": "lots"}, source="crm")], 4))
    await meter()
    (found,) = (await app_client.get(PATH)).json()["data"]
    return found


async def used(owner: Any, tenant_id: int) -> Decimal:
    rows = await usage.hours(owner, tenant_id, ["acme"], [TOKENS.id], {TOKENS.id: 0}, 0, 2**31 - 1)
    return sum((row.value or Decimal(0) for row in rows[TOKENS.id]), Decimal(0))


async def test_one_letter_shows_all_there_is(app_client, letter) -> None:
    """The same as in the list; unknown ones, and ids of any shape, are 404."""
    answer = await app_client.get(f"{PATH}/{letter['id']}")
    assert answer.json()["data"] == letter
    assert json.loads(letter["payload"])["source"] == "crm"
    assert (letter["reason"], letter["attempts"], letter["resolution"]) == ("not_a_number", 0, None)
    for wrong in ("0", "999999", "x", "9" * 30, "²", "281474976710657"):
        answer = await app_client.get(f"{PATH}/{wrong}")
        assert (answer.status_code, answer.json()["message"]) == (404, f"there is no dead letter {wrong}")


async def test_the_list_can_be_filtered(app_client, letter) -> None:
    """By reason, arrival and whether something was done."""
    for query, count in (
        ({"reason": "not_a_number"}, 1), ({"reason": "undecodable"}, 0), ({"resolved": "false"}, 1),
        ({"resolved": "true"}, 0), ({"since": "2026-01-01T00:00:00Z"}, 1), ({"since": "2027-01-01T00:00:00Z"}, 0),
    ):  # fmt: skip
        assert len((await app_client.get(PATH, params=query)).json()["data"]) == count, query
    for query in ({"since": "yesterday"}, {"since": "2026"}, {"resolved": "perhaps"}, {"colour": "red"}):
        assert (await app_client.get(PATH, params=query)).status_code == 400


async def test_a_retry_counts_what_was_corrected_and_only_once(app_client, owner, letter) -> None:
    """As it was it stays, and the answer says why; corrected it is counted; then there is nothing left to do."""
    answer = await app_client.post(f"{PATH}/retry", json={"id": letter["id"]})
    assert (answer.status_code, answer.json()["data"]["resolved"]) == (200, False)
    assert "not_a_number" in answer.json()["data"]["said"]
    correction = {**json.loads(letter["payload"]), "properties": {"n": 12}}
    for customer in ("bolt", "acme"):
        body = {"id": letter["id"], "correction": correction | {"customer_id": customer}}
        answer = await app_client.post(f"{PATH}/retry", json=body)
        assert answer.status_code == (200 if customer == "acme" else 400), answer.text
    assert answer.json()["data"] == {
        "id": letter["id"], "resolved": True, "said": "counted for 'metric 2'", "warning": None
    }  # fmt: skip
    assert await used(owner, app_client.tenant.id) == 12
    answer = await app_client.post(f"{PATH}/retry", json=body)
    assert answer.status_code == 409
    assert await used(owner, app_client.tenant.id) == 12
    shown = (await app_client.get(f"{PATH}/{letter['id']}")).json()["data"]
    assert (shown["resolution"], shown["attempts"]) == ("retried", 2)


async def test_a_retry_that_is_sent_again_with_its_key_is_answered_as_before(app_client, owner, letter) -> None:
    """An Idempotency-Key holds here too."""
    body = {"id": letter["id"], "correction": {**json.loads(letter["payload"]), "properties": {"n": 12}}}
    answers = [
        (await app_client.post(f"{PATH}/retry", json=body, headers={"idempotency-key": "k"})).json() for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert answers[0]["data"]["resolved"]
    assert await used(owner, app_client.tenant.id) == 12


async def test_a_whole_record_is_replaced_over_http(app_client, api, owner, meter, letter) -> None:
    """Its events come as an array, with the identities that the gateway would give them."""
    await api.log.append([NewRecord(app_client.tenant.id, 0, 3, b"\x01broken")])
    await meter()
    (record,) = (await app_client.get(PATH, params={"reason": "undecodable"})).json()["data"]
    events = json.loads(msgspec.json.encode([event(7, {"n": 1}), event(8, {"n": 2}), event(7, {"n": 1})]))
    answer = await app_client.post(f"{PATH}/retry", json={"id": record["id"], "correction": events})
    assert answer.json()["data"]["resolved"], answer.text
    await meter()
    assert await used(owner, app_client.tenant.id) == 3


async def test_a_discarded_letter_keeps_its_reason(app_client, letter) -> None:
    """Nothing is discarded without one."""
    assert (await app_client.post(f"{PATH}/discard", json={"id": letter["id"]})).status_code == 400
    answer = await app_client.post(f"{PATH}/discard", json={"id": letter["id"], "because": "a test"})
    assert (answer.json()["data"]["resolution"], answer.json()["data"]["note"]) == ("discarded", "a test")
    again = await app_client.post(f"{PATH}/discard", json={"id": letter["id"], "because": "a test"})
    assert again.status_code == 409


async def test_records_of_nobody_are_no_tenants_to_see(app_client, api, owner, meter, letter) -> None:
    """Neither in the list nor by id, though the operator has them."""
    tenant_id = app_client.tenant.id
    (foreign,) = new_records(tenant_id + 1, [event("secret")], 1)
    records = [NewRecord(tenant_id, 0, 1, foreign.data), NewRecord(tenant_id + 1, 0, 1, b"\x01x"), foreign]
    await api.log.append([*records, NewRecord(0, 0, 1, b"from somebody else")])
    await meter()
    rows = await owner.execute("SELECT id::text, tenant_id FROM dead_letter WHERE id::text <> %s", (letter["id"],))
    found = await rows.fetchall()
    assert [row["tenant_id"] for row in found] == [0, 0, 0, 0]
    assert (await app_client.get(PATH)).json()["data"] == [letter]
    for row in found:
        assert (await app_client.get(f"{PATH}/{row['id']}")).status_code == 404
        assert (await app_client.post(f"{PATH}/retry", json={"id": row["id"]})).status_code == 404
