"""One `winkel up` for the end-to-end tests of a module."""

from collections.abc import Iterator

import pytest

from support.running import Running


@pytest.fixture(scope="module")
def winkel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Return a running Winkel on its embedded database."""
    with Running(tmp_path_factory.mktemp("e2e") / "data") as running:
        yield running
