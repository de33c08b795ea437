"""Named schedules of customers, contracts and rate cards: values over time, exactly as they were sent."""

import asyncio
import json

import pytest

from api import seed
from api.seed import at
from api.test_isolation import NAMED

pytestmark = pytest.mark.anyio

ABSENT = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def owned(sdk):
    """Return the ids of one of each that may own schedules."""
    customer, card = await seed.customer(sdk), await seed.rate_card(sdk)
    made = await sdk.v1.contracts.create(customer_id=customer, rate_card_id=card, starting_at=at(2026))
    return {"@customer": customer, "@card": card, "@contract": made.data.id}


@pytest.fixture(params=NAMED)
def place(request, owned):
    """Return the path of one kind of owner, and the fields that name the owner."""
    return request.param, {name: owned[each] for name, each in NAMED[request.param].items()}


def segment(start, value, end=None):
    """Return a segment as it is set."""
    body = {"schedule_name": "discount", "starting_at": start.isoformat(), "value": value}
    return body | ({"ending_before": end.isoformat()} if end else {})


async def update(client, place, *segments, **more):
    """Set segments of one schedule."""
    path, owner = place
    for each in segments:
        answer = await seed.post(client, f"{path}/updateNamedSchedule", {**owner, **each, **more})
        assert (answer.status_code, answer.text) == (200, "")


async def read(client, place, **more):
    """Return the segments as (start, end, value)."""
    path, owner = place
    answer = await seed.post(client, f"{path}/getNamedSchedule", {**owner, "schedule_name": "discount", **more})
    assert answer.status_code == 200, answer.text
    return [
        (each["starting_at"][:10], each.get("ending_before", "")[:10], each["value"]) for each in answer.json()["data"]
    ]


async def test_a_value_replaces_what_it_covers(app_client, place):
    """Without an end a value holds for ever; a later one cuts it, and what lasts longer goes on behind."""
    assert await read(app_client, place) == []
    await update(app_client, place, segment(at(2026), 1))
    await update(app_client, place, segment(at(2026, 3), {"tier": [2]}, at(2026, 5)))
    assert await read(app_client, place) == [
        ("2026-01-01", "2026-03-01", 1),
        ("2026-03-01", "2026-05-01", {"tier": [2]}),
        ("2026-05-01", "", 1),
    ]
    await update(app_client, place, segment(at(2026, 2), None, at(2026, 4)))
    assert await read(app_client, place) == [
        ("2026-01-01", "2026-02-01", 1),
        ("2026-02-01", "2026-04-01", None),
        ("2026-04-01", "2026-05-01", {"tier": [2]}),
        ("2026-05-01", "", 1),
    ]
    await update(app_client, place, segment(at(2026), "all"))
    assert await read(app_client, place) == [("2026-01-01", "", "all")]


async def test_the_value_of_a_date(app_client, place):
    """A date has at most one value: its first instant belongs to it, its end does not."""
    await update(app_client, place, segment(at(2026), "a", at(2026, 2)), segment(at(2026, 3), "b"))
    for date, value in [
        (at(2025, 12, 31), None),
        (at(2026), "a"),
        (at(2026, 1, 31, 23), "a"),
        (at(2026, 2), None),
        (at(2026, 3), "b"),
        (at(2100), "b"),
    ]:
        found = await read(app_client, place, covering_date=date.isoformat())
        assert [each for _, _, each in found] == ([] if value is None else [value])


