"""What one caller can do to all others, or see of what is not its own: each of these was possible once."""

import asyncio
import gzip
import json
import secrets
from datetime import UTC, datetime

import psycopg
import pytest
import zstandard
from structlog.testing import capture_logs

from api import billing
from winkel.api import pages, unpack
from winkel.bill import worker
from winkel.bill.actions import finalize_due
from winkel.bill.worker import Worker
from winkel.config import Settings
from winkel.model.errors import InvalidError, UnavailableError
from winkel.store import database

pytestmark = pytest.mark.anyio

PRICING = "/v1/contract-pricing"
START = "2026-01-01T00:00:00Z"
DAY = {"starting_on": "2026-01-14T00:00:00Z", "ending_before": "2026-01-15T00:00:00Z", "window_size": "DAY"}


async def made(client, path: str, **body) -> str:
    """Make an object and return its id."""
    answer = await client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]["id"]


async def charged(client, **more) -> str:
    """Make a customer who is to be invoiced once, and return its id."""
    fixed = await made(client, f"{PRICING}/products/create", name="f", type="FIXED")
    customer = await made(client, "/v1/customers", name="a customer")
    charge = {"product_id": fixed, "schedule": {"schedule_items": [{"timestamp": "2026-01-02T00:00:00Z", "amount": 5}]}}
    await made(
        client, "/v1/contracts/create", customer_id=customer, starting_at=START, scheduled_charges=[charge], **more
    )
    return customer


async def bill_as_the_worker_does(api, database_url) -> list[Exception]:
    """Bill three rounds, each over new connections, as winkel.bill.worker._repeat does; return what ended a round."""
    raised: list[Exception] = []
    for _ in range(3):
        connection = await database.connect(database_url)
        try:
            with capture_logs():  # setting a traceback with all locals would take minutes
                await Worker(database_url, api.log, Settings(), api.clock).bill(connection)
        except (psycopg.OperationalError, UnavailableError) as error:
            raised.append(error)
        finally:
            await connection.close()
    return raised


async def custom_rate(client, card: str, numbers: str):
    """Add a CUSTOM rate that holds these numbers, written as they are; return the answer."""
    metric = await made(client, "/v1/billable-metrics/create", name="m", aggregation_type="COUNT")
    product = await made(client, f"{PRICING}/products/create", name="u", type="USAGE", billable_metric_id=metric)
    text = (
        f'{{"rate_card_id": "{card}", "product_id": "{product}", "entitled": true, "starting_at": "{START}",'
        f' "rate_type": "CUSTOM", "custom_rate": {{"a": [{numbers}]}}}}'
    )
    headers = {"content-type": "application/json"}
    return await client.post(f"{PRICING}/rate-cards/addRate", content=text, headers=headers)


async def test_numbers_of_a_custom_rate_can_be_read_back(app_client) -> None:
    """One number must not make a rate card unreadable for good, or a gigabyte of a few bytes."""
    card = await made(app_client, f"{PRICING}/rate-cards/create", name="c")
    for number in ("1e5000", "1e131000", "-1e5000"):
        answer = await custom_rate(app_client, card, f"1, {number}")
        assert answer.status_code == 400
        assert "custom_rate" in answer.text
    assert (await custom_rate(app_client, card, "1.5, 2")).status_code == 200
    answer = await app_client.post(f"{PRICING}/rate-cards/getRates", json={"rate_card_id": card, "at": START})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("levels", [71, 72, 73, 200, 900, 960, 970, 980, 990, 5000])
async def test_a_custom_rate_is_taken_or_refused_however_deep_it_is(app_client, levels: int) -> None:
    """There was room on the stack to read it and none to write it. With the body around it, it may have 72 levels."""
    card = await made(app_client, f"{PRICING}/rate-cards/create", name="c")
    with capture_logs():  # setting a traceback with all locals would take minutes
        answer = await custom_rate(app_client, card, "[" * (levels - 3) + "]" * (levels - 3))
    assert answer.status_code == (200 if levels <= 72 else 400), answer.text
    if levels == 200:
        assert answer.json()["message"].endswith("nested too deeply - at `$.custom_rate`")
    schedule = {"rate_card_id": card, "starting_at": START}
    shown = await app_client.post(f"{PRICING}/rate-cards/getRateSchedule", json=schedule)
    assert (shown.status_code, len(shown.json()["data"])) == (200, levels <= 72)


async def test_a_zero_with_a_huge_exponent_is_no_price(app_client) -> None:
    """The database could not write it out."""
    card = await made(app_client, f"{PRICING}/rate-cards/create", name="c")
    metric = await made(app_client, "/v1/billable-metrics/create", name="m", aggregation_type="COUNT")
    product = await made(app_client, f"{PRICING}/products/create", name="u", type="USAGE", billable_metric_id=metric)
    rate = f'{{"rate_card_id": "{card}", "product_id": "{product}", "entitled": true, "starting_at": "{START}",'
    tiers = '"rate_type": "TIERED", "tiers": [{"size": 1, "price": 0e99999999999}, {"price": 0e99999999999}]'
    for price in ('"rate_type": "FLAT", "price": 0e99999999999', tiers):
        headers = {"content-type": "application/json"}
        answer = await app_client.post(f"{PRICING}/rate-cards/addRate", content=f"{rate} {price}}}", headers=headers)
        assert answer.status_code == 400
        assert "at most 38 digits" in answer.text


