"""A retried dead letter counts once, whatever happens; a discarded one never."""

import asyncio
import json
import uuid
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from letters.conftest import CALLS, LARGE, TOKENS, USERS, Desk
from meter.blocks import NOON, event, new_records
from winkel.ingest.block import blocks
from winkel.letters import actions
from winkel.letters.actions import Outcome
from winkel.log import codec
from winkel.log.log import NewRecord
from winkel.model.errors import ConflictError, InvalidError, NotFoundError, UnavailableError
from winkel.model.event import Event
from winkel.model.routing import first
from winkel.model.usage import NOBODY
from winkel.store import database, tenants
from winkel.store.dead_letters import StoredDeadLetter

pytestmark = pytest.mark.anyio

BAD = event(1, {"n": "lots", "model": "m", "user": ["ada"]}, source="crm")


async def retry(desk: Desk, letter: StoredDeadLetter, correction: Any = None, **more: Any) -> Outcome:
    """Retry a letter as an operator does."""
    text = correction if isinstance(correction, bytes | None) else json.dumps(correction).encode()
    async with desk.owner.transaction():
        return await actions.retry(
            desk.owner, desk.owner, desk.get_log, None, letter.id, at=NOON, correction=text, **more
        )


def corrected(letter: StoredDeadLetter, **properties: Any) -> dict[str, Any]:
    """Return the event of a letter with some properties changed."""
    found = json.loads(letter.payload)
    return {**found, "properties": {**found["properties"], **properties}}


async def test_a_letter_holds_the_whole_event(desk: Desk) -> None:
    """Everything that was sent, so that it can be corrected; and where it came from."""
    await desk.send(BAD)
    found = {each.metric_id: each for each in await desk.letters()}
    assert set(found) == {TOKENS.id, USERS.id, LARGE.id}
    for letter in found.values():
        assert msgspec.json.decode(letter.payload, type=Event) == BAD
        assert (letter.index, letter.events, letter.attempts, letter.resolution) == (0, 1, 0, None)
    assert found[TOKENS.id].reason == "not_a_number"
    assert found[USERS.id].reason == "not_text"
    assert await desk.used(CALLS.id) == {(): 1}, "the others counted it"


async def test_an_event_is_counted_once_for_the_metric_that_could_not_use_it(desk: Desk) -> None:
    """As it was it stays, and says why; corrected it counts, for that metric alone."""
    await desk.send(BAD)
    tokens = next(each for each in await desk.letters() if each.metric_id == TOKENS.id)
    for attempt in (1, 2):
        outcome = await retry(desk, tokens)
        assert not outcome.resolved
        assert "not_a_number" in outcome.said
        (kept,) = [each for each in await desk.letters() if each.id == tokens.id]
        assert (kept.attempts, kept.note, kept.detail) == (attempt, outcome.said, "n is 'lots'")
    assert await desk.used(TOKENS.id) == {}
    outcome = await retry(desk, tokens, corrected(tokens, n="12.5"))
    assert outcome.resolved
    assert await desk.used(TOKENS.id) == {("m",): Decimal("12.5")}
    assert await desk.used(LARGE.id) == {}, "another metric's letter is another letter"
    with pytest.raises(ConflictError, match="retried already"):
        await retry(desk, tokens, corrected(tokens, n="12.5"))
    assert {each.metric_id for each in await desk.letters()} == {USERS.id, LARGE.id}
    await desk.send(BAD)
    assert await desk.used(TOKENS.id) == {("m",): Decimal("12.5")}, "sent again it is still a repeat"


async def test_each_kind_of_metric_takes_a_correction(desk: Desk) -> None:
    """Sums, largest values and distinct values."""
    await desk.send(BAD, event(2, {"n": 3, "model": "m", "user": "bob"}))
    for letter in await desk.letters():
        assert (await retry(desk, letter, corrected(letter, n=40, user="ada"))).resolved
    assert await desk.used(TOKENS.id) == {("m",): Decimal(43)}
    assert await desk.used(LARGE.id) == {(): Decimal(40)}
    assert await desk.used(USERS.id) == {(): frozenset({"ada", "bob"})}


