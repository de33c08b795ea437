"""Brings a database to the newest schema."""

from importlib import resources

from winkel.store.database import Connection

_LOCK = 0x77696E6B656C  # "winkel": one migration at a time in one database


def migrations() -> list[tuple[str, str]]:
    """Return the name and text of every migration, oldest first."""
    folder = resources.files("winkel.store").joinpath("migrations")
    files = sorted((each for each in folder.iterdir() if each.name.endswith(".sql")), key=lambda each: each.name)
    return [(each.name.removesuffix(".sql"), each.read_text(encoding="utf-8")) for each in files]


async def migrate(connection: Connection) -> list[str]:
    """Apply, in one transaction, the migrations that are missing; return their names."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migration (name text PRIMARY KEY, applied_at timestamptz DEFAULT now())"
        )
        rows = await (await connection.execute("SELECT name FROM migration")).fetchall()
        done = {row["name"] for row in rows}
        missing = [(name, text) for name, text in migrations() if name not in done]
        for name, text in missing:
            await connection.execute(text.encode())
            await connection.execute("INSERT INTO migration (name) VALUES (%s)", (name,))
    return [name for name, _ in missing]
