"""What came in and what became of it, over HTTP, from the log in the database."""

import json
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from winkel.api.state import Api
from winkel.config import Settings
from winkel.ingest.routes import Routes
from winkel.log.log import NewRecord
from winkel.log.postgres import PostgresLog
from winkel.model.routing import first
from winkel.store.database import Database

pytestmark = pytest.mark.anyio
EVENTS = "/winkel/v1/events"


@pytest.fixture
async def api(database_url: str, clock, settings: Settings) -> AsyncIterator[Api]:
    """Return the outside world of the application with the log in the database."""
    log = await PostgresLog.open(database_url, 4)
    yield Api(
        settings=settings,
        database=Database(database_url, size=2),
        log=log,
        routes=Routes.always(first(log.partitions)),
        clock=clock,
    )
    await log.close()


def event(number: int, customer_id: str = "c-1", event_type: str = "call") -> dict[str, Any]:
    return {
        "transaction_id": f"t-{number:03}",
        "customer_id": customer_id,
        "event_type": event_type,
        "timestamp": "2026-01-15T11:59:59.000001Z",
        "properties": {"cost": 0.10},
    }


async def send(client, *events: dict[str, Any]) -> None:
    answer = await client.post(EVENTS, content=json.dumps(events))
    assert answer.json() == {"accepted": len(events), "invalid": []}


async def pages(client, path: str = EVENTS, **query: Any) -> list[list[dict[str, Any]]]:
    """Return the pages of a list."""
    found, cursor = [], None
    while cursor or not found:
        answer = await client.get(path, params={**query, **({"next_page": cursor} if cursor else {})})
        assert answer.status_code == 200, answer.text
        found.append(answer.json()["data"])
        cursor = answer.json()["next_page"]
    return found


def ids(*parts: list[dict[str, Any]]) -> list[str]:
    return [each["transaction_id"] for part in parts for each in part]


async def test_the_newest_events_come_first(app_client) -> None:
    """Every field is shown as it was sent, and where the log keeps it."""
    await send(app_client, event(1))
    await send(app_client, {**event(2), "properties": {}})
    [[newest, oldest]] = await pages(app_client)
    place = {name: oldest.pop(name) for name in ("partition", "offset", "index", "received_at")}
    assert oldest == {**event(1), "source": ""}
    assert newest["properties"] == {}
    assert newest["received_at"] > place["received_at"]
    assert place["partition"] in range(4)
    assert (place["offset"], place["index"]) == (0, 0)


async def test_pages_cut_records_anywhere_and_miss_nothing(app_client) -> None:
    """Whatever the size of a page: all events come, once, in one order."""
    for number in range(0, 60, 20):
        await send(app_client, *[event(each) for each in range(number, number + 20)])
    [whole] = await pages(app_client)
    assert sorted(ids(whole)) == [f"t-{number:03}" for number in range(60)]
    for limit in (1, 7, 20, 59, 60, 61):
        parts = await pages(app_client, limit=limit)
        assert all(len(part) <= limit for part in parts)
        assert ids(*parts) == ids(whole)


async def test_events_are_found_by_customer_type_and_id(app_client) -> None:
    """Filters go together; nothing matching is an empty page."""
    await send(app_client, *[event(each, f"c-{each % 3}", f"e-{each % 2}") for each in range(12)])
    assert sorted(ids(*await pages(app_client, customer_id="c-1"))) == ["t-001", "t-004", "t-007", "t-010"]
    assert sorted(ids(*await pages(app_client, customer_id="c-1", event_type="e-0"))) == ["t-004", "t-010"]
    assert ids(*await pages(app_client, transaction_id="t-005")) == ["t-005"]
    assert ids(*await pages(app_client, customer_id="nobody")) == []
    customer = "0f8fad5b-d9cb-469f-a165-70867728950e"
    await send(app_client, event(12, customer.upper()), event(13, customer))
    for either in (customer, customer.upper()):
        assert sorted(ids(*await pages(app_client, customer_id=either))) == ["t-012", "t-013"]


async def test_another_tenant_never_sees_them(app_client, make_client, owner) -> None:
    """Not as events, not as counts, not as dead letters or conflicts."""
    await send(app_client, event(1))
    stranger = await make_client()
    await fill(owner, app_client.tenant.id)
    for path in (EVENTS, "/winkel/v1/dead-letters", "/winkel/v1/conflicting-duplicates"):
        assert await pages(app_client, path) != [[]]
        assert await pages(stranger, path) == [[]]
    answer = await stranger.get("/winkel/v1/ingest/summary")
    assert answer.json()["data"] == {"counted": 0, "duplicates": 0, "conflicts": 0, "dead_letters": 0}


