"""The properties of many events as columns: only those that some metric asks for are parsed, and once."""

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
from msgspec import Raw, Struct

from winkel.meter.numbers import NOT_A_NUMBER, NUMBER_TOO_LONG, Bools, Ints, Unreadable
from winkel.model import money

_LINE = msgspec.json.Decoder(dict[str, Raw])
_VALUE = msgspec.json.Decoder(Any, float_hook=Decimal)
_BROKEN = (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError)
"""What decoding raises: malformed JSON, text that is not UTF-8, a number that no decimal can hold, absurd depth."""


class Texts(Struct, frozen=True):
    """A column of values as text: `texts[codes[i]]` is the text of row i.

    None is a value without text: an absent property (also JSON null), or an object or array, which is there
    (`present`) but equals nothing.
    """

    codes: Ints
    texts: list[str | None]
    present: Bools
    """By code: whether there is a value at all."""

    def groups(self) -> Ints:
        """Return the codes with one code for all values without text: they are one group."""
        without = [code for code, each in enumerate(self.texts) if each is None]
        if len(without) < 2:
            return self.codes
        merged = np.arange(len(self.texts))
        merged[without] = without[0]
        return merged[self.codes]


class Properties:
    """The named properties of `count` events, given as lines of JSON objects."""

    def __init__(self, lines: bytes, count: int, names: tuple[str, ...]) -> None:
        self._lines = lines
        self._names = {name: index for index, name in enumerate(names)}
        self._texts: dict[str, Texts] = {}
        self._there: dict[str, Bools] = {}
        self._split: list[bytes] | None = None
        self.broken: list[int] = []
        """Rows that are no JSON objects: they have no properties, and somebody must hear of it."""
        self._columns = self._decode(lines, count, names) if names and count else [[None] * count for _ in names]

    def values(self, name: str) -> list[Any]:
        """Return a property of all rows: str, int, Decimal, bool, list, dict, `Unreadable`, or None when absent."""
        return self._columns[self._names[name]]

    def there(self, name: str) -> Bools:
        """Return in which rows a property is there; JSON null is absent."""
        known = self._there.get(name)
        if known is None:
            values = self.values(name)
            known = np.ones(len(values), np.bool_)
            if None in values:
                known = np.fromiter((each is not None for each in values), np.bool_, len(values))
            self._there[name] = known
        return known

    def texts(self, name: str) -> Texts:
        """Return a property of all rows as text."""
        known = self._texts.get(name)
        if known is None:
            known = self._texts[name] = texts(self.values(name))
        return known

    def line(self, row: int) -> bytes:
        """Return the JSON of one row."""
        if self._split is None:
            self._split = self._lines.split(b"\n")
        return self._split[row]

    def _decode(self, lines: bytes, count: int, names: tuple[str, ...]) -> list[list[Any]]:
        decoder = _decoder(names)
        rows: list[Any]
        try:
            rows = decoder.decode_lines(lines) if decoder else []
        except _BROKEN:
            rows = []
        if len(rows) != count:
            return self._decode_each(lines.split(b"\n"), count, names)
        return [list(map(attrgetter(field), rows)) for field in _fields(names)]

    def _decode_each(self, lines: list[bytes], count: int, names: tuple[str, ...]) -> list[list[Any]]:
        """Decode line by line, because one of them, or one of the names, is odd."""
        if len(lines) != count:
            raise ValueError(f"{len(lines)} lines of properties for {count} events")
        columns: list[list[Any]] = [[None] * count for _ in names]
        for row, line in enumerate(lines):
            try:
                found = _LINE.decode(line)
            except _BROKEN:
                self.broken.append(row)
                continue
            for column, name in zip(columns, names, strict=True):
                if name in found:
                    column[row] = _value(bytes(found[name]))
        return columns


def _fields(names: tuple[str, ...]) -> list[str]:
    return [f"f{index}" for index in range(len(names))]


@lru_cache(maxsize=1024)
def _decoder(names: tuple[str, ...]) -> msgspec.json.Decoder[Any] | None:
    """Return a decoder of objects with these properties; None when a name is one that msgspec cannot look for."""
    fields = _fields(names)
    try:
        row = msgspec.defstruct(
            "Row", [(field, Any, None) for field in fields], rename=dict(zip(fields, names, strict=True)), gc=False
        )
    except ValueError:
        return None
    return msgspec.json.Decoder(row, float_hook=Decimal)


def _value(raw: bytes) -> Any:
    try:
        return _VALUE.decode(raw)
    except _BROKEN:
        return Unreadable(NUMBER_TOO_LONG if raw.strip()[:1] in b"-0123456789" else NOT_A_NUMBER)


def texts(values: Sequence[Any]) -> Texts:
    """Code a column of values as text."""
    plain = set(map(type, values)) <= {str, type(None)}
    keys = values if plain else [each if type(each) is str else text(each) for each in values]
    index: dict[Any, int] = {key: code for code, key in enumerate(dict.fromkeys(keys))}
    codes = np.fromiter(map(index.__getitem__, keys), np.int64, len(keys))
    present = np.array([key is not None for key in index], np.bool_)
    return Texts(codes, [key if isinstance(key, str) else None for key in index], present)


_LONG = 10**money.DIGITS
_ODD = object()
"""A value that is there but is not text: an object, an array, something undecodable."""


def text(value: object) -> str | object | None:
    """Return the text by which a value is compared, grouped and told apart.

    A string is its own text; a number is its plain decimal text, so that 5, 5.0 and 5e0 are all "5" (and 1e3 is
    "1000"); true and false are "true" and "false"; null is absent. Objects and arrays have no text.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if abs(value) < _LONG else _digits(Decimal(value))
    return _digits(value) if isinstance(value, Decimal) else _ODD


def _digits(number: Decimal) -> str:
    """Return a number in plain digits; one of more than `money.DIGITS` as its digits and exponent: 1E400."""
    if not number or money.fits(number):
        return format(money.plain(number), "f")
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int), "JSON has no NaN or Infinity"
    text = "".join(map(str, digits))
    short_text = text.rstrip("0")
    return f"{'-' * sign}{short_text}E{exponent + len(text) - len(short_text)}"
