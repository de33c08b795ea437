"""Answers /metrics, /healthz and /readyz on a port of its own: an operator's figures are not the tenants' business.

A thread answers, not the event loop: so a loop that hangs can be told from one that is busy, and a scrape never waits
for a batch.
"""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from winkel.figures.registry import LOOP, REGISTRY, Sign

BEAT_SECONDS = 1.0
"""How often the event loop says that it turns."""
ASK_SECONDS = 10.0
"""How long a client may take to send its request."""
_TEXT = "text/plain; charset=utf-8"


class Watched(Protocol):
    """What figures and signs of life are asked from: this process, or several."""

    def metrics(self) -> bytes:
        """Return the figures in Prometheus' text format."""
        ...

    def unhealthy(self) -> list[str]:
        """Return, in sentences, why it should be started again; empty: it lives."""
        ...

    def unready(self) -> list[str]:
        """Return, in sentences, why it does not do its work; empty: it does."""
        ...


class Process:
    """This process, with the signs that a process of its role gives."""

    def __init__(self, signs: Sequence[Sign]) -> None:
        self._signs = signs

    def metrics(self) -> bytes:
        """Return the figures in Prometheus' text format."""
        return generate_latest(REGISTRY)

    def unhealthy(self) -> list[str]:
        """Return why the process should be started again."""
        return list(filter(None, [LOOP.missing]))

    def unready(self) -> list[str]:
        """Return why the process does not do its work."""
        return list(filter(None, [each.missing for each in (LOOP, *self._signs)]))


@asynccontextmanager
async def watched(listener: socket.socket | None, subject: Watched) -> AsyncIterator[None]:
    """Answer on a listening socket, which is closed at the end, as long as the context lasts; None: do not."""
    if listener is None:
        yield
        return
    server = _Server(listener, subject)
    thread = threading.Thread(target=server.serve_forever, name="watch", daemon=True)
    thread.start()
    beating = asyncio.create_task(_beat())
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.to_thread(server.shutdown)
        server.server_close()


async def _beat() -> None:
    while True:
        LOOP.give()
        await asyncio.sleep(BEAT_SECONDS)


class _Server(ThreadingHTTPServer):
    """A server on a socket that listens already."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, listener: socket.socket, subject: Watched) -> None:
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.subject = subject

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away."""


class _Handler(BaseHTTPRequestHandler):
    """One connection: one request, one answer."""

    timeout = ASK_SECONDS
    server: _Server

    def do_GET(self) -> None:
        """Answer one of the three paths."""
        subject = self.server.subject
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(200, CONTENT_TYPE_LATEST, subject.metrics())
        elif path == "/healthz":
            self._tell(subject.unhealthy(), "ok")
        elif path == "/readyz":
            self._tell(subject.unready(), "ready")
        else:
            self._answer(404, _TEXT, b"there are /metrics, /healthz and /readyz\n")

    def _tell(self, troubles: list[str], well: str) -> None:
        self._answer(503 if troubles else 200, _TEXT, ("\n".join(troubles or [well]) + "\n").encode())

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        """Name no version of anything."""
        return "winkel"

    def log_message(self, *_: Any) -> None:
        """Log nothing: probes come every few seconds."""
