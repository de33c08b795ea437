"""Asking an HTTP address plainly."""

import urllib.error
import urllib.request
from collections.abc import Mapping


def get(url: str, headers: Mapping[str, str] | None = None, *, seconds: float = 20) -> tuple[int, str]:
    """Return the status and the text that an address answers; (0, "") when nobody does."""
    request = urllib.request.Request(url, headers=dict(headers or {}))
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:  # it holds a connection
            return refused.code, refused.read().decode()
    except (OSError, ValueError):
        return 0, ""