async def test_a_record_that_cannot_be_read_does_not_hide_the_others(app_client, api) -> None:
    """It is left out here; the meter puts it among the dead letters."""
    await send(app_client, event(1))
    await api.log.append([NewRecord(app_client.tenant.id, 0, 1, b"\x01rubbish")])
    await send(app_client, event(2))
    assert ids(*await pages(app_client)) == ["t-002", "t-001"]


async def test_wrong_limits_and_cursors_are_refused(app_client) -> None:
    """400 with a message, for every list."""
    for path in (EVENTS, "/winkel/v1/dead-letters", "/winkel/v1/conflicting-duplicates"):
        for query in ({"limit": 0}, {"limit": 101}, {"limit": "x"}, {"next_page": "x"}, {"next_page": "WyIyMDI2Il0"}):
            answer = await app_client.get(path, params=query)
            assert (path, query, answer.status_code) == (path, query, 400)
            assert f"query parameter `{next(iter(query))}`" in answer.json()["message"] or "next_page" in query
        wrong = "WyIyMDI2LTAxLTE1VDEyOjAwOjAwWiIsIm5vbmUiXQ"  # a place whose id is "none"
        assert (await app_client.get(path, params={"next_page": wrong})).status_code == 400


async def test_a_filter_that_is_misspelled_is_refused(app_client) -> None:
    """It would filter nothing, and all events would look like those that were asked for."""
    for path in (EVENTS, "/winkel/v1/dead-letters", "/winkel/v1/conflicting-duplicates"):
        answer = await app_client.get(path, params={"custmer_id": "c-1"})
        assert (path, answer.status_code) == (path, 400)
        assert "no query parameter `custmer_id`" in answer.json()["message"]


async def fill(owner: Any, tenant_id: int, count: int = 3) -> None:
    """Write what the meter writes: counts, dead letters, conflicting duplicates."""
    for number in range(count):
        await owner.execute("INSERT INTO event_count VALUES (%s, 'events', %s, 10, 100, 20, 3, 1)", (tenant_id, number))
        await owner.execute(
            'INSERT INTO dead_letter (tenant_id, topic, partition, "offset", index, reason, detail, transaction_id,'
            " payload, at) VALUES (%s, 'events', 0, %s, 2, 'not_a_number', 'tokens', 't', %s, '2026-01-15')",
            (tenant_id, number, b'{"tokens": "\xff"}'),
        )
        await owner.execute(
            "INSERT INTO conflicting_duplicate VALUES (%s, 'events', %s, 't', 'c', 'call', '2026-01-15', '{}', 2,"
            " '2026-01-15T12:00Z')",
            (tenant_id, bytes([number] * 16)),
        )


async def test_counts_are_sums_over_hours_and_partitions(app_client, owner) -> None:
    """The summary adds up what the workers counted."""
    await fill(owner, app_client.tenant.id)
    answer = await app_client.get("/winkel/v1/ingest/summary")
    assert answer.json()["data"] == {"counted": 300, "duplicates": 60, "conflicts": 9, "dead_letters": 3}


async def test_dead_letters_and_conflicts_are_listed_in_pages(app_client, owner) -> None:
    """The newest first; what a dead letter held is shown even when it is not text."""
    await fill(owner, app_client.tenant.id)
    letters = await pages(app_client, "/winkel/v1/dead-letters", limit=2)
    assert [[each["offset"] for each in page] for page in letters] == [[2, 1], [0]]
    assert letters[0][0]["payload"] == '{"tokens": "\ufffd"}'
    assert (letters[0][0]["reason"], letters[0][0]["index"]) == ("not_a_number", 2)
    conflicts = await pages(app_client, "/winkel/v1/conflicting-duplicates", limit=2)
    assert [[each["id"] for each in page] for page in conflicts] == [["02" * 16, "01" * 16], ["00" * 16]]
    assert (conflicts[0][0]["transaction_id"], conflicts[0][0]["times"]) == ("t", 2)


async def test_without_the_database_sending_is_503_and_heals(app_client, api, owner, database_url) -> None:
    """While the database refuses connections nothing is accepted; afterwards everything goes on, without a restart."""
    await send(app_client, event(1))
    admin = psycopg.conninfo.make_conninfo(database_url, dbname="postgres")
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        answer = await app_client.post(EVENTS, content=json.dumps([event(2)]))
        assert answer.status_code == 503
        assert answer.json()["message"]
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    await send(app_client, event(3))
    assert sum(each.end for each in await api.log.bounds()) == 2
