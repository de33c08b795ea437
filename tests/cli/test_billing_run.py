"""winkel bill run: once, completely, whatever happens to it, and whoever else is at it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from cli.test_commands import alone
from meter.blocks import event
from support import due
from winkel.config import Settings
from winkel.fleet.actions import open_log
from winkel.ingest.block import blocks
from winkel.log import codec
from winkel.log.log import NewRecord
from winkel.model.routing import first
from winkel.store import database, tenants

CUSTOMERS, BROKEN = 300, 3


@pytest.fixture
def filled(database_url: str) -> str:
    """Return a database with many customers whose invoices are due; a few cannot be billed."""

    async def fill() -> None:
        async with await database.connect(database_url) as connection:
            await due.customers(connection, CUSTOMERS, broken=BROKEN)

    asyncio.run(fill())
    return database_url


@pytest.fixture
def watching(filled: str) -> "Iterator[psycopg.Connection[Any]]":
    """Return a connection to look at the database with."""
    with psycopg.connect(filled, autocommit=True, row_factory=dict_row) as connection:
        yield connection


def started(url: str) -> "subprocess.Popen[str]":
    """Start a run."""
    command = [sys.executable, "-m", "winkel", "bill", "run"]
    environment = {**os.environ, "WINKEL_DATABASE_URL": url, "COLUMNS": "200"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Return the exit code and what was printed on standard output."""
    out, err = process.communicate(timeout=120)
    assert process.returncode in {0, 1}, err
    return process.returncode, out


def invoices(connection: "psycopg.Connection[Any]") -> int:
    """Return how many invoices there are."""
    return int(connection.execute("SELECT count(*) AS n FROM invoice").fetchone()["n"])


def until_invoices(connection: "psycopg.Connection[Any]", at_least: int, process: "subprocess.Popen[str]") -> None:
    """Wait until a run has made so many invoices; fail when it ends before."""
    end = time.monotonic() + 60
    while invoices(connection) < at_least:
        assert process.poll() is None, "it ended before it could be stopped"
        assert time.monotonic() < end
        time.sleep(0.01)


def check_all_billed_once(connection: "psycopg.Connection[Any]") -> None:
    """Each sound customer has two invoices and one deduction: 7.00 less the credit, then 7.00; the others nothing."""
    rows = connection.execute(
        "SELECT customer.name, array_agg(invoice.total ORDER BY invoice.start) AS totals FROM customer"
        " LEFT JOIN invoice ON invoice.customer_id = customer.id GROUP BY customer.name"
    ).fetchall()
    assert len(rows) == CUSTOMERS + BROKEN
    used = due.USED * 100
    for row in rows:
        expected = [None] if row["name"].startswith("Broken") else [used - due.CREDIT, used]
        assert row["totals"] == expected, row["name"]
    taken = connection.execute("SELECT amount, count(*) AS n FROM ledger_entry GROUP BY amount").fetchall()
    assert taken == [{"amount": -due.CREDIT, "n": CUSTOMERS}]


def test_two_runs_and_a_kill_bill_everybody_once(filled: str, watching: "psycopg.Connection[Any]") -> None:
    """Side by side they share the customers; when one is killed in between, the other does what it left."""
    killed, other = started(filled), started(filled)
    until_invoices(watching, CUSTOMERS // 3, killed)
    killed.kill()
    code, out = finished(other)
    killed.communicate(timeout=60)
    check_all_billed_once(watching)
    assert (code, out.count("KeyError"), out.count("Broken")) == (1, BROKEN, BROKEN)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_a_run_that_was_ended_goes_on_where_it_stopped(
    filled: str, watching: "psycopg.Connection[Any]", how: signal.Signals
) -> None:
    """What it made stays, the next run makes the rest; one more changes nothing and still names who can't be billed."""
    first = started(filled)
    until_invoices(watching, 50, first)
    first.send_signal(how)
    first.communicate(timeout=60)
    assert first.returncode in {130, -signal.SIGKILL}
    assert 50 <= invoices(watching) < 2 * CUSTOMERS
    assert finished(started(filled))[0] == 1
    check_all_billed_once(watching)
    assert finished(started(filled))[0] == 1
    check_all_billed_once(watching)


def test_a_run_without_failures_ends_with_zero(filled: str, watching: "psycopg.Connection[Any]") -> None:
    """Once the contracts are mended, the run bills them at once, without waiting for the next try of the role."""
    assert finished(started(filled))[0] == 1
    watching.execute(
        "UPDATE product SET initial = initial || jsonb_build_object('billable_metric_id', billable_metric.id)"
        " FROM billable_metric WHERE product.type = 'USAGE'"
    )
    done = f"{BROKEN} customers were due; this run made {2 * BROKEN} invoices final\n"
    assert finished(started(filled)) == (0, done)
    assert invoices(watching) == 2 * (CUSTOMERS + BROKEN)


@pytest.mark.anyio
async def test_a_run_on_another_log_than_the_one_in_use_is_refused(database_url: str, kafka_url: str) -> None:
    """An event waits in Kafka: with WINKEL_LOG the run waits for its meter, without it would close what is due."""
    async with await database.connect(database_url) as home:
        await tenants.create_tenant(home, "production", datetime.now(UTC))
    log = await open_log(database_url, Settings(log=kafka_url, partitions=2))
    made = blocks(1, [event("late", timestamp=datetime.now(UTC))], log.secret, first(2))
    await log.append([NewRecord(1, to, len(each), codec.encode(each)) for to, each in made])
    await log.close()
    with pytest.raises(subprocess.TimeoutExpired):
        await asyncio.to_thread(alone, "bill", "run", seconds=8, WINKEL_DATABASE_URL=database_url, WINKEL_LOG=kafka_url)
    refused = await asyncio.to_thread(alone, "bill", "run", WINKEL_DATABASE_URL=database_url)
    assert (refused.returncode, f"set WINKEL_LOG={kafka_url} " in refused.stderr) == (1, True)
