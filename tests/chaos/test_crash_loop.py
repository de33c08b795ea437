"""One record kills every meter that decodes it: the others are counted, and the partition moves on (row 13)."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from chaos.doomed import MARKER
from chaos.figures import Told, log_of
from meter.blocks import event, metric
from winkel.config import Settings
from winkel.fleet.actions import open_log
from winkel.ingest.block import blocks
from winkel.log import codec
from winkel.log.log import NewRecord
from winkel.model.metric import Aggregation
from winkel.model.routing import first
from winkel.store import database, metrics, tenants

pytestmark = pytest.mark.anyio

RECORDS = 120
PARTITIONS = 2
KILLERS = (37, 90)
DEATHS = 2 * (6 + 7 + 1)
SECONDS = 240.0
"""Each death costs the start of a process; this machine may be busy."""
SCRIPT = Path(__file__).with_name("doomed.py")


async def fill(settings: Settings) -> int:
    """Make a tenant with a metric and append single events, in which two records have become deadly."""
    owner = await database.connect(settings.database_url)
    tenant = await tenants.create_tenant(owner, "tenant", await now(owner))
    await metrics.insert(owner, tenant.id, metric(1, Aggregation.COUNT))
    log = await open_log(settings.database_url, settings)
    at = await now(owner)
    for number in range(RECORDS):
        ((partition, block),) = blocks(tenant.id, [event(number, timestamp=at)], log.secret, first(PARTITIONS))
        data = codec.encode(block)
        await log.append([NewRecord(tenant.id, partition, 1, MARKER + data if number in KILLERS else data)])
    await log.close()
    await owner.close()
    return tenant.id


async def add_to_each(settings: Settings, tenant_id: int) -> int:
    """Append harmless records, one to each partition, and return how many events they are."""
    log = await open_log(settings.database_url, settings)
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


def test_a_record_that_kills_every_meter_is_set_aside_and_all_others_are_counted(
    database_url: str, log_settings: dict[str, str], tells: Callable[[int, str], Told]
) -> None:
    """A supervisor starts the meter again whenever it dies; after a bounded number of deaths all is metered."""
    told = tells(13, f"crash loop on one offset ({log_of(log_settings)})")
    chosen = {"WINKEL_DATABASE_URL": database_url, "WINKEL_PARTITIONS": str(PARTITIONS), **log_settings}
    settings, environment = Settings.from_environment(chosen), {**os.environ, **chosen}
    tenant_id = asyncio.run(fill(settings))
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
                        command = [sys.executable, str(SCRIPT)]
                        process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment)
                    time.sleep(0.02)
                if records == RECORDS:
                    took = time.monotonic() - began
                    harmless = asyncio.run(add_to_each(settings, tenant_id))
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
    told.tell("records that kill", len(KILLERS))
    told.tell("deaths until they were set aside", deaths, most=DEATHS)
    told.tell("all was metered within", took, "s")
    told.tell("other events lost or counted twice", abs(RECORDS - len(KILLERS) + harmless - counted), most=0)
    assert letters == len(KILLERS)
    assert [(reason, index) for reason, index, _, _ in aside] == [("crashed_the_meter", -1)] * len(KILLERS)
    assert all(MARKER in payload for _, _, payload, _ in aside)
    assert left == (0, 0), "once more records have passed, no reason for caution is left"


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
