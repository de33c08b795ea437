"""Query parameters as one struct, checked like a body: nothing unknown, nothing of the wrong type, nothing twice."""

import re
from typing import Any, TypeVar, get_args, get_origin

import msgspec
from litestar import Request
from msgspec import Struct, structs

from winkel.model.errors import InvalidError

K = TypeVar("K", bound=Struct)
_WHOLE = re.compile(r"-?[0-9]{1,30}")
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


class Paging(Struct, kw_only=True, forbid_unknown_fields=True):
    """The query parameters of a list; lists with filters extend it (metronome-api.md §2)."""

    limit: int | None = None
    next_page: str | None = None


def query(request: Request[Any, Any, Any], kind: type[K]) -> K:
    """Return the query parameters as `kind`; a tuple comes comma-joined, as a repeated parameter, or both.

    Raises `InvalidError` that names the parameter which is unknown, given twice or of the wrong type.
    """
    kinds = {each.name: each.type for each in structs.fields(kind)}
    values: dict[str, Any] = {}
    for name, text in request.query_params.multi_items():
        if "\0" in text:
            raise InvalidError(f"the query parameter {name} contains the character NUL, which no text may hold")
        if get_origin(kinds.get(name)) is tuple:
            values.setdefault(name, []).extend(text.split(","))
        elif name in values:
            raise InvalidError(f"the query parameter {name} may be given once")
        else:
            values[name] = _value(text, kinds.get(name))
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise InvalidError(_in_query(str(error))) from None


def _value(text: str, kind: Any) -> Any:
    """Return the text as a body would have it: a whole number, true or false where these belong, and else as it is.

    msgspec's own leniency goes too far: 2026 would be an instant, 2,026 seconds after 1970, and 1e1 a limit of ten.
    """
    kinds = get_args(kind) or (kind,)
    if int in kinds and _WHOLE.fullmatch(text):
        return int(text)
    return _TRUTHS.get(text.lower(), text) if bool in kinds else text


def _in_query(message: str) -> str:
    """Return msgspec's message in the words of a query."""
    unknown = message.removeprefix("Object contains unknown field ")
    if unknown != message:
        return f"there is no query parameter {unknown} here"
    return message.replace(" - at `$.", " - at the query parameter `")
