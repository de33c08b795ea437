"""The embedded database, its migrations, and the wall between tenants."""

import pytest

from winkel.store import database, migrate, tenants
from winkel.store.database import Database

pytestmark = pytest.mark.anyio


async def test_migrating_twice_changes_nothing(database_url: str) -> None:
    """A database that is up to date stays as it is."""
    connection = await database.connect(database_url)
    assert await migrate.migrate(connection) == []
    await connection.close()


async def test_the_api_sees_one_tenant_only(database_url, clock) -> None:
    """Without a tenant there are no rows; with one there are only its own."""
    owner = await database.connect(database_url)
    first = await tenants.create_tenant(owner, "first", clock())
    second = await tenants.create_tenant(owner, "second", clock())
    api = Database(database_url)
    await api.open()
    async with api.connection() as connection:
        assert await (await connection.execute("SELECT id FROM tenant")).fetchall() == []
    async with api.transaction(second.id) as tx:
        rows = await (await tx.execute("SELECT id FROM tenant")).fetchall()
    assert [row["id"] for row in rows] == [second.id] != [first.id]
    await api.close()
    await owner.close()