@pytest.mark.parametrize(
    "text",
    [
        "0.10",
        "-0.0",
        "1e400",
        "12345678901234567890123456789.123456789012345678901234567890",
        '{"b": 1.50, "a":  [1E2, true, null], "b": 2}',
        '"\\u00e9 \\\\ \\"é\\ud83d\\ude00"',
        "null",
        "[]",
    ],
)
async def test_values_stay_as_they_were_sent(app_client, owned, text):
    """Not a digit, a space or a doubled key of a value changes: Winkel does not know what it means."""
    body = json.dumps({"customer_id": owned["@customer"], **segment(at(2026), "HERE")}).replace('"HERE"', text)
    headers = {"content-type": "application/json"}
    path = "/v1/customers/updateNamedSchedule"
    answer = await app_client.post(path, content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    await update(
        app_client, ("/v1/customers", {"customer_id": owned["@customer"]}), segment(at(2026, 2), 1, at(2026, 3))
    )
    asked = {"customer_id": owned["@customer"], "schedule_name": "discount"}
    answer = await seed.post(app_client, "/v1/customers/getNamedSchedule", asked)
    assert answer.text.count(f'"value":{text}') == 2, answer.text


async def test_the_sdk_reads_and_writes(sdk, owned, clock):
    """The SDK's names for rate cards and contracts are swapped; its paths are right, and its types fit."""
    customer, contract = owned["@customer"], owned["@contract"]
    term = {"schedule_name": "reserved", "starting_at": at(2026), "ending_before": at(2027)}
    await sdk.v1.customers.named_schedules.update(customer_id=customer, value={"of": "customer"}, **term)
    await sdk.v1.contracts.named_schedules.update(rate_card_id=owned["@card"], value={"of": "card"}, **term)
    keys = {"customer_id": customer, "contract_id": contract}
    for sku in ("A100", "H100"):
        clock.move(seconds=1)
        await sdk.v1.contracts.rate_cards.named_schedules.update(
            **keys, value={"of": sku}, properties={"sku": sku, "region": "eu"}, **term
        )
    name = {"schedule_name": "reserved"}
    found = await sdk.v1.customers.named_schedules.retrieve(customer_id=customer, **name, covering_date=at(2026, 6))
    assert [(each.starting_at, each.ending_before, each.value) for each in found.data] == [
        (at(2026), at(2027), {"of": "customer"})
    ]
    found = await sdk.v1.contracts.named_schedules.retrieve(rate_card_id=owned["@card"], **name)
    assert [each.value for each in found.data] == [{"of": "card"}]
    schedules = sdk.v1.contracts.rate_cards.named_schedules
    found = await schedules.retrieve(**keys, **name, properties={"region": "eu", "sku": "H100"})
    assert [each.value for each in found.data] == [{"of": "H100"}]
    assert (await schedules.retrieve(**keys, **name)).data == [], "no schedule has exactly these properties: none"
    listed = [each async for each in schedules.list(customer_id=customer, limit=1)]
    assert [(each.contract_id, each.schedule_name, each.properties) for each in listed] == [
        (contract, "reserved", {"sku": "A100", "region": "eu"}),
        (contract, "reserved", {"sku": "H100", "region": "eu"}),
    ]
    assert [each.segments[0].value for each in listed] == [{"of": "A100"}, {"of": "H100"}]


async def test_a_list_is_filtered(sdk, app_client, owned, clock):
    """By contract, by name, by some of the properties; a date chooses segments, and never hides a schedule."""
    place = ("/v1/contracts", {"customer_id": owned["@customer"], "contract_id": owned["@contract"]})
    await update(app_client, place, segment(at(2026), 1, at(2027)), properties={"sku": "a", "region": "eu"})
    clock.move(seconds=1)
    await update(app_client, place, segment(at(2027), 2), properties={"sku": "b", "region": "eu"})
    clock.move(seconds=1)
    await update(app_client, place, {**segment(at(2026), 3), "schedule_name": "other"})
    clock.move(seconds=1)
    second = await sdk.v1.contracts.create(customer_id=owned["@customer"], starting_at=at(2026))
    another = ("/v1/contracts", {"customer_id": owned["@customer"], "contract_id": second.data.id})
    await update(app_client, another, segment(at(2026), 4))

    async def listed(**asked):
        body = {"customer_id": owned["@customer"], **asked}
        answer = await seed.post(app_client, "/v1/contracts/listNamedSchedules", body)
        assert answer.status_code == 200, answer.text
        return [[part["value"] for part in each["segments"]] for each in answer.json()["data"]]

    assert await listed() == [[1], [2], [3], [4]]
    assert await listed(contract_id=owned["@contract"]) == [[1], [2], [3]]
    assert await listed(contract_id=second.data.id) == [[4]]
    assert await listed(schedule_name="discount") == [[1], [2], [4]]
    assert await listed(properties={"region": "eu"}) == [[1], [2]]
    assert await listed(properties={"region": "eu", "sku": "b"}) == [[2]]
    assert await listed(properties={"region": "us"}) == []
    assert await listed(covering_date=at(2026, 6).isoformat(), schedule_name="discount") == [[1], [], [4]]


async def test_updates_at_one_time_lose_nothing(app_client, place):
    """A schedule is made once, and each of its segments is kept, whoever else writes."""
    days = [segment(at(2026, 1, day), day, at(2026, 1, day + 1)) for day in range(1, 13)]
    await asyncio.gather(*(update(app_client, place, each) for each in days))
    assert [value for _, _, value in await read(app_client, place)] == list(range(1, 13))


async def test_what_is_refused(sdk, app_client, place):
    """Times that are none, values that are too long, fields that are unknown; nothing of it is kept."""
    path, owner = place
    path = f"{path}/updateNamedSchedule"
    good = segment(at(2026), 1)
    place_of_end = "`$.ending_before`"
    await seed.refused(app_client, path, {**owner, **segment(at(2026), 1, at(2026))}, "after starting_at", place_of_end)
    await seed.refused(app_client, path, {**owner, **segment(at(2026), 1, at(2025))}, "after starting_at", place_of_end)
    await seed.refused(app_client, path, {**owner, **good, "starting_at": "2026-01-01"}, "`$.starting_at`")
    await seed.refused(app_client, path, {**owner, **good, "starting_at": "1900-01-01T00:00:00Z"}, "`$.starting_at`")
    await seed.refused(app_client, path, {**owner, **good, "schedule_name": ""}, "`$.schedule_name`")
    await seed.refused(app_client, path, {**owner, **good, "value": "x" * 65536}, "65536 bytes", "`$.value`")
    await seed.refused(app_client, path, {**owner, **good, "priority": 1}, "unknown field `priority`", "`$`")
    await seed.refused(
        app_client, path, {**owner, "schedule_name": "discount", "starting_at": "2026-01-01T00:00:00Z"}, "value"
    )
    assert await read(app_client, place) == []
    for name in owner:
        answer = await seed.post(app_client, path, {**owner, **good, name: ABSENT})
        assert (answer.status_code, list(answer.json())) == (404, ["message"])
    assert await read(app_client, place) == []


async def test_what_is_archived_keeps_its_values(sdk, app_client, owned):
    """Values of archived objects are read, and not changed any more."""
    places = {path: (path, {name: owned[each] for name, each in names.items()}) for path, names in NAMED.items()}
    for place in places.values():
        await update(app_client, place, segment(at(2026), 1))
    await sdk.v1.contracts.rate_cards.archive(id=owned["@card"])
    await sdk.v1.contracts.archive(customer_id=owned["@customer"], contract_id=owned["@contract"], void_invoices=False)
    for path, what in [("/v1/contract-pricing/rate-cards", "rate card"), ("/v1/contracts", "contract")]:
        body = {**places[path][1], **segment(at(2026), 2)}
        await seed.refused(app_client, f"{path}/updateNamedSchedule", body, f"this {what} is archived")
    await sdk.v1.customers.archive(id=owned["@customer"])
    body = {"customer_id": owned["@customer"], **segment(at(2026), 2)}
    await seed.refused(app_client, "/v1/customers/updateNamedSchedule", body, "this customer is archived")
    for place in places.values():
        assert [value for _, _, value in await read(app_client, place)] == [1]
