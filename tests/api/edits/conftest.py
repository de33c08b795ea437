"""The customer of these tests, and what holds after each of them."""

import pytest

from api.edits.acme import Acme
from winkel.store import invoices


@pytest.fixture
async def acme(sdk, app_client, api, database_url):
    """Return the customer."""
    return await Acme(sdk, app_client, api, database_url).build()


@pytest.fixture(autouse=True)
async def balanced_books(owner):
    """After every test, the ledger and the invoices of the whole database agree."""
    yield
    assert await invoices.unbalanced(owner) == []