async def test_two_who_retry_at_once_count_once(desk: Desk) -> None:
    """The second waits for the first, and finds nothing left to do."""
    await desk.send(BAD)
    tokens = next(each for each in await desk.letters() if each.metric_id == TOKENS.id)
    others = [await database.connect(desk.url) for _ in range(4)]
    text = json.dumps(corrected(tokens, n=5)).encode()

    async def one(connection: Any) -> bool:
        async with connection.transaction():
            with suppress(ConflictError):
                done = await actions.retry(
                    connection, connection, desk.get_log, None, tokens.id, at=NOON, correction=text
                )
                return done.resolved
        return False

    assert sorted(await asyncio.gather(*map(one, others))) == [False, False, False, True]
    assert await desk.used(TOKENS.id) == {("m",): Decimal(5)}
    for each in others:
        await each.close()


async def test_a_retry_that_dies_before_its_commit_changed_nothing(desk: Desk) -> None:
    """Usage and resolution are one transaction."""
    await desk.send(BAD)
    tokens = next(each for each in await desk.letters() if each.metric_id == TOKENS.id)
    text = json.dumps(corrected(tokens, n=5)).encode()
    with suppress(KeyboardInterrupt):
        async with desk.owner.transaction():
            await actions.retry(desk.owner, desk.owner, desk.get_log, None, tokens.id, at=NOON, correction=text)
            raise KeyboardInterrupt
    assert await desk.used(TOKENS.id) == {}
    assert (await retry(desk, tokens, text)).resolved
    assert await desk.used(TOKENS.id) == {("m",): Decimal(5)}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"customer_id": "bolt"}, "customer_id"),
        ({"transaction_id": "2"}, "transaction_id"),
        ({"timestamp": "2026-01-15T11:00:00Z"}, "timestamp"),
        ({"event_type": "job"}, "event_type"),
        ({"source": ""}, "source"),
        ({"colour": 1}, "colour"),
        ({"properties": {"n": 10**40}}, "out of range"),
        ({"properties": []}, "properties"),
    ],
)
async def test_a_correction_changes_properties_only(desk: Desk, change: dict[str, Any], words: str) -> None:
    """The rest was counted by other metrics, or is what makes it the same event."""
    await desk.send(BAD)
    (letter, *_) = await desk.letters()
    with pytest.raises(InvalidError, match=words):
        await retry(desk, letter, json.loads(letter.payload) | change)
    assert (await desk.letters())[0].attempts == 0


async def test_a_correction_that_the_metric_does_not_want_counts_nothing(desk: Desk) -> None:
    """Then the letter stays, and somebody decides."""
    await desk.send(BAD)
    tokens = next(each for each in await desk.letters() if each.metric_id == TOKENS.id)
    found = json.loads(tokens.payload)
    outcome = await retry(desk, tokens, {**found, "properties": {}})
    assert not outcome.resolved
    assert "discard" in outcome.said


