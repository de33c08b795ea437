"""One running Winkel for all tests that leave it as they found it, or heal it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.running import Running


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return an empty folder outside of pytest's own.

    Started by root, PostgreSQL runs as another user, and every pytest session closes pytest's folder to others.
    """
    with tempfile.TemporaryDirectory(prefix="winkel-cli-") as path:
        yield Path(path)


@pytest.fixture(scope="session")
def winkel() -> Iterator[Running]:
    """Return a running Winkel."""
    with tempfile.TemporaryDirectory(prefix="winkel-cli-") as path, Running(Path(path) / "data") as running:
        yield running
