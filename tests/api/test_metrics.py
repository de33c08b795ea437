"""Billable metrics through the SDK and through raw HTTP."""

import metronome
import pytest

from winkel.model.metric import Aggregation
from winkel.store import metrics

pytestmark = pytest.mark.anyio

ABSENT = "00000000-0000-4000-8000-000000000000"
URL = "/v1/billable-metrics/create"


async def test_a_metric_is_created_and_read_back(sdk) -> None:
    """Everything that defines a metric comes back as it was given."""
    metric_id = (
        await sdk.v1.billable_metrics.create(
            name="Tokens",
            aggregation_type="SUM",
            aggregation_key="tokens",
            event_type_filter={"in_values": ["llm"]},
            property_filters=[
                {"name": "tokens", "exists": True},
                {"name": "model", "in_values": ["a", "b"]},
                {"name": "region", "not_in_values": ["moon"]},
            ],
            group_keys=[["model"], ["model", "region"]],
            custom_fields={"owner": "finance"},
        )
    ).data.id
    found = (await sdk.v1.billable_metrics.retrieve(billable_metric_id=metric_id)).data
    assert (found.name, found.aggregation_type, found.aggregation_key) == ("Tokens", "SUM", "tokens")
    assert found.event_type_filter.in_values == ["llm"]
    assert [each.name for each in found.property_filters] == ["tokens", "model", "region"]
    assert found.property_filters[0].exists is True
    assert found.property_filters[2].not_in_values == ["moon"]
    assert found.group_keys == [["model"], ["model", "region"]]
    assert found.custom_fields == {"owner": "finance"}
    assert found.archived_at is None


async def test_only_the_name_changes(sdk, app_client) -> None:
    """PUT renames; another field in it is refused by name."""
    metric_id = (await sdk.v1.billable_metrics.create(name="Calls", aggregation_type="COUNT")).data.id
    assert (await sdk.v1.billable_metrics.update(billable_metric_id=metric_id, name="API calls")).data.id == metric_id
    assert (await sdk.v1.billable_metrics.retrieve(billable_metric_id=metric_id)).data.name == "API calls"
    answer = await app_client.put(f"/v1/billable-metrics/{metric_id}", json={"name": "x", "aggregation_type": "SUM"})
    assert answer.status_code == 400
    assert "aggregation_type" in answer.json()["message"]


async def test_archived_metrics_are_listed_on_request(sdk, clock) -> None:
    """Archiving hides a metric from the list, not from get; doing it again keeps the first date."""
    ids = []
    for name in ("a", "b", "c"):
        ids.append((await sdk.v1.billable_metrics.create(name=name, aggregation_type="COUNT")).data.id)
        clock.move(seconds=1)
    archived_at = clock.at
    for _ in range(2):
        assert (await sdk.v1.billable_metrics.archive(id=ids[1])).data.id == ids[1]
        clock.move(days=1)
    assert (await sdk.v1.billable_metrics.retrieve(billable_metric_id=ids[1])).data.archived_at == archived_at
    assert [each.id async for each in sdk.v1.billable_metrics.list(limit=1)] == [ids[0], ids[2]]
    assert [each.id async for each in sdk.v1.billable_metrics.list(include_archived=True, limit=2)] == ids


async def test_enumerations_may_be_written_in_any_case(app_client) -> None:
    """`count` is COUNT, and is shown as COUNT."""
    made = await app_client.post(URL, json={"name": "n", "aggregation_type": "count"})
    metric_id = made.json()["data"]["id"]
    found = (await app_client.get(f"/v1/billable-metrics/{metric_id}")).json()["data"]
    assert found["aggregation_type"] == "COUNT"


