"""What text may hold. PostgreSQL, like C, has no character NUL in text."""

import re

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def escapes_nul(json_text: bytes) -> bool:
    """Whether a JSON text holds the escape of NUL: an odd number of backslashes before u0000."""
    return b"\\" in json_text and b"\\u0000" in json_text and _NUL.search(json_text) is not None