async def test_a_customer_on_whom_the_database_gives_up_does_not_stop_billing_of_all(
    make_client, api, clock, database_url, monkeypatch
) -> None:
    """Whose billing ends the connection is looked at again later, with the reason; whoever comes after it is billed."""
    bad, good = await make_client("writer"), await make_client()
    guilty, honest = await charged(bad), await charged(good)

    async def finalize(connection, further, tenant_id, taken, **rest):
        if guilty in taken:
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return await finalize_due(connection, further, tenant_id, taken, **rest)

    monkeypatch.setattr(worker, "finalize_due", finalize)
    clock.move(days=60)
    assert await bill_as_the_worker_does(api, database_url)
    assert await billing.invoices_of(good, honest, status="FINALIZED")
    assert not await billing.invoices_of(bad, guilty, status="FINALIZED")
    monkeypatch.undo()
    clock.move(minutes=10)
    await bill_as_the_worker_does(api, database_url)
    assert await billing.invoices_of(bad, guilty, status="FINALIZED")


@pytest.mark.parametrize(
    ("encoding", "part"),
    [("gzip", gzip.compress(b"")), ("zstd", zstandard.ZstdCompressor(write_content_size=False).compress(b""))],
    ids=["gzip", "zstd"],
)
def test_a_body_has_only_so_many_parts(encoding: str, part: bytes) -> None:
    """Each copies all that follows it: 8 MiB of empty ones held the event loop of the gateway for minutes."""
    assert unpack.unpack(part * unpack.PARTS_MAX, encoding, 100) == b""
    with pytest.raises(InvalidError, match="parts"):
        unpack.unpack(part * (unpack.PARTS_MAX + 1), encoding, 100)


async def test_a_page_of_usage_has_a_bound_for_one_customer_too(make_client, app_client) -> None:
    """A reader's request of 100 bytes must not fill the memory of the gateway: a page has about 10,000 rows."""
    await made(app_client, "/v1/customers", name="a")
    await made(app_client, "/v1/billable-metrics/create", name="m", aggregation_type="COUNT")
    reader = await make_client("reader", app_client.tenant)
    span = {"starting_on": "1971-01-01T00:00:00Z", "ending_before": "2000-01-01T00:00:00Z"}  # 9000: 61 million rows
    answer = await reader.post("/v1/usage", json={**span, "window_size": "HOUR"})
    rows = len(answer.json()["data"]) if answer.status_code == 200 else 0
    assert rows <= 100_000, f"{rows} rows, {len(answer.content)} bytes"


async def test_keyed_requests_that_read_a_snapshot_do_not_stall_the_pool(make_client, app_client) -> None:
    """Each takes a second connection while it holds its first: as many at once as the pool has wait for each other."""
    reader = await make_client("reader", app_client.tenant)

    async def ask(number: int) -> int:
        answer = await reader.post("/v1/usage", json=DAY, headers={"idempotency-key": f"k{number}"})
        return answer.status_code

    other = await make_client()  # of another tenant, and without a key
    found = await asyncio.gather(*(ask(number) for number in range(8)), *(_list(other) for _ in range(2)))
    assert found == [200] * 10


async def _list(client) -> int:
    await asyncio.sleep(0.2)
    return (await client.get("/v1/customers")).status_code


@pytest.mark.parametrize("role", ["ingest", "reader"])
async def test_a_key_gives_no_token_the_answer_of_a_route_that_it_may_not_call(make_client, app_client, role) -> None:
    """What is kept under a key is only for those who might have asked for it."""
    body, key = {"name": "secret"}, {"idempotency-key": "k"}
    assert (await app_client.post("/v1/customers", json=body, headers=key)).status_code == 200
    lesser = await make_client(role, app_client.tenant)
    answer = await lesser.post("/v1/customers", json=body, headers=key)
    assert answer.status_code == 403, answer.text


@pytest.mark.parametrize("when", ["1960-01-01T00:00:00Z", "2200-01-01T00:00:00Z"])
async def test_a_replaced_record_keeps_the_time_of_each_event(app_client, owner, when: str) -> None:
    """A time that a block cannot hold is refused: it moved its event, and those beside it, into other years."""
    letter = str(secrets.randbelow(2**46))
    await owner.execute(
        'INSERT INTO dead_letter (tenant_id, id, topic, partition, "offset", index, reason, detail, payload, at)'
        " OVERRIDING SYSTEM VALUE VALUES (%s, %s, 'events', 0, 0, -1, 'undecodable', '', '', '2026-01-15Z')",
        (app_client.tenant.id, letter),
    )
    event = {"customer_id": "acme", "event_type": "e", "properties": {}}
    sent = {"a": "2026-01-15T10:00:00Z", "b": when, "c": "2026-01-15T11:00:00Z"}
    correction = [{**event, "transaction_id": name, "timestamp": at} for name, at in sent.items()]
    answer = await app_client.post("/winkel/v1/dead-letters/retry", json={"id": letter, "correction": correction})
    found = (await app_client.get("/winkel/v1/events")).json()["data"]
    told = {each["transaction_id"]: each["timestamp"] for each in found}
    assert answer.status_code == 400 or told == sent, json.dumps(told)


@pytest.mark.parametrize("last", ["²", "9" * 30])
async def test_a_cursor_of_dead_letters_that_is_none_is_refused(app_client, last: str) -> None:
    """400, not a fault of ours."""
    cursor = pages.encode(pages.Position(datetime(2026, 1, 1, tzinfo=UTC), last))
    answer = await app_client.get("/winkel/v1/dead-letters", params={"next_page": cursor})
    assert answer.status_code == 400, answer.text
