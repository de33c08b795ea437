"""A backlog burns: the autoscaler asks for meters, gets them, and lets them go again."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from msgspec import Raw

from chaos.checker import Checker
from chaos.figures import Told, sized
from chaos.system import System
from chaos.throughput import Throughput
from chaos.traffic import EVENT_TYPE, Clients, Sent
from winkel.config import Settings
from winkel.fleet.actions import open_log
from winkel.ingest.block import blocks
from winkel.log import codec
from winkel.log.log import NewRecord
from winkel.model import event
from winkel.model.routing import first

WAITING = sized(400_000, 10_000_000)
"""So many that slow meters are looked at several times before they are done."""
AT_ONCE = 10_000
"""Events of one append."""
CUSTOMERS = 50
PARTITIONS = 8
METERS_MAX = sized(4, 8)
SLOW = {"CHAOS_SLOW": "0.25:5000"}
"""Meters wait a quarter of a second for every 5,000 events, as for a store that is far away: so that neither a fast
meter nor two cores are the limit, and more meters are of use."""
LOOK_SECONDS = 0.5
DRAIN_SECONDS = sized(120.0, 1200.0)
OF_FORMULA = sized((0.4, 2.5), (0.75, 1.25))
"""Of the time that the formula says, how much a drain may take: a formula that says too much is wrong, too."""


class Backlog(Clients):
    """Events that were accepted while nobody metered; they are appended as a gateway would."""

    def __init__(self, system: System) -> None:
        super().__init__(system, [f"waiting-{number}" for number in range(CUSTOMERS)])
        self._at = datetime.now(UTC)

    async def fill(self) -> None:
        """Append them all."""
        settings = Settings.from_environment(self.system.settings)
        log = await open_log(settings.database_url, settings)
        ((tenant_id,),) = self.system.ask("SELECT id FROM tenant")
        try:
            for start in range(0, WAITING, AT_ONCE):
                events = [self._event(number) for number in range(start, start + AT_ONCE)]
                made = blocks(tenant_id, events, log.secret, first(PARTITIONS))
                await log.append([NewRecord(tenant_id, each, len(block), codec.encode(block)) for each, block in made])
        finally:
            await log.close()

    def _event(self, number: int) -> event.Event:
        customer, at, amount = f"waiting-{number % CUSTOMERS}", self._at + timedelta(microseconds=number), number % 997
        sent = self.sent.setdefault(customer, Sent())
        sent.count += 1
        sent.total += amount
        sent.latest = at, str(number), Decimal(amount)
        return event.Event(
            transaction_id=str(number), customer_id=customer, event_type=EVENT_TYPE, timestamp=at,
            properties=Raw(b'{"amount":%d}' % amount),
        )  # fmt: skip


def test_a_backlog_burns_with_as_many_meters_as_the_autoscaler_asks_for(tells: Callable[[int, str], Told]) -> None:
    """From one meter on, an orchestrator follows the number in the database, as KEDA does with the one in /metrics."""
    told = tells(22, "backlog burn with autoscaling")
    settings = {
        "WINKEL_METERS_MAX": str(METERS_MAX),
        "WINKEL_LATENCY_GOAL_MILLISECONDS": "1000",
        "WINKEL_CATCH_UP_SECONDS": "5",
    }
    with System(gateways=1, meters=0, partitions=PARTITIONS, settings=settings) as system:
        backlog = Backlog(system)
        checker = Checker(system, backlog)
        asyncio.run(backlog.fill())
        system.add("meter", **SLOW)
        system.wait_until(system.all_owned, 60)
        began = time.monotonic()
        before = counted(system)
        fleet, asked, reasons = [(0.0, 1)], [1], []
        with Throughput(system, began) as metered:
            while (done := counted(system)) < WAITING:
                wanted = follow(system)
                now, owners = time.monotonic() - began, at_work(system)
                if wanted and wanted[0] != asked[-1]:
                    asked.append(wanted[0])
                    reasons.append(wanted[1])
                if owners != fleet[-1][1]:
                    fleet.append((now, owners))
                assert now < DRAIN_SECONDS, f"{done:,} of {WAITING:,} after {now:.0f} s"
                time.sleep(LOOK_SECONDS)
            drained = time.monotonic() - began
        worked = system.ask("SELECT sum(events)::float8, sum(busy_seconds)::float8 FROM meter_status")[0]
        checker.exact()
    speed = worked[0] / worked[1]
    told.tell("events waiting", WAITING)
    told.tell("drained in", drained, "s")
    told.tell("rate", (WAITING - before) / drained, "events/s")
    told.tell("one meter's rate while it works (c)", speed, "events/s")
    formula = predicted(WAITING - before, fleet, speed)
    told.tell("drain time by the formula L = ∫ c·n dt", formula, "s")
    told.tell("drain time ÷ formula", drained / formula, "×", least=OF_FORMULA[0], most=OF_FORMULA[1])
    told.tell("most meters asked for", max(asked), least=2)
    told.tell("reversals", reversals(asked), most=1)
    told.tell("lost or counted twice", checker.wrong, most=0)
    told.draw("metered", "events/s", metered.curve(), [(at, f"{count} meters") for at, count in fleet])
    told.note("; ".join(reasons) or "the autoscaler left it at one meter")


def counted(system: System) -> int:
    """Return how many events were metered."""
    found: int = system.ask("SELECT coalesce(sum(counted), 0)::bigint FROM event_count")[0][0]
    return found


def at_work(system: System) -> int:
    """Return how many meters own a partition."""
    found: int = system.ask("SELECT count(DISTINCT owner) FROM log_progress")[0][0]
    return max(1, found)


def follow(system: System) -> tuple[int, str] | None:
    """Have as many meters as the autoscaler asks for; return the number and its reason, None: it has not decided."""
    rows = system.ask("SELECT desired, reason FROM autoscale WHERE at > now() - interval '10 s'")
    if not rows:
        return None
    ((wanted, reason),) = rows
    while len(system.names("meter")) < wanted:
        system.add("meter", **SLOW)
    while len(names := system.names("meter")) > wanted:
        system.remove(names[-1])
    return wanted, reason


def predicted(waiting: int, fleet: list[tuple[float, int]], speed: float) -> float:
    """Return when a backlog would be gone if so many meters, each at its speed, worked from those moments on."""
    left = float(waiting)
    for (at, count), (until, _) in zip(fleet, [*fleet[1:], (float("inf"), 0)], strict=True):
        if left <= count * speed * (until - at):
            return at + left / (count * speed)
        left -= count * speed * (until - at)
    raise AssertionError("the last stage has no end")


def reversals(counts: list[int]) -> int:
    """Return how often the number changed its direction."""
    signs = [after > before for before, after in pairwise(counts) if after != before]
    return sum(a != b for a, b in pairwise(signs))
