"""Text of others, for a terminal: who may send events, or name a customer, must not command it."""

import re

_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but tab and newline, what turns the direction of writing, and halves of characters."""


def visible(text: str) -> str:
    """Return text in which what would command the terminal is written as JSON writes it, with a backslash and a u."""
    return _COMMANDS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
