"""winkel dead-letters, against a real Winkel: what an operator sees and does."""

import asyncio
import json
import uuid
from datetime import UTC, datetime

import httpx
import psycopg
import pytest

from cli.test_commands import alone, cli
from meter.blocks import event
from support.running import Running
from winkel.cli.dead_letters import readable
from winkel.config import Settings
from winkel.fleet.actions import open_log
from winkel.ingest.block import blocks
from winkel.log import codec
from winkel.log.log import NewRecord
from winkel.log.postgres import PostgresLog
from winkel.model.routing import first
from winkel.store import shards, tenants


def test_an_operator_sees_corrects_and_discards(winkel: Running, tmp_path) -> None:
    """From an event that a metric cannot use to its usage; and records that are nobody's."""
    data = ("--data", str(winkel.folder))
    at = datetime.now(UTC).isoformat()
    metric = {
        "name": "Tokens", "aggregation_type": "SUM", "aggregation_key": "n",
        "property_filters": [{"name": "n", "exists": True}], "event_type_filter": {"in_values": ["dead"]},
    }  # fmt: skip
    made = httpx.post(f"{winkel.url}/v1/billable-metrics/create", json=metric, headers=winkel.headers)
    made.raise_for_status()
    ids = [str(uuid.uuid4()) for _ in range(3)]
    events = [
        {"transaction_id": each, "customer_id": "c", "event_type": "dead", "timestamp": at, "properties": {"n": "lots"}}
        for each in ids
    ]
    httpx.post(f"{winkel.url}/v1/ingest", json=events, headers=winkel.headers).raise_for_status()
    asyncio.run(append(winkel.database_url, NewRecord(999_999, 0, 1, b"\x01\xffnobody's")))

    def listed(*filters: str) -> list[dict[str, object]]:
        done = cli("dead-letters", "list", "--json", *filters, *data)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    winkel.wait_until(lambda: len(listed()) >= 4, 30)
    assert "not_a_number" in cli("dead-letters", "list", *data).stdout
    letters = {
        each["transaction_id"]: each["id"] for each in listed("--reason", "not_a_number", "--tenant", "production")
    }
    assert set(letters) >= set(ids)
    (nobodys,) = listed("--tenant", "nobody")
    assert listed("--since", "2999-01-01") == []

    shown = cli("dead-letters", "show", letters[ids[0]], *data).stdout
    assert '"n": "lots"' in shown
    file = tmp_path / "event.json"
    file.write_text(cli("dead-letters", "show", letters[ids[0]], "--payload", *data).stdout)
    stays = cli("dead-letters", "retry", letters[ids[0]], *data)
    assert stays.returncode == 1
    assert "not_a_number" in stays.stderr
    file.write_text(file.read_text().replace('"lots"', "41"))
    done = cli("dead-letters", "retry", letters[ids[0]], "--with", str(file), *data)
    assert (done.returncode, "counted for 'Tokens'" in done.stdout) == (0, True), done.stderr
    with psycopg.connect(winkel.database_url) as connection:
        rows = connection.execute(
            "SELECT group_values, customer_key FROM usage_series WHERE metric_id = %s", (made.json()["data"]["id"],)
        ).fetchall()
    assert len(rows) == 1

    assert "--because" in cli("dead-letters", "discard", letters[ids[1]], *data).stderr
    assert cli("dead-letters", "discard", letters[ids[1]], "--because", "a test", *data).returncode == 0
    done = cli("dead-letters", "discard", "--all", "--reason", "not_a_number", "--because", "a test", "--yes", *data)
    assert "discarded 1 dead letters" in done.stdout
    assert not listed("--reason", "not_a_number")
    assert {each["resolution"] for each in listed("--resolved", "--reason", "not_a_number")} == {"retried", "discarded"}
    assert cli("dead-letters", "retry", str(nobodys["id"]), *data).returncode == 1
    unasked = cli("dead-letters", "discard", "--all", "--because", "a test", *data)
    assert unasked.returncode == 1, "nobody confirmed"
    assert listed("--tenant", "nobody")