async def test_usage_of_an_invoiced_period_is_told(desk: Desk) -> None:
    """It is counted, and whoever retries hears that no invoice charges for it."""
    customer = str(uuid.uuid4())
    values = {"t": desk.tenant_id, "c": customer, "i": str(uuid.uuid4())}
    for statement in (
        "INSERT INTO customer (tenant_id, id, name, created_at, updated_at) VALUES (%(t)s, %(c)s, 'A', now(), now())",
        "INSERT INTO ingest_alias VALUES (%(t)s, 'acme', %(c)s, 1)",
        "INSERT INTO contract"
        " (tenant_id, id, customer_id, starting_at, usage_statement_schedule, created_at, created_by)"
        " VALUES (%(t)s, %(i)s, %(c)s, '2026-01-01Z', '{}', now(), '')",
        'INSERT INTO invoice (tenant_id, id, customer_id, contract_id, type, status, start, "end", issued_at,'
        " created_at, credit_type_id, total, line_items) VALUES (%(t)s, %(i)s, %(c)s, %(i)s, 'USAGE', 'FINALIZED',"
        " '2026-01-01Z', '2026-02-01Z', now(), now(), '2714e483-4ff1-48e4-9e25-ac732e8f24f2', 0, '[]')",
    ):
        await desk.owner.execute(statement, values)
    capitals = event(3, {"n": "?", "model": "m"}, customer_id=customer.upper())
    await desk.send(BAD, event(2, {"n": "?", "model": "m"}, timestamp=NOON - timedelta(days=30)), capitals)
    found = {each.transaction_id: each for each in await desk.letters() if each.metric_id == TOKENS.id}
    told = await retry(desk, found["1"], corrected(found["1"], n=1))
    assert told.resolved
    assert values["i"] in (told.warning or "")
    assert (await retry(desk, found["2"], corrected(found["2"], n=1))).warning is None
    assert values["i"] in ((await retry(desk, found["3"], corrected(found["3"], n=1))).warning or "")


async def test_properties_that_nobody_can_read_count_later_for_all_that_look_at_them(desk: Desk) -> None:
    """Metrics without a property counted the event; the others wait for a correction, and then get it once."""
    ((partition, block),) = blocks(
        desk.tenant_id, [event(1), event(2, {"n": 1, "model": "m"})], desk.log.secret, first(1)
    )
    lines = [b'{"n": 7, "mod', block.properties.split(b"\n")[1]]
    broken = msgspec.structs.replace(block, properties=b"\n".join(lines))
    await desk.append(NewRecord(desk.tenant_id, partition, 2, codec.encode(broken)))
    (letter,) = await desk.letters()
    assert (letter.reason, letter.metric_id, letter.index) == ("undecodable", None, 0)
    assert json.loads(letter.payload)["properties"] == '{"n": 7, "mod'
    assert await desk.used(CALLS.id) == {(): 2}
    outcome = await retry(desk, letter)
    assert not outcome.resolved
    assert "--with" in outcome.said
    fixed = {**json.loads(letter.payload), "properties": {"n": 7, "model": "m", "user": "ada"}}
    assert (await retry(desk, letter, fixed)).resolved
    assert await desk.used(TOKENS.id) == {("m",): Decimal(8)}
    assert await desk.used(USERS.id) == {(): frozenset({"ada"})}
    assert await desk.used(CALLS.id) == {(): 2}


