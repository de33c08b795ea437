"""A line to Kafka that spoils one message on its way, so that the broker refuses it and takes those behind it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial


class BrokerLine:
    """A port that leads to the broker's. Every client that comes by it is led back to it.

    Set `spoil` to bytes that a message has, and they are turned over the next time that they pass.
    """

    def __init__(self) -> None:
        self.spoil: bytes | None = None
        self._far = self._near = b""

    async def serve(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection, frame by frame."""
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        pumps = [
            asyncio.create_task(_carry(reader, far_writer, self._forth)),
            asyncio.create_task(_carry(far_reader, writer, self._back)),
        ]
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
    async def at(self, servers: str) -> AsyncIterator[str]:
        """Yield the address of this line to a broker of the same machine."""
        host, _, port = servers.partition(":")
        assert host == "127.0.0.1", "the broker is on this machine"
        server = await asyncio.start_server(partial(self.serve, int(port)), host, 0)
        near = server.sockets[0].getsockname()[1]
        # A broker says where it can be reached: the host, then the port in four bytes.
        self._far, self._near = (host.encode() + each.to_bytes(4, "big") for each in (int(port), near))
        async with server:
            yield f"{host}:{near}"

    def _forth(self, frame: bytes) -> bytes:
        if self.spoil is not None and self.spoil in frame:
            frame, self.spoil = frame.replace(self.spoil, bytes(each ^ 0xFF for each in self.spoil)), None
        return frame

    def _back(self, frame: bytes) -> bytes:
        return frame.replace(self._far, self._near)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, change: Callable[[bytes], bytes]) -> None:
    """Carry frames, each of them a length in four bytes and so many more, until one end closes."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            length = await reader.readexactly(4)
            writer.write(length + change(await reader.readexactly(int.from_bytes(length, "big"))))
            await writer.drain()
