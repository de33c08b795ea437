"""Migrations keep what was there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from psycopg import sql as build

from conftest import at_database
from winkel.model.alias import Alias, AliasOwner
from winkel.store import aliases, database, edits, packages, rate_cards
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
