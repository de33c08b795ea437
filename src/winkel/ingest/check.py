"""The body of a request → events that may be kept, and what is wrong with the others.

Almost every body is fine, so all of it is decoded and checked at once; only when something is wrong do we go event by
event to find the place. Rules: metronome-api.md §2 (limits) and §4.1.

Whoever sends may choose what costs us most. So nothing is done at one go that has no bound: a large body is counted
before it is decoded, and properties are read by slices. The thread that checks a large body lets the event loop work
between any two of these steps, each of which takes some ten milliseconds.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Context, DecimalException, Inexact, InvalidOperation, Overflow, Rounded
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, Raw, Struct, UnsetType, structs
from numpy.typing import NDArray

from winkel.model.errors import InvalidError, TooLargeError
from winkel.model.event import EVENT_BYTES_MAX, LEVELS_MAX, NEWEST, OLDEST, PROPERTIES_MAX, Event
from winkel.model.money import DIGITS
from winkel.model.text import FOLD, OPENS, escapes_nul, nests_deeper, why_no_json

# Refuses what `money.fits` refuses, and does it in C for every number with a point or an exponent.
_FITS = Context(prec=DIGITS, Emax=DIGITS - 1, Emin=-1, traps=[Inexact, Rounded, Overflow, InvalidOperation])
_OBJECTS = msgspec.json.Decoder(list[dict[str, Any]], float_hook=_FITS.create_decimal)
_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_VALUE = msgspec.json.Decoder(Any, float_hook=_FITS.create_decimal)
_ONLY_DIGITS = bytes(48 if 48 <= each <= 57 else 32 for each in range(256))
_DIGITS_AND_POINTS = bytes(48 if each in b"0123456789." else 32 for each in range(256))
_STRIDE = 8
_SHORTEST = len('"":0,')
"""No property is written with less."""
_LONG = b"0" * (DIGITS + 1)
LARGE = 512 * 1024
"""A body of more bytes is checked beside the event loop, and counted before it is decoded."""
SLICE = EVENT_BYTES_MAX
"""So many bytes of properties are read at one go: lists in lists of that size take about fifteen milliseconds."""
SHORT = 512
"""Usual properties have no more bytes."""
LINES_MAX = 100_000
"""The most lines of a body, empty ones included."""
_NINES = b".999999"
"""Only behind this can a fraction of more than six digits be rounded up into the next second, hour and month."""
_TOO_EXACT = re.compile(r"(.*\.\d{6})\d+(.*)")
_NO_INSTANT = "Invalid RFC3339 encoded datetime"  # as msgspec words it
_LEAP_SECOND = re.compile(rb'[Tt ]\d\d:\d\d:60(\.\d+)?([Zz]|[+-]\d\d:?\d\d)"')
_TOO_DEEP = f"more than {LEVELS_MAX} levels of objects and arrays: nested too deeply"
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


class _Identified(Struct, frozen=True, gc=False):
    """An event of which only its identity is looked at."""

    transaction_id: Raw


def counter(identified: type[Struct]) -> Callable[[bytes], int]:
    """Return how to count the elements of a JSON array. (Raw texts of millions would take seconds and gigabytes.)

    In a large body each element must be an object with an identity at least: the first that is not ends the count, so
    that millions of zeros cost no more than one.
    """
    decoder = msgspec.json.Decoder(list[identified])  # type: ignore[valid-type]

    def count(body: bytes) -> int:
        if len(body) > LARGE:
            return len(decoder.decode(body))
        try:
            return len(_things.decode(body))
        except msgspec.ValidationError:
            return 0  # a nested array or a number out of range: `split` says what is wrong

    return count


def _count_lines(body: bytes) -> int:
    lines = body.count(b"\n")
    if lines > LINES_MAX:
        raise TooLargeError(f"send at most {LINES_MAX} lines at once, not {lines}")
    return len(_lines(body))


ARRAY = Shape(_array.decode, counter(_Identified), _raw_array.decode, _event.decode)
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
        if len(body) > LARGE:
            _check_count(shape.count(body), most)
        events = shape.decode(body)
        _check_count(len(events), most)
        _check_all(events, now)
    except _FAULTS:
        return None
    return None if _NINES in body or escapes_nul(body) else events


def check_each(texts: Sequence[bytes], now: datetime) -> Checked:
    """Return the events among texts of which each should be one, and the faults of the others, by position."""
    try:
        events = list(map(_event.decode, texts))
        _check_all(events, now)
        body = b"\n".join(texts)
        body.decode()
    except (*_FAULTS, UnicodeDecodeError):
        pass
    else:
        if _NINES not in body and not escapes_nul(body):
            return Checked(events, [])
    checked = Checked([], [])
    for index, text in enumerate(texts):
        try:
            checked.events.append(_check_text(text, now))
        except InvalidError as error:
            checked.invalid.append(Invalid(index, _transaction_id(text, LINES), str(error)))
    return checked


def _check_text(text: bytes, now: datetime) -> Event:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise InvalidError(f"not UTF-8: byte {error.start} does not begin or continue a character - at `$`") from None
    return _check_one(text, LINES, now)


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
    properties = [event.properties for event in events if event.properties is not UNSET]
    longest_type = max(map(len, [event.event_type for event in events]))
    longest = max(map(len, properties), default=0)
    if longest_type + longest > EVENT_BYTES_MAX:
        for event in events:
            _check_size(event)
    for some in _slices(properties, longest):
        _check_properties(some, longest)


def _check_size(event: Event) -> None:
    """Raise `InvalidError` for an event that is larger than any may be."""
    size = len(event.event_type) + (0 if event.properties is UNSET else len(event.properties))
    if size > EVENT_BYTES_MAX:
        raise InvalidError(
            f"an event may have at most {EVENT_BYTES_MAX} bytes of type and properties, not {size} - at `$`"
        )


def _slices(properties: Sequence[Raw], longest: int) -> Iterator[Sequence[Raw]]:
    """Cut a list into parts of `SLICE` bytes and the rest of one; quickly, when all are short."""
    if longest <= SHORT:
        yield from (properties[start : start + SLICE // SHORT] for start in range(0, len(properties), SLICE // SHORT))
        return
    start = size = 0
    for index, each in enumerate(properties):
        size += len(each)
        if size >= SLICE:
            yield properties[start : index + 1]
            start, size = index + 1, 0
    yield properties[start:]


def _check_properties(properties: Sequence[Raw], longest: int) -> None:
    """Raise one of `_FAULTS` unless all are objects of `PROPERTIES_MAX` properties and `LEVELS_MAX` levels at most,
    whose numbers fit.

    None has more bytes than `longest`. Whoever decoded the events found JSON here, of which no byte is zero.
    """
    text = np.frombuffer(b"".join((b"\0", b"\0".join(properties), b"\0")), np.uint8)
    begins = np.flatnonzero(text == 0)[:-1] + 1
    if _may_be_deep(text, begins) and nests_deeper(text.tobytes(), LEVELS_MAX):
        raise InvalidError(_TOO_DEEP)
    if longest <= PROPERTIES_MAX * _SHORTEST and _are_plain(text, begins):
        return
    joined = b",".join(properties)
    objects = _OBJECTS.decode(b"[" + joined + b"]")
    if max(map(len, objects), default=0) > PROPERTIES_MAX:
        raise InvalidError(f"an event may have at most {PROPERTIES_MAX} properties")
    if _LONG in joined.translate(_ONLY_DIGITS) and any(map(_has_long_integer, objects)):
        raise InvalidError(_OUT_OF_RANGE)


def _may_be_deep(text: NDArray[np.uint8], begins: NDArray[np.int64]) -> bool:
    """Whether one of the objects that begin there may have more than `LEVELS_MAX` levels, by how many parts it has.

    Usual properties have no other part than themselves: then all that opens is counted, and that is all.
    """
    opens = text | FOLD == OPENS
    if np.count_nonzero(opens) < len(begins) + LEVELS_MAX:
        return False
    return bool(np.add.reduceat(opens, begins, dtype=np.int64).max() > LEVELS_MAX)


def _are_plain(text: NDArray[np.uint8], begins: NDArray[np.int64]) -> bool:
    """Whether what begins there are objects with numbers so short that nothing is left to check, without reading them.

    What begins as an object is one, because it is JSON. False when something may look like an exponent, as in "3e8f":
    then they are read.
    """
    objects = (text[begins] == ord("{")).all()
    return bool(objects) and not _may_have_exponents(text) and not _may_have_long_numbers(text)


def _may_have_exponents(text: NDArray[np.uint8]) -> bool:
    digits = text - np.uint8(ord("0")) < 10  # what is smaller than 0 becomes larger than 9
    return bool((digits[:-1] & (text[1:] | 32 == ord("e"))).any())


def _may_have_long_numbers(text: NDArray[np.uint8]) -> bool:
    """Whether some number may have more than `DIGITS` digits, before and after the point together.

    It would cover so many of the bytes that stand a stride apart; where all of them are digits, we look at each byte.
    """
    digits = text[::_STRIDE] - np.uint8(ord(".")) < 12  # a slash is among them
    covered = digits
    for _ in range((DIGITS + 1) // _STRIDE - 1):
        covered = covered[:-1] & digits[len(digits) - len(covered) + 1 :]
    return bool(covered.any()) and _LONG in text.tobytes().translate(_DIGITS_AND_POINTS)


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
        raise InvalidError(f"{_TOO_DEEP} - at `$`") from None
    except msgspec.ValidationError as error:
        raise InvalidError(str(error) if " - at `" in str(error) else f"{error} - at `$`") from None
    except msgspec.DecodeError as error:
        raise InvalidError(f"the body is not JSON: {why_no_json(error, body)}") from None
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
        raise InvalidError(f"{_TOO_DEEP} - at `$`") from None
    except msgspec.ValidationError as error:
        raise InvalidError(_why_invalid(error, part)) from None
    except msgspec.DecodeError as error:
        raise InvalidError(f"the event is not JSON: {why_no_json(error, bytes(part))} - at `$`") from None
    _check_size(event)
    if _NINES in bytes(part):
        event = _unrounded(event, part, shape)
    _check_window(event.timestamp, shape.timestamp, now)
    if escapes_nul(bytes(part)):
        raise InvalidError(f"the character NUL (\\u0000) is not allowed - at `$.{_place_of_nul(part, shape)}`")
    if event.properties is not UNSET:
        _check_properties_of_one(event.properties, shape.properties)
    return event


def _why_invalid(error: msgspec.ValidationError, part: bytes | Raw) -> str:
    """Return what is wrong, and where. RFC 3339 knows a second 60, and whoever sends one must not look for a typo."""
    message = str(error) if " - at `" in str(error) else f"{error} - at `$`"
    if _LEAP_SECOND.search(bytes(part)):
        return message.replace(_NO_INSTANT, f"{_NO_INSTANT}: leap seconds are not taken, send 23:59:59 instead")
    return message


def _unrounded(event: Event, part: bytes | Raw, shape: Shape) -> Event:
    """Return an event with its instant cut to microseconds. msgspec rounds: 23:59:59.9999999 would be another day's."""
    exact = _TOO_EXACT.fullmatch(msgspec.json.decode(_FIELDS.decode(part)[shape.timestamp], type=str))
    if exact is None:
        return event
    return structs.replace(event, timestamp=msgspec.convert(exact[1] + exact[2], datetime))


def _place_of_nul(part: bytes | Raw, shape: Shape) -> str:
    if len(part) > LARGE:
        return "…"  # what is not kept of it is large, and nobody has bounded its fields
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
    if nests_deeper(bytes(properties), LEVELS_MAX):
        raise InvalidError(f"{_TOO_DEEP} - at `$.{field}`")
    try:
        _check_properties([properties], len(properties))
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
    if isinstance(error, DecimalException) or "out of range" in str(error):
        return _OUT_OF_RANGE
    return str(error).partition(" - at `")[0]


class _Ids(Struct, frozen=True, gc=False):
    """The identity of an event in each shape."""

    transaction_id: Raw | UnsetType = UNSET
    id: Raw | UnsetType = UNSET


_ids = msgspec.json.Decoder(_Ids)


def _transaction_id(part: bytes | Raw, shape: Shape) -> str | None:
    """Return the id that an invalid event carries, if it can be made out."""
    try:
        found = getattr(_ids.decode(part), shape.transaction_id)
        text = None if found is UNSET else msgspec.json.decode(found, type=str)
    except (msgspec.MsgspecError, RecursionError):
        return None
    return text[:128] if text else None
