"""The fixtures that the other tests of this folder stand on."""

import pytest

pytestmark = pytest.mark.anyio


async def test_a_client_reaches_the_application(app_client, sdk, make_client) -> None:
    """Requests go through the whole application; a second client can be of the same tenant."""
    assert (await app_client.get("/readyz")).json() == {"message": "ready"}
    assert (await app_client.get("/nowhere")).status_code == 404
    reader = await make_client("reader", app_client.tenant)
    assert reader.tenant.id == app_client.tenant.id
    assert (await reader.get("/healthz")).status_code == 200
