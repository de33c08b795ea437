"""Every error that a caller can act on. `api/errors.py` maps each to an HTTP status."""


class WinkelError(Exception):
    """Base of all errors whose message is meant for the caller."""


class InvalidError(WinkelError):
    """The request does not make sense; the message says where and why (HTTP 400)."""


class UnauthenticatedError(WinkelError):
    """No token, or one that is unknown or revoked (HTTP 401)."""


class ForbiddenError(WinkelError):
    """The token's role does not allow this (HTTP 403)."""


class NotFoundError(WinkelError):
    """No such object in this tenant (HTTP 404)."""


class ConflictError(WinkelError):
    """Something else already holds the name, alias or key (HTTP 409)."""


class TooLargeError(WinkelError):
    """The body, or what it unpacks to, is larger than allowed (HTTP 413)."""


class UnsupportedTypeError(WinkelError):
    """The content type or content encoding is not one that the route reads (HTTP 415)."""


class OverQuotaError(WinkelError):
    """Too many events for now (HTTP 429); `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnavailableError(WinkelError):
    """The log or the database cannot be reached; nothing was accepted (HTTP 503). Retry after so many seconds."""

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ReplacedError(UnavailableError):
    """The log is not the one that was opened: positions in it mean something else. Somebody must decide."""


class SchemaError(WinkelError):
    """The database has the schema of another version of Winkel: nothing may be done with it. Somebody must decide."""


class FencedError(WinkelError):
    """Another worker took over this partition: this one must drop what it holds and change nothing."""


class OutdatedError(FencedError):
    """Another worker merged or expired what this one remembers: it must read that again, and change nothing before."""
