"""Migrations keep what was there, and keep those away who do not know them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from psycopg import sql as build

from conftest import at_database
from winkel.model.alias import Alias, AliasOwner
from winkel.model.errors import SchemaError, UnavailableError
from winkel.store import aliases, database, edits, migrate, packages, progress, rate_cards
from winkel.store.database import Connection
from winkel.store.migrate import migrations

pytestmark = pytest.mark.anyio


async def test_changes_of_ends_become_edits(postgres: str, database_url: str) -> None:
    """0008: each change of a contract's end is an edit, in its order, with the contract as it was before."""
    async with migrated(postgres, database_url, "0008_edits", OLD) as old:
        rows = await old.execute("SELECT tenant_id, id::text FROM contract ORDER BY id")
        (tenant, changed), (_, unchanged) = [(row["tenant_id"], row["id"]) for row in await rows.fetchall()]
        found = await edits.of_contract(old, tenant, changed)
        assert [(each.record["update_contract_end_date"], str(each.at)[:10], each.made_by) for each in found] == [
            ("2026-06-01T00:00:00Z", "2026-01-02", "Ada"),
            (None, "2026-01-03", "Bo"),
        ]
        assert [each.record["id"] for each in found] == [each.id for each in found]
        assert [str(each.before.ending_before)[:10] for each in found] == ["None", "2026-06-01"]
        assert {each.before.name for each in found} == {"Old"}
        assert await edits.of_contract(old, tenant, unchanged) == []


async def test_aliases_of_both_kinds_stay(postgres: str, database_url: str) -> None:
    """0020: each alias names what it named, when it did, in the order in which it was given; ids of kinds never mix."""
    async with migrated(postgres, database_url, "0020_aliases", OLD_ALIASES) as old:
        march = datetime(2026, 3, 1, tzinfo=UTC)
        card = await rate_cards.get(old, 1, "00000000-0000-4000-8000-000000000001")
        other = await rate_cards.get(old, 1, "00000000-0000-4000-8000-000000000002")
        package = await packages.get(old, 1, "00000000-0000-4000-8000-000000000003")
        assert [list(each.aliases) for each in (card, other, package)] == [
            [Alias("standard", None, march), Alias("basic")], [Alias("standard", march)], [Alias("standard")],
        ]  # fmt: skip
        for day, its_id in ((datetime(2026, 2, 28, tzinfo=UTC), card.id), (march, other.id)):
            assert await aliases.resolve(old, 1, AliasOwner.RATE_CARD, "standard", day) == its_id
            assert await aliases.resolve(old, 1, AliasOwner.PACKAGE, "standard", day) == package.id
        assert await aliases.resolve(old, 1, AliasOwner.PACKAGE, "basic", march) is None
        assert await aliases.resolve(old, 2, AliasOwner.RATE_CARD, "standard", march) is None


def tomorrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `migrate` be that of a version with one more migration; all else stays of this version."""
    migrate._names()
    newer = [*migrate.migrations(), ("9999_tomorrow", "ALTER TABLE usage_delta ADD COLUMN tomorrow text")]
    monkeypatch.setattr(migrate, "migrations", lambda: newer)


async def test_a_migration_waits_for_who_goes_by_the_schema_and_others_wait_for_it(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bill that is under way becomes final before; one that begins afterwards sees that it must not."""
    old, late, new, eye = [await database.connect(database_url) for _ in range(4)]
    tomorrow(monkeypatch)

    async def waiting(count: int) -> None:
        query = "SELECT count(*) AS waiting FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
        async with asyncio.timeout(30):
            while (await (await eye.execute(query)).fetchone())["waiting"] != count:
                await asyncio.sleep(0.01)

    async def bill() -> None:
        async with late.transaction():
            await migrate.hold(late)

    async with old.transaction():
        await migrate.hold(old)
        migrating = asyncio.create_task(migrate.migrate(new))
        await waiting(1)
        billing = asyncio.create_task(bill())
        await waiting(2)
        await eye.execute("SELECT 1")  # who does not go by it does not wait
    assert await migrating == ["9999_tomorrow"]
    with pytest.raises(SchemaError, match=r"it knows 9999_tomorrow\): start that version"):
        await billing
    assert await migrate.migrate(new) == []
    for each in (old, late, new, eye):
        await each.close()


async def test_nothing_is_done_while_a_migration_takes_long(database_url: str) -> None:
    """It is no fault of a customer's: whoever bills tries again later."""
    one, other = [await database.connect(database_url) for _ in range(2)]
    await other.execute("SET lock_timeout = '50ms'")
    async with one.transaction():
        await one.execute("SELECT pg_advisory_xact_lock(%s)", (migrate._IN_USE,))
        with pytest.raises(UnavailableError, match="is being changed"):
            async with other.transaction():
                await migrate.hold(other)
    for each in (one, other):
        await each.close()


