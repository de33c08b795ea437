"""Pricing units and services."""

import pytest

pytestmark = pytest.mark.anyio

USD = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"


async def test_currencies_are_listed_us_dollars_first(sdk) -> None:
    """All eighteen, whatever the size of a page; US dollars have their well-known id."""
    found = [each async for each in sdk.v1.pricing_units.list()]
    assert (found[0].id, found[0].name, found[0].is_currency) == (USD, "USD (cents)", True)
    assert {"EUR", "GBP", "SGD"} <= {each.name for each in found}
    assert len(found) == 18
    for limit in (1, 5, 17, 18, 100):
        assert [each.id async for each in sdk.v1.pricing_units.list(limit=limit)] == [each.id for each in found]


async def test_bad_pages_are_refused(app_client) -> None:
    """A limit out of bounds or a cursor of nobody is 400 and named."""
    url = "/v1/credit-types/list"
    for query, named in (("limit=0", "limit"), ("next_page=x", "next_page")):
        answer = await app_client.get(f"{url}?{query}")
        assert answer.status_code == 400
        assert named in answer.json()["message"]


async def test_services_are_none(sdk) -> None:
    """A self-hosted system calls nobody."""
    assert (await sdk.v1.services.list()).services == []
