"""GET /healthz and /readyz, for supervisors and load balancers."""

from typing import Any

from litestar import Response, get

from winkel.api.state import Api
from winkel.api.wire import JsonResponse, Message
from winkel.model.errors import UnavailableError


@get("/healthz", opt={"public": True})
async def healthz() -> Response[Any]:
    """Answer as long as the process lives."""
    return JsonResponse(Message("ok"))


@get("/readyz", opt={"public": True})
async def readyz(api: Api) -> Response[Any]:
    """Answer 200 when a request would find the database and the log, else 503."""
    async with api.database.connection() as connection:
        await connection.execute("SELECT 1")
    if api.routes.routing is None:
        raise UnavailableError("this gateway does not know yet where events go")
    return JsonResponse(Message("ready"))


routes = [healthz, readyz]
