"""Group commit: requests share appends, fail together, and are never told that they are durable before they are."""

import asyncio
import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from anyio import create_task_group
from msgspec import Raw

from winkel.figures.registry import REGISTRY
from winkel.ingest import actions
from winkel.ingest.actions import Intake
from winkel.ingest.pressure import Pressure
from winkel.ingest.quota import Quotas
from winkel.ingest.routes import Routes
from winkel.ingest.rows import events_at
from winkel.log import codec
from winkel.log.log import NewRecord
from winkel.log.memory import MemoryLog
from winkel.model.errors import OverQuotaError, UnavailableError
from winkel.model.event import Event
from winkel.model.routing import first

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)


def batch(name: str, count: int = 3) -> list[Event]:
    return [Event(f"{name}-{number}", "c", "e", NOW) for number in range(count)]


class SlowLog(MemoryLog):
    """A log whose appends wait until the test lets them go, and which can fail."""

    def __init__(self, partitions: int = 2) -> None:
        super().__init__(partitions)
        self.go = asyncio.Event()
        self.error: Exception | None = None
        self.appends: list[int] = []

    async def append(self, records: Sequence[NewRecord]) -> None:
        self.appends.append(sum(each.events for each in records))
        await self.go.wait()
        if self.error:
            raise self.error
        await super().append(records)


async def kept(log: MemoryLog) -> dict[int, set[str]]:
    """Return the transaction ids in the log by tenant."""
    found: dict[int, set[str]] = {}
    for partition in range(log.partitions):
        for record in await log.read(partition, 0, events=10**9, wait_seconds=0):
            block = codec.decode(record.data)
            assert (record.tenant_id, record.events) == (block.tenant_id, len(block))
            ids = {each.transaction_id for each in events_at(block, range(len(block)))}
            found.setdefault(record.tenant_id, set()).update(ids)
    return found


def routes(log: MemoryLog) -> Routes:
    """Return the first routing, for ever."""
    return Routes.always(first(log.partitions))


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_requests_that_wait_share_the_next_append() -> None:
    """While one append is under way, all that comes is collected for the next one, tenants kept apart."""
    log = SlowLog()
    intake = Intake(log, routes(log), flush_seconds=0)
    async with create_task_group() as group:
        group.start_soon(intake.accept, 1, batch("first"), 10)
        await settle()
        for number in range(5):
            group.start_soon(intake.accept, 1 + number % 2, batch(f"later{number}"), 10)
        await settle()
        assert log.appends == [3]
        log.go.set()
    assert log.appends == [3, 15]
    ids = await kept(log)
    assert {len(ids[1]), len(ids[2])} == {12, 6}


async def test_nobody_is_answered_before_the_append_returned() -> None:
    """Accepting lasts as long as becoming durable does."""
    log = SlowLog()
    intake = Intake(log, routes(log), flush_seconds=0)
    accepting = asyncio.create_task(intake.accept(1, batch("a"), 10))
    await settle()
    assert not accepting.done()
    log.go.set()
    await accepting
    assert len((await kept(log))[1]) == 3


async def test_a_failed_append_fails_all_its_requests_and_no_other() -> None:
    """Each of them is told to send again; the next append is a new start."""
    log = SlowLog()
    log.error = UnavailableError("gone")
    log.go.set()
    intake = Intake(log, routes(log), flush_seconds=0)
    results = await asyncio.gather(*[intake.accept(1, batch(str(n)), 10) for n in range(4)], return_exceptions=True)
    assert [type(each) for each in results] == [UnavailableError] * 4
    log.error = None
    await intake.accept(1, batch("again"), 10)
    assert await kept(log) == {1: {"again-0", "again-1", "again-2"}}


def admit(intake: Intake, tenant_id: int, size: int) -> None:
    """Let a request in and be done with its body."""
    with intake.admit(tenant_id, size):
        pass


