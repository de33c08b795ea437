"""A connection that says nothing any more is no connection: a machine that is gone sends no goodbye."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from meter.blocks import NOON, SECRET, event, send
from winkel.fleet import worker as meters
from winkel.ingest import worker
from winkel.ingest.routes import Routes
from winkel.ingest.worker import LEASE_SECONDS
from winkel.log.memory import MemoryLog
from winkel.model.errors import UnavailableError
from winkel.model.routing import first
from winkel.store import database, events, routing, tenants

pytestmark = pytest.mark.anyio


class Silent:
    """A socket that leads to the database's. `hush` makes all connections there are go silent, but no later one."""

    def __init__(self) -> None:
        self.made = 0
        self.hushed = 0

    def hush(self) -> None:
        self.hushed = self.made

    @asynccontextmanager
    async def at(self, url: str, folder: Path) -> AsyncIterator[str]:
        parts = psycopg.conninfo.conninfo_to_dict(url)
        name = f".s.PGSQL.{parts.get('port', 5432)}"
        tasks: set[asyncio.Task[None]] = set()
        ends: list[asyncio.StreamWriter] = []

        async def carry(number: int, one: asyncio.StreamReader, other: asyncio.StreamWriter) -> None:
            while data := await one.read(65536):
                if number > self.hushed:
                    other.write(data)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.made += 1
            far_reader, far_writer = await asyncio.open_unix_connection(f"{parts['host']}/{name}")
            ends.extend((writer, far_writer))
            for one, other in ((reader, far_writer), (far_reader, writer)):
                tasks.add(asyncio.create_task(carry(self.made, one, other)))

        server = await asyncio.start_unix_server(serve, folder / name)
        try:
            yield psycopg.conninfo.make_conninfo(**{**parts, "host": str(folder)})
        finally:
            server.close()
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for end in ends:
                end.close()
                with suppress(OSError):
                    await end.wait_closed()


async def test_a_lease_is_taken_anew_when_its_connection_says_nothing(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database answers everybody who connects: the gateway must not refuse events for hours."""
    monkeypatch.setattr(worker, "PATIENCE_SECONDS", 2)
    connection = await database.connect(database_url)
    await routing.begin(connection, "events", first(2))
    line, log, routes, stop = Silent(), MemoryLog(2), Routes(), asyncio.Event()
    async with line.at(database_url, tmp_path) as url:
        task = asyncio.create_task(worker.keep(url, log, routes, gateway="one", stop=stop))
        try:
            async with asyncio.timeout(10):
                while routes.routing is None:
                    await asyncio.sleep(0.01)
            line.hush()
            async with asyncio.timeout(3 * LEASE_SECONDS):
                while await _may_append(routes):
                    await asyncio.sleep(0.1)
            async with asyncio.timeout(60):
                while not await _may_append(routes):
                    await asyncio.sleep(0.5)
        finally:
            task.cancel()
            await asyncio.wait([task])
    await connection.close()


async def _may_append(routes: Routes) -> bool:
    with suppress(UnavailableError):
        async with routes.using():
            return True
    return False


async def test_a_meter_goes_on_when_its_connection_says_nothing(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It connects again, as it does when the connection breaks."""
    monkeypatch.setattr(meters, "SILENT_SECONDS", 5)
    connection = await database.connect(database_url)
    tenant = await tenants.create_tenant(connection, "tenant", NOON)
    await routing.begin(connection, "events", first(1))
    line, log, stop = Silent(), MemoryLog(1, secret=SECRET), asyncio.Event()

    async def counted() -> int:
        return (await events.summary(connection, tenant.id)).counted

    async with line.at(database_url, tmp_path) as url:
        task = asyncio.create_task(meters.run(url, log, owner="one", stop=stop))
        try:
            await send(log, tenant.id, [event(1)])
            async with asyncio.timeout(20):
                while await counted() < 1:
                    await asyncio.sleep(0.1)
            line.hush()
            await send(log, tenant.id, [event(2)])
            async with asyncio.timeout(90):
                while await counted() < 2:
                    await asyncio.sleep(0.5)
        finally:
            task.cancel()
            await asyncio.wait([task])
    await connection.close()
