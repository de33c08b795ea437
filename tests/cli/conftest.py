"""One running Winkel for the tests that leave it as they found it."""

from collections.abc import Iterator

import pytest
from support.running import Running


@pytest.fixture(scope="module")
def winkel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Return a running Winkel."""
    with Running(tmp_path_factory.mktemp("winkel") / "data") as running:
        yield running
