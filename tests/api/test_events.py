"""Events in, over HTTP: both routes, every shape and encoding, and every way to be refused."""

import gzip
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
import zstandard

from winkel.api.state import Api
from winkel.config import Settings
from winkel.ingest.rows import events_at
from winkel.log import codec
from winkel.log.log import Log
from winkel.model.event import Event

pytestmark = pytest.mark.anyio
INGEST, EVENTS = "/v1/ingest", "/winkel/v1/events"
MIB = 1024 * 1024


def event(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "transaction_id": f"t-{number}",
        "customer_id": "c-1",
        "event_type": "completion",
        "timestamp": "2026-01-15T11:59:59Z",
        "properties": {"tokens": number},
        **changes,
    }


def array(*numbers: int) -> bytes:
    return json.dumps([event(number) for number in numbers]).encode()


def lines(*numbers: int) -> bytes:
    return b"\n".join(json.dumps(event(number)).encode() for number in numbers)


async def kept(log: Log) -> list[tuple[int, Event]]:
    """Return (tenant, event) for everything in the log."""
    found = []
    for partition in range(log.partitions):
        position = (await log.bounds())[partition].start
        while records := await log.read(partition, position, events=10_000, wait_seconds=0):
            for record in records:
                block = codec.decode(record.data)
                found += [(record.tenant_id, each) for each in events_at(block, range(len(block)))]
            position = records[-1].offset + 1
    return found


async def ids(api: Api) -> list[str]:
    return sorted(each.transaction_id for _, each in await kept(api.log))


async def post(
    client: httpx.AsyncClient, path: str, body: bytes, kind: str = "application/json", **headers: str
) -> Any:
    return await client.post(
        path, content=body, headers={"content-type": kind, **{k.replace("_", "-"): v for k, v in headers.items()}}
    )


# ── What is accepted ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_ingest_takes_an_array_and_answers_nothing(app_client, api) -> None:
    """A root array, 200, an empty body, and the events are in the log under their tenant."""
    answer = await post(app_client, INGEST, array(*range(100)))
    assert (answer.status_code, answer.content) == (200, b"")
    found = await kept(api.log)
    assert {tenant for tenant, _ in found} == {app_client.tenant.id}
    assert sorted(int(each.transaction_id[2:]) for _, each in found) == list(range(100))


async def test_ingest_without_a_body_has_no_events(app_client, api) -> None:
    """The SDK sends an empty body when it has no events (metronome-api.md §2)."""
    answer = await app_client.post(INGEST)
    assert (answer.status_code, answer.content) == (200, b"")
    assert await ids(api) == []


async def test_the_official_sdk_ingests(sdk, api) -> None:
    """The unmodified SDK, strict about answers, works with nothing but another base_url."""
    assert await sdk.v1.usage.ingest(usage=[event(1), event(2, properties=None or {})]) is None  # type: ignore[list-item]
    assert await sdk.v1.usage.ingest() is None  # type: ignore[func-returns-value]
    assert await ids(api) == ["t-1", "t-2"]


async def test_an_event_that_is_sent_again_is_fine(app_client, api) -> None:
    """Twice in one request or in two: the answer is the same, and the meter removes what is double."""
    for _ in range(2):
        answer = await post(app_client, EVENTS, array(1, 1))
        assert answer.json() == {"accepted": 2, "invalid": []}
    assert await ids(api) == ["t-1"] * 4


GOOD = [
    (array(1, 2), "application/json", 2),
    (array(1, 2), "application/json; charset=UTF-8", 2),
    (array(), "application/json", 0),
    (lines(1, 2, 3), "application/x-ndjson", 3),
    (lines(1, 2) + b"\n\n", "application/jsonl", 2),
    (b"", "application/x-ndjson", 0),
    (b"\n\n", "application/x-ndjson", 0),
    (b"", "application/cloudevents-batch+json", 0),
]
"""Body, content type, number of events."""


async def test_events_take_arrays_and_lines(app_client, api) -> None:
    """JSON arrays and lines of JSON, empty ones too."""
    total = 0
    for body, kind, accepted in GOOD:
        answer = await post(app_client, EVENTS, body, kind)
        assert (answer.status_code, answer.json()) == (200, {"accepted": accepted, "invalid": []})
        total += accepted
        assert len(await ids(api)) == total


