"""What metering means, one event at a time, with dicts and fractions: slow, obvious, and no code of Winkel's."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PLAIN_NUMBER = re.compile(r"[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?")


class Literal(str):
    """A JSON number, as it was written."""


@dataclass
class Oracle:
    """Usage by (metric, group key, customer, group values, hour), and what could not be counted."""

    metrics: list[Any]
    seen: dict[tuple[str, str], tuple[Any, ...]] = field(default_factory=dict)
    usage: dict[tuple[Any, ...], Any] = field(default_factory=dict)
    letters: set[tuple[str, str, str]] = field(default_factory=set)
    counted: int = 0
    duplicates: int = 0
    conflicts: int = 0

    def take(self, events: Iterable[Any]) -> None:
        """Meter events in the order in which they arrived."""
        for event in events:
            text = bytes(event.properties).decode()
            content = (event.customer_id, event.event_type, event.timestamp, text)
            before = self.seen.setdefault((event.source, event.transaction_id), content)
            if before is not content:
                self.duplicates += 1
                self.conflicts += before != content
                continue
            self.counted += 1
            properties = json.loads(text, parse_float=Literal, parse_int=Literal)
            for metric in self.metrics:
                self._count(metric, event, {name: value for name, value in properties.items() if value is not None})

    def _count(self, metric: Any, event: Any, properties: dict[str, Any]) -> None:
        if not allowed(metric.event_type_filter, event.event_type):
            return
        for each in metric.property_filters:
            there = each.name in properties
            if each.exists is not None and each.exists != there:
                return
            if not allowed(each, text_of(properties[each.name]) if there else None):
                return
        key = None if metric.aggregation_type == "COUNT" else metric.aggregation_key
        if key and key not in properties:
            return
        added: Any = 1
        if metric.aggregation_type == "UNIQUE":
            added = text_of(properties[key])
            if added is None:
                self.letters.add((event.transaction_id, metric.id, "not_text"))
                return
        elif key:
            added = number_of(properties[key])
            if isinstance(added, str):
                self.letters.add((event.transaction_id, metric.id, added))
                return
        at = (event.timestamp - EPOCH) // timedelta(microseconds=1)
        for index, names in enumerate(metric.group_keys or [()]):
            groups = tuple(text_of(properties.get(name)) for name in names)
            place = (metric.id, index, event.customer_id, groups, at // 3_600_000_000)
            self._add(metric.aggregation_type, place, added, at, event.transaction_id)

    def _add(self, kind: str, place: tuple[Any, ...], added: Any, at: int, name: str) -> None:
        if kind in ("COUNT", "SUM"):
            self.usage[place] = self.usage.get(place, 0) + added
        elif kind == "MAX":
            self.usage[place] = max(self.usage.get(place, added), added)
        elif kind == "LATEST":
            self.usage[place] = max(self.usage.get(place, (at, name, added)), (at, name, added))
        else:
            self.usage[place] = self.usage.get(place, frozenset()) | {added}


def allowed(where: Any, text: str | None) -> bool:
    """Whether a text (None: there is none) is within the values of a filter."""
    if where is None:
        return True
    return (where.in_values is None or text in where.in_values) and text not in (where.not_in_values or ())


def text_of(value: Any) -> str | None:
    """Return a JSON value as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Literal):
        digits, exponent = parts(value)
        if not digits or fits(value):
            return written(fraction(value))
        short = digits.rstrip("0")
        return f"{'-' if value.startswith('-') else ''}{short}E{exponent + len(digits) - len(short)}"
    return value if isinstance(value, str) else None


def number_of(value: Any) -> Fraction | str:
    """Return a JSON value as a number, or why it is none."""
    if not isinstance(value, str) or not PLAIN_NUMBER.fullmatch(value):
        return "not_a_number"
    return fraction(value) if fits(value) else "number_too_long"


def parts(text: str) -> tuple[str, int]:
    """Return the digits of a number and its exponent."""
    mantissa, _, power = text.lower().lstrip("+-").partition("e")
    whole, _, rest = mantissa.partition(".")
    return (whole + rest).lstrip("0"), int(power or 0) - len(rest)


def fits(text: str) -> bool:
    """Whether a number can be written with 38 digits."""
    digits, exponent = parts(text)
    if not digits:
        return exponent >= -38
    return len(digits) + max(exponent, 0) <= 38 and exponent >= -38


def fraction(text: str) -> Fraction:
    """Return the exact value."""
    digits, exponent = parts(text)
    exponent = exponent if digits else 0
    value = Fraction(int(digits or 0)) * Fraction(10) ** exponent
    return -value if text.startswith("-") else value


def written(value: Fraction) -> str:
    """Return a decimal fraction in plain digits."""
    places = 0
    while (value * 10**places).denominator != 1:
        places += 1
    digits = str(abs(int(value * 10**places))).rjust(places + 1, "0")
    point = digits[: len(digits) - places] + ("." + digits[len(digits) - places :] if places else "")
    return ("-" if value < 0 else "") + point
