"""`--accept`: write the answers of stories anew."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--accept", action="store_true", help="rewrite the expected parts of tests/scenarios/*.story")
