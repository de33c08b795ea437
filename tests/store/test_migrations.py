"""Migrations keep what was there."""

import pytest
from psycopg import sql as build

from conftest import at_database
from winkel.store import database, edits
from winkel.store.migrate import migrations

pytestmark = pytest.mark.anyio


async def test_changes_of_ends_become_edits(postgres: str, database_url: str) -> None:
    """0008: each change of a contract's end is an edit, in its order, with the contract as it was before."""
    owner = await database.connect(database_url)
    name = f"{owner.info.dbname}_edits"
    await owner.execute(build.SQL("CREATE DATABASE {}").format(build.Identifier(name)))
    try:
        old = await database.connect(at_database(postgres, name))
        texts = dict(migrations())
        for each in sorted(texts):
            if each >= "0008":
                break
            await old.execute(texts[each].encode())
        await old.execute(OLD)
        for each in sorted(texts):
            if each >= "0008":
                await old.execute(texts[each].encode())
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