async def test_a_body_may_come_without_a_content_type(app_client, api) -> None:
    """Then it is JSON."""
    answer = await app_client.post(EVENTS, content=array(1))
    assert answer.json() == {"accepted": 1, "invalid": []}


async def test_cloudevents_one_or_many(app_client, api) -> None:
    """Structured and batch mode; `subject` is the customer and (source, id) the identity."""
    cloud = {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/a",
        "type": "completion",
        "subject": "c-9",
        "time": "2026-01-15T11:00:00Z",
        "data": {"tokens": 5},
    }
    one = await post(app_client, EVENTS, json.dumps(cloud).encode(), "application/cloudevents+json")
    bad = {name: value for name, value in cloud.items() if name != "time"}
    batch = json.dumps([{**cloud, "source": "/b"}, bad]).encode()
    many = await post(app_client, EVENTS, batch, "application/cloudevents-batch+json")
    assert one.json() == {"accepted": 1, "invalid": []}
    assert many.json()["accepted"] == 1
    [fault] = many.json()["invalid"]
    assert (fault["index"], fault["transaction_id"]) == (1, "e-1")
    assert "`time`" in fault["message"]
    found = [each for _, each in await kept(api.log)]
    assert {(each.transaction_id, each.source, each.customer_id) for each in found} == {
        ("e-1", "/a", "c-9"),
        ("e-1", "/b", "c-9"),
    }


PACKED = [
    ("identity", array(1, 2)),
    ("gzip", gzip.compress(array(1, 2))),
    ("GZIP", gzip.compress(array(1, 2)[:20]) + gzip.compress(array(1, 2)[20:])),
    ("zstd", zstandard.compress(array(1, 2))),
    ("zstd", zstandard.compress(array(1, 2)[:20]) + zstandard.compress(array(1, 2)[20:])),
]
"""Content-Encoding and a body with two events."""


async def test_bodies_may_be_compressed(app_client, api) -> None:
    """Bodies may come as gzip or zstd, in several parts too, on both routes."""
    for path in (INGEST, EVENTS):
        for encoding, body in PACKED:
            before = len(await ids(api))
            answer = await post(app_client, path, body, content_encoding=encoding)
            assert (encoding, answer.status_code) == (encoding, 200)
            assert len(await ids(api)) == before + 2


# ── What is refused ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_one_bad_event_does_not_hold_up_the_rest(app_client, api) -> None:
    """/winkel/v1/events keeps the good ones and tells of the bad ones by index, id and reason."""
    body = b"\n".join([lines(1), b"{nonsense", lines(2), json.dumps(event(3, timestamp="2026-01-15T11:00")).encode()])
    answer = (await post(app_client, EVENTS, body, "application/x-ndjson")).json()
    assert answer["accepted"] == 2
    assert [(each["index"], each["transaction_id"]) for each in answer["invalid"]] == [(1, None), (3, "t-3")]
    assert "timestamp" in answer["invalid"][1]["message"]
    assert await ids(api) == ["t-1", "t-2"]


async def test_ingest_takes_all_or_none(app_client, api) -> None:
    """/v1/ingest refuses the request as a whole; the message names index, field and reason."""
    body = json.dumps([event(1), event(2, customer_id=5)]).encode()
    answer = await post(app_client, INGEST, body)
    assert answer.status_code == 400
    assert answer.json() == {"message": "event 1: Expected `str`, got `int` - at `$[1].customer_id`"}
    assert await ids(api) == []