async def test_while_a_log_fails_one_append_tries_it_and_no_other_request_waits() -> None:
    """A log that is out of reach takes long to fail: only the request that finds out whether it is back waits."""
    log = SlowLog()
    log.error = UnavailableError("gone")
    intake = Intake(log, routes(log), flush_seconds=0)
    first_try = asyncio.create_task(intake.accept(1, batch("first"), 10))
    await settle()
    admit(intake, 2, 10)  # nothing has failed yet
    log.go.set()
    with pytest.raises(UnavailableError):
        await first_try
    for error in (UnavailableError("still gone"), None):
        log.go.clear()
        log.error = error
        admit(intake, 1, 10)  # it finds out
        trying = asyncio.create_task(intake.accept(1, batch("again"), 10))
        await settle()
        with pytest.raises(UnavailableError, match="durable"):
            admit(intake, 2, 10)
        log.go.set()
        await asyncio.wait([trying])
        assert (trying.exception() is None) == (error is None)
    log.go.clear()
    later = asyncio.create_task(intake.accept(1, batch("later"), 10))
    await settle()
    admit(intake, 2, 10)  # all is well again
    log.go.set()
    await later


async def test_the_memory_of_requests_is_bounded() -> None:
    """A tenant may have as much as is free, others find the rest; when nothing is there, anything is let in."""
    log = SlowLog()
    intake = Intake(log, routes(log), flush_seconds=0, queue_bytes=100)
    admit(intake, 1, 1000)
    accepting = asyncio.create_task(intake.accept(1, batch("a"), 40))
    await settle()
    admit(intake, 1, 20)
    with pytest.raises(OverQuotaError) as caught:
        admit(intake, 1, 21)
    assert caught.value.retry_after == 1
    admit(intake, 2, 60)
    with pytest.raises(OverQuotaError):
        admit(intake, 2, 61)
    log.go.set()
    await accepting
    admit(intake, 1, 1000)


async def test_a_body_takes_up_memory_from_its_announcement_on() -> None:
    """Bodies that are still on their way count, and those that turn out larger count more."""
    intake = Intake(MemoryLog(1), Routes.always(first(1)), flush_seconds=0, queue_bytes=100)
    with intake.admit(1, 10) as room:
        admit(intake, 2, 90)
        room.resize(70)
        admit(intake, 2, 30)
        with pytest.raises(OverQuotaError):
            admit(intake, 2, 31)
    admit(intake, 2, 100)
    with pytest.raises(ZeroDivisionError), intake.admit(1, 90):
        raise ZeroDivisionError
    admit(intake, 2, 100)


async def test_a_flood_of_one_tenant_leaves_room_for_the_others() -> None:
    """While one keeps half of the memory full, every other is let in and waits for no more than a few appends."""
    log = SlowLog()
    intake = Intake(log, routes(log), flush_seconds=0, queue_bytes=1_000_000)
    refused, floods = 0, []
    for number in range(200):
        try:
            with intake.admit(1, 10_000):
                pass
        except OverQuotaError:
            refused += 1
        else:
            floods.append(asyncio.create_task(intake.accept(1, batch(f"flood{number}", 1000), 10_000)))
            await settle()
    assert len(floods) == 50
    admit(intake, 2, 10_000)
    other = asyncio.create_task(intake.accept(2, batch("other", 100), 10_000))
    await settle()
    log.go.set()
    await other
    assert len(log.appends) <= 3
    await asyncio.gather(*floods)
    assert len((await kept(log))[2]) == 100


async def test_a_tenant_over_its_quota_does_not_touch_the_others() -> None:
    """The quota counts accepted events, by tenant."""
    time = [0.0]
    intake = Intake(MemoryLog(1), Routes.always(first(1)), flush_seconds=0, quotas=Quotas(10), clock=lambda: time[0])
    await intake.accept(1, batch("a", 40), 10)
    with pytest.raises(OverQuotaError, match="10 events per second") as caught:
        admit(intake, 1, 0)
    assert caught.value.retry_after == 3
    admit(intake, 2, 0)
    time[0] = 3.01
    admit(intake, 1, 0)


