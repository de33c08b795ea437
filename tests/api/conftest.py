"""The real application over the real database, without a socket: a fresh database, clients with tokens, the SDK."""

import hashlib
import itertools
import secrets
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from litestar import Litestar
from metronome import AsyncMetronome

from winkel.api import app as winkel_app
from winkel.api.state import Api
from winkel.config import Settings
from winkel.ingest.quota import Quotas
from winkel.ingest.routes import Routes
from winkel.log.memory import MemoryLog
from winkel.model.routing import first
from winkel.model.tenant import Role, Tenant, Token
from winkel.store import database, tenants
from winkel.store.database import Connection, Database

URL = "http://winkel"
_numbers = itertools.count(1)

MakeClient = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[Connection]:
    """Return a connection as the owner of the tables: it sees every tenant."""
    connection = await database.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
def settings() -> Settings:
    """Return the settings of the application; override it in a test file for others."""
    return Settings(flush_milliseconds=0)


@pytest.fixture
def api(database_url: str, clock, settings: Settings) -> Api:
    """Return the outside world of the application: the real database, a log in memory, a clock one can move."""
    return Api(
        settings=settings,
        database=Database(database_url, size=4),
        log=MemoryLog(4, clock),
        routes=Routes.always(first(4)),
        clock=clock,
        quotas=Quotas(settings.tenant_events_per_second),
    )


_ROUTES, _built = winkel_app.ROUTES, list[Litestar]()


@pytest.fixture
async def application(api: Api) -> AsyncIterator[Litestar]:
    """Return the running application. It is built once: only its state is a test's own, unless its routes are too."""
    if winkel_app.ROUTES is not _ROUTES:
        app = winkel_app.create(api)
    elif _built:
        app = _built[0]
        app.state = winkel_app.state(api)
    else:
        app = winkel_app.create(api)
        _built.append(app)
    async with app.lifespan():
        yield app


async def new_tenant(owner: Connection, api: Api) -> Tenant:
    """Make a tenant with a name of its own."""
    return await tenants.create_tenant(owner, f"tenant {next(_numbers)}", api.clock())


async def new_token(owner: Connection, api: Api, tenant: Tenant, role: str = "admin") -> str:
    """Make a token of the tenant and return its secret."""
    secret = f"test_{secrets.token_hex(12)}"
    token = Token(
        id=str(uuid.uuid4()),
        tenant_id=tenant.id,
        name=f"{role} of {tenant.name}",
        role=Role[role.upper()],
        prefix=secret[:9],
        created_at=api.clock(),
    )
    await tenants.create_token(owner, token, hashlib.sha256(secret.encode()).digest())
    return secret


@pytest.fixture
async def make_client(application: Litestar, api: Api, owner: Connection) -> AsyncIterator[MakeClient]:
    """Return `make_client(role="admin", tenant=None)`: a client with a token of that role, of a fresh tenant or this.

    The client carries what it is: `client.tenant` (a `Tenant`) and `client.token` (the secret).
    """
    made: list[httpx.AsyncClient] = []

    async def make(role: str = "admin", tenant: Tenant | None = None) -> httpx.AsyncClient:
        tenant = tenant or await new_tenant(owner, api)
        token = await new_token(owner, api, tenant, role)
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(application, raise_app_exceptions=False),
            base_url=URL,
            headers={"authorization": f"Bearer {token}"},
        )
        client.tenant, client.token = tenant, token  # type: ignore[attr-defined]
        made.append(client)
        return client

    yield make
    for client in made:
        await client.aclose()


@pytest.fixture
async def app_client(make_client: MakeClient) -> httpx.AsyncClient:
    """Return a client with an admin token of a fresh tenant."""
    return await make_client()


def sdk_of(client: httpx.AsyncClient) -> AsyncMetronome:
    """Return the unmodified official SDK with the token of this client; it is strict about the types of answers."""
    return AsyncMetronome(
        bearer_token=client.token,  # type: ignore[attr-defined]
        base_url=URL,
        http_client=httpx.AsyncClient(transport=client._transport, base_url=URL),
        max_retries=0,
        _strict_response_validation=True,
    )


@pytest.fixture
async def sdk(app_client: httpx.AsyncClient) -> AsyncIterator[AsyncMetronome]:
    """Return the official SDK with an admin token: of the same tenant as `app_client`."""
    async with sdk_of(app_client) as client:
        yield client