BAD_VALUES = {
    "naive timestamp": b'"timestamp": "2026-01-15T11:00:00"',
    "wrong type": b'"customer_id": 7',
    "empty string": b'"event_type": ""',
    "long id": b'"transaction_id": "' + b"x" * 129 + b'"',
    "unknown field": b'"amount": 1',
    "properties no object": b'"properties": "x"',
    "1e400": b'"properties": {"a": 1e400}',
    "39 digits": b'"properties": {"a": ' + b"1" * 39 + b"}",
    "escaped NUL": b'"properties": {"a": "\\u0000"}',
    "2001 properties": b'"properties": ' + json.dumps({str(n): 0 for n in range(2001)}).encode(),
    "NaN": b'"properties": {"a": NaN}',
    "Infinity": b'"properties": {"a": Infinity}',
    "raw NUL": b'"customer_id": "a\x00b"',
    "lone surrogate": b'"customer_id": "\\ud800"',
    "depth 10,000": b'"properties": {"a": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "truncated": b'"properties": {"a": "',
    "invalid UTF-8": b'"customer_id": "\xff\xfe"',
}


async def test_bad_input_is_never_an_error_of_ours(app_client, api) -> None:
    """400 with a message from one route; told by event, or 400 for a body that cannot be read, from the other."""
    for name, bad in BAD_VALUES.items():
        one = json.dumps(event(1)).encode()[:-1] + b", " + bad + b"}"
        answer = await post(app_client, INGEST, b"[" + one + b"]")
        assert (name, answer.status_code) == (name, 400)
        assert len(answer.json()["message"]) > 10
        answer = await post(app_client, EVENTS, b"[" + one + b"]")
        assert answer.status_code in {200, 400}, name
        told = answer.json()["message"] if answer.status_code == 400 else answer.json()["invalid"][0]["message"]
        assert len(told) > 10, name
        answer = await post(app_client, EVENTS, lines(7) + b"\n" + one + b"\n" + lines(8), "application/x-ndjson")
        if b"\xff" in bad:
            assert (answer.status_code, "not UTF-8" in answer.json()["message"]) == (400, True)
        else:
            assert (name, answer.status_code, answer.json()["accepted"]) == (name, 200, 2)
            assert answer.json()["invalid"][0]["index"] == 1
    assert set(await ids(api)) == {"t-7", "t-8"}


UNREADABLE: list[tuple[bytes, str, dict[str, str], int, str]] = [
    (b"[", "application/json", {}, 400, "truncated"),
    (b"{}", "application/json", {}, 400, "Expected `array`"),
    (b'"text"', "application/json", {}, 400, "Expected `array`"),
    (b"\xff", "application/json", {}, 400, "not UTF-8"),
    (array(1), "text/plain", {}, 415, "not text/plain"),
    (array(1), "multipart/form-data", {}, 415, "application/json"),
    (array(1), "application/json; charset=latin-1", {}, 415, "UTF-8"),
    (array(1), "application/json", {"content_encoding": "br"}, 415, "gzip, zstd and identity"),
    (array(1), "application/json", {"content_encoding": "gzip, gzip"}, 415, "gzip, zstd and identity"),
    (array(1), "application/json", {"content_encoding": "gzip"}, 400, "not gzip"),
    (array(1), "application/json", {"content_encoding": "zstd"}, 400, "not zstd"),
    (gzip.compress(array(1))[:-9], "application/json", {"content_encoding": "gzip"}, 400, "ends in the middle"),
    (zstandard.compress(array(1))[:-5], "application/json", {"content_encoding": "zstd"}, 400, "in the middle"),
    (gzip.compress(bytes(9 * MIB)), "application/json", {"content_encoding": "gzip"}, 413, "unpacks to more"),
    (zstandard.compress(bytes(1024 * MIB)), "application/json", {"content_encoding": "zstd"}, 413, "unpacks"),
    (b" " * (8 * MIB + 1), "application/json", {}, 413, "larger than 8388608 bytes"),
]
"""Body, content type, other headers, status, words of the message."""


async def test_bodies_that_cannot_be_read_are_refused_whole(app_client, api) -> None:
    """400, 413 or 415, with words that help; nothing of it is kept."""
    for path in (INGEST, EVENTS):
        for body, kind, headers, status, words in UNREADABLE:
            answer = await post(app_client, path, body, kind, **headers)
            assert (kind, headers, words, answer.status_code) == (kind, headers, words, status)
            assert words in answer.json()["message"]
    assert await ids(api) == []


async def test_the_number_of_events_is_limited(app_client, api) -> None:
    """101 are too many for /v1/ingest, none is too few; 10,001 are too many for /winkel/v1/events."""
    answer = await post(app_client, INGEST, array(*range(101)))
    assert (answer.status_code, answer.json()["message"]) == (400, "send at most 100 events at once, not 101")
    answer = await post(app_client, INGEST, b"[]")
    assert (answer.status_code, answer.json()["message"]) == (400, "send between 1 and 100 events, not 0")
    answer = await post(app_client, EVENTS, lines(*range(10_001)), "application/x-ndjson")
    assert answer.status_code == 413
    assert await ids(api) == []
    answer = await post(app_client, EVENTS, lines(*range(10_000)), "application/x-ndjson")
    assert answer.json() == {"accepted": 10_000, "invalid": []}


async def test_the_window_moves_with_the_clock(app_client, api, clock) -> None:
    """What was too far ahead is accepted a day later."""
    ahead = (clock() + timedelta(hours=25)).isoformat()
    body = json.dumps([event(1, timestamp=ahead)]).encode()
    assert (await post(app_client, INGEST, body)).status_code == 400
    clock.move(hours=1)
    assert (await post(app_client, INGEST, body)).status_code == 200


async def test_readers_may_not_send_and_senders_may_not_read(make_client) -> None:
    """Each role does its own; without a token nobody does anything."""
    reader, sender = await make_client("reader"), await make_client("ingest")
    for path in (INGEST, EVENTS):
        assert (await post(reader, path, array(1))).status_code == 403
        assert (await post(sender, path, array(1))).status_code == 200
        assert (await post(sender, path, array(1), authorization="Bearer no")).status_code == 401
    for path in (EVENTS, "/winkel/v1/ingest/summary", "/winkel/v1/dead-letters", "/winkel/v1/conflicting-duplicates"):
        assert (await sender.get(path)).status_code == 403
        assert (await reader.get(path)).status_code == 200


async def test_a_log_that_cannot_be_reached_is_503(app_client, api) -> None:
    """Nothing was accepted, and the sender is told to come back."""
    await api.log.close()
    for path in (INGEST, EVENTS):
        answer = await post(app_client, path, array(1))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json()["message"]


async def test_metering_that_is_late_is_429_and_a_full_disk_503(app_client, api) -> None:
    """Both say when to come back; reading goes on, and nothing is refused any more when it is over."""
    api.pressure.lag_limit_seconds, api.pressure.disk_reserve_bytes = 10, 1000
    for path in (INGEST, EVENTS):
        api.pressure.see_lag(15)
        answer = await post(app_client, path, array(1))
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "10")
        assert "behind" in answer.json()["message"]
        api.pressure.see_disk(10)
        answer = await post(app_client, path, array(1))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        assert "disk" in answer.json()["message"]
        assert (await app_client.get("/winkel/v1/ingest/summary")).status_code == 200
        api.pressure.see_lag(0)
        api.pressure.see_disk(10_000)
        assert (await post(app_client, path, array(1))).status_code == 200


