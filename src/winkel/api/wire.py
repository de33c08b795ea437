"""Bytes in, typed requests out; typed answers in, bytes out. Numbers keep every digit in both directions."""

from decimal import Decimal
from typing import Any, Generic, TypeVar

import msgspec
from litestar import Request, Response
from litestar.enums import MediaType
from msgspec import Struct

from winkel.api import unpack
from winkel.model import credit_type
from winkel.model.errors import InvalidError, UnsupportedTypeError
from winkel.model.event import LEVELS_MAX
from winkel.model.text import escapes_nul, nests_deeper, why_no_json

T = TypeVar("T")

BODY_BYTES_MAX = 8 * 1024 * 1024
"""The largest body of any request, both as it travels and unpacked."""
BODY_LEVELS_MAX = LEVELS_MAX + 8
"""The most levels of objects and arrays in a body: an event may stand in it, for a preview or as a correction."""
_TOO_DEEP = f"more than {BODY_LEVELS_MAX} levels of objects and arrays: nested too deeply"

_encoder = msgspec.json.Encoder(decimal_format="number")
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Data(Struct, Generic[T]):
    """The envelope of a single object (metronome-api.md §1)."""

    data: T


class Page(Struct, Generic[T]):
    """The envelope of a list: `next_page` is null on the last page (metronome-api.md §2)."""

    data: list[T]
    next_page: str | None = None


class CursorPage(Struct, Generic[T]):
    """The envelope of the lists that page by `cursor` (contracts/list, metronome-api.md §2)."""

    data: list[T]
    cursor: str | None = None


class Id(Struct):
    """An object that is only its id."""

    id: str


class Ref(Struct):
    """An object by id and name."""

    id: str
    name: str


def credit_type_ref(credit_type_id: str, units: credit_type.Units = credit_type.BY_ID) -> Ref:
    """Return a pricing unit by id and name; one that is always a currency needs no `units`."""
    return Ref(credit_type_id, units[credit_type_id].name)


class Message(Struct):
    """The body of every error."""

    message: str


class JsonResponse(Response[Any]):
    """Encodes answers with exact decimals: amounts are JSON numbers with all their digits."""

    def render(self, content: Any, media_type: str, enc_hook: Any = None) -> bytes:  # noqa: ARG002
        """Return the body."""
        if isinstance(content, bytes):
            return content
        if content is None or content == "":
            return b""
        return _encoder.encode(content)


def empty() -> Response[Any]:
    """Return the empty 200 that fifteen operations answer with (metronome-api.md §2)."""
    return JsonResponse(None, status_code=200, media_type=MediaType.JSON)


async def body(request: Request[Any, Any, Any], kind: type[T]) -> T:
    """Return the JSON body as `kind`; an empty body is `{}`, for the lists that are called without one.

    Raises `InvalidError` that names the place of the fault, `UnsupportedTypeError` for anything but JSON, plain or
    compressed as Content-Encoding says, and `TooLargeError` for what unpacks to more than `BODY_BYTES_MAX`.
    """
    packed = await request.body()
    named = content_type(request)
    if packed and named.partition(";")[0].strip().lower() not in {"application/json", "text/json"}:
        raise UnsupportedTypeError(f"this route reads application/json, not {named}")
    return decode(unpacked(request, packed) or b"{}", kind)


def content_type(request: Request[Any, Any, Any]) -> str:
    """Return what the body is said to be; nothing said is JSON."""
    return request.headers.get("content-type", "").strip() or "application/json"


def unpacked(request: Request[Any, Any, Any], packed: bytes) -> bytes:
    """Return the body as it was before its Content-Encoding. Raises as `unpack.unpack` does."""
    return unpack.unpack(packed, request.headers.get("content-encoding", ""), BODY_BYTES_MAX)


def decode(data: bytes, kind: type[T]) -> T:
    """Return the JSON text as `kind`; numbers keep every digit.

    Raises `InvalidError` that names the place of the fault.
    """
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidError(
            f"the body is not UTF-8: byte {error.start} does not begin or continue a character"
        ) from None
    if escapes_nul(data):
        raise InvalidError("the body contains the character NUL (\\u0000), which no text may hold")
    try:
        found = msgspec.json.Decoder(kind, float_hook=Decimal).decode(data)
    except msgspec.ValidationError as error:
        raise InvalidError(_place(str(error))) from None
    except msgspec.DecodeError as error:
        raise InvalidError(f"the body is not JSON: {why_no_json(error, data)}") from None
    except RecursionError:
        raise InvalidError(f"{_TOO_DEEP} - at `$`") from None
    if nests_deeper(data, BODY_LEVELS_MAX):
        raise InvalidError(f"{_TOO_DEEP} - at `{_deepest(data)}`")
    return found


def _deepest(data: bytes) -> str:
    """Return the field of a body that is nested too deeply, or the body itself where that cannot be told."""
    try:
        deep = (name for name, value in _fields.decode(data).items() if nests_deeper(bytes(value), BODY_LEVELS_MAX - 1))
    except (msgspec.MsgspecError, RecursionError):
        return "$"
    return f"$.{next(deep, '')[:128]}".removesuffix(".")


def _place(message: str) -> str:
    """Return msgspec's message with a place even where it leaves the outermost one out."""
    return message if " - at `" in message else f"{message} - at `$`"
