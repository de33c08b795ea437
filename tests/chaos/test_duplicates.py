"""Events that come again and again, and events that come late, early and in any order."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from time import sleep
from typing import Any

import httpx
import msgspec
import pytest

from chaos.checker import Api, Checker
from chaos.figures import Told, sized
from chaos.system import System
from chaos.traffic import EVENT_TYPE, TRY_SECONDS, Clients, Event, Sent, Traffic
from meter.blocks import event
from meter.conftest import World, world
from winkel.meter import actions
from winkel.meter.worker import Meter

__all__ = ["world"]

SECONDS = sized(5.0, 60.0)
ONE_ID = sized(300, 3_000)
"""How often the same id is sent under ever other timestamps."""
STORM = sized(300, 5_000)
TIMES = 10
LATE = sized(3_000, 100_000)
PAST, AHEAD = timedelta(days=34), timedelta(hours=24)
"""Events of the last 34 days and the next 24 hours are accepted (metronome-api.md §2)."""


class OneId(Clients):
    """A client that sends one id under ever other timestamps, some of them in one request."""

    def __init__(self, system: System) -> None:
        super().__init__(system, ["repeated"])

    def send_all(self) -> None:
        """Send it; only the first counts."""
        times = [datetime.now(UTC) - timedelta(minutes=each) for each in range(ONE_ID)]
        events = [Event("the-one", "repeated", at, {"amount": "1"}) for at in times]
        with httpx.Client(timeout=TRY_SECONDS, trust_env=False) as client:
            self.send(client, events[:5])
            self.sent["repeated"] = Sent()
            self.sent["repeated"].note(events[:1])
            self.repeated += 4
            for start in range(5, ONE_ID, 5):
                self.send(client, events[start : start + 5], first=start, again=True)


def test_everything_sent_twice_counts_once(tells: Callable[[int, str], Told]) -> None:
    """The whole feed again, through other gateways, while a meter dies; and one id under ever other timestamps."""
    told = tells(10, "duplicate storm: 100 % sent again")
    with System(gateways=2, meters=2) as system:
        traffic, one = Traffic(system, repeats=0.2), OneId(system)
        checker = Checker(system, traffic, one)
        with traffic:
            sleep(SECONDS)
        with ThreadPoolExecutor(2) as threads:
            again = [threads.submit(traffic.resend_all), threads.submit(one.send_all)]
            system.kill("meter-1")
            for each in again:
                each.result()
        checker.exact()
        chains = checker.chains_equal()
    told.tell("unique events", traffic.accepted)
    told.tell("sent again", traffic.repeated, least=traffic.accepted)
    told.tell("one id under other timestamps", ONE_ID)
    told.tell("lost or counted twice", checker.wrong, most=0)
    told.tell("SHA-256 chains equal", chains)


@pytest.mark.anyio
async def test_an_id_counts_once_in_34_days(world: World, clock: Any, tells: Callable[[int, str], Told]) -> None:
    """Ten times again on every day up to the 34th: repeats; on the 35th the ids are free again, and count once more."""
    told = tells(10, "duplicate storm: 10 × again after 33.9 days, ids used again after 34 days (moved clock)")
    feed = [event(number, {"n": number}) for number in range(STORM)]
    meter = await _take_all(world, "first")
    await world.send(feed)
    await _drain(meter)
    clock.move(days=33.9)
    for _ in range(TIMES):
        await world.send(feed)
        await _drain(meter)
    meter = await _take_all(world, "second")
    await world.send(feed)
    await _drain(meter)
    assert (await world.counts())["counted"] == STORM
    clock.move(days=1.1)
    for holding in meter.holdings.values():
        await actions.expire(world.connection, holding.memory, holding.partition, holding.epoch)
    for _ in range(TIMES):
        await world.send(feed)
        await _drain(meter)
    counts = await world.counts()
    told.tell("ids", STORM)
    told.tell("repeats inside the window", (TIMES + 1) * STORM)
    told.tell("counted inside the window", STORM)
    told.tell("counted again after it", counts["counted"] - STORM)
    assert counts["counted"] == 2 * STORM
    assert counts["duplicates"] == 2 * TIMES * STORM


async def _take_all(world: World, owner: str) -> Meter:
    meter = await world.meter(owner)
    for partition in range(world.log.partitions):
        await meter.assign(partition)
    return meter


async def _drain(meter: Meter) -> None:
    while await meter.step():
        pass


class Feed(Clients):
    """One customer's events, in the order given."""

    def __init__(self, system: System, customer: str) -> None:
        super().__init__(system, [customer])

    def send_all(self, events: list[Event]) -> None:
        """Send them, a hundred in a request."""
        with httpx.Client(timeout=TRY_SECONDS, trust_env=False) as client:
            for start in range(0, len(events), 100):
                self.send(client, events[start : start + 100], first=start)


def test_late_and_early_events_in_any_order_give_the_totals_of_the_sorted_feed(
    tells: Callable[[int, str], Told],
) -> None:
    """Spread evenly from 34 days ago to 24 hours ahead and shuffled: every hour is what the sorted feed makes of it."""
    told = tells(11, "late and out of order: 34 days back to 24 hours ahead")
    rng = random.Random(11)
    now = datetime.now(UTC)
    margin = timedelta(minutes=10)  # until the last of them arrives
    begin, end = now - PAST + margin, now + AHEAD - margin
    times = sorted(begin + (end - begin) * rng.random() for _ in range(LATE))
    ordered = [Event(f"{n}", "", at, {"amount": f"{n % 997}.{n:06}"}) for n, at in enumerate(times)]
    shuffled = rng.sample(ordered, LATE)
    with System(gateways=2, meters=2) as system:
        feeds = {"sorted": (Feed(system, "sorted"), ordered), "shuffled": (Feed(system, "shuffled"), shuffled)}
        checker = Checker(system, *(feed for feed, _ in feeds.values()))
        with ThreadPoolExecutor(2) as threads:
            sending = [
                threads.submit(feed.send_all, [
                    msgspec.structs.replace(each, customer_id=name, transaction_id=f"{name} {each.transaction_id}")
                    for each in events
                ])
                for name, (feed, events) in feeds.items()
            ]  # fmt: skip
            for each in sending:
                each.result()
        checker.exact()
        with Api(system) as api:
            hours = {kind: checker.hours(api, kind) for kind in checker.metrics}
            refused = [api.refused(_one(at)) for at in (now - PAST - margin, now + AHEAD + margin)]
    for kind, by_customer in hours.items():
        assert by_customer["sorted"] == by_customer["shuffled"], f"{kind} by hour differs"
    assert all("timestamp" in each for each in refused), refused
    told.tell("events", 2 * LATE)
    told.tell("hours that are equal", sum(len(each["sorted"]) for each in hours.values()))
    differ = [each["sorted"].items() ^ each["shuffled"].items() for each in hours.values()]
    told.tell("hours that differ", len({hour for some in differ for hour, _ in some}), most=0)
    told.tell("refused outside of the window", len(refused))


def _one(at: datetime) -> list[dict[str, Any]]:
    values = {"transaction_id": "far", "customer_id": "sorted", "event_type": EVENT_TYPE, "timestamp": at}
    return [{**values, "properties": {"amount": "1"}}]