BAD_BODIES = [
    ({"aggregation_type": "COUNT"}, "name"),
    ({"name": "", "aggregation_type": "COUNT"}, "name"),
    ({"name": "n"}, "LATEST, MAX, SUM or UNIQUE - at `$.aggregation_type`"),
    ({"name": "n", "aggregation_type": "MEDIAN"}, "aggregation_type"),
    ({"name": "n", "sql": "SELECT 1"}, "SQL metrics are not supported yet"),
    ({"name": "n", "aggregation_type": "SUM"}, "required for SUM - at `$.aggregation_key`"),
    ({"name": "n", "aggregation_type": "SUM", "aggregation_key": "a"}, "filter names - at `$.aggregation_key`"),
    (
        {"name": "n", "aggregation_type": "COUNT", "group_keys": [["a"]]},
        "'a' must be one of the property filter names - ",
    ),
    ({"name": "n", "aggregation_type": "COUNT", "group_keys": [[]]}, "each once - at `$.group_keys[0]`"),
    ({"name": "n", "aggregation_type": "COUNT", "group_keys": ["a"]}, "group_keys"),
    (
        {"name": "n", "aggregation_type": "COUNT", "event_type_filter": {"in_values": []}},
        "leave it out instead - at `$.event",
    ),
    ({"name": "n", "aggregation_type": "COUNT", "event_type_filter": {"values": []}}, "values"),
    ({"name": "n", "aggregation_type": "COUNT", "property_filters": [{"name": ""}]}, "$.property_filters[0].name"),
    (
        {"name": "n", "aggregation_type": "COUNT", "property_filters": [{"name": "a"}] * 2},
        "once - at `$.property_filters`",
    ),
    ({"name": "n", "aggregation_type": "COUNT", "property_filters": [{"name": "a", "exists": "yes"}]}, "exists"),
    ({"name": "n", "aggregation_type": "COUNT", "property_filters": {"name": "a"}}, "property_filters"),
    ({"name": "n", "aggregation_type": "COUNT", "filter": {}}, "filter"),
    (
        {
            "name": "n",
            "aggregation_type": "COUNT",
            "property_filters": [{"name": "a"}, {"name": "b"}],
            "group_keys": [["a", "b"], ["b", "a"]],
        },
        "each combination",
    ),
    (
        {
            "name": "n",
            "aggregation_type": "COUNT",
            "property_filters": [{"name": f"p{n}"} for n in range(101)],
            "group_keys": [[f"p{n}"] for n in range(101)],
        },
        "group_keys may hold 100",
    ),
]


async def test_definitions_that_make_no_sense_are_refused(app_client) -> None:
    """Every contradiction is 400 with a message that names what is wrong; nothing is kept."""
    for body, named in BAD_BODIES:
        answer = await app_client.post(URL, json=body)
        assert answer.status_code == 400, (body, answer.text)
        assert named in answer.json()["message"], (body, answer.text)
    assert (await app_client.get("/v1/billable-metrics")).json() == {"data": [], "next_page": None}


async def test_absent_metrics_are_404(sdk, app_client) -> None:
    """An id that nobody has is 404, one that is no UUID 400 and named."""
    with pytest.raises(metronome.NotFoundError):
        await sdk.v1.billable_metrics.retrieve(billable_metric_id=ABSENT)
    with pytest.raises(metronome.NotFoundError):
        await sdk.v1.billable_metrics.update(billable_metric_id=ABSENT, name="x")
    with pytest.raises(metronome.NotFoundError):
        await sdk.v1.billable_metrics.archive(id=ABSENT)
    assert "billable_metric_id" in (await app_client.get("/v1/billable-metrics/abc")).json()["message"]
    answer = await app_client.post("/v1/billable-metrics/archive", json={"id": "abc"})
    assert (answer.status_code, answer.json()["message"]) == (400, "Invalid UUID - at `$.id`")


async def test_the_meter_gets_the_metrics_of_every_tenant(owner, make_client, clock) -> None:
    """The owner's connection sees all tenants' metrics, archived ones too; a change is counted for the meter."""
    first, second = await make_client(), await make_client()
    numbers = []
    for client in (first, second):
        await client.post(URL, json={"name": "m", "aggregation_type": "COUNT"})
        numbers.append((await (await owner.execute("SELECT value FROM change_counter")).fetchone())["value"])
    listed = (await first.get("/v1/billable-metrics")).json()["data"]
    await first.post("/v1/billable-metrics/archive", json={"id": listed[0]["id"]})
    found = await metrics.all_by_tenant(owner)
    assert {tenant_id: [each.name for each in own] for tenant_id, own in found.items()} == {
        first.tenant.id: ["m"],
        second.tenant.id: ["m"],
    }
    (archived,) = found[first.tenant.id]
    assert (archived.archived_at, archived.aggregation_type) == (clock.at, Aggregation.COUNT)
    assert numbers[0] < numbers[1]
