"""One record kills every meter that decodes it: the others are counted, and the partition moves on (row 13)."""

import asyncio
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from chaos.doomed import MARKER
from meter.blocks import event, metric
from winkel.ingest.block import blocks
from winkel.log import codec
from winkel.log.log import NewRecord
from winkel.log.postgres import PostgresLog
from winkel.model.metric import Aggregation
from winkel.model.routing import first
from winkel.store import database, metrics, routing, tenants

pytestmark = pytest.mark.anyio

RECORDS = 120
PARTITIONS = 2
KILLERS = (37, 90)
DEATHS = 2 * (6 + 7 + 1)
SECONDS = 240.0
"""Each death costs the start of a process; this machine may be busy."""
SCRIPT = Path(__file__).with_name("doomed.py")


async def fill(url: str) -> int:
    """Make a tenant with a metric and append single events, in which two records have become deadly."""
    owner = await database.connect(url)
    tenant = await tenants.create_tenant(owner, "tenant", await now(owner))
    await metrics.insert(owner, tenant.id, metric(1, Aggregation.COUNT))
    log = await PostgresLog.open(url, PARTITIONS)
    await routing.begin(owner, log.name, first(PARTITIONS))
    at = await now(owner)
    for number in range(RECORDS):
        ((partition, block),) = blocks(tenant.id, [event(number, timestamp=at)], log.secret, first(PARTITIONS))
        data = codec.encode(block)
        await log.append([NewRecord(tenant.id, partition, 1, MARKER + data if number in KILLERS else data)])
    await log.close()
    await owner.close()
    return tenant.id


async def add_to_each(url: str, tenant_id: int) -> int:
    """Append harmless records, one to each partition, and return how many events they are."""
    log = await PostgresLog.open(url, PARTITIONS)
    some = [event(f"harmless {number}", timestamp=datetime.now(UTC)) for number in range(50)]
    made = blocks(tenant_id, some, log.secret, first(PARTITIONS))
    assert len(made) == PARTITIONS
    await log.append([NewRecord(tenant_id, partition, len(block), codec.encode(block)) for partition, block in made])
    await log.close()
    return len(some)


async def now(owner: database.Connection) -> object:
    """Return the database's clock."""
    row = await (await owner.execute("SELECT now() AS at")).fetchone()
    assert row is not None
    return row["at"]


def test_a_record_that_kills_every_meter_is_set_aside_and_all_others_are_counted(database_url: str) -> None:
    """A supervisor starts the meter again whenever it dies; after a bounded number of deaths all is metered."""
    tenant_id = asyncio.run(fill(database_url))
    deaths, began = 0, time.monotonic()
    process = None
    try:
        with psycopg.connect(database_url, autocommit=True) as connection:
            for records in (RECORDS, RECORDS + PARTITIONS):
                while metered(connection) < records:
                    assert time.monotonic() - began < SECONDS, f"not done after {deaths} deaths"
                    if process is None or process.poll() is not None:
                        if process is not None:
                            deaths += 1
                            end(process)
                        process = subprocess.Popen([sys.executable, str(SCRIPT), database_url], stdin=subprocess.PIPE)
                    time.sleep(0.02)
                if records == RECORDS:
                    took = time.monotonic() - began
                    harmless = asyncio.run(add_to_each(database_url, tenant_id))
            counted, letters = connection.execute(
                "SELECT sum(counted), sum(dead_letters) FROM event_count WHERE tenant_id = %s", (tenant_id,)
            ).fetchone()
            aside = connection.execute(
                "SELECT reason, index, payload, attempts FROM dead_letter WHERE tenant_id = %s", (tenant_id,)
            ).fetchall()
            left = connection.execute("SELECT sum(tries), count(suspect_until) FROM log_progress").fetchone()
    finally:
        if process is not None:
            end(process)
    assert (counted, letters) == (RECORDS - len(KILLERS) + harmless, len(KILLERS))
    assert [(reason, index) for reason, index, _, _ in aside] == [("crashed_the_meter", -1)] * len(KILLERS)
    assert all(MARKER in payload for _, _, payload, _ in aside)
    assert left == (0, 0), "once more records have passed, no reason for caution is left"
    assert deaths <= DEATHS
    print(f"{RECORDS} records, {len(KILLERS)} of them deadly: {deaths} deaths, {took:.1f} s")


def end(process: "subprocess.Popen[bytes]") -> None:
    """Let a process go that has ended, or end it."""
    process.kill()
    process.wait(10)
    assert process.stdin is not None
    process.stdin.close()


def metered(connection: psycopg.Connection[tuple[int, ...]]) -> int:
    """Return up to how many records in all the partitions were metered."""
    row = connection.execute("SELECT coalesce(sum(next_offset), 0)::int FROM log_progress").fetchone()
    assert row is not None
    return row[0]
