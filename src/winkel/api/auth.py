"""Who is asking: bearer token → tenant and role."""

import hashlib
import time
from typing import Any

from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.handlers.base import BaseRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send

from winkel.api.state import Api
from winkel.model.errors import ForbiddenError, UnauthenticatedError
from winkel.model.tenant import Caller, Role
from winkel.store import tenants

REMEMBER_SECONDS = 5.0
"""How long a revoked token may go on working in a gateway that has just seen it."""

Connection = ASGIConnection[Any, Any, Any, Any]


class Authenticator:
    """Looks tokens up, remembering the answers for a few seconds."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[float, Caller]] = {}

    async def caller(self, api: Api, authorization: str) -> Caller:
        """Return who holds the bearer token of this header. Raises `UnauthenticatedError`."""
        scheme, _, secret = authorization.partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise UnauthenticatedError("send a token: Authorization: Bearer <token>")
        digest = hashlib.sha256(secret.strip().encode()).digest()
        now = time.monotonic()
        known = self._known.get(digest)
        if known and now - known[0] < REMEMBER_SECONDS:
            return known[1]
        async with api.database.connection() as connection:
            caller = await tenants.authenticate(connection, digest)
        if caller is None:
            self._known.pop(digest, None)
            raise UnauthenticatedError("this token is unknown or revoked")
        if len(self._known) > 10_000:
            self._known.clear()
        self._known[digest] = (now, caller)
        return caller


def middleware(app: ASGIApp) -> ASGIApp:
    """Find out who sends each request before it reaches its handler; routes with `opt["public"]` are open to all."""
    authenticator = Authenticator()

    async def authenticate(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP and not scope["route_handler"].opt.get("public"):
            connection: Connection = ASGIConnection(scope)
            api: Api = scope["litestar_app"].state.api
            header = connection.headers.get("authorization", "")
            scope["state"]["caller"] = await authenticator.caller(api, header)
        await app(scope, receive, send)

    return authenticate


def caller_of(scope: Scope) -> Caller:
    """Return who sent this request."""
    caller: Caller = scope["state"]["caller"]
    return caller


def _require(role: Role, connection: Connection) -> None:
    caller = caller_of(connection.scope)
    if caller.role < role:
        raise ForbiddenError(f"this needs a token with the role {role.name.lower()}, not {caller.role.name.lower()}")


async def reader(connection: Connection, _: BaseRouteHandler) -> None:
    """Let readers, writers and admins pass."""
    _require(Role.READER, connection)


async def writer(connection: Connection, _: BaseRouteHandler) -> None:
    """Let writers and admins pass."""
    _require(Role.WRITER, connection)


async def admin(connection: Connection, _: BaseRouteHandler) -> None:
    """Let admins pass."""
    _require(Role.ADMIN, connection)


async def ingester(connection: Connection, _: BaseRouteHandler) -> None:
    """Let everybody pass who may send events: ingest tokens, writers and admins."""
    caller = caller_of(connection.scope)
    if caller.role is Role.READER:
        raise ForbiddenError("this needs a token with the role ingest, writer or admin, not reader")
