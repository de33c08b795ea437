"""What JSON text may hold, and what is said of text that is none."""

import re

import msgspec
import numpy as np

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_PAIR, _QUOTE, _BLANK = b"\\\\", b'\\"', b"  "
QUOTE, OPENS, CLOSES, FOLD = ord('"'), ord("{"), ord("}"), 32
"""A bracket with the bit `FOLD` is a brace, and nothing else becomes one: that tells both at one go."""


def escapes_nul(json_text: bytes) -> bool:
    """Whether a JSON text holds the escape of NUL: an odd number of backslashes before u0000.

    PostgreSQL, like C, has no character NUL in text. A pair of backslashes is one character of text, so pairs are taken
    away first. (A regular expression that counts them needs seconds for a long row of backslashes.)
    """
    return b"\\" in json_text and b"\\u0000" in json_text and b"\\u0000" in json_text.replace(_PAIR, b"")


def nests_deeper(json_text: bytes, levels: int) -> bool:
    """Whether objects and arrays of a JSON text stand in each other for more than so many levels.

    Who decodes or writes JSON has a stack for it, whose end depends on who calls: what one process takes another one
    could not read. So the limit is ours, and far below. What is no JSON may be told to be deep, or not.
    """
    if json_text.count(b"{") + json_text.count(b"[") <= levels:
        return False
    # Without escapes every quote begins or ends a string, and only what is outside of strings counts.
    text = np.frombuffer(json_text.replace(_PAIR, _BLANK).replace(_QUOTE, _BLANK), np.uint8)
    folded = text | FOLD
    marks = folded[(text == QUOTE) | (folded == OPENS) | (folded == CLOSES)]
    outside = np.cumsum(marks == QUOTE, dtype=np.uint8) % 2 == 0
    steps = ((marks == OPENS) & outside).astype(np.int32) - ((marks == CLOSES) & outside)
    return bool(np.cumsum(steps, dtype=np.int32).max(initial=0) > levels)


def why_no_json(error: msgspec.DecodeError, text: bytes) -> str:
    """Return what msgspec says of a text that is no JSON, and what it does not say about half a pair of surrogates."""
    hint = "; every escaped surrogate (\\ud800…\\udfff) needs its other half" if _SURROGATE.search(text) else ""
    return str(error).removeprefix("JSON is malformed: ") + hint
