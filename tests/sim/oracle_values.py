"""The oracle's reading of events: texts, numbers, filters (metronome-api.md §4.1, §4.2)."""

import json
import re
from fractions import Fraction
from typing import Any

from sim.world import Condition, Event, Metric


class Digits(str):
    """A JSON number, as it was written."""

    __slots__ = ()


def properties_of(text: str) -> dict[str, Any]:
    """Return the properties of an event; numbers stay the digits that were sent."""
    return json.loads(text, parse_int=Digits, parse_float=Digits, parse_constant=Digits)


def text_of(value: Any) -> str | None:
    """Return the text by which a value is compared; None: it has none."""
    if value is True or value is False:
        return str(value).lower()
    if isinstance(value, Digits):
        number, _ = number_of(value)
        return str(value) if number is None else plain(number)
    return value if isinstance(value, str) else None


def plain(number: Fraction) -> str:
    """Return a decimal number without exponent and trailing zeros."""
    sign, number = "-" if number < 0 else "", abs(number)
    whole, rest = divmod(number, 1)
    digits = ""
    while rest:
        rest *= 10
        digit, rest = divmod(rest, 1)
        digits += str(digit)
    return f"{sign}{whole}" + (f".{digits}" if digits else "")


def number_of(value: Any) -> tuple[Fraction | None, str]:
    """Return the number, or None and the reason why it is none. At most 38 digits, none beyond the 38th place."""
    if not isinstance(value, str) or not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", value):
        return None, "not_a_number"
    mantissa, _, exponent = value.lower().partition("e")
    whole, _, places = mantissa.lstrip("+-").partition(".")
    exponent = int(exponent or 0) - len(places)
    digits = (whole + places).lstrip("0")
    too_long = exponent < -38 or (digits and len(digits) + max(exponent, 0) > 38)
    return (None, "number_too_long") if too_long else (Fraction(value), "")


def has_long_number(value: Any) -> bool:
    """Whether there is a JSON number somewhere that is too long to be kept. Text is never too long."""
    if isinstance(value, dict):
        return any(map(has_long_number, value.values()))
    if isinstance(value, list):
        return any(map(has_long_number, value))
    return isinstance(value, Digits) and number_of(value)[0] is None


def matches(metric: Metric, event: Event, properties: dict[str, Any]) -> bool:
    """Whether a metric wants an event."""
    if metric.in_types is not None and event.type not in metric.in_types:
        return False
    if metric.not_in_types is not None and event.type in metric.not_in_types:
        return False
    return all(holds(each, properties) for each in metric.conditions)


def holds(condition: Condition, properties: dict[str, Any]) -> bool:
    """Whether a property is as a metric wants it. A JSON null is absent."""
    value = properties.get(condition.name)
    if condition.exists is not None and (value is not None) != condition.exists:
        return False
    text = text_of(value)
    if condition.in_values is not None and text not in condition.in_values:
        return False
    return condition.not_in_values is None or text not in condition.not_in_values
