"""What text may hold. PostgreSQL, like C, has no character NUL in text."""


def escapes_nul(json_text: bytes) -> bool:
    """Whether a JSON text holds the escape of NUL: an odd number of backslashes before u0000.

    A pair of backslashes is one character of text, so pairs are taken away first. (A regular expression that counts
    them needs seconds for a long row of backslashes.)
    """
    return b"\\" in json_text and b"\\u0000" in json_text and b"\\u0000" in json_text.replace(b"\\\\", b"")
