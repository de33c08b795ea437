"""A line to Kafka that spoils one message on its way, so that the broker refuses it and takes those behind it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.buffered import BufferedByteReceiveStream

HOST = "127.0.0.1"
BROKEN = (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError, anyio.ClosedResourceError)


class BrokerLine:
    """A port that leads to the broker's. Every client that comes by it is led back to it.

    Set `spoil` to bytes that a message has, and they are turned over the next time that they pass.
    """

    def __init__(self) -> None:
        self.spoil: bytes | None = None
        self._far = self._near = b""

    @asynccontextmanager
    async def at(self, servers: str) -> AsyncIterator[str]:
        """Yield the address of this line to a broker of the same machine; at the end all connections are cut."""
        port = int(servers.removeprefix(f"{HOST}:"))
        async with await anyio.create_tcp_listener(local_host=HOST) as listener, anyio.create_task_group() as serving:
            near = listener.extra(SocketAttribute.local_port)
            # A broker says where it can be reached: the host, then the port in four bytes.
            self._far, self._near = (HOST.encode() + each.to_bytes(4, "big") for each in (port, near))
            serving.start_soon(listener.serve, partial(self._serve, port))
            yield f"{HOST}:{near}"
            serving.cancel_scope.cancel()

    async def _serve(self, port: int, client: ByteStream) -> None:
        async with client, await anyio.connect_tcp(HOST, port) as broker, anyio.create_task_group() as both:
            both.start_soon(_carry, client, broker, self._forth, both.cancel_scope)
            both.start_soon(_carry, broker, client, self._back, both.cancel_scope)

    def _forth(self, frame: bytes) -> bytes:
        if self.spoil is not None and self.spoil in frame:
            frame, self.spoil = frame.replace(self.spoil, bytes(each ^ 0xFF for each in self.spoil)), None
        return frame

    def _back(self, frame: bytes) -> bytes:
        return frame.replace(self._far, self._near)


async def _carry(
    one: ByteStream, other: ByteStream, change: Callable[[bytes], bytes], connection: anyio.CancelScope
) -> None:
    """Carry frames, each of them a length in four bytes and so many more, until one end closes."""
    frames = BufferedByteReceiveStream(one)
    try:
        while True:
            length = await frames.receive_exactly(4)
            await other.send(length + change(await frames.receive_exactly(int.from_bytes(length, "big"))))
    except BROKEN:
        connection.cancel()