async def test_an_event_that_is_too_large_is_named(app_client, api) -> None:
    """By its index, and it does not hold up the others where that is allowed."""
    events = [event(1), event(2, properties={"a": "x" * 300_000}), event(3)]
    answer = await post(app_client, INGEST, json.dumps(events).encode())
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("event 1: an event may have at most 262144 bytes")
    events[1]["properties"] = {"a": "x" * 600_000}
    answer = await post(app_client, EVENTS, json.dumps(events).encode())
    assert answer.status_code == 200
    assert answer.json()["accepted"] == 2
    assert answer.json()["invalid"][0]["index"] == 1


class TestQuota:
    """With a quota of 5 events per second."""

    @pytest.fixture
    def settings(self) -> Settings:
        """Return settings with a quota."""
        return Settings(flush_milliseconds=0, tenant_events_per_second=5)

    async def test_over_the_quota_is_429(self, app_client, make_client) -> None:
        """Retry-After says when; other tenants are not touched."""
        assert (await post(app_client, INGEST, array(*range(100)))).status_code == 200
        for path in (INGEST, EVENTS):
            answer = await post(app_client, path, array(1))
            assert answer.status_code == 429
            assert 15 <= int(answer.headers["retry-after"]) <= 19
            assert "5 events per second" in answer.json()["message"]
        assert (await post(await make_client(), INGEST, array(1))).status_code == 200
