"""What only the log in PostgreSQL promises: several processes, days, failures."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.rows import tuple_row

from support.line import Line
from winkel.log import postgres
from winkel.log.log import NewRecord
from winkel.log.postgres import PostgresLog
from winkel.model.errors import UnavailableError

pytestmark = pytest.mark.anyio


@pytest.fixture
async def log(database_url: str) -> AsyncIterator[PostgresLog]:
    """Return an empty log with two partitions."""
    opened = await PostgresLog.open(database_url, 2)
    yield opened
    await opened.close()


def new(partition: int = 0, data: bytes = b"x") -> NewRecord:
    return NewRecord(1, partition, 1, data)


def days(url: str) -> list[str]:
    with psycopg.connect(url, row_factory=tuple_row) as connection:
        rows = connection.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'log_record'::regclass"
        )
        return sorted(name for (name,) in rows)


async def test_a_log_keeps_its_partitions_and_its_secret(log, database_url) -> None:
    """Who opens it later gets what there is, whatever is asked for."""
    again = await PostgresLog.open(database_url, 64)
    assert (again.partitions, again.secret) == (2, log.secret)
    assert len(log.secret) == 16
    with pytest.raises(ValueError, match="at least one"):
        await PostgresLog.open(database_url, 0)


async def test_many_may_open_a_new_log_at_once(database_url) -> None:
    """Partitions and days are made once."""
    logs = await asyncio.gather(*[PostgresLog.open(database_url, 3) for _ in range(6)])
    assert {each.partitions for each in logs} == {3}
    assert len(days(database_url)) == postgres.DAYS_AHEAD + 1


async def test_a_new_day_is_made_on_demand_by_all_at_once(log, database_url) -> None:
    """When midnight passes and nobody has made the day, the first appends make it, however many they are."""
    with psycopg.connect(database_url) as connection:
        for day in days(database_url):
            connection.execute(f"DROP TABLE {day}")
    others = [PostgresLog(database_url, 2, log.secret) for _ in range(5)]
    await asyncio.gather(*[each.append([new(0), new(1)]) for each in [log, *others]])
    assert ((await log.bounds())[0].end, (await log.bounds())[1].end) == (6, 6)
    assert len(days(database_url)) == postgres.DAYS_AHEAD + 1
    for each in others:
        await each.close()


async def test_a_reader_waits_for_an_append_in_flight(log, database_url) -> None:
    """An append that holds its offsets and has not committed hides later ones: none is ever skipped."""
    await log.append([new(0, b"0")])
    async with await psycopg.AsyncConnection.connect(database_url) as slow:
        await slow.execute("SELECT FROM log_partition WHERE partition = 0 FOR UPDATE")
        appending = asyncio.create_task(log.append([new(0, b"1")]))
        done, _ = await asyncio.wait([appending], timeout=0.2)
        assert not done
        assert list(await log.read(0, 1, events=9, wait_seconds=0)) == []
        await slow.rollback()
    await appending
    assert [each.data for each in await log.read(0, 1, events=9, wait_seconds=0)] == [b"1"]


async def test_trim_drops_whole_days_and_their_tables(log, database_url) -> None:
    """A day that is over and consumed goes with its table; the days to come are made again."""
    await log.append([new(0), new(0), new(1)])
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    end_of_day = midnight + timedelta(days=1)
    today = f"log_record_{midnight:%Y%m%d}"
    assert await log.trim(end_of_day - timedelta(microseconds=1), [2, 1]) == 0
    assert await log.trim(end_of_day, [1, 1]) == 0
    assert today in days(database_url)
    assert await log.trim(end_of_day, [2, 1]) == 3
    assert today not in days(database_url)
    assert [(await log.bounds())[each].start for each in (0, 1)] == [2, 1]


async def test_trim_never_makes_appends_wait_for_a_reader(log, database_url) -> None:
    """While somebody reads the table a day is not dropped: trim gives up soon and tries again next time."""
    await log.append([new(0)])
    later = datetime.now(UTC) + timedelta(days=3)
    async with await psycopg.AsyncConnection.connect(database_url) as reader:
        await reader.execute("SELECT count(*) FROM log_record")
        trimming = asyncio.create_task(log.trim(later, [1, 0]))
        other = PostgresLog(database_url, 2, log.secret)
        async with asyncio.timeout(5):
            await other.append([new(1)])
        assert await trimming == 0
        await other.close()
    assert (await log.bounds())[0].start == 0
    assert await log.trim(later, [1, 1]) == 2


async def test_what_the_database_kills_is_connected_again(log, database_url) -> None:
    """An append during which the connection goes is unavailable; the next one is a new start."""
    await log.append([new(0, b"0")])
    await log.read(0, 0, events=1, wait_seconds=0)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'winkel-log'"
        )
    with pytest.raises(UnavailableError):
        await log.append([new(0, b"1")])
    with pytest.raises(UnavailableError):
        await log.read(0, 0, events=1, wait_seconds=0)
    await log.append([new(0, b"2")])
    assert [each.data for each in await log.read(0, 0, events=9, wait_seconds=0)] == [b"0", b"2"]


async def test_a_gateway_that_hangs_within_an_append_holds_up_nobody(log, database_url, tmp_path) -> None:
    """Wherever its bytes stop, the partitions stay free: its machine may be suspended, or gone without a goodbye."""
    line = Line()
    async with line.at(database_url, tmp_path) as address:
        for carried in itertools.count():
            hanging = PostgresLog(address, 2, log.secret)
            await hanging.append([new(0)])
            line.left = carried
            append = asyncio.create_task(hanging.append([new(0, bytes(200_000)), new(1)]))
            stopped = asyncio.create_task(line.stopped.wait())
            await asyncio.wait([append, stopped], return_when=asyncio.FIRST_COMPLETED)
            async with asyncio.timeout(5):
                await log.append([new(0), new(1)])
            through = append.done()
            for each in (append, stopped):
                each.cancel()
            await asyncio.gather(append, stopped, return_exceptions=True)
            line.go_on()
            await hanging.close()
            if through:
                break
    assert carried > 2
    assert [each.end for each in await log.bounds()] == [2 * (carried + 1) + 1, carried + 2]


async def test_appends_of_many_at_once_follow_one_another(log, database_url) -> None:
    """Whatever partitions they take, in whatever order: nobody waits in a circle, and offsets and clock go together."""
    await log.grow(6)
    logs = [PostgresLog(database_url, 6, log.secret) for _ in range(6)]

    async def append(each: PostgresLog, seed: int) -> int:
        rng, sent = random.Random(seed), 0
        for _ in range(40):
            some = [new(rng.randrange(6), bytes([seed])) for _ in range(rng.randint(1, 12))]
            await each.append(some)
            sent += len(some)
        return sent

    sent = sum(await asyncio.gather(*[append(each, seed) for seed, each in enumerate(logs)]))
    for each in logs:
        await each.close()
    with psycopg.connect(database_url) as connection:
        rows = connection.execute('SELECT partition, "offset", appended_at FROM log_record ORDER BY 1, 2').fetchall()
    assert len(rows) == sent
    for partition, of_it in itertools.groupby(rows, key=lambda row: row[0]):
        offsets, times = zip(*[row[1:] for row in of_it], strict=True)
        assert offsets == tuple(range(len(offsets))), partition
        assert list(times) == sorted(times), partition


async def test_a_database_that_is_not_there_is_unavailable() -> None:
    """Opening says so, in the words of the product."""
    with pytest.raises(UnavailableError, match="does not answer"):
        await PostgresLog.open("postgresql://127.0.0.1:1/nothing", 1)


async def test_a_database_that_does_not_answer_is_given_up(log, database_url, monkeypatch) -> None:
    """Patience has an end: the append is unavailable, its connection is dropped, and the next append works."""
    monkeypatch.setattr(postgres, "PATIENCE_SECONDS", 0.3)
    async with await psycopg.AsyncConnection.connect(database_url) as slow:
        await slow.execute("SELECT FROM log_partition WHERE partition = 0 FOR UPDATE")
        with pytest.raises(UnavailableError):
            await log.append([new(0)])
        await slow.rollback()
    await log.append([new(0)])
    assert (await log.bounds())[0].end == 1


async def test_a_reader_that_has_waited_long_still_looks_often(log, database_url) -> None:
    """Its pauses grow to 25 ms and no further, and the next look finds what was appended (bench/ measures how soon)."""
    reader = PostgresLog(database_url, 2, log.secret)
    for number in range(3):
        reading = asyncio.create_task(reader.read(0, number, events=1, wait_seconds=30))
        async with asyncio.timeout(20):
            while reader._pause < postgres.POLL_SECONDS[1]:
                await asyncio.sleep(0.01)
        assert reader._pause == postgres.POLL_SECONDS[1] <= 0.025
        await log.append([new(0)])
        assert [record.offset for record in await reading] == [number]
    await reader.close()


async def test_reading_on_looks_at_recent_days_only_and_still_misses_nothing(log, database_url) -> None:
    """The clock of the database may step back by more than a day: the reader then looks at all days."""
    await log.append([new(0, b"0")])
    await log.read(0, 0, events=1, wait_seconds=0)
    await log.append([new(0, b"1")])
    with psycopg.connect(database_url) as connection:
        connection.execute("SELECT make_log_day(current_date - 5)")
        connection.execute("UPDATE log_record SET appended_at = appended_at - interval '5 days' WHERE \"offset\" = 1")
    assert [each.data for each in await log.read(0, 1, events=9, wait_seconds=0)] == [b"1"]
