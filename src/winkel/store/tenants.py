"""Tenants and their tokens."""

from datetime import datetime

import msgspec

from winkel.model.errors import ConflictError, NotFoundError
from winkel.model.tenant import Caller, Role, Tenant, Token
from winkel.store.database import Connection
from winkel.store.sql import Queries

sql = Queries(__name__)


async def authenticate(connection: Connection, secret_hash: bytes) -> Caller | None:
    """Return who holds the token with this SHA-256, or None for an unknown or revoked one."""
    row = await (await connection.execute(sql.authenticate, {"hash": secret_hash})).fetchone()
    if row is None:
        return None
    return Caller(row["tenant_id"], row["token_id"], row["name"], Role(row["role"]))


async def create_tenant(connection: Connection, name: str, at: datetime) -> Tenant:
    """Make an empty tenant. Raises `ConflictError` when the name is taken."""
    row = await (await connection.execute(sql.create_tenant, {"name": name, "created_at": at})).fetchone()
    if row is None:
        raise ConflictError(f"there is a tenant {name!r} already")
    return msgspec.convert(row, Tenant)


async def list_tenants(connection: Connection) -> list[Tenant]:
    """Return all tenants; the connection must be the owner's."""
    return msgspec.convert(await (await connection.execute(sql.list_tenants)).fetchall(), list[Tenant])


async def get(tx: Connection, tenant_id: int) -> Tenant:
    """Return a tenant. Raises `NotFoundError`."""
    row = await (await tx.execute(sql.get, {"id": tenant_id})).fetchone()
    if row is None:
        raise NotFoundError(f"there is no tenant {tenant_id}")
    return msgspec.convert(row, Tenant)


async def find_tenant(connection: Connection, name: str) -> Tenant:
    """Return the tenant with this name. Raises `NotFoundError`."""
    row = await (await connection.execute(sql.find_tenant, {"name": name})).fetchone()
    if row is None:
        raise NotFoundError(f"there is no tenant {name!r}; winkel tenant list shows those there are")
    return msgspec.convert(row, Tenant)


async def quotas(connection: Connection) -> dict[int, int]:
    """Return the events per second of the tenants that have a quota of their own; 0: no limit."""
    return {row["id"]: row["events_per_second"] for row in await (await connection.execute(sql.quotas)).fetchall()}


async def set_quota(connection: Connection, name: str, events_per_second: int | None) -> Tenant:
    """Give a tenant a quota of its own, or the default. Raises `NotFoundError`."""
    values = {"name": name, "events_per_second": events_per_second}
    row = await (await connection.execute(sql.set_quota, values)).fetchone()
    if row is None:
        raise NotFoundError(f"there is no tenant {name!r}; winkel tenant list shows those there are")
    return msgspec.convert(row, Tenant)


async def create_token(connection: Connection, token: Token, secret_hash: bytes) -> Token:
    """Keep a token under the SHA-256 of its secret. Raises `ConflictError` when that secret is in use."""
    values = {name: getattr(token, name) for name in ("tenant_id", "id", "name", "prefix", "created_at")}
    values |= {"hash": secret_hash, "role": int(token.role)}
    row = await (await connection.execute(sql.create_token, values)).fetchone()
    if row is None:
        raise ConflictError("this token is in use already")
    return msgspec.convert(row, Token)


async def list_tokens(connection: Connection, tenant_id: int) -> list[Token]:
    """Return the tokens of a tenant, revoked ones too."""
    rows = await (await connection.execute(sql.list_tokens, {"tenant_id": tenant_id})).fetchall()
    return msgspec.convert(rows, list[Token])


async def revoke_token(connection: Connection, tenant_id: int, token_id: str, at: datetime) -> Token:
    """End a token. Raises `NotFoundError`."""
    values = {"tenant_id": tenant_id, "id": token_id, "at": at}
    row = await (await connection.execute(sql.revoke_token, values)).fetchone()
    if row is None:
        raise NotFoundError(f"no token {token_id} in this tenant")
    return msgspec.convert(row, Token)
