"""A line to PostgreSQL that can be cut at the worst moment: while a COMMIT is under way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import psycopg


class Line:
    """A Unix socket that leads to the database's, and is cut once, when asked.

    Set `cut`, and the next connection that sends a COMMIT breaks: before the COMMIT arrives ("request"), or before its
    answer does ("answer"). Then `cut` is None again, and `cuts` is one more.
    Set `left`, and after so many more pieces of at most 64 KiB from the client nothing is carried any more, though no
    end hears of that: `stopped` is set once a piece waits. `go_on` ends that connection, and carries those that come.
    """

    def __init__(self) -> None:
        self.cut: str | None = None
        self.cuts = 0
        self.left: int | None = None
        self.stopped = asyncio.Event()
        self._over = asyncio.Event()

    def go_on(self) -> None:
        """End the connection that was stopped; carry everything again."""
        self.left = None
        self._over.set()
        self._over = asyncio.Event()
        self.stopped.clear()

    async def serve(self, address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        far_reader, far_writer = await asyncio.open_unix_connection(address)
        silent = [False]

        async def forth() -> None:
            while data := await reader.read(65536):
                if self.left is not None:
                    if not self.left:
                        self.stopped.set()
                        await self._over.wait()
                        return
                    self.left -= 1
                if self.cut and b"COMMIT\0" in data:
                    before, self.cut = self.cut == "request", None
                    self.cuts += 1
                    if before:
                        return
                    silent[0] = True
                far_writer.write(data)
                await far_writer.drain()

        async def back() -> None:
            while data := await far_reader.read(65536):
                if silent[0]:
                    return  # the server has answered: it has committed, and nobody will know
                writer.write(data)
                await writer.drain()

        pumps = [asyncio.create_task(forth()), asyncio.create_task(back())]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in pumps:
                each.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for end in (writer, far_writer):
                end.close()
                with suppress(OSError):
                    await end.wait_closed()

    @asynccontextmanager
    async def at(self, url: str, folder: Path) -> AsyncIterator[str]:
        """Yield the address of this line."""
        parts = psycopg.conninfo.conninfo_to_dict(url)
        name = f".s.PGSQL.{parts.get('port', 5432)}"
        server = await asyncio.start_unix_server(partial(self.serve, f"{parts['host']}/{name}"), folder / name)
        async with server:
            yield psycopg.conninfo.make_conninfo(**{**parts, "host": str(folder)})
