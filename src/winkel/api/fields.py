"""Parts of requests: their types, and checks that name the place of what is wrong."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, NoReturn, Protocol, TypeVar

from litestar import Request
from msgspec import Meta

from winkel.api import pages, wire
from winkel.api.parse import id_of
from winkel.model import credit_type
from winkel.model.errors import InvalidError
from winkel.model.money import DIGITS, fits
from winkel.model.period import on_the_hour

T = TypeVar("T")

Instant = Annotated[datetime, Meta(tz=True)]
Text = Annotated[str, Meta(min_length=1)]
CustomFields = dict[Text, Annotated[str, Meta(max_length=200)]]
UniquenessKey = Annotated[str, Meta(min_length=1, max_length=128)]

FIRST_YEAR, LAST_YEAR = 1970, 9000
"""Within these years every date of a calendar that we compute exists."""

_UNKNOWN = re.compile(r"Object contains unknown field `(?P<field>.*)` - at `(?P<place>.*)`", re.DOTALL)


async def body(request: Request[Any, Any, Any], kind: type[T], not_yet: Iterable[str]) -> T:
    """Return the JSON body as `kind`; fields in `not_yet` are known to the Metronome API but not to us.

    Raises `InvalidError` that names the place of the fault.
    """
    try:
        return await wire.body(request, kind)
    except InvalidError as error:
        found = _UNKNOWN.fullmatch(str(error))
        if found is None:
            raise
        known = found["field"] in not_yet
        message = f"`{found['field']}` is not supported yet" if known else f"unknown field `{found['field']}`"
        raise InvalidError(f"{message} - at `{found['place']}`") from None


class Listed(Protocol):
    """What lists are ordered by."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def created_at(self) -> datetime:
        """When it was made."""


def position(cursor: str | None) -> tuple[datetime, str] | None:
    """Return the (created_at, id) after which a page begins. Raises `InvalidError` for a cursor that is not ours."""
    found = pages.decode(cursor)
    return None if found is None else (instant(found.at, "next_page"), id_of(found.id, "next_page"))


def next_page(shown: Sequence[Listed], more: bool) -> str | None:
    """Return the cursor behind the last object of a page, or None when none follow."""
    return pages.encode(pages.Position(shown[-1].created_at, shown[-1].id)) if more else None


def refuse(message: str, place: str) -> NoReturn:
    """Raise `InvalidError` for a place of the body, written as in `$.commits[0].priority`."""
    raise InvalidError(f"{message} - at `{place}`")


def instant(value: datetime, place: str) -> datetime:
    """Return the instant in UTC. Raises `InvalidError` outside the years that we can compute with."""
    if not FIRST_YEAR < value.year < LAST_YEAR:
        refuse(f"the year must lie between {FIRST_YEAR} and {LAST_YEAR}", place)
    return value.astimezone(UTC)


def hour(value: datetime, place: str) -> datetime:
    """Return the instant in UTC. Raises `InvalidError` unless it is a full hour (metronome-api.md §4.6, §4.7)."""
    at = instant(value, place)
    if not on_the_hour(at):
        refuse(f"must be on the hour, but is {value.isoformat()}", place)
    return at


def hour_or_none(value: datetime | None, place: str) -> datetime | None:
    """Return `hour(value)`, or None for None."""
    return None if value is None else hour(value, place)


def term(start: datetime, end: datetime | None, place: str) -> tuple[datetime, datetime | None]:
    """Return [starting_at, ending_before) of the object at the place, both on the hour and in order."""
    low, high = hour(start, f"{place}.starting_at"), hour_or_none(end, f"{place}.ending_before")
    if high is not None and high <= low:
        refuse("ending_before must lie after starting_at", f"{place}.ending_before")
    return low, high


def finite(value: Decimal, place: str) -> Decimal:
    """Return the number. Raises `InvalidError` when it is not finite or longer than 38 digits."""
    if not fits(value) or value.adjusted() > DIGITS:  # a zero may have any exponent, and would be written out with it
        refuse("must be a finite number of at most 38 digits", place)
    return value


def number(value: Decimal, place: str) -> Decimal:
    """Return the number. Raises `InvalidError` when it is negative, not finite or longer than 38 digits."""
    if finite(value, place) < 0:
        refuse("must not be negative", place)
    return value


def number_or_none(value: Decimal | None, place: str) -> Decimal | None:
    """Return `number(value)`, or None for None."""
    return None if value is None else number(value, place)


def whole(value: Decimal, least: int, most: int, place: str) -> int:
    """Return a whole number, which may come as 2.0. Raises `InvalidError` for another, and outside least…most."""
    if not value.is_finite() or value != value.to_integral_value() or not least <= value <= most:
        refuse(f"must be a whole number from {least} to {most}", place)
    return int(value)


def currency(credit_type_id: object, place: str) -> str:
    """Return the id of a currency; USD when none is named (metronome-api.md §2)."""
    name = unit(credit_type_id)
    if credit_type.is_custom(name):
        refuse("must be a currency: nobody is asked to pay in a custom pricing unit", place)
    return name


def unit(credit_type_id: object) -> str:
    """Return the id of a pricing unit; USD when none is named. Whether it exists, `credit_types.check_units` checks."""
    return credit_type.USD.id if credit_type_id is None else str(credit_type_id)