async def test_pressure_behind_the_gateway_refuses_and_is_counted() -> None:
    """Late metering is 429, a full disk 503, both with a time to come back; what is under way is not touched."""
    pressure = Pressure(lag_limit_seconds=100, disk_reserve_bytes=1000)
    log = SlowLog()
    intake = Intake(log, routes(log), flush_seconds=0, pressure=pressure)

    def refusals(reason: str) -> float:
        return REGISTRY.get_sample_value("winkel_ingest_refused_total", {"reason": reason}) or 0.0

    before = refusals("lag"), refusals("disk")
    accepting = asyncio.create_task(intake.accept(1, batch("a"), 10))
    await settle()
    pressure.see_lag(101)
    with pytest.raises(OverQuotaError, match="101 s behind") as late:
        admit(intake, 1, 10)
    assert 5 <= late.value.retry_after <= 60
    pressure.see_disk(999)
    with pytest.raises(UnavailableError, match="disk") as full:
        admit(intake, 1, 10)
    assert full.value.retry_after == 10
    assert (refusals("lag"), refusals("disk")) == (before[0] + 1, before[1] + 1)
    log.go.set()
    await accepting
    pressure.see_lag(0)
    pressure.see_disk(10_000)
    admit(intake, 1, 10)


async def test_a_record_has_a_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large events make more records, in their order; only a single event may be larger than the bound."""
    monkeypatch.setattr(actions, "RECORD_BYTES_MAX", 5_000)
    chance = random.Random(1)
    events = [
        Event(f"t{number}", "c", "e", NOW, Raw(json.dumps({"x": chance.randbytes(size // 2).hex()}).encode()))
        for number, size in enumerate([100] * 40 + [9_000] + [1_000] * 20)
    ]
    log = MemoryLog(1)
    await Intake(log, Routes.always(first(1)), flush_seconds=0).accept(1, events, 100)
    records = await log.read(0, 0, events=10**6, wait_seconds=0)
    assert len(records) > 5
    assert all(len(each.data) <= 5_000 or each.events == 1 for each in records)
    found = [one for each in records for one in events_at(codec.decode(each.data), range(each.events))]
    assert [each.transaction_id for each in found] == [each.transaction_id for each in events]
    assert [bytes(each.properties) for each in found] == [bytes(each.properties) for each in events]


async def test_one_append_takes_a_bounded_number_of_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long queue is appended in parts, so that the event loop breathes between them."""
    monkeypatch.setattr(actions, "EVENTS_PER_APPEND", 5)
    log = SlowLog()
    log.go.set()
    intake = Intake(log, routes(log), flush_seconds=0)
    await asyncio.gather(*[intake.accept(1, batch(str(number)), 10) for number in range(5)])
    assert log.appends == [6, 6, 3]


async def test_closing_makes_durable_what_waits_and_refuses_the_rest() -> None:
    """A graceful shutdown loses nothing that was taken."""
    log = SlowLog()
    intake = Intake(log, routes(log), flush_seconds=0.01)
    accepting = [asyncio.create_task(intake.accept(1, batch(str(number)), 10)) for number in range(3)]
    await settle()
    closing = asyncio.create_task(intake.close())
    await settle()
    log.go.set()
    await closing
    await asyncio.gather(*accepting)
    assert len((await kept(log))[1]) == 9
    with pytest.raises(UnavailableError):
        await intake.accept(1, batch("late"), 10)
    with pytest.raises(UnavailableError):
        admit(intake, 1, 10)


async def test_a_client_that_goes_away_harms_nobody() -> None:
    """Its events may be kept or not; the requests beside it are answered."""
    log = SlowLog()
    intake = Intake(log, routes(log), flush_seconds=0)
    leaving, staying = (asyncio.create_task(intake.accept(1, batch(name), 10)) for name in ("leaves", "stays"))
    await settle()
    leaving.cancel()
    await settle()
    log.go.set()
    await staying
    assert leaving.cancelled()
    assert {"stays-0", "stays-1", "stays-2"} <= (await kept(log))[1]
    admit(intake, 1, 10**9)


async def test_a_request_without_events_waits_for_nothing() -> None:
    """Nothing to keep is durable at once."""
    await Intake(SlowLog(), Routes.always(first(1)), flush_seconds=0).accept(1, [], 0)
