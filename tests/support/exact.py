"""In these tests nothing may round unseen: Python's own operators raise instead."""

from collections.abc import Iterator
from decimal import Inexact, getcontext

import pytest


@pytest.fixture(autouse=True)
def no_rounding() -> Iterator[None]:
    """Trap what the default context would round to 28 digits."""
    context = getcontext()
    context.traps[Inexact] = True
    yield
    context.traps[Inexact] = False
