"""Single values of paths and queries: ids, instants, words of an enumeration."""

import uuid
from datetime import datetime
from enum import Enum
from typing import Annotated, TypeVar

import msgspec

from winkel.model.errors import InvalidError

E = TypeVar("E", bound=Enum)
_Instant = Annotated[datetime, msgspec.Meta(tz=True)]


def id_of(text: str, name: str) -> str:
    """Return the id in its one spelling. Raises `InvalidError` for text that is no UUID."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise InvalidError(f"{name} must be a UUID, but is {text[:64]!r}") from None


def text_of(value: uuid.UUID | None) -> str | None:
    """Return the id as the model keeps it, or None for None."""
    return None if value is None else str(value)


def instant_of(text: str | None, name: str) -> datetime | None:
    """Return the instant. Raises `InvalidError` for text that is not RFC 3339 with a zone."""
    if text is None:
        return None
    try:
        return msgspec.convert(text.replace(" ", "+"), _Instant)  # an unescaped + arrives as a space
    except msgspec.ValidationError:
        raise InvalidError(f"{name} must be an RFC 3339 time with a zone, but is {text[:64]!r}") from None


def enum_of(kind: type[E], text: str | None, name: str) -> E | None:
    """Return the member. Raises `InvalidError` that lists what there is."""
    if text is None:
        return None
    try:
        return kind(text)
    except ValueError:
        words = ", ".join(str(each.value) for each in kind)
        raise InvalidError(f"{name} must be one of {words}, but is {text[:64]!r}") from None
