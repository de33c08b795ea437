"""Tenant and token: whose data it is, and who may touch it."""

from datetime import datetime
from enum import IntEnum

from msgspec import Struct


class Role(IntEnum):
    """What a token may do; each role may do what the ones below it may, apart from INGEST, which only sends events."""

    INGEST = 1
    READER = 2
    WRITER = 3
    ADMIN = 4


class Tenant(Struct, frozen=True):
    """An organisation's sandbox or production: the wall that nothing crosses. `id` is the first key of every table."""

    id: int
    name: str
    created_at: datetime
    events_per_second: int | None = None
    """Quota of accepted events; 0: none. None: the installation's default (`tenant_events_per_second`)."""


class Token(Struct, frozen=True, kw_only=True):
    """An API token as it is kept: never the secret itself, only its SHA-256 and its first characters."""

    id: str
    tenant_id: int
    name: str
    role: Role
    prefix: str
    created_at: datetime
    revoked_at: datetime | None = None


class Caller(Struct, frozen=True):
    """Who sent a request."""

    tenant_id: int
    token_id: str
    name: str
    role: Role
