"""The only place that asks what time it is. Everything else takes the time, or a `Clock`, as an argument."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

Clock: TypeAlias = Callable[[], datetime]


def now() -> datetime:
    """Return the current instant, in UTC."""
    return datetime.now(UTC)