async def test_a_record_is_appended_again_when_it_can_be_decoded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer program reads what an older one could not; however often it is appended, it counts once."""
    (record,) = new_records(desk.tenant_id, [event(1, {"n": 2, "model": "m"})], 1)
    newer = NewRecord(desk.tenant_id, 0, 1, b"\x07" + record.data[1:])
    await desk.append(newer, newer)
    one, two = await desk.letters()
    assert (one.reason, one.index, one.payload) == ("undecodable", -1, newer.data)
    outcome = await retry(desk, one)
    assert not outcome.resolved
    assert "07" in outcome.said
    decode = codec.decode
    monkeypatch.setattr(codec, "decode", lambda data: decode(b"\x01" + bytes(data)[1:]))
    for letter in (one, two):
        assert (await retry(desk, letter)).resolved
    await desk.drain()
    assert await desk.used(TOKENS.id) == {("m",): Decimal(2)}
    assert await desk.letters() == []


async def test_a_record_that_nobody_can_read_is_replaced_by_its_events(desk: Desk) -> None:
    """They get their usual identities, so what was sent again meanwhile is a repeat."""
    await desk.append(NewRecord(desk.tenant_id, 1, 2, b"\x01broken"))
    sent = event(1, {"n": 2, "model": "m"})
    gateway = blocks(desk.tenant_id, [sent], desk.log.secret, first(desk.log.partitions))
    await desk.append(*[NewRecord(desk.tenant_id, at, 1, codec.encode(block)) for at, block in gateway])
    (letter,) = await desk.letters()
    with pytest.raises(InvalidError, match="event 1: "):
        await retry(desk, letter, [json.loads(msgspec.json.encode(sent)), {"transaction_id": "2"}])
    text = msgspec.json.encode([sent, event(2, {"n": 5, "model": "m"})])
    assert (await retry(desk, letter, text)).resolved
    await desk.drain()
    assert await desk.used(TOKENS.id) == {("m",): Decimal(7)}
    assert await desk.letters() == []


async def test_a_record_of_nobody_waits_for_its_tenant(desk: Desk) -> None:
    """Its letter is no tenant's, until there is one with its number."""
    later = desk.tenant_id + 1
    await desk.send(event(1), tenant_id=later)
    (letter,) = await desk.letters()
    assert (letter.tenant_id, letter.reason) == (NOBODY, "unknown_tenant")
    assert f"no tenant {later}" in (await retry(desk, letter)).said
    made = await tenants.create_tenant(desk.owner, "later", NOON)
    assert made.id == later
    assert (await retry(desk, letter)).resolved
    await desk.drain()
    assert await desk.letters() == []
    rows = await desk.owner.execute("SELECT sum(counted)::int AS n FROM event_count WHERE tenant_id = %s", (later,))
    assert (await rows.fetchone())["n"] == 1


async def test_a_record_of_two_tenants_is_neither_s(desk: Desk) -> None:
    """Nobody may see the other's events in it."""
    other = await tenants.create_tenant(desk.owner, "other", NOON)
    (record,) = new_records(other.id, [event(1)], 1)
    await desk.append(NewRecord(desk.tenant_id, 0, 1, record.data))
    (letter,) = await desk.letters()
    assert (letter.tenant_id, letter.reason) == (NOBODY, "other_tenant")
    assert not (await retry(desk, letter)).resolved
    assert not (await retry(desk, letter, [])).resolved


async def test_a_log_that_does_not_answer_leaves_the_letter_as_it_was(desk: Desk) -> None:
    """Nothing was appended for sure, so nothing is resolved."""
    await desk.append(NewRecord(desk.tenant_id, 0, 1, b"\x01broken"))
    (letter,) = await desk.letters()

    class Down:
        name, partitions, secret = desk.log.name, 2, bytes(16)

        async def append(self, _: object) -> None:
            raise UnavailableError("gone")

    async def down() -> Any:
        return Down()

    text = msgspec.json.encode([event(1)])
    with pytest.raises(UnavailableError):
        async with desk.owner.transaction():
            await actions.retry(desk.owner, desk.owner, down, None, letter.id, at=NOON, correction=text)
    assert (await desk.letters())[0].attempts == 0


async def test_a_discarded_letter_is_closed_with_its_reason(desk: Desk) -> None:
    """It stays in the list, and neither a retry nor a second discard changes it; another tenant's does not exist."""
    await desk.send(BAD)
    (letter, *_) = await desk.letters()
    await actions.discard(desk.owner, desk.tenant_id, letter.id, because="a test", at=NOON)
    (closed,) = await desk.letters(resolved=True)
    assert (closed.resolution, closed.note, closed.resolved_at, closed.attempts) == ("discarded", "a test", NOON, 0)
    for tenant_id, error in (
        (None, ConflictError),
        (desk.tenant_id, ConflictError),
        (desk.tenant_id + 1, NotFoundError),
    ):
        with pytest.raises(error):
            await actions.discard(desk.owner, tenant_id, letter.id, because="again", at=NOON)
    for missing in ("", "x", "-1", "99999999999999999999999", "²"):
        with pytest.raises(NotFoundError):
            await actions.discard(desk.owner, None, missing, because="none", at=NOON)
