"""Query parameters as one struct, checked like a body: nothing unknown, nothing of the wrong type, nothing twice."""

from typing import Any, TypeVar, get_origin

import msgspec
from litestar import Request
from msgspec import Struct, structs

from winkel.model.errors import InvalidError

K = TypeVar("K", bound=Struct)


class Paging(Struct, kw_only=True, forbid_unknown_fields=True):
    """The query parameters of a list; lists with filters extend it (metronome-api.md §2)."""

    limit: int | None = None
    next_page: str | None = None


def query(request: Request[Any, Any, Any], kind: type[K]) -> K:
    """Return the query parameters as `kind`; a tuple comes comma-joined, as a repeated parameter, or both.

    Raises `InvalidError` that names the parameter which is unknown, given twice or of the wrong type.
    """
    lists = {each.name for each in structs.fields(kind) if get_origin(each.type) is tuple}
    values: dict[str, Any] = {}
    for name, text in request.query_params.multi_items():
        if "\0" in text:
            raise InvalidError(f"the query parameter {name} contains the character NUL, which no text may hold")
        if name in lists:
            values.setdefault(name, []).extend(text.split(","))
        elif name in values:
            raise InvalidError(f"the query parameter {name} may be given once")
        else:
            values[name] = text
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidError(_in_query(str(error))) from None


def _in_query(message: str) -> str:
    """Return msgspec's message in the words of a query."""
    unknown = message.removeprefix("Object contains unknown field ")
    if unknown != message:
        return f"there is no query parameter {unknown} here"
    return message.replace(" - at `$.", " - at the query parameter `")
