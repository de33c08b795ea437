"""GET /v1/services: from which addresses the service calls, and at which it answers (metronome-api.md §2)."""

from litestar import get
from msgspec import Struct

from winkel.api.auth import reader


class Service(Struct):
    """Addresses of one service. `usage` is makes_connections_from or accepts_connections_at."""

    name: str
    ips: list[str]
    usage: str


class Services(Struct):
    """The answer, in an envelope of its own."""

    services: list[Service]


@get("/v1/services", guards=[reader])
async def list_services() -> Services:
    """List none: a self-hosted Winkel has the addresses that its operator gave it, and calls nobody yet."""
    return Services([])


routes = [list_services]
