"""The Idempotency-Key header: a POST that is sent again does nothing again and is answered as before.

Everything that the request writes and the answer to it are one database transaction (metronome-api.md §2): there is no
moment at which a crash could have done the one and forgotten the other. A second request with the key waits for the
first.
"""

import hashlib
from contextlib import suppress
from typing import Any

import psycopg
from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, HTTPRequestEvent, HTTPScope, Message, Receive, Scope, Send
from msgspec import structs

from winkel.api import auth
from winkel.api.state import Api
from winkel.model.errors import InvalidError, TooLargeError
from winkel.store import idempotency
from winkel.store.idempotency import Answer, Joined

KEY_MAX = 255
NOT_KEPT = frozenset({401, 403, 429})
"""Answers that a token, not the request, is the reason of: they may be others when it is sent again. So may 5xx."""


def middleware(app: ASGIApp) -> ASGIApp:
    """Answer a repeated POST from what is kept; ingest routes are exempt, they have transaction ids."""

    async def replay_or_run(scope: Scope, receive: Receive, send: Send) -> None:
        key = _key_of(scope)
        if key is None:
            await app(scope, receive, send)
            return
        body = await _read(receive, _body_limit(scope))
        if body is None:
            return
        for message in await _answer(app, scope, key, body, receive):
            await send(message)

    return replay_or_run


async def _answer(app: ASGIApp, scope: Any, key: str, body: bytes, receive: Receive) -> list[Message]:
    """Return the messages of the answer, kept or new; new ones only after they are durable."""
    api: Api = scope["litestar_app"].state.api
    tenant_id, request = auth.caller_of(scope).tenant_id, _hash(scope, body)
    messages: list[Message] = []
    # Guards run behind this: what is kept is for nobody who might not have asked for it.
    await scope["route_handler"].authorize_connection(connection=ASGIConnection(scope))
    # Where the connection is lost there is nothing left to roll back, and psycopg lets the exception through.
    async with api.database.twofold:
        with suppress(psycopg.Rollback):
            async with api.database.transaction(tenant_id) as tx:
                known = await idempotency.claim(tx, tenant_id, key, request, api.clock())
                if known is not None:
                    return _replay(known)
                scope["state"]["api"] = structs.replace(api, database=Joined(api.database, tx, tenant_id))
                messages = await _run(app, scope, body, receive)
                answer = _answer_in(messages)
                if answer.status >= 500 or answer.status in NOT_KEPT:
                    raise psycopg.Rollback  # it ends the transaction, and goes no further
                await idempotency.keep(tx, tenant_id, key, answer)
    return messages


def api_of(scope: Scope) -> Api:
    """Return the outside world of this request: its transactions may be parts of a larger one."""
    found: Api = scope["state"].get("api", scope["litestar_app"].state.api)
    return found


def _key_of(scope: Scope) -> str | None:
    """Return the key of the request, or None when it has none or needs none. Raises `InvalidError`."""
    if scope["type"] != ScopeType.HTTP or scope["method"] != "POST":
        return None
    given = next((value for name, value in scope["headers"] if name == b"idempotency-key"), None)
    handler = scope["route_handler"]
    if given is None or handler.opt.get("public") or auth.ingester in (handler.guards or ()):
        return None
    if not 1 <= len(given) <= KEY_MAX:
        raise InvalidError(f"Idempotency-Key must have 1 to {KEY_MAX} characters")
    return given.decode("latin-1")


def _body_limit(scope: Scope) -> int | None:
    """Return how many bytes the body of this request may have."""
    handler = scope["route_handler"]
    return handler.resolve_request_max_body_size() if isinstance(handler, HTTPRouteHandler) else None


def _hash(scope: HTTPScope, body: bytes) -> bytes:
    """Return the SHA-256 of what is asked: method, path, query and body."""
    digest = hashlib.sha256()
    for part in (scope["method"].encode(), scope["path"].encode(), scope["query_string"], body):
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.digest()


async def _read(receive: Receive, limit: int | None) -> bytes | None:
    """Return the whole body, or None when the client went away. Raises `TooLargeError`."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message["body"])
        size += len(message["body"])
        if limit is not None and size > limit:
            raise TooLargeError(f"the body is larger than {limit} bytes")
        if not message["more_body"]:
            return b"".join(parts)


async def _run(app: ASGIApp, scope: Scope, body: bytes, receive: Receive) -> list[Message]:
    """Run the request with the body that was read; return the messages of its answer instead of sending them."""
    messages: list[Message] = []
    first: list[HTTPRequestEvent] = [{"type": "http.request", "body": body, "more_body": False}]

    async def give() -> Any:
        return first.pop() if first else await receive()

    async def take(message: Message) -> None:
        messages.append(message)

    await app(scope, give, take)
    return messages


def _answer_in(messages: list[Message]) -> Answer:
    """Return status and body of the messages."""
    status, parts = 500, []
    for message in messages:
        if message["type"] == "http.response.start":
            status = message["status"]
        elif message["type"] == "http.response.body":
            parts.append(message["body"])
    return Answer(status, b"".join(parts))


def _replay(answer: Answer) -> list[Message]:
    """Return the messages of an answer that was given before."""
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(answer.body)).encode()),
        (b"idempotent-replayed", b"true"),
    ]
    if answer.status == 409:
        headers.append((b"x-should-retry", b"false"))  # as api/errors.py does
    return [
        {"type": "http.response.start", "status": answer.status, "headers": headers},
        {"type": "http.response.body", "body": answer.body, "more_body": False},
    ]
