"""The body of a request → events that may be kept, and what is wrong with the others.

Almost every body is fine, so all of it is decoded and checked at once; only when something is wrong do we go event by
event to find the place. Rules: metronome-api.md §2 (limits) and §4.1.
"""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Context, DecimalException, Inexact, InvalidOperation, Overflow, Rounded
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct

from winkel.model.errors import InvalidError, TooLargeError
from winkel.model.event import NEWEST, OLDEST, PROPERTIES_MAX, Event
from winkel.model.money import DIGITS
from winkel.model.text import escapes_nul

# Refuses what `money.fits` refuses, and does it in C for every number with a point or an exponent.
_FITS = Context(prec=DIGITS, Emax=DIGITS - 1, Emin=-1, traps=[Inexact, Rounded, Overflow, InvalidOperation])
_OBJECTS = msgspec.json.Decoder(list[dict[str, Any]], float_hook=_FITS.create_decimal)
_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_VALUE = msgspec.json.Decoder(Any, float_hook=_FITS.create_decimal)
_ONLY_DIGITS = bytes(48 if 48 <= each <= 57 else 32 for each in range(256))
_LONG = b"0" * (DIGITS + 1)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_OUT_OF_RANGE = f"number out of range: at most {DIGITS} digits, before and after the point together"
_FAULTS = (msgspec.MsgspecError, DecimalException, RecursionError, InvalidError)


class Invalid(Struct, frozen=True):
    """An event that is not accepted, by its position in the request."""

    index: int
    transaction_id: str | None
    message: str


class Checked(Struct, frozen=True):
    """A request, taken apart."""

    events: list[Event]
    invalid: list[Invalid]


class Shape(Struct, frozen=True):
    """A form in which events arrive, and where it keeps two of their parts."""

    decode: Callable[[bytes], list[Event]]
    """The whole body at once; any fault raises."""
    count: Callable[[bytes], int]
    """How many events there are, valid or not, without keeping them; only a fault of the whole raises."""
    split: Callable[[bytes], Sequence[bytes | Raw]]
    """The body into the texts of single events; only a fault of the whole raises."""
    decode_one: Callable[[bytes | Raw], Event]
    timestamp: str = "timestamp"
    properties: str = "properties"
    transaction_id: str = "transaction_id"


_array = msgspec.json.Decoder(list[Event])
_raw_array = msgspec.json.Decoder(list[Raw])
_event = msgspec.json.Decoder(Event)


def _lines(body: bytes) -> list[bytes]:
    return [line for line in body.split(b"\n") if line.strip()]


def _decode_lines(body: bytes) -> list[Event]:
    events = _event.decode_lines(body)
    if len(events) != len(_lines(body)):  # msgspec is content with two events on a line and one event on two
        raise InvalidError("send one event a line")
    return events


class _Thing(Struct, frozen=True, gc=False):
    """Any object, of which nothing is kept."""


_things = msgspec.json.Decoder(list[_Thing | str | int | float | bool | list[None] | None])


def count_array(body: bytes) -> int:
    """Return how many elements a JSON array has. (Raw texts of millions of them would take seconds and gigabytes.)"""
    try:
        return len(_things.decode(body))
    except msgspec.ValidationError:
        return 0  # a nested array or a number out of range: `split` says what is wrong


def _count_lines(body: bytes) -> int:
    return len(_lines(body))


ARRAY = Shape(_array.decode, count_array, _raw_array.decode, _event.decode)
"""One JSON array of events."""
LINES = Shape(_decode_lines, _count_lines, _lines, _event.decode)
"""One event a line; empty lines are nothing."""


def check(body: bytes, shape: Shape, now: datetime, most: int) -> Checked:
    """Return the events of the body that may be kept and the faults of the others.

    Raises `InvalidError` when the body as a whole cannot be read and `TooLargeError` for more than `most` events.
    """
    events = quick(body, shape, now, most)
    return Checked(events, []) if events is not None else thorough(body, shape, now, most)


def quick(body: bytes, shape: Shape, now: datetime, most: int) -> list[Event] | None:
    """Return the events of the body if all of them may be kept, else None: then `thorough` finds out why.

    Raises as `check` does. Takes about a millisecond for a thousand events of 250 bytes.
    """
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise InvalidError(
            f"the body is not UTF-8: byte {error.start} does not begin or continue a character"
        ) from None
    try:
        events = shape.decode(body)
        _check_all(events, now)
    except _FAULTS:
        return None
    if escapes_nul(body):
        return None
    _check_count(len(events), most)
    return events


def all_or_none(checked: Checked) -> list[Event]:
    """Return all events of a request. Raises `InvalidError` that names the first fault if there is any."""
    if checked.invalid:
        first, more = checked.invalid[0], len(checked.invalid) - 1
        others = f" (and {more} more invalid events)" if more else ""
        raise InvalidError(f"event {first.index}: {first.message}{others}")
    return checked.events


def _check_count(count: int, most: int) -> None:
    if count > most:
        raise TooLargeError(f"send at most {most} events at once, not {count}")


def _check_all(events: list[Event], now: datetime) -> None:
    """Raise one of `_FAULTS` unless every event may be kept."""
    if not events:
        return
    times = [event.timestamp for event in events]
    if min(times) < now - OLDEST or max(times) > now + NEWEST:
        raise InvalidError("a timestamp is out of range")
    _check_properties([event.properties for event in events if event.properties is not UNSET])