async def test_a_migration_takes_partitions_away_once_their_batches_are_done(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an old meter had decided before is not written after it; nobody is thought to have died."""
    old, new, eye = [await database.connect(database_url) for _ in range(3)]
    tomorrow(monkeypatch)
    taken = await progress.take(old, "events", 0, "old", start=0)
    async with old.transaction():
        assert await progress.hold(old, "events", 0, taken.epoch)
        migrating = asyncio.create_task(migrate.migrate(new))
        query = "SELECT count(*) AS waiting FROM pg_locks WHERE NOT granted AND relation = 'log_progress'::regclass"
        async with asyncio.timeout(30):
            while not (await (await eye.execute(query)).fetchone())["waiting"]:
                await asyncio.sleep(0.01)
    await migrating
    assert not await progress.hold(old, "events", 0, taken.epoch)
    assert await progress.orphaned(new, "events", 0) is False
    assert (await progress.claim(new, "events", 0, "new", start=0)) is not None
    for each in (old, new, eye):
        await each.close()


async def test_a_database_that_was_never_prepared_lacks_everything(postgres: str) -> None:
    """It is said which command makes it."""
    connection = await database.connect(at_database(postgres, "template1"))
    assert await migrate.missing(connection) == [name for name, _ in migrations()]
    with pytest.raises(SchemaError, match=r"lacks 0001_foundation and \d+ more: run `winkel migrate`"):
        await migrate.check(connection)
    await connection.close()


@asynccontextmanager
async def migrated(postgres: str, database_url: str, first: str, rows: str) -> AsyncIterator[Connection]:
    """Give a database that had these rows before this migration; it and all that follow were applied to them."""
    owner = await database.connect(database_url)
    name = f"{owner.info.dbname}_old"
    await owner.execute(build.SQL("CREATE DATABASE {}").format(build.Identifier(name)))
    try:
        old = await database.connect(at_database(postgres, name))
        texts = dict(migrations())
        for each in sorted(texts):
            if each == first:
                await old.execute(rows.encode())
            await old.execute(texts[each].encode())
        yield old
        await old.close()
    finally:
        await owner.execute(build.SQL("DROP DATABASE {} WITH (FORCE)").format(build.Identifier(name)))
        await owner.close()


OLD = """
INSERT INTO tenant (id, name, created_at) OVERRIDING SYSTEM VALUE VALUES (1, 'Acme', now());
INSERT INTO customer (tenant_id, id, name, created_at, updated_at)
VALUES (1, '00000000-0000-4000-8000-000000000001', 'Ada', now(), now());
INSERT INTO contract (tenant_id, id, customer_id, name, starting_at, usage_statement_schedule, created_at, created_by,
                      end_changes)
SELECT 1, id::uuid, '00000000-0000-4000-8000-000000000001', 'Old', '2026-01-01Z',
       '{"frequency": "MONTHLY", "billing_anchor_date": "2026-01-01T00:00:00Z"}', '2026-01-01Z', 'Ada', changes::jsonb
FROM (VALUES ('00000000-0000-4000-8000-000000000002', '[
    {"changed_at": "2026-01-02T00:00:00Z", "changed_by": "Ada", "old": null, "new": "2026-06-01T00:00:00Z"},
    {"changed_at": "2026-01-03T00:00:00Z", "changed_by": "Bo", "old": "2026-06-01T00:00:00Z", "new": null}]'),
    ('00000000-0000-4000-8000-000000000003', '[]')) AS made (id, changes);
"""
"""Two contracts as they were kept before: the end of the first was set, and taken away."""

OLD_ALIASES = """
INSERT INTO tenant (id, name, created_at) OVERRIDING SYSTEM VALUE VALUES (1, 'Acme', now()), (2, 'Bo', now());
INSERT INTO rate_card (tenant_id, id, name, fiat_credit_type_id, created_at, created_by)
SELECT 1, id::uuid, 'Card', '00000000-0000-4000-8000-000000000009', now(), 'Ada'
FROM (VALUES ('00000000-0000-4000-8000-000000000001'), ('00000000-0000-4000-8000-000000000002')) AS made (id);
INSERT INTO package (tenant_id, id, name, terms, created_at, created_by)
VALUES (1, '00000000-0000-4000-8000-000000000003', 'Package', '{}', now(), 'Ada');
INSERT INTO rate_card_alias (tenant_id, name, rate_card_id, ending_before)
VALUES (1, 'standard', '00000000-0000-4000-8000-000000000001', '2026-03-01Z');
INSERT INTO rate_card_alias (tenant_id, name, rate_card_id, starting_at)
VALUES (1, 'standard', '00000000-0000-4000-8000-000000000002', '2026-03-01Z'),
       (1, 'basic', '00000000-0000-4000-8000-000000000001', NULL);
INSERT INTO package_alias (tenant_id, name, package_id) VALUES (1, 'standard', '00000000-0000-4000-8000-000000000003');
"""
"""Two cards that had a name one after the other, one of which has another, and a package of the same name."""
