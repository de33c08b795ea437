"""Pages of lists: opaque cursors over (instant, id)."""

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

import msgspec
from msgspec import Struct

from winkel.model.errors import InvalidError

T = TypeVar("T")
LIMIT = 100


class Position(Struct, frozen=True, array_like=True):
    """The last object of a page, in the order of the list; the next page begins after it."""

    at: datetime
    id: str


def limit_of(limit: int | None, most: int = LIMIT, place: str = "the query parameter `limit`") -> int:
    """Return the page size asked for. Raises `InvalidError` with the place where it was asked for outside 1…most."""
    if limit is None:
        return most
    if not 1 <= limit <= most:
        raise InvalidError(f"limit must be between 1 and {most}, but is {limit} - at {place}")
    return limit


def encode(position: Position) -> str:
    """Return the cursor that stands for a position."""
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def decode(cursor: str | None) -> Position | None:
    """Return the position that a cursor stands for. Raises `InvalidError` for anything that is not a cursor of ours."""
    if not cursor:
        return None
    try:
        data = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        return msgspec.json.decode(data, type=Position)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise InvalidError("next_page is not a cursor that this list gave out") from None


def cut(rows: Sequence[T], limit: int) -> tuple[list[T], bool]:
    """Return at most `limit` of the rows and whether more follow; ask the database for limit + 1."""
    return list(rows[:limit]), len(rows) > limit
