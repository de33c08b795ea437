"""Measures every request, around the whole application: what a client waits for."""

from time import monotonic

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from winkel.figures.gateway import HTTP_SECONDS

INGEST = frozenset({"/v1/ingest", "/winkel/v1/events"})
"""The paths to which events are sent."""


def timed(app: ASGIApp) -> ASGIApp:
    """Return the application, measured from a request's head until its answer's head."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        began = monotonic()
        route = "ingest" if scope["path"] in INGEST and scope["method"] == "POST" else "other"

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                HTTP_SECONDS.labels(route, str(message["status"])).observe(monotonic() - began)
            await send(message)

        await app(scope, receive, sending)

    return call
