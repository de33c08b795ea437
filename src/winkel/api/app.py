"""The list of routes: start here to see the whole API."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide
from litestar.types import Scope

from winkel.api import auth, errors, health
from winkel.api.state import Api
from winkel.api.wire import JsonResponse
from winkel.model.tenant import Caller

BODY_BYTES_MAX = 8 * 1024 * 1024
"""The largest body of any request."""

ROUTES: list[Any] = [
    *health.routes,
]


def create(api: Api) -> Litestar:
    """Return the ASGI application over this outside world."""

    async def give_api() -> Api:
        return api

    async def give_caller(scope: Scope) -> Caller:
        return auth.caller_of(scope)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        await api.database.open()
        try:
            yield
        finally:
            await api.log.close()
            await api.database.close()

    return Litestar(
        route_handlers=ROUTES,
        dependencies={"api": Provide(give_api), "caller": Provide(give_caller)},
        middleware=[auth.middleware],
        exception_handlers=errors.HANDLERS,
        response_class=JsonResponse,
        request_max_body_size=BODY_BYTES_MAX,
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,
        state=State({"api": api}),
    )
