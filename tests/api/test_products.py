"""Products through the SDK and through raw HTTP."""

from datetime import UTC, datetime, timedelta

import anyio
import metronome
import pytest

from winkel.store import products

pytestmark = pytest.mark.anyio

ABSENT = "00000000-0000-4000-8000-000000000000"
URL = "/v1/contract-pricing/products"
HOUR = datetime(2026, 1, 15, 13, tzinfo=UTC)


async def make_metric(sdk, name: str = "Tokens", keys=(("model", "region"), ("user",))) -> str:
    """Make a metric with group keys."""
    names = {"tokens", *(each for key in keys for each in key)}
    made = await sdk.v1.billable_metrics.create(
        name=name,
        aggregation_type="SUM",
        aggregation_key="tokens",
        property_filters=[{"name": each, "exists": True} for each in sorted(names)],
        group_keys=[list(key) for key in keys],
    )
    return made.data.id


async def test_a_usage_product_is_created_and_read_back(sdk, clock) -> None:
    """Everything comes back as it was given: the initial terms are the current ones, there are no updates."""
    metric = await make_metric(sdk)
    made = await sdk.v1.contracts.products.create(
        name="Tokens",
        type="USAGE",
        billable_metric_id=metric,
        pricing_group_key=["model"],
        presentation_group_key=["region"],
        quantity_conversion={"conversion_factor": 1000000, "operation": "DIVIDE", "name": "million"},
        quantity_rounding={"decimal_places": 2, "rounding_method": "ROUND_HALF_UP"},
        tags=["ai"],
        is_refundable=False,
        netsuite_internal_item_id="ns1",
        netsuite_overage_item_id="ns2",
        custom_fields={"owner": "finance"},
    )
    found = (await sdk.v1.contracts.products.retrieve(id=made.data.id)).data
    assert (found.type, found.updates, found.archived_at) == ("USAGE", [], None)
    assert found.custom_fields == {"owner": "finance"}
    assert found.current == found.initial
    initial = found.initial
    assert (initial.name, initial.billable_metric_id, initial.created_at) == ("Tokens", metric, clock.at)
    assert (initial.pricing_group_key, initial.presentation_group_key) == (["model"], ["region"])
    assert initial.quantity_conversion.conversion_factor == 1000000
    assert initial.quantity_conversion.operation == "DIVIDE"
    assert initial.quantity_rounding.rounding_method == "ROUND_HALF_UP"
    assert (initial.tags, initial.is_refundable) == (["ai"], False)
    assert (initial.netsuite_internal_item_id, initial.netsuite_overage_item_id) == ("ns1", "ns2")
    assert initial.created_by.startswith("admin")


async def test_changes_are_scheduled(sdk, clock) -> None:
    """A change holds from its hour on; what it leaves out stays, null takes away, and later hours win."""
    metric = await make_metric(sdk)
    product_id = (
        await sdk.v1.contracts.products.create(
            name="v1",
            type="USAGE",
            billable_metric_id=metric,
            pricing_group_key=["model"],
            quantity_conversion={"conversion_factor": 2, "operation": "MULTIPLY"},
            tags=["x"],
        )
    ).data.id
    update = sdk.v1.contracts.products.update
    await update(product_id=product_id, starting_at=HOUR + timedelta(hours=2), name="v3")
    await update(product_id=product_id, starting_at=HOUR, name="v2", quantity_conversion=None, tags=["y", "z"])

    async def current():
        found = (await sdk.v1.contracts.products.retrieve(id=product_id)).data
        assert found.initial.name == "v1"
        assert [each.name for each in found.updates] == ["v3", "v2"], "in the order in which they were made"
        return found.current

    assert ((await current()).name, (await current()).quantity_conversion.conversion_factor) == ("v1", 2)
    clock.at = HOUR
    now = await current()
    assert (now.name, now.quantity_conversion, now.tags) == ("v2", None, ["y", "z"])
    assert (now.pricing_group_key, now.starting_at) == (["model"], HOUR)
    clock.at = HOUR + timedelta(hours=2)
    assert ((await current()).name, (await current()).tags) == ("v3", ["y", "z"])


async def test_a_change_may_lie_in_the_past(sdk, clock) -> None:
    """It then holds at once."""
    product_id = (await sdk.v1.contracts.products.create(name="Seat", type="FIXED")).data.id
    await sdk.v1.contracts.products.update(product_id=product_id, starting_at="2020-01-01T00:00:00Z", name="Seats")
    assert (await sdk.v1.contracts.products.retrieve(id=product_id)).data.current.name == "Seats"


