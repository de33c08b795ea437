"""Rate cards and their aliases."""

import asyncio
import uuid

import pytest

from api import seed
from api.seed import at

pytestmark = pytest.mark.anyio
CARDS = "/v1/contract-pricing/rate-cards"


async def aliases(sdk, card):
    found = (await sdk.v1.contracts.rate_cards.retrieve(id=card)).data.aliases
    return [(each.name, each.starting_at, each.ending_before) for each in found]


async def test_life(sdk, clock):
    """A rate card is made, read, changed and archived; an archived one is not listed but can still be read."""
    cards = sdk.v1.contracts.rate_cards
    card = await seed.rate_card(sdk, description="All we sell", custom_fields={"tier": "a"})
    seen = (await cards.retrieve(id=card)).data
    assert (seen.name, seen.description, seen.custom_fields) == ("Standard", "All we sell", {"tier": "a"})
    assert (seen.fiat_credit_type.name, seen.created_at) == ("USD (cents)", clock())
    assert seen.created_by.startswith("admin of")
    assert (await cards.update(rate_card_id=card, name="Better")).data.id == card
    seen = (await cards.retrieve(id=card)).data
    assert (seen.name, seen.description) == ("Better", "All we sell")
    assert [each.id async for each in cards.list()] == [card]
    assert (await cards.archive(id=card)).data.id == card
    assert (await cards.archive(id=card)).data.id == card
    assert [each.id async for each in cards.list()] == []
    assert (await cards.retrieve(id=card)).data.id == card


async def test_list_pages(sdk, app_client, clock):
    """The list comes in pages, oldest first, and takes a body or none."""
    made = []
    for index in range(5):
        made.append(await seed.rate_card(sdk, f"card {index}"))
        clock.move(seconds=1)
    assert [each.id async for each in sdk.v1.contracts.rate_cards.list(limit=2)] == made
    first = (await app_client.post(f"{CARDS}/list?limit=4")).json()
    rest = (await app_client.post(f"{CARDS}/list", params={"next_page": first["next_page"]}, json={})).json()
    assert [each["id"] for each in first["data"] + rest["data"]] == made
    assert rest["next_page"] is None


async def test_alias_moves_to_another_card(sdk):
    """Giving a name to another card ends the old assignment when the new one starts, and never twice at once."""
    old = await seed.rate_card(sdk, "old", aliases=[{"name": "paygo"}])
    new = await seed.rate_card(sdk, "new", aliases=[{"name": "paygo", "starting_at": at(2026, 3)}])
    assert await aliases(sdk, old) == [("paygo", None, at(2026, 3))]
    assert await aliases(sdk, new) == [("paygo", at(2026, 3), None)]
    await sdk.v1.contracts.rate_cards.update(rate_card_id=old, aliases=[{"name": "paygo"}])
    assert await aliases(sdk, old) == [("paygo", None, None)]
    assert await aliases(sdk, new) == []


async def test_aliases_that_do_not_meet_stay(sdk):
    """An assignment that another one does not touch stays as it is; update replaces the names of its own card."""
    late = await seed.rate_card(sdk, "late", aliases=[{"name": "a", "starting_at": at(2026, 6)}])
    early = await seed.rate_card(sdk, "early", aliases=[{"name": "a", "ending_before": at(2026, 6)}, {"name": "b"}])
    assert await aliases(sdk, late) == [("a", at(2026, 6), None)]
    assert await aliases(sdk, early) == [("a", None, at(2026, 6)), ("b", None, None)]
    await sdk.v1.contracts.rate_cards.update(rate_card_id=early, name="x")
    assert len(await aliases(sdk, early)) == 2
    await sdk.v1.contracts.rate_cards.update(rate_card_id=early, aliases=[])
    assert await aliases(sdk, early) == []


async def test_alias_under_concurrency(sdk, app_client):
    """Cards that ask for one name at the same time do not both get it."""
    cards = [await seed.rate_card(sdk, f"card {index}") for index in range(4)]
    bodies = [{"rate_card_id": card, "aliases": [{"name": "paygo"}]} for card in cards]
    answers = await asyncio.gather(*[seed.post(app_client, f"{CARDS}/update", body) for body in bodies])
    assert {answer.status_code for answer in answers} == {200}
    assert sorted([len(await aliases(sdk, card)) for card in cards]) == [0, 0, 0, 1]


async def test_refused(sdk, app_client, make_client):
    """What a rate card cannot be is refused with its place, and other tenants' cards are not there."""
    refuse = lambda path, body, *parts, **more: seed.refused(app_client, f"{CARDS}/{path}", body, *parts, **more)  # noqa: E731
    await refuse("create", {"name": ""}, "$.name")
    await refuse("create", {"name": "a", "colour": 1}, "unknown field `colour`")
    await refuse("create", {"name": "a", "fiat_credit_type_id": str(uuid.uuid4())}, "$.fiat_credit_type_id")
    conversion = {"custom_credit_type_id": str(uuid.uuid4()), "fiat_per_custom_credit": 1}
    unknown = "there is no pricing unit"
    await refuse("create", {"name": "a", "credit_type_conversions": [conversion]}, unknown)
    await refuse("create", {"name": "a", "aliases": [{"name": "x"}, {"name": "x"}]}, "twice", "$.aliases[1]")
    backwards = {"name": "x", "starting_at": "2026-02-01T00:00:00Z", "ending_before": "2026-01-01T00:00:00Z"}
    await refuse("create", {"name": "a", "aliases": [backwards]}, "$.aliases[0].ending_before")
    await refuse("create", {"name": "a", "aliases": [{"name": "x", "starting_at": "2026-01-01T00:00:00"}]}, "timezone")
    await refuse("create", {"name": "a", "custom_fields": {"k": "v" * 201}}, "$.custom_fields")
    await refuse("get", {"id": "card"}, "$.id")
    await refuse("list?limit=101", {}, "the query parameter `limit`")
    await refuse("list?limits=1", {}, "no query parameter `limits`")
    await refuse("list?next_page=xx", {}, "next_page")
    assert [each async for each in sdk.v1.contracts.rate_cards.list()] == []
    card = await seed.rate_card(sdk)
    await refuse("update", {"rate_card_id": card, "add_credit_type_conversions": [conversion]}, unknown)
    stranger = await make_client()
    for path, key in [("get", "id"), ("archive", "id"), ("update", "rate_card_id")]:
        await seed.refused(stranger, f"{CARDS}/{path}", {key: card}, card, status=404)
        await refuse(path, {key: str(uuid.uuid4())}, "there is no rate card", status=404)


async def test_roles(make_client):
    """Readers may look, not touch."""
    client = await make_client("reader")
    assert (await client.post(f"{CARDS}/list")).status_code == 200
    await seed.refused(client, f"{CARDS}/create", {"name": "a"}, "role", status=403)
