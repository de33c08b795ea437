"""One running Winkel for all tests that leave it as they found it, or heal it."""

from collections.abc import Iterator

import pytest

from support.running import Running


@pytest.fixture(scope="session")
def winkel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Return a running Winkel."""
    with Running(tmp_path_factory.mktemp("winkel") / "data") as running:
        yield running