async def test_the_exact_factor_is_kept(app_client, sdk) -> None:
    """A conversion factor keeps every digit on its way through the database."""
    metric, factor = await make_metric(sdk), "0.1234567890123456789012345678901234567"
    body = (
        f'{{"name": "n", "type": "USAGE", "billable_metric_id": "{metric}",'
        f' "quantity_conversion": {{"conversion_factor": {factor}, "operation": "multiply"}}}}'
    )
    made = await app_client.post(f"{URL}/create", content=body, headers={"content-type": "application/json"})
    product_id = made.json()["data"]["id"]
    assert factor in (await app_client.post(f"{URL}/get", json={"id": product_id})).text


async def test_decimal_places_may_be_written_with_a_point(app_client, sdk) -> None:
    """They are a number in the SDK: 2.0 is two of them, when a product is made and when it is changed."""
    rounding = {"decimal_places": 2.0, "rounding_method": "ROUND_UP"}
    usage = {"name": "n", "type": "USAGE", "billable_metric_id": await make_metric(sdk), "quantity_rounding": rounding}
    product_id = (await app_client.post(f"{URL}/create", json=usage)).json()["data"]["id"]
    for places in (3.0, None):
        after = {"quantity_rounding": places and {**rounding, "decimal_places": places}}
        change = {"product_id": product_id, "starting_at": HOUR.isoformat(), **after}
        assert (await app_client.post(f"{URL}/update", json=change)).status_code == 200
    shown = (await app_client.post(f"{URL}/get", json={"id": product_id})).json()["data"]
    made = [shown["initial"], *shown["updates"]]
    assert [each["quantity_rounding"] and each["quantity_rounding"]["decimal_places"] for each in made] == [2, 3, None]


async def test_listing_and_archiving(sdk, app_client, clock) -> None:
    """The list shows live products, archived ones, or all; it answers without a body too."""
    ids = []
    for name in "abc":
        ids.append((await sdk.v1.contracts.products.create(name=name, type="FIXED")).data.id)
        clock.move(seconds=1)
    archived_at = clock.at
    for _ in range(2):
        assert (await sdk.v1.contracts.products.archive(product_id=ids[0])).data.id == ids[0]
        clock.move(days=1)
    assert (await sdk.v1.contracts.products.retrieve(id=ids[0])).data.archived_at == archived_at

    async def listed(**more) -> list[str]:
        return [each.id async for each in sdk.v1.contracts.products.list(limit=1, **more)]

    assert await listed() == await listed(archive_filter="NOT_ARCHIVED") == ids[1:]
    assert await listed(archive_filter="ARCHIVED") == ids[:1]
    assert await listed(archive_filter="ALL") == ids
    assert [each["id"] for each in (await app_client.post(f"{URL}/list")).json()["data"]] == ids[1:]
    for url, body, named in (
        ("list?limit=0", {}, "limit"),
        ("list?limit=101", {}, "limit"),
        ("list?next_page=x", {}, "next_page"),
        ("list", {"archive_filter": "SOME"}, "archive_filter"),
        ("list", {"limit": 5}, "limit"),
    ):
        answer = await app_client.post(f"{URL}/{url}", json=body)
        assert answer.status_code == 400
        assert named in answer.json()["message"]


async def test_a_product_needs_a_live_metric_and_keeps_an_archived_one(sdk, app_client) -> None:
    """A new product cannot use an archived metric; one that has it goes on and can be changed."""
    metric = await make_metric(sdk)
    product_id = (await sdk.v1.contracts.products.create(name="n", type="USAGE", billable_metric_id=metric)).data.id
    await sdk.v1.billable_metrics.archive(id=metric)
    with pytest.raises(metronome.BadRequestError, match="archived"):
        await sdk.v1.contracts.products.create(name="n", type="USAGE", billable_metric_id=metric)
    with pytest.raises(metronome.BadRequestError, match="archived"):
        await sdk.v1.contracts.products.update(product_id=product_id, starting_at=HOUR, billable_metric_id=metric)
    await sdk.v1.contracts.products.update(product_id=product_id, starting_at=HOUR, pricing_group_key=["user"])


