"""Processes that live in a time zone, while its clocks are set back; and a second that no clock shows."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import httpx
import msgspec

from chaos.checker import Api, Checker
from chaos.figures import Told, sized
from chaos.system import System
from chaos.traffic import BULK_ROUTE, EVENT_TYPE, SEED, TRY_SECONDS, Clients, Event
from support import web

EVENTS = sized(2_000, 50_000)
AT_ONCE = 100
UNTIL_CHANGE = timedelta(seconds=sized(20, 60))
"""So long after the test has begun clocks are set back: the processes are at work by then."""
BACK, AHEAD = timedelta(hours=26), timedelta(hours=2)
"""Around the change there are events for so long, over two midnights."""
SUMMER, WINTER = timedelta(hours=2), timedelta(hours=1)
"""What clocks are ahead of UTC before and after the change, as in Berlin on 2026-10-25 at 01:00 UTC."""
WEEK = timedelta(days=7)


def setting_back_at(change: datetime) -> str:
    """Return a time zone (TZ, as POSIX spells them) in which summer time ends at this instant."""
    there = change + SUMMER
    day = there.timetuple().tm_yday - 1
    return f"CET-1CEST,{(day + 180) % 365}/0,{day}/{there:%H:%M:%S}"


class Night(Clients):
    """A client whose events lie around a change of the clocks, in any order."""

    def __init__(self, system: System, change: datetime) -> None:
        super().__init__(system, ["berlin"])
        rng = Random(SEED)
        times = [change - BACK + (BACK + AHEAD) * rng.random() for _ in range(EVENTS)]
        self.events = [
            Event(f"night {number}", "berlin", at.replace(microsecond=0), {"amount": f"{number % 7}.5"})
            for number, at in enumerate(times)
        ]

    def send_all(self, events: list[Event]) -> None:
        """Send these."""
        with httpx.Client(timeout=TRY_SECONDS, trust_env=False) as client:
            for start in range(0, len(events), AT_ONCE):
                self.send(client, events[start : start + AT_ONCE], first=start)

    def sums(self, place: Callable[[datetime], datetime]) -> dict[datetime, Decimal]:
        """Return the amounts by what `place` makes of their instants."""
        found: dict[datetime, Decimal] = {}
        for each in self.events:
            at = place(each.timestamp)
            found[at] = found.get(at, Decimal(0)) + Decimal(each.properties["amount"])
        return found


def test_a_change_of_the_clocks_moves_no_window(tells: Callable[[int, str], Told]) -> None:
    """All roles live where clocks are set back while they work; hours, days and billing weeks stay those of UTC."""
    told = tells(9, "end of summer time while processes run; leap seconds")
    change = (datetime.now(UTC) + UNTIL_CHANGE).replace(microsecond=0)
    settings = {"TZ": setting_back_at(change), "WINKEL_GRACE_HOURS": "48"}  # that all are drafts, whatever the hour
    with System(gateways=2, meters=2, settings=settings) as system:
        night = Night(system, change)
        checker = Checker(system, night)
        with Api(system) as api:
            starting_at = midnight(change) - WEEK
            sell(api, checker, starting_at)
            before = max(0.0, (change - datetime.now(UTC)).total_seconds())
            night.send_all(night.events[: EVENTS // 2])
            time.sleep(max(1.0, (change - datetime.now(UTC)).total_seconds() + 1))  # the clocks are set back
            night.send_all(night.events[EVENTS // 2 :])
            checker.exact()
            chains = checker.chains_equal()
            hours, days = (windows(api, checker, size) for size in ("HOUR", "DAY"))
            invoices = drafts(system, checker.ids["berlin"])
            refused = api.refused([leap_second(change)])
            taken = beside_a_leap_second(system, change)
        assert not system.unasked, system.unasked
    assert hours == night.sums(lambda at: at.replace(minute=0, second=0))
    assert days == night.sums(midnight)
    weeks = night.sums(lambda at: starting_at + (at - starting_at) // WEEK * WEEK)
    assert invoices == weeks
    assert "leap second" in refused, refused
    assert (taken["accepted"], [each["index"] for each in taken["invalid"]]) == (1, [0]), taken
    told.tell("processes were up before the change for", before, "s")
    told.tell("unique events", night.accepted)
    told.tell("lost or counted twice", checker.wrong, most=0)
    told.tell("SHA-256 chains equal", chains)
    told.tell("hours, days and billing weeks that are equal", len(hours) + len(days) + len(weeks))
    told.tell("leap seconds refused with a sentence", 2)


def midnight(at: datetime) -> datetime:
    """Return when the day of an instant begins, in UTC."""
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


def sell(api: Api, checker: Checker, starting_at: datetime) -> None:
    """Let the customer pay one cent for each unit, by weeks that end at the midnight before the change."""
    pricing = "/v1/contract-pricing"
    product = api.make(f"{pricing}/products/create", name="Units", type="USAGE",
                       billable_metric_id=checker.metrics["SUM"])  # fmt: skip
    card = api.make(f"{pricing}/rate-cards/create", name="Prices")
    api.post(f"{pricing}/rate-cards/addRate", {
        "rate_card_id": card, "product_id": product, "starting_at": starting_at, "entitled": True,
        "rate_type": "FLAT", "price": 1,
    })  # fmt: skip
    api.make("/v1/contracts/create", customer_id=checker.ids["berlin"], rate_card_id=card, starting_at=starting_at,
             usage_statement_schedule={"frequency": "WEEKLY", "day": "CONTRACT_START"})  # fmt: skip


def windows(api: Api, checker: Checker, size: str) -> dict[datetime, Decimal]:
    """Return the amounts by windows of usage."""
    body = {
        "starting_on": checker.since,
        "ending_before": checker.until,
        "window_size": size,
        "billable_metrics": [{"id": checker.metrics["SUM"]}],
    }
    rows = api.pages("/v1/usage", body)
    return {datetime.fromisoformat(each["start_timestamp"]): each["value"] for each in rows if each["value"]}


def drafts(system: System, customer_id: str) -> dict[datetime, Decimal]:
    """Return the totals of the draft invoices by when their periods begin."""
    status, text = web.get(f"{system.urls[0]}/v1/customers/{customer_id}/invoices?type=USAGE", system.headers)
    assert status == 200, text
    found = msgspec.json.Decoder(float_hook=Decimal).decode(text)["data"]
    return {datetime.fromisoformat(each["start_timestamp"]): Decimal(each["total"]) for each in found if each["total"]}


def leap_second(change: datetime) -> dict[str, Any]:
    """Return an event of the second after 23:59:59 of the day before, as RFC 3339 may write it."""
    fields = {"transaction_id": "leap", "customer_id": "berlin", "event_type": EVENT_TYPE}
    return {**fields, "timestamp": f"{change - timedelta(days=1):%Y-%m-%d}T23:59:60Z", "properties": {"amount": "1"}}


def beside_a_leap_second(system: System, change: datetime) -> Any:
    """Send a leap second and a repeat of an event, each for itself; return what is said."""
    usual = {**leap_second(change), "transaction_id": "night 0", "timestamp": change}
    body = msgspec.json.encode([leap_second(change), usual])
    answer = httpx.post(system.urls[0] + BULK_ROUTE, content=body, headers=system.headers, trust_env=False)
    assert answer.status_code == 200, answer.text
    return answer.json()
