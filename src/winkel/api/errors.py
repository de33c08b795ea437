"""Which error becomes which HTTP status. Every error body is `{"message": …}` (metronome-api.md §2)."""

from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException

from winkel.api.wire import BODY_BYTES_MAX, JsonResponse, Message
from winkel.model import errors

log = structlog.get_logger(__name__)

STATUS: dict[type[errors.WinkelError], int] = {
    errors.InvalidError: 400,
    errors.UnauthenticatedError: 401,
    errors.ForbiddenError: 403,
    errors.NotFoundError: 404,
    errors.ConflictError: 409,
    errors.TooLargeError: 413,
    errors.UnsupportedTypeError: 415,
    errors.OverQuotaError: 429,
    errors.UnavailableError: 503,
}


def of_winkel(_: Request[Any, Any, Any], error: errors.WinkelError) -> Response[Any]:
    """Answer an error that the caller can act on."""
    status = STATUS.get(type(error), 500)
    headers = {}
    if status == 409:
        headers["x-should-retry"] = "false"  # the SDK retries conflicts, which never heal (metronome-api.md §2)
    if isinstance(error, errors.OverQuotaError):
        headers |= {"retry-after": str(error.retry_after), "x-metronome-rate-limit-type": "client"}
    if isinstance(error, errors.UnavailableError):
        headers["retry-after"] = str(error.retry_after)
    return JsonResponse(Message(str(error)), status_code=status, headers=headers)


def of_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """Answer an error of the HTTP layer: unknown route, wrong method, body over the limit."""
    message = error.detail
    if error.status_code == 404:
        message = f"no route {request.method} {request.url.path}"
    elif error.status_code == 405:
        message = f"{request.url.path} does not answer {request.method}"
    elif error.status_code == 413:
        message = f"the body is larger than {BODY_BYTES_MAX} bytes"
    return JsonResponse(Message(message), status_code=error.status_code)


def of_bug(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Answer a fault of ours: the log has the details, the caller gets none of them."""
    log.exception("unexpected error", method=request.method, path=request.url.path, exc_info=error)
    return JsonResponse(Message("internal error: it is in the log of the gateway"), status_code=500)


HANDLERS: Any = {errors.WinkelError: of_winkel, HTTPException: of_http, Exception: of_bug}
