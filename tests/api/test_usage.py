"""The usage endpoints: what was metered, by window and by group."""

import pytest

from api import billing, seed

pytestmark = pytest.mark.anyio


@pytest.fixture
async def metric(sdk) -> str:
    """Return a metric that sums tokens by model and region."""
    await seed.usage_product(sdk)
    return (await sdk.v1.billable_metrics.list()).data[0].id


async def send(sdk, api, database_url, *events) -> None:
    await sdk.v1.usage.ingest(usage=events)
    await billing.meter(api, database_url)


async def test_usage_attaches_to_a_customer_who_comes_later(sdk, api, metric, database_url) -> None:
    """Events that were sent before the customer, or its alias, existed are there as soon as it does."""
    await send(sdk, api, database_url, billing.event(1, "early", api.clock(), model="a", tokens=5))
    customer = await seed.customer(sdk)
    span = billing.day_of(api.clock())
    before = (await sdk.v1.usage.list(window_size="NONE", customer_ids=[customer], **span)).data
    assert [row.value for row in before] == [None]
    await sdk.v1.customers.set_ingest_aliases(customer_id=customer, ingest_aliases=["early"])
    after = (await sdk.v1.usage.list(window_size="NONE", customer_ids=[customer], **span)).data
    assert [row.value for row in after] == [5]


async def test_windows_and_groups(sdk, api, metric, clock, database_url) -> None:
    """Hours add up to days, days to the whole; groups add up to the total."""
    customer = await seed.customer(sdk)
    events = [
        billing.event(n, customer, clock(), model="ab"[n % 2], tokens=10**n, region="eu" if n < 3 else "us")
        for n in range(4)
    ]
    await send(sdk, api, database_url, *events)
    clock.move(hours=14)
    await send(sdk, api, database_url, billing.event(9, customer, clock(), model="a", tokens="0.5"))
    span = billing.day_of(seed.at(2026, 1, 15), days=2)
    sizes = {}
    for size in ("HOUR", "DAY", "NONE"):
        sizes[size] = (await sdk.v1.usage.list(window_size=size, billable_metrics=[{"id": metric}], **span)).data
    assert [len(rows) for rows in sizes.values()] == [48, 2, 1]
    assert [row.value for row in sizes["DAY"]] == [1111, 0.5]
    assert {row.start_timestamp.hour: row.value for row in sizes["HOUR"] if row.value} == {12: 1111, 2: 0.5}
    by_model = [{"id": metric, "group_by": {"key": "model", "values": ["a", "b", "c"]}}]
    (row,) = (await sdk.v1.usage.list(window_size="NONE", billable_metrics=by_model, **span)).data
    assert row.value == 1111.5
    assert row.groups == {"a": 101.5, "b": 1010, "c": None}
    page = await _groups(sdk, metric, customer, limit=1, group_key=["region", "model"], **span)
    rows = [each async for each in page]
    assert [(each.group, each.value) for each in rows] == [
        ({"region": "eu", "model": "a"}, 101),
        ({"region": "eu", "model": "b"}, 10),
        ({"region": "us", "model": "b"}, 1000),
        ({"region": "eu", "model": "a"}, 0.5),
    ]
    only = (
        await _groups(sdk, metric, customer, group_key=["model", "region"], group_filters={"region": ["us"]}, **span)
    ).data
    assert [each.value for each in only] == [1000]


async def _groups(sdk, metric, customer, **more):
    return await sdk.v1.usage.list_with_groups(
        billable_metric_id=metric, customer_id=customer, window_size="DAY", **more
    )


async def test_the_current_period_is_the_contract_s(sdk, api, metric, database_url) -> None:
    """`current_period` means the billing period that runs now, and needs a contract."""
    customer = await seed.customer(sdk)
    await send(sdk, api, database_url, billing.event(1, customer, api.clock(), model="a", tokens=3))
    with pytest.raises(Exception, match="no contract that is active now"):
        await _groups(sdk, metric, customer, group_key=["model", "region"], current_period=True)
    card, _ = await billing.priced_card(sdk)
    await sdk.v1.contracts.create(customer_id=customer, starting_at=seed.at(2026, 1, 10), rate_card_id=card)
    page = await _groups(sdk, metric, customer, group_key=["model", "region"], current_period=True)
    assert [(each.starting_on, each.value) for each in page.data] == [(seed.at(2026, 1, 15), 3)]


async def test_customers_come_in_pages(sdk, api, metric) -> None:
    """Pages hold whole customers, each once."""
    made = [await seed.customer(sdk, f"customer {n}") for n in range(120)]
    seen = [row.customer_id async for row in sdk.v1.usage.list(window_size="NONE", **billing.day_of(api.clock()))]
    assert sorted(seen) == sorted(made)


async def test_what_does_not_make_sense_is_refused(app_client, api, metric, sdk) -> None:
    """Dates off midnight, unknown metrics, keys that are no group key, contradictions: each says what is wrong."""
    customer = await seed.customer(sdk)
    day = {"starting_on": "2026-01-15T00:00:00Z", "ending_before": "2026-01-16T00:00:00Z", "window_size": "DAY"}
    nobody = "11111111-1111-4111-8111-111111111111"
    one = {**day, "customer_id": customer, "billable_metric_id": metric}
    usage, groups = "/v1/usage", "/v1/usage/groups"
    await seed.refused(app_client, usage, {**day, "starting_on": "2026-01-15T01:00:00Z"}, "starting_on", "midnight")
    await seed.refused(app_client, usage, {**day, "ending_before": "2026-01-15T00:00:00Z"}, "one day after")
    await seed.refused(app_client, usage, {**day, "window_size": "WEEK"}, "window_size")
    await seed.refused(app_client, usage, {**day, "billable_metrics": [{"id": nobody}]}, nobody, status=404)
    await seed.refused(app_client, groups, {**one, "group_key": ["model"]}, "is not a group key", "model+region")
    await seed.refused(app_client, groups, {**one, "group_key": ["model"], "group_by": {"key": "model"}}, "excludes")
    await seed.refused(app_client, groups, {**one, "current_period": True}, "excludes")
    await seed.refused(app_client, groups, {**one, "customer_id": nobody}, nobody, status=404)
