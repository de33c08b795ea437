"""Usage in two databases: who is which, and that readers see the same as with one."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from winkel.meter.quantities import quantities
from winkel.meter.windows import WindowSize, by_group, windows
from winkel.model.errors import ConflictError, UnavailableError
from winkel.model.metric import Aggregation
from winkel.model.progress import Conflict, EventCount
from winkel.model.usage import DeadLetter, Delta, Series, slot_of
from winkel.store import database, metering, progress, shards, tenants, usage
from winkel.store.database import Connection, Database
from winkel.store.dead_letters import ALL
from winkel.store.shards import Held

pytestmark = pytest.mark.anyio

IDS = {kind: f"00000000-0000-4000-8000-{number:012}" for number, kind in enumerate(Aggregation)}
NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
HOURS = range(100, 172)
NAMES = ("model", "region")


@pytest.fixture
async def two(database_url: str, further_url: str) -> AsyncIterator[list[Connection]]:
    """Return connections to two fresh databases; only the first has a tenant."""
    async with shards.connections([database_url, further_url]) as connections:
        await tenants.create_tenant(connections[0], "tenant", NOON)
        await connections[1].execute("UPDATE setting SET value = 'of its own' WHERE name = 'identity_key'")
        yield connections


# ── Which is which ──────────────────────────────────────────────────────────────────────────────────────────────────


async def metered(connection: Connection, partition: int) -> None:
    """Let a partition be metered in a database."""
    await progress.take(connection, "events", partition, "one", start=0)


async def test_one_database_needs_no_agreement_and_may_grow_until_something_is_counted(two: list[Connection]) -> None:
    """An installation that has counted nothing may still be spread; afterwards the number is what it is."""
    assert await shards.count(two[0]) == 1
    await shards.agree(two[:1])
    await shards.agree(two)
    assert await shards.count(two[0]) == 2
    await metered(two[0], 0)
    await metered(two[1], 1)
    await shards.agree(two)
    with pytest.raises(ConflictError, match=r"keeps usage in 2 database\(s\), but is started with 1"):
        await shards.agree(two[:1])


async def test_who_has_counted_alone_stays_alone(two: list[Connection]) -> None:
    """Spreading what is there already is another operation: a partition would be counted from its start again."""
    await metered(two[0], 0)
    with pytest.raises(ConflictError, match=r"keeps usage in 1 database\(s\), but is started with 2"):
        await shards.agree(two)
    await shards.agree(two[:1])


async def test_the_database_of_another_installation_is_refused(two: list[Connection]) -> None:
    """Whether it has counted, or was only agreed upon."""
    await shards.agree(two[1:])
    with pytest.raises(ConflictError, match="database 1 of WINKEL_SHARDS has usage of another installation"):
        await shards.agree(two)


async def test_another_order_is_refused(two: list[Connection], postgres: str, template: str) -> None:
    """The home database first, the others in the order of the first start, and none twice."""
    await shards.agree(two)
    await metered(two[0], 0)
    await metered(two[1], 1)
    with pytest.raises(ConflictError):
        await shards.agree([two[1], two[0]])
    with pytest.raises(ConflictError, match="database 1 of WINKEL_SHARDS is database 0 of this installation"):
        await shards.agree([two[0], two[0]])
    await shards.agree(two)


# ── Reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def some_deltas(rng: Random, kind: Aggregation) -> list[tuple[Series, Delta]]:
    """Return what batches add: few hours, customers and groups, so that much of it meets."""
    found = []
    for _ in range(rng.randint(1, 40)):
        series = Series(
            IDS[kind], rng.choice(("acme", "alias")), 0, (rng.choice(("a", "b", None)), rng.choice("xy")), kind
        )
        number = Decimal(rng.randint(-(10**20), 10**20)).scaleb(-rng.randint(0, 9))
        at, text = rng.randint(1, 3), rng.choice(("t", "ü", "z"))
        shape: dict[Aggregation, tuple[Any, ...]] = {
            Aggregation.COUNT: (Decimal(rng.randint(1, 9)),),
            Aggregation.LATEST: (number, at, text),
            Aggregation.UNIQUE: (None, None, text),
        }
        found.append((series, delta(series, rng.choice(HOURS), *shape.get(kind, (number,)))))
    return found


def delta(series: Series, *entry: Any) -> Delta:
    """Return a delta of one (hour, quantity, at, text)."""
    return Delta(
        slot_of(series.customer_key), [series.id(1)], [1], *(None if each is None else [each] for each in entry)
    )


async def keep(connection: Connection, some: Sequence[tuple[Series, Delta]]) -> None:
    """Write them as the meter does."""
    async with connection.transaction():
        made = sorted({(1, series.id(1)): series for series, _ in some}.items())
        await metering.insert_series(connection, [(*key, series) for key, series in made])
        await metering.copy_deltas(connection, {1: [delta for _, delta in some]})


async def everything(databases: Sequence[Connection], kind: Aggregation) -> list[Any]:
    """Return all that anybody makes of usage: quantities to be billed, and windows to be shown."""
    async with shards.reading(databases[0], [Held(each) for each in databases[1:]], 1) as reader:
        rows = await reader.hours(["acme", "alias"], [IDS[kind]], {}, HOURS.start, HOURS.stop)
    groups = by_group(rows[IDS[kind]], [0])
    return [
        *(quantities(kind, rows[IDS[kind]], NAMES, keep) for keep in ((), NAMES, NAMES[:1])),
        *(windows(kind, rows[IDS[kind]], size, HOURS.start, HOURS.stop) for size in WindowSize),
        {group: windows(kind, some, WindowSize.DAY, HOURS.start, HOURS.stop) for group, some in groups.items()},
    ]


@pytest.mark.parametrize("kind", list(Aggregation))
async def test_what_is_made_of_usage_does_not_depend_on_where_it_is(two: list[Connection], kind: Aggregation) -> None:
    """However deltas are divided among databases, merged or open: the same as if all were in one."""
    for seed in range(12):
        rng = Random(f"{kind} {seed}")
        deltas = some_deltas(rng, kind)
        seen = []
        for spread in (False, True):
            for each in two:
                await each.execute("TRUNCATE usage_series, usage_delta, usage_hour, usage_distinct")
            for delta in deltas:
                place = rng.choice(two) if spread else two[0]
                await keep(place, [delta])
                if rng.random() < 0.3:
                    await usage.compact(place, rng.choice((1, 100)))
            seen.append(await everything(two, kind))
        assert seen[0] == seen[1]


async def test_the_api_reads_all_databases_as_its_own_role(
    two: list[Connection], database_url: str, further_url: str
) -> None:
    """And one tenant only, in each of them."""
    for number, each in enumerate(two):
        series = Series(IDS[Aggregation.SUM], "acme", 0, (), Aggregation.SUM)
        await keep(each, [(series, delta(series, 100, Decimal(10**number)))])
    home, further = Database(database_url, size=1), Database(further_url, size=1)
    await home.open()
    await further.open(wait=False)
    for tenant_id, expected in ((1, [Decimal(1), Decimal(10)]), (2, [])):
        async with (
            home.transaction(tenant_id, snapshot=True) as tx,
            shards.reading(tx, [further], tenant_id) as reader,
        ):
            found = await reader.hours(["acme"], [IDS[Aggregation.SUM]], {}, 0, 200)
        assert [row.value for row in found[IDS[Aggregation.SUM]]] == expected
    await home.close()
    await further.close()


async def test_one_event_is_seen_whole_while_others_are_written(two: list[Connection], further_url: str) -> None:
    """A reader asks for one metric after the other; what a batch adds to both, it sees of both or of none."""
    kinds = (Aggregation.SUM, Aggregation.COUNT)
    series = [Series(IDS[kind], "acme", 0, (), kind) for kind in kinds]
    stop = asyncio.Event()

    async def write() -> None:
        writer = await database.connect(further_url)
        while not stop.is_set():
            await keep(writer, [(each, delta(each, 100, Decimal(1))) for each in series])
        await writer.close()

    writing = asyncio.create_task(write())
    try:
        for _ in range(30):
            async with shards.reading(two[0], [Held(two[1])], 1) as reader:
                first, second = [
                    sum(row.value or 0 for row in (await reader.hours(["acme"], [IDS[kind]], {}, 0, 200))[IDS[kind]])
                    for kind in kinds
                ]
            assert first == second
    finally:
        stop.set()
        await writing
    assert first


async def test_usage_is_never_shown_without_a_part_of_it(two: list[Connection], further_url: str) -> None:
    """When a database does not answer, there is an error and no number."""
    further = Database(further_url, size=1)
    await further.open()
    await two[1].execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'winkel'"
                         " AND datname = current_database() AND pid <> pg_backend_pid()")  # fmt: skip
    with pytest.raises(UnavailableError):
        async with shards.reading(two[0], [further], 1) as reader:
            await reader.summary()
    await further.close()


# ── Lists ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_lists_and_counts_are_of_all_databases(two: list[Connection]) -> None:
    """Newest first whatever the database, each once, whatever the size of a page; an id names one letter."""
    await shards.agree(two)
    rng = Random(1)
    for number in range(20):
        at = NOON + timedelta(minutes=rng.randrange(5))
        place = two[number % 2]
        letter = DeadLetter(1, number % 2, number, -1, "undecodable", "", at=at)
        conflict = Conflict(1, bytes([number] * 16), "t", "c", "call", NOON, "{}", at)
        async with place.transaction():
            await metering.copy_dead_letters(place, "events", [letter])
            await metering.keep_conflicts(place, "events", [conflict])
            await metering.count_events(place, "events", [EventCount(1, number % 2, 10, 5, 2, 1, 1)])
    async with shards.reading(two[0], [Held(two[1])], 1) as reader:
        summary = await reader.summary()
        assert (summary.counted, summary.duplicates, summary.conflicts, summary.dead_letters) == (100, 40, 20, 20)
        letters = await reader.dead_letters(ALL, before=None, limit=100)
        conflicts = await reader.conflicting_duplicates(before=None, limit=100)
        assert [each.at for each in letters] == sorted((each.at for each in letters), reverse=True)
        assert sorted(each.offset for each in letters) == list(range(20))
        assert len({each.id for each in letters}) == len({each.id for each in conflicts}) == 20
        for limit in (1, 3, 19, 20):
            paged, more = [], []
            while found := await reader.dead_letters(ALL, before=_after(paged, "at"), limit=limit):
                paged += found
            while listed := await reader.conflicting_duplicates(before=_after(more, "last_at"), limit=limit):
                more += listed
            assert (paged, more) == (letters, conflicts)


def _after(found: list[Any], at: str) -> tuple[datetime, str] | None:
    return (getattr(found[-1], at), found[-1].id) if found else None
