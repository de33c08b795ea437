"""The baseline: the same events as rows, by COPY, into a plain table of the same PostgreSQL, by one connection.

It is the most that a durable single-node design on this machine could hope for without any counting, deduplication
or HTTP: every throughput is quoted as a share of it. Latencies stand beside one durable single-row commit.
"""

import json
import statistics
import time
from pathlib import Path
from typing import Any

import psycopg
from msgspec import Struct

from bench import events
from bench.report import Baseline
from winkel.store import embedded

_TABLE = """
CREATE TABLE plain (
    tenant_id integer NOT NULL, transaction_id text NOT NULL, customer_id text NOT NULL, event_type text NOT NULL,
    "timestamp" timestamptz NOT NULL, properties text NOT NULL
)
"""
_COPY = 'COPY plain (tenant_id, transaction_id, customer_id, event_type, "timestamp", properties) FROM STDIN'
BATCH = 50_000


class Baselines(Struct, frozen=True):
    """What plain PostgreSQL does here."""

    copy: Baseline
    commit: Baseline
    start: Baseline
    postgres: str
    """The version of the server."""


def run(folder: Path, rows: int) -> Baselines:
    """Measure, on a fresh server with Winkel's own settings."""
    began = time.perf_counter()
    server = embedded.start(folder)
    started = time.perf_counter() - began
    try:
        with psycopg.connect(server.url, autocommit=True) as connection:
            version = connection.execute("SHOW server_version").fetchone()
            assert version is not None
            connection.execute(_TABLE)
            speed = statistics.median(_copy(connection, rows) for _ in range(3))
            commit = _commit(connection)
    finally:
        server.stop()
    return Baselines(
        Baseline("COPY of the same rows", speed, "rows/s"),
        Baseline("durable commit of one row", commit, "ms"),
        Baseline("start of an empty PostgreSQL", started, "s"),
        f"{version[0].split()[0]}, embedded",
    )


def _copy(connection: psycopg.Connection[Any], rows: int) -> float:
    """Return rows/s; making the text of the rows is not timed, committing every 50,000 is."""
    connection.execute("TRUNCATE plain")
    connection.execute("CHECKPOINT")
    blocks = list(_blocks(rows))
    began = time.perf_counter()
    for block in blocks:
        with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            copy.write(block)
    return rows / (time.perf_counter() - began)


def _blocks(rows: int) -> list[bytes]:
    work = events.make(rows, seed=1, first_microsecond=int(time.time() * 1e6), per_second=50_000)
    return [_rows(events.lines(work, low, min(low + BATCH, rows))) for low in range(0, rows, BATCH)]


def _rows(lines: list[str]) -> bytes:
    """Return events as COPY text: the values hold no tab, newline or backslash."""
    rows = []
    for line in lines:
        each = json.loads(line)
        properties = json.dumps(each["properties"], separators=(",", ":"))
        cells = ("1", each["transaction_id"], each["customer_id"], each["event_type"], each["timestamp"], properties)
        rows.append("\t".join(cells))
    return ("\n".join(rows) + "\n").encode()


def _commit(connection: psycopg.Connection[Any]) -> float:
    """Return the median milliseconds of a commit that is on disk when it returns."""
    took = []
    for _ in range(200):
        began = time.perf_counter()
        connection.execute("INSERT INTO plain VALUES (1, 'a', 'b', 'c', now(), '{}')")
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000