def _check_properties(properties: Sequence[Raw]) -> None:
    """Raise one of `_FAULTS` unless all are objects of at most `PROPERTIES_MAX` properties whose numbers fit."""
    text = b",".join(properties)
    objects = _OBJECTS.decode(b"[" + text + b"]")
    if max(map(len, objects), default=0) > PROPERTIES_MAX:
        raise InvalidError(f"an event may have at most {PROPERTIES_MAX} properties")
    if _LONG in text.translate(_ONLY_DIGITS) and any(map(_has_long_integer, objects)):
        raise InvalidError(_OUT_OF_RANGE)


def _has_long_integer(value: object) -> bool:
    """Whether a whole number somewhere in the value has more than `DIGITS` digits."""
    if isinstance(value, dict):
        return any(map(_has_long_integer, value.values()))
    if isinstance(value, list):
        return any(map(_has_long_integer, value))
    return isinstance(value, int) and abs(value) >= 10**DIGITS


def thorough(body: bytes, shape: Shape, now: datetime, most: int) -> Checked:
    """Go through a body in UTF-8 event by event and find its faults. Raises as `check` does. Three times as slow."""
    try:
        _check_count(shape.count(body), most)
        parts = shape.split(body)
    except RecursionError:
        raise InvalidError("the body is nested too deeply") from None
    except msgspec.ValidationError as error:
        raise InvalidError(f"{error} - at `$`") from None
    except msgspec.DecodeError as error:
        raise InvalidError(f"the body is not JSON: {_reason(error, body)}") from None
    _check_count(len(parts), most)
    checked = Checked([], [])
    for index, part in enumerate(parts):
        try:
            checked.events.append(_check_one(part, shape, now))
        except InvalidError as error:
            message = str(error).replace(" - at `$", f" - at `$[{index}]")
            checked.invalid.append(Invalid(index, _transaction_id(part, shape), message))
    return checked


def _check_one(part: bytes | Raw, shape: Shape, now: datetime) -> Event:
    """Return the event in this text. Raises `InvalidError` that names the field and the reason."""
    try:
        event = shape.decode_one(part)
    except RecursionError:
        raise InvalidError("the event is nested too deeply - at `$`") from None
    except msgspec.ValidationError as error:
        raise InvalidError(str(error) if " - at `" in str(error) else f"{error} - at `$`") from None
    except msgspec.DecodeError as error:
        raise InvalidError(f"the event is not JSON: {_reason(error, bytes(part))} - at `$`") from None
    _check_window(event.timestamp, shape.timestamp, now)
    if escapes_nul(bytes(part)):
        raise InvalidError(f"the character NUL (\\u0000) is not allowed - at `$.{_place_of_nul(part, shape)}`")
    if event.properties is not UNSET:
        _check_properties_of_one(event.properties, shape.properties)
    return event


def _place_of_nul(part: bytes | Raw, shape: Shape) -> str:
    fields = _FIELDS.decode(part)
    name = next((name for name, value in fields.items() if escapes_nul(bytes(value))), "")
    if name != shape.properties:
        return name
    inner = _FIELDS.decode(fields[name])
    return f"{name}.{next((each for each, value in inner.items() if escapes_nul(bytes(value))), '')}".removesuffix(".")


def _check_window(timestamp: datetime, field: str, now: datetime) -> None:
    if timestamp < now - OLDEST:
        raise InvalidError(f"{timestamp.isoformat()} is more than {OLDEST.days} days ago - at `$.{field}`")
    if timestamp > now + NEWEST:
        raise InvalidError(f"{timestamp.isoformat()} is more than 24 hours ahead - at `$.{field}`")


def _check_properties_of_one(properties: Raw, field: str) -> None:
    """Raise `InvalidError` that names the property which is wrong."""
    try:
        _check_properties([properties])
    except _FAULTS as error:
        reason = _reason_of_property(error)
    else:
        return
    try:
        fields = _FIELDS.decode(properties)
    except _FAULTS:
        raise InvalidError(f"{reason} - at `$.{field}`") from None
    for name, value in fields.items() if len(fields) <= PROPERTIES_MAX else ():
        try:
            _check_value(value)
        except _FAULTS as error:
            raise InvalidError(f"{_reason_of_property(error)} - at `$.{field}.{name[:128]}`") from None
    raise InvalidError(f"{reason} - at `$.{field}`")


def _check_value(value: Raw) -> None:
    if _has_long_integer(_VALUE.decode(value)):
        raise InvalidError(_OUT_OF_RANGE)


def _reason_of_property(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, DecimalException) or "out of range" in str(error):
        return _OUT_OF_RANGE
    return str(error).partition(" - at `")[0]


def _reason(error: msgspec.DecodeError, text: bytes) -> str:
    """Return what msgspec says, and what it does not say about half a pair of surrogates."""
    hint = "; every escaped surrogate (\\ud800…\\udfff) needs its other half" if _SURROGATE.search(text) else ""
    return str(error).removeprefix("JSON is malformed: ") + hint


def _transaction_id(part: bytes | Raw, shape: Shape) -> str | None:
    """Return the id that an invalid event carries, if it can be made out."""
    try:
        found = _FIELDS.decode(part).get(shape.transaction_id)
        text = msgspec.json.decode(found, type=str) if found is not None else None
    except (msgspec.MsgspecError, RecursionError):
        return None
    return text[:128] if text else None
