"""Poison over HTTP: each is refused with 400 and its place, and nothing of it reaches the log; or it is sound."""

import json
from typing import Any

import pytest

from api import billing

pytestmark = pytest.mark.anyio

WHOLE = {"transaction_id": "1", "customer_id": "acme", "event_type": "call", "timestamp": "2026-01-15T11:00:00Z"}
SOUND = json.dumps({**WHOLE, "transaction_id": "0"}).encode()


def event(properties: bytes) -> bytes:
    """Return an event with these bytes for its properties."""
    return json.dumps(WHOLE).encode()[:-1] + b', "properties": ' + properties + b"}"


def at(timestamp: Any) -> bytes:
    return json.dumps({**WHOLE, "timestamp": timestamp}).encode()


DEEP = b"[" * 10_000 + b"]" * 10_000
POISON: dict[str, tuple[bytes, str]] = {
    "truncated": (event(b'{"n": 5}')[:-6], "JSON"),
    "not UTF-8": (event(b'{"n": "\xff"}'), "UTF-8"),
    "NaN": (event(b'{"n": NaN}'), "JSON"),
    "Infinity": (event(b'{"n": -Infinity}'), "JSON"),
    "10^400": (event(b'{"n": 1e400}'), "$[1].properties.n"),
    "400 digits": (event(b'{"n": ' + b"9" * 400 + b"}"), "$[1].properties.n"),
    "5000 digits": (event(b'{"n": ' + b"9" * 5000 + b"}"), "$[1].properties.n"),
    "depth 10^4": (event(b'{"n": ' + DEEP + b"}"), "nested too deeply"),
    "depth 900": (event(b'{"n": ' + DEEP[9_101:-9_101] + b"}"), "nested too deeply - at `$[1].properties`"),
    "depth 65": (event(b'{"n": ' + DEEP[9_936:-9_936] + b"}"), "nested too deeply - at `$[1].properties`"),
    "NUL": (event(b'{"n": "\\u0000"}'), "$[1].properties.n"),
    "half a surrogate": (event(b'{"n": "\\ud800"}'), "surrogate"),
    "an array": (event(b"[1]"), "properties"),
    "1 MB": (event(b'{"x": "' + b"y" * 1_000_000 + b'"}'), "$[1]"),
    "too old": (at("2025-12-01T00:00:00Z"), "$[1].timestamp"),
    "too new": (at("2026-01-17T00:00:00Z"), "$[1].timestamp"),
    "a year of five digits": (at("12026-01-15T11:00:00Z"), "$[1].timestamp"),
    "no time": (at(None), "$[1].timestamp"),
}


@pytest.mark.parametrize("name", POISON)
async def test_poison_is_refused_with_its_place(app_client, api, name: str) -> None:
    """All or none on Metronome's route; where events can be told apart, the others are taken on our own."""
    poison, words = POISON[name]
    body = b"[" + SOUND + b"," + poison + b"]"
    answer = await app_client.post("/v1/ingest", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert words in answer.json()["message"]
    assert sum(each.end for each in await api.log.bounds()) == 0
    answer = await app_client.post(
        "/winkel/v1/events", content=SOUND + b"\n" + poison, headers={"content-type": "application/x-ndjson"}
    )
    if answer.status_code == 400:
        assert words in answer.json()["message"]
        return
    assert answer.json()["accepted"] == 1
    assert [each["index"] for each in answer.json()["invalid"]] == [1]


async def test_a_large_event_and_a_repeated_name_are_no_poison(app_client, api) -> None:
    """200 kB are one event; of two properties of one name the last one counts, as is the custom with JSON."""
    for text in (b'{"x": "' + b"y" * 200_000 + b'"}', b'{"n": 1, "n": 5}'):
        answer = await app_client.post(
            "/v1/ingest", content=b"[" + event(text) + b"]", headers={"content-type": "application/json"}
        )
        assert answer.status_code == 200, answer.text
    assert sum(each.end for each in await api.log.bounds()) == 2


async def test_what_is_accepted_is_counted_however_deep_it_is(app_client, api, database_url) -> None:
    """Gateways and meters each have a stack of their own: no depth may suit the one and be too much for the other."""
    metric = {
        "name": "m",
        "aggregation_type": "SUM",
        "aggregation_key": "v",
        "property_filters": [{"name": "v", "exists": True}],
    }
    assert (await app_client.post("/v1/billable-metrics/create", json=metric)).status_code == 200
    accepted = []
    for levels in (2, 63, 64, 65, *range(900, 1000)):
        body = json.dumps({**WHOLE, "transaction_id": f"t{levels}", "properties": 0}).encode()
        deep = b"[" * (levels - 1) + b"]" * (levels - 1)
        body = body.replace(b'"properties": 0', b'"properties": {"v": 1, "x": ' + deep + b"}")
        answer = await app_client.post("/v1/ingest", content=b"[" + body + b"]")
        assert answer.status_code in {200, 400}, answer.text
        accepted += [levels] if answer.status_code == 200 else []
    assert accepted == [2, 63, 64]
    await billing.meter(api, database_url)
    summary = (await app_client.get("/winkel/v1/ingest/summary")).json()["data"]
    assert (summary["counted"], summary["dead_letters"]) == (3, 0)