async def test_group_keys_must_fit_one_key_of_the_metric_at_every_time(sdk) -> None:
    """A change is refused when it, or a change that is scheduled after it, would leave terms that do not fit."""
    first = await make_metric(sdk, "first", [("model", "region"), ("user",)])
    second = await make_metric(sdk, "second", [("model",)])
    create, update = sdk.v1.contracts.products.create, sdk.v1.contracts.products.update
    with pytest.raises(metronome.BadRequestError, match="one of the group_keys"):
        await create(
            name="n",
            type="USAGE",
            billable_metric_id=first,
            pricing_group_key=["model"],
            presentation_group_key=["user"],
        )
    product_id = (
        await create(name="n", type="USAGE", billable_metric_id=first, pricing_group_key=["region", "model"])
    ).data.id
    with pytest.raises(metronome.BadRequestError, match="one of the group_keys"):
        await update(product_id=product_id, starting_at=HOUR, billable_metric_id=second)
    await update(product_id=product_id, starting_at=HOUR, billable_metric_id=second, pricing_group_key=["model"])
    before = HOUR - timedelta(hours=3)
    with pytest.raises(metronome.BadRequestError, match="one of the group_keys"):
        await update(product_id=product_id, starting_at=before, presentation_group_key=["region"])
    await update(product_id=product_id, starting_at=before, name="m")


CREATE = [
    ({"type": "FIXED"}, "name"),
    ({"name": "", "type": "FIXED"}, "name"),
    ({"name": "n"}, "type"),
    ({"name": "n", "type": "COMPOSITE"}, "needs composite_product_ids or composite_tags - at `$`"),
    ({"name": "n", "type": "COMPOSITE", "composite_product_ids": [ABSENT]}, "$.composite_product_ids"),
    (
        {"name": "n", "type": "FIXED", "composite_tags": ["a"]},
        "composite_tags is not for products of type FIXED - at `$.",
    ),
    ({"name": "n", "type": "subscription", "pricing_group_key": ["a"]}, "not for products of type SUBSCRIPTION"),
    ({"name": "n", "type": "PROFESSIONAL_SERVICE", "pricing_group_key": ["a"]}, "not for products of type PRO_SERVICE"),
    ({"name": "n", "type": "NONSENSE"}, "NONSENSE"),
    ({"name": "n", "type": 5}, "type"),
    ({"name": "n", "type": "USAGE"}, "is required for a USAGE product - at `$.billable_metric_id`"),
    ({"name": "n", "type": "USAGE", "billable_metric_id": "abc"}, "billable_metric_id"),
    ({"name": "n", "type": "USAGE", "billable_metric_id": ABSENT}, f"metric {ABSENT} - at `$.billable_metric_id`"),
    ({"name": "n", "type": "USAGE", "sql_breakdown_granularity": "HOUR"}, "sql_breakdown_granularity"),
    ({"name": "n", "type": "FIXED", "pricing_group_key": ["a"]}, "pricing_group_key"),
    ({"name": "n", "type": "FIXED", "presentation_group_key": ["a"]}, "presentation_group_key"),
    (
        {"name": "n", "type": "FIXED", "quantity_rounding": {"decimal_places": 0, "rounding_method": "ROUND_UP"}},
        "not for products of type FIXED",
    ),
    ({"name": "n", "type": "FIXED", "tags": [""]}, "tags"),
    ({"name": "n", "type": "FIXED", "nonsense": 1}, "nonsense"),
]