def test_what_senders_write_does_nothing_to_the_terminal(winkel: Running) -> None:
    """Neither in the list, nor where one letter is shown, nor in what a retry says."""
    data = ("--data", str(winkel.folder))
    metric = {
        "name": "[/m]\x9b2J", "aggregation_type": "SUM", "aggregation_key": "n",
        "property_filters": [{"name": "n", "exists": True}], "event_type_filter": {"in_values": ["odd"]},
    }  # fmt: skip
    httpx.post(f"{winkel.url}/v1/billable-metrics/create", json=metric, headers=winkel.headers).raise_for_status()
    event = {"transaction_id": "[/x]\x1b[2J", "customer_id": "c", "event_type": "odd", "properties": {"n": "[/n]\x1b"}}
    event["timestamp"] = datetime.now(UTC).isoformat()
    httpx.post(f"{winkel.url}/v1/ingest", json=[event], headers=winkel.headers).raise_for_status()

    def letters() -> list[str]:
        found = [json.loads(line) for line in cli("dead-letters", "list", "--json", *data).stdout.splitlines()]
        return [each["id"] for each in found if each["transaction_id"] == event["transaction_id"]]

    winkel.wait_until(lambda: bool(letters()), 30)
    (letter,) = letters()
    for words in (["list"], ["show", letter], ["retry", letter]):
        done = cli("dead-letters", *words, *data)
        assert "Traceback" not in done.stderr
        assert "[/n]" in done.stdout + done.stderr
        assert not set(done.stdout + done.stderr) & {"\x1b", "\x9b"}
    assert r"[/x]\u001b[2J" in cli("dead-letters", "show", letter, *data).stdout


def test_wrong_requests_are_one_sentence(winkel: Running) -> None:
    """They say what to do."""
    data = ("--data", str(winkel.folder))
    for arguments, words in (
        (("retry",), "--all"), (("retry", "1", "--all"), "not both"), (("retry", "1", "--tenant", "x"), "--tenant"),
        (("discard", "1", "--because", "y", "--reason", "x"), "choose among --all"),
        (("retry", "1", "--since", "2026-01-15"), "choose among --all"),
        (("show", "17171717"), "no dead letter"), (("list", "--since", "soon"), "--since"),
        (("list", "--tenant", "nowhere"), "no tenant"), (("discard", "x", "--because", "y"), "no dead letter"),
    ):  # fmt: skip
        done = cli("dead-letters", *arguments, *data)
        assert (done.returncode, len(done.stderr.strip().splitlines())) == (1, 1), done.stderr
        assert words in done.stderr


async def append(url: str, record: NewRecord) -> None:
    """Append a record past the gateway."""
    log = await PostgresLog.open(url, 1)
    await log.append([record])
    await log.close()


def test_payloads_are_readable() -> None:
    """JSON with indents, text as it is, bytes as a dump."""
    assert readable(b'{"a":1}') == '{\n  "a": 1\n}'
    assert readable(b"plain words") == "plain words"
    assert "01 ff 41" in readable(b"\x01\xffA")
    assert "88 more bytes" in readable(bytes(600))


@pytest.mark.anyio
async def test_a_record_that_is_retried_goes_to_the_log_in_use_or_stays(database_url: str, kafka_url: str) -> None:
    """Without WINKEL_LOG, `retry` would append where no meter looks, and call that done."""
    async with shards.connections([database_url]) as (home,):
        await tenants.create_tenant(home, "production", datetime.now(UTC))
        log = await open_log(database_url, Settings(log=kafka_url, partitions=2))
        ((_, block),) = blocks(1, [event("late", timestamp=datetime.now(UTC))], log.secret, first(2))
        await home.execute(
            'INSERT INTO dead_letter (tenant_id, topic, partition, "offset", index, reason, detail, payload, at)'
            " VALUES (1, %s, 0, 0, -1, 'crashed_the_meter', '', %s, now())",
            (log.name, codec.encode(block)),
        )

        async def retried(**variables: str) -> tuple[int, int, str]:
            """Return the exit code, the records that Kafka has then, and what was said."""
            there = {"WINKEL_DATABASE_URL": database_url, **variables}
            done = await asyncio.to_thread(alone, "dead-letters", "retry", "--all", "--yes", **there)
            return done.returncode, sum(each.end for each in await log.bounds()), done.stdout + done.stderr

        code, records, said = await retried()
        assert (code, records, f"set WINKEL_LOG={kafka_url} " in said) == (1, 0, True)
        code, records, said = await retried(WINKEL_LOG=kafka_url)
        assert (code, records, "resolved" in said or "appended" in said) == (0, 1, True)
        await log.close()
