"""The usage endpoints: what was metered, by window and by group."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from api import billing, seed
from winkel.api import pages
from winkel.api import usage as usage_api
from winkel.api.pages import Position

pytestmark = pytest.mark.anyio
USAGE, GROUPS = "/v1/usage", "/v1/usage/groups"
DAY = {"starting_on": "2026-01-15T00:00:00Z", "ending_before": "2026-01-16T00:00:00Z", "window_size": "DAY"}


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


async def test_an_id_in_capitals_is_the_customer_s(sdk, api, app_client, metric, clock, database_url) -> None:
    """A UUID is the same in capitals: usage and invoice count its events, once even if it is an alias as well."""
    customer = await seed.customer(sdk)
    card, _ = await billing.priced_card(sdk)
    await sdk.v1.contracts.create(customer_id=customer, starting_at=seed.at(2026), rate_card_id=card)
    await billing.used(sdk, api, database_url, customer.upper(), 1, clock(), 5)
    await billing.used(sdk, api, database_url, customer, 2, clock(), 2)
    wanted = {"window_size": "NONE", "customer_ids": [customer], "billable_metrics": [{"id": metric}]}
    for aliases in ([], [customer.upper()]):
        await sdk.v1.customers.set_ingest_aliases(customer_id=customer, ingest_aliases=aliases)
        (row,) = (await sdk.v1.usage.list(**wanted, **billing.day_of(clock()))).data
        (draft,) = await billing.invoices_of(app_client, customer)
        assert (row.value, draft["total"]) == (7, 7)


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


async def listed(client, body: dict[str, Any], **query: Any) -> list[list[dict[str, Any]]]:
    """Return the pages of /v1/usage/groups."""
    found: list[list[dict[str, Any]]] = []
    while query.get("next_page") or not found:
        answer = await client.post(GROUPS, json=body, params=query)
        assert answer.status_code == 200, answer.text
        found.append(answer.json()["data"])
        query["next_page"] = answer.json()["next_page"]
    return found


async def calls_by_user(sdk, api, database_url, customer: str, *users: str | None) -> dict[str, str]:
    """Count one event of each user and return what asks for them."""
    made = await sdk.v1.billable_metrics.create(
        name="Calls", aggregation_type="COUNT", property_filters=[{"name": "user"}], group_keys=[["user"]]
    )
    events = [billing.event(number, customer, api.clock(), user=user) for number, user in enumerate(users)]
    for low in range(0, len(events), 100):
        await sdk.v1.usage.ingest(usage=events[low : low + 100])
    await billing.meter(api, database_url)
    return {"customer_id": customer, "billable_metric_id": made.data.id}


async def test_pages_of_groups_repeat_and_skip_nothing(sdk, api, app_client, metric, clock, database_url) -> None:
    """A page goes on behind the last row of the one before, whatever arrives between them."""
    customer = await seed.customer(sdk)

    def used(at: datetime, models: str) -> list[dict]:
        return [billing.event(f"{at} {each}", customer, at, model=each, tokens=1) for each in models]

    await send(sdk, api, database_url, *used(clock(), "bcd"), *used(clock() + timedelta(hours=13), "ad"))
    body = {**DAY, "customer_id": customer, "billable_metric_id": metric, "group_key": ["model", "region"]}
    body["ending_before"] = "2026-01-17T00:00:00Z"
    first = (await app_client.post(f"{GROUPS}?limit=2", json=body)).json()
    await send(sdk, api, database_url, *used(clock(), "ae"))
    (rest,) = await listed(app_client, body, next_page=first["next_page"])
    shown = [(each["starting_on"][8:10], each["group"]["model"]) for each in (*first["data"], *rest)]
    assert shown == [("15", "b"), ("15", "c"), ("15", "d"), ("15", "e"), ("16", "a"), ("16", "d")]


async def test_a_cursor_stands_for_any_group(sdk, api, app_client, database_url) -> None:
    """For events without the property, for letters of any kind, and for values that would be no part of an address."""
    users = [None, "", "ü", "\t", "\U0001f600", "x" * 50_000, "x" * 50_000 + "y"]
    asked = await calls_by_user(sdk, api, database_url, await seed.customer(sdk), *users)
    found = await listed(app_client, {**DAY, **asked, "group_key": ["user"]}, limit=1)
    assert [len(page) for page in found] == [1] * len(users)
    assert {page[0].get("group_value") for page in found} == set(users)
    answer = await app_client.post(f"{GROUPS}?limit=6", json={**DAY, **asked, "group_key": ["user"]})
    assert len(answer.json()["next_page"]) < 1000


async def test_wrong_cursors_of_groups_are_refused(sdk, app_client, metric) -> None:
    """400 with a message: text that is no cursor, one of another list, and one with other names."""
    body = {**DAY, "customer_id": await seed.customer(sdk), "billable_metric_id": metric}
    at = seed.at(2026, 1, 15)
    made = [pages.encode(Position(at, each)) for each in ("", "x", "[", "{}", "[]", '["a"]', '["a", 1]', '["a"' * 999)]
    made.append(pages.encode(Position(seed.at(1), '["a", "b"]')))
    for cursor in ("x", "2", "é", "WyIyMDI2Il0", *made):
        answer = await app_client.post(
            GROUPS, json={**body, "group_key": ["model", "region"]}, params={"next_page": cursor}
        )
        assert (cursor, answer.status_code) == (cursor, 400)
        assert "next_page" in answer.json()["message"]


async def test_groups_of_many_years_by_the_hour_are_those_with_usage(sdk, api, app_client, database_url) -> None:
    """300 users of one hour in 5,000 years: 300 rows, and no window is made for each hour of each user."""
    users = [f"{number:03}" for number in range(300)]
    asked = await calls_by_user(sdk, api, database_url, await seed.customer(sdk), *users)
    body = {**asked, "starting_on": "1971-01-01T00:00:00Z", "ending_before": "6971-01-01T00:00:00Z"}
    found = await listed(app_client, {**body, "window_size": "HOUR", "group_key": ["user"]}, limit=100)
    assert [len(page) for page in found] == [100] * 3
    assert [(row["group_value"], row["value"]) for page in found for row in page] == [(user, 1) for user in users]
    assert {row["starting_on"] for page in found for row in page} == {"2026-01-15T12:00:00Z"}


async def test_values_by_group_have_a_bound(sdk, api, app_client, database_url, monkeypatch) -> None:
    """Empty ones are answered too, so windows times groups are counted: those that were named, or those that are."""
    customer = await seed.customer(sdk)
    metric = (await calls_by_user(sdk, api, database_url, customer, "a", "b", "c"))["billable_metric_id"]
    named = {"key": "user", "values": ["a", "x"]}
    body = {**DAY, "window_size": "HOUR", "billable_metrics": [{"id": metric, "group_by": named}]}
    monkeypatch.setattr(usage_api, "VALUES_MAX", 48)
    rows = seed.exact(await seed.post(app_client, USAGE, body))["data"]
    assert [(each["value"], each["groups"]) for each in rows if each["value"]] == [(3, {"a": 1, "x": None})]
    assert [each["groups"] for each in rows if not each["value"]] == [{"a": None, "x": None}] * 23
    await seed.refused(app_client, USAGE, {**body, "ending_before": "2026-01-17T00:00:00Z"}, "96 values", "than 48")
    body["billable_metrics"] = [{"id": metric, "group_by": {"key": "user"}}]
    await seed.refused(app_client, USAGE, body, "72 values")


async def test_values_by_group_make_pages_short(sdk, api, metric, monkeypatch) -> None:
    """A page has no more of them than one customer may have."""
    monkeypatch.setattr(usage_api, "VALUES_MAX", 6)
    made = sorted([await seed.customer(sdk, f"customer {number}") for number in range(5)])
    asked = [{"id": metric, "group_by": {"key": "model", "values": ["a", "b", "c"]}}]
    page = await sdk.v1.usage.list(window_size="NONE", billable_metrics=asked, **billing.day_of(api.clock()))
    assert [row.customer_id for row in page.data] == made[:2]
    assert [row.customer_id async for row in page] == made


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


async def test_days_of_the_current_period_are_days(sdk, api, metric, clock, database_url) -> None:
    """They begin at midnight UTC; the first and the last end with the period, whatever the hour of the contract is."""
    customer = await seed.customer(sdk)
    card, _ = await billing.priced_card(sdk)
    await sdk.v1.contracts.create(
        customer_id=customer,
        rate_card_id=card,
        starting_at=seed.at(2026, 1, 15, 6),
        ending_before=seed.at(2026, 1, 17, 3),
    )
    clock.move(hours=38)  # 17th, 02:00
    sent = [seed.at(2026, 1, *each) for each in ((15, 12), (16, 1), (17, 2), (17, 3))]
    events = [billing.event(n, customer, at, model="a", tokens=10**n) for n, at in enumerate(sent)]
    await send(sdk, api, database_url, *events)
    page = await _groups(sdk, metric, customer, group_key=["model", "region"], current_period=True)
    assert [(each.starting_on, each.ending_before, each.value) for each in page.data] == [
        (seed.at(2026, 1, 15, 6), seed.at(2026, 1, 16), 1),
        (seed.at(2026, 1, 16), seed.at(2026, 1, 17), 10),
        (seed.at(2026, 1, 17), seed.at(2026, 1, 17, 3), 100),
    ]


async def test_who_is_named_is_shown_and_nobody_else(sdk, api, app_client, metric, database_url) -> None:
    """Archived customers too, if they are named; who names nobody sees nobody."""
    here, gone = await seed.customer(sdk, "here"), await seed.customer(sdk, "gone")
    sent = [billing.event(each, each, api.clock(), model="a", tokens=5) for each in (here, gone)]
    await send(sdk, api, database_url, *sent)
    await sdk.v1.customers.archive(id=gone)
    for named, shown in (({"customer_ids": [gone, here]}, [here, gone]), ({"customer_ids": []}, []), ({}, [here])):
        rows = (await seed.post(app_client, USAGE, {**DAY, **named})).json()["data"]
        assert {row["customer_id"]: row["value"] for row in rows} == dict.fromkeys(shown, 5)


async def test_all_metrics_are_all(sdk, app_client, metric, monkeypatch) -> None:
    """Where that would be too many, the request says so; it leaves none out."""
    monkeypatch.setattr(usage_api, "METRICS", 2)
    await seed.usage_product(sdk, "Calls")
    customer = await seed.customer(sdk)
    rows = (await seed.post(app_client, USAGE, {**DAY, "customer_ids": [customer]})).json()["data"]
    assert {row["billable_metric_name"] for row in rows} == {"Tokens", "Calls"}
    await seed.usage_product(sdk, "Pages")
    await seed.refused(app_client, USAGE, DAY, "more than 2 billable metrics", "billable_metrics")
    assert (await seed.post(app_client, USAGE, {**DAY, "billable_metrics": [{"id": metric}]})).status_code == 200


async def test_days_begin_at_midnight_utc(sdk, api, app_client, metric, database_url) -> None:
    """However it is written: midnight elsewhere would cut days at another hour, and is refused with its place."""
    customer = await seed.customer(sdk)
    await send(sdk, api, database_url, billing.event(1, customer, api.clock(), model="a", tokens=5))
    here = {**DAY, "starting_on": "2026-01-15T01:00:00+01:00", "ending_before": "2026-01-15T19:00:00-05:00"}
    (row,) = (await seed.post(app_client, USAGE, here)).json()["data"]
    span = {"start_timestamp": DAY["starting_on"], "end_timestamp": DAY["ending_before"]}
    assert {**row, **span, "value": 5} == row
    for name, at in (("starting_on", "2026-01-15T00:00:00+01:00"), ("ending_before", "2026-01-16T00:00:00-05:00")):
        await seed.refused(app_client, USAGE, {**DAY, name: at}, "midnight UTC", at, f"`$.{name}`")
    years = ("0001-01-01T00:00:00+05:00", "9999-12-31T00:00:00-05:00")
    for name, at in zip(("starting_on", "ending_before"), years, strict=True):
        await seed.refused(app_client, USAGE, {**DAY, name: at}, "year", f"`$.{name}`")


async def test_customers_come_in_pages(sdk, api, metric) -> None:
    """Pages hold whole customers, each once."""
    made = [await seed.customer(sdk, f"customer {n}") for n in range(120)]
    seen = [row.customer_id async for row in sdk.v1.usage.list(window_size="NONE", **billing.day_of(api.clock()))]
    assert sorted(seen) == sorted(made)


async def test_what_does_not_make_sense_is_refused(app_client, api, metric, sdk) -> None:
    """Dates off midnight, unknown metrics, keys that are no group key, contradictions: each says what is wrong."""
    customer = await seed.customer(sdk)
    nobody = "11111111-1111-4111-8111-111111111111"
    one = {**DAY, "customer_id": customer, "billable_metric_id": metric}
    await seed.refused(app_client, USAGE, {**DAY, "starting_on": "2026-01-15T01:00:00Z"}, "starting_on", "midnight")
    await seed.refused(app_client, USAGE, {**DAY, "ending_before": "2026-01-15T00:00:00Z"}, "one day after")
    await seed.refused(app_client, USAGE, {**DAY, "window_size": "WEEK"}, "window_size")
    await seed.refused(app_client, USAGE, {**DAY, "billable_metrics": [{"id": nobody}]}, nobody, status=404)
    await seed.refused(app_client, GROUPS, {**one, "group_key": ["model"]}, "is not a group key", "model+region")
    await seed.refused(app_client, GROUPS, {**one, "group_key": ["model"], "group_by": {"key": "model"}}, "excludes")
    await seed.refused(app_client, GROUPS, {**one, "current_period": True}, "excludes")
    await seed.refused(app_client, GROUPS, {**one, "customer_id": nobody}, nobody, status=404)