async def test_products_that_make_no_sense_are_refused(app_client, sdk) -> None:
    """Every fault is 400 and named; nothing is kept."""
    metric = await make_metric(sdk)
    usage = {"name": "n", "type": "USAGE", "billable_metric_id": metric}
    fixed_metric = ({"name": "n", "type": "FIXED", "billable_metric_id": metric}, "billable_metric_id is not for")
    rounding = {"decimal_places": -1, "rounding_method": "ROUND_UP"}
    bad = [
        *CREATE,
        fixed_metric,
        ({**usage, "pricing_group_key": ["tokens"]}, " - at `$.pricing_group_key`"),
        ({**usage, "presentation_group_key": ["tokens"]}, " - at `$.presentation_group_key`"),
        ({**usage, "pricing_group_key": ["model", "model"]}, "once - at `$.pricing_group_key`"),
        ({**usage, "quantity_rounding": rounding}, "from 0 to 20 - at `$.quantity_rounding.decimal_places`"),
        ({**usage, "quantity_rounding": {**rounding, "decimal_places": 21}}, "decimal_places"),
        ({**usage, "quantity_rounding": {**rounding, "decimal_places": 1.5}}, "decimal_places"),
        ({**usage, "quantity_rounding": {"decimal_places": 1, "rounding_method": "UP"}}, "rounding_method"),
        ({**usage, "quantity_conversion": {"conversion_factor": 0, "operation": "DIVIDE"}}, "$.quantity_conversion."),
        ({**usage, "quantity_conversion": {"conversion_factor": -1, "operation": "DIVIDE"}}, "conversion_factor"),
        ({**usage, "quantity_conversion": {"conversion_factor": "NaN", "operation": "DIVIDE"}}, "conversion_factor"),
        ({**usage, "quantity_conversion": {"conversion_factor": 10**40, "operation": "DIVIDE"}}, "conversion_factor"),
    ]
    for body, named in bad:
        answer = await app_client.post(f"{URL}/create", json=body)
        assert answer.status_code == 400, (body, answer.text)
        assert named in answer.json()["message"], (body, answer.text)
    huge = (
        f'{{"name": "n", "type": "USAGE", "billable_metric_id": "{metric}",'
        ' "quantity_conversion": {"conversion_factor": 1e400, "operation": "DIVIDE"}}'
    )
    answer = await app_client.post(f"{URL}/create", content=huge, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert (await app_client.post(f"{URL}/list")).json()["data"] == []


async def test_changes_that_make_no_sense_are_refused(app_client, sdk) -> None:
    """A change off the hour, of the type, or of a usage field of a FIXED product is 400 and named."""
    product_id = (await sdk.v1.contracts.products.create(name="n", type="FIXED")).data.id
    usage_id = (
        await sdk.v1.contracts.products.create(name="n", type="USAGE", billable_metric_id=await make_metric(sdk))
    ).data.id
    on = {"product_id": product_id, "starting_at": HOUR.isoformat()}
    for body, named in (
        ({**on, "starting_at": "2026-01-15T13:30:00Z"}, "starting_at"),
        ({**on, "starting_at": "2026-01-15T13:00:00"}, "starting_at"),
        ({**on, "starting_at": "0001-01-01T00:00:00+14:00"}, "starting_at"),
        ({**on, "starting_at": "tomorrow"}, "starting_at"),
        ({"product_id": product_id}, "starting_at"),
        ({**on, "type": "USAGE"}, "type"),
        ({**on, "name": None}, "name"),
        ({**on, "name": ""}, "name"),
        ({**on, "tags": None}, "tags"),
        ({**on, "pricing_group_key": ["a"]}, "pricing_group_key"),
        ({**on, "billable_metric_id": ABSENT}, "billable_metric_id"),
        ({**on, "product_id": usage_id, "billable_metric_id": None}, "billable_metric_id"),
        ({**on, "product_id": "abc"}, "product_id"),
        ({**on, "composite_tags": ["a"]}, "composite_tags"),
    ):
        answer = await app_client.post(f"{URL}/update", json=body)
        assert answer.status_code == 400, (body, answer.text)
        assert named in answer.json()["message"], (body, answer.text)
    assert (await app_client.post(f"{URL}/get", json={"id": product_id})).json()["data"]["updates"] == []


async def test_absent_products_are_404(app_client) -> None:
    """An id that nobody has is 404."""
    for url, body in (
        ("get", {"id": ABSENT}),
        ("archive", {"product_id": ABSENT}),
        ("update", {"product_id": ABSENT, "starting_at": HOUR.isoformat()}),
    ):
        assert (await app_client.post(f"{URL}/{url}", json=body)).status_code == 404


async def test_simultaneous_changes_are_all_kept(app_client, sdk) -> None:
    """Changes of one product queue: none is lost."""
    product_id = (await sdk.v1.contracts.products.create(name="n", type="FIXED")).data.id

    async def change(number: int) -> None:
        body = {"product_id": product_id, "starting_at": HOUR.isoformat(), "name": f"n{number}"}
        assert (await app_client.post(f"{URL}/update", json=body)).status_code == 200

    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(change, number)
    found = (await sdk.v1.contracts.products.retrieve(id=product_id)).data
    assert sorted(each.name for each in found.updates) == [f"n{number}" for number in range(8)]


async def test_store_reads_products_by_id(sdk, owner, app_client) -> None:
    """by_ids gives those that exist in this tenant and no others."""
    product_id = (await sdk.v1.contracts.products.create(name="n", type="FIXED")).data.id
    found = await products.by_ids(owner, app_client.tenant.id, [product_id, ABSENT])
    assert list(found) == [product_id]
    assert await products.by_ids(owner, app_client.tenant.id + 1, [product_id]) == {}
    assert await products.by_ids(owner, app_client.tenant.id, []) == {}
    assert (await products.get(owner, app_client.tenant.id, product_id)).initial.name == "n"
