"""kill -9, again and again, at everything, while clients send: nothing is lost and nothing is counted twice."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import httpx
import msgspec
import psycopg
import pytest

from e2e.plain import Plain, eventually
from support.running import Running

SEED = 20260101
KILLS = 34
"""How often something is killed; among them `POSTGRES` kills of the database and one of the supervisor."""
POSTGRES = 3
SENDERS = 4
EVENTS = 20
"""Events of a request."""
CUSTOMERS = 5
TAKEOVER_SECONDS = 20.0
"""A meter that was killed has a successor at work within this time; usual times are printed."""
GIVE_UP_SECONDS = 60.0
"""No request stays unaccepted for longer."""
KILLING_SECONDS = 150.0
"""So long the killing may take, on a machine that is busy with other tests; it is about 60 s on an idle one."""


class Traffic:
    """Clients that send until told to stop, and never give up a request before it is accepted."""

    def __init__(self, winkel: Running) -> None:
        self.winkel = winkel
        self.began = datetime.now(UTC)
        self.stop = threading.Event()
        self.requests = Counter[str]()
        self.sent: dict[str, tuple[int, Decimal]] = {}
        """Customer → unique events, and the sum of their amounts."""
        self._lock = threading.Lock()

    def send_forever(self, sender: int) -> None:
        """Send requests whose contents follow from their numbers; now and then one of them again."""
        rng = Random(SEED + sender)
        with httpx.Client(timeout=10) as client:
            for number in itertools.count():
                if self.stop.is_set():
                    return
                events = list(self._events(sender, number))
                self._deliver(client, events)
                self._note(events)
                if rng.random() < 0.1:
                    self._deliver(client, list(self._events(sender, rng.randint(0, number))))
                    self.requests["sent again on purpose"] += 1

    def repeat_one(self, times: int) -> None:
        """Send one id under ever other timestamps, all through the kills; some of them in one request."""
        with httpx.Client(timeout=10) as client:
            for first in range(0, times, 5):
                minutes = range(first, min(first + 5, times))
                at = [datetime.now(UTC) - timedelta(minutes=each) for each in minutes]
                self._deliver(client, [_event("the-one", "repeated", each, "1") for each in at])
                self.stop.wait(0.2)

    def _events(self, sender: int, number: int) -> Iterator[dict[str, Any]]:
        for index in range(EVENTS):
            place = number * EVENTS + index
            amount = f"{place % 997}.{place % 10**6:06}"
            yield _event(f"{sender}-{number}-{index}", f"customer-{place % CUSTOMERS}", self.began, amount)

    def _deliver(self, client: httpx.Client, events: list[dict[str, Any]]) -> None:
        """Send until it is accepted; whatever else comes back, or doesn't, the same is sent again."""
        body = msgspec.json.encode(events)
        headers = {**self.winkel.headers, "content-type": "application/json"}
        until = time.monotonic() + GIVE_UP_SECONDS
        while True:
            try:
                answer = client.post(self.winkel.url + "/v1/ingest", content=body, headers=headers)
                assert answer.status_code in {200, 503}, f"{answer.status_code} {answer.text}"
                if answer.status_code == 200:
                    self.requests["accepted"] += 1
                    return
                problem = f"status {answer.status_code}"
            except (httpx.TransportError, OSError, ValueError, KeyError) as error:  # or run.json is being written
                problem = type(error).__name__
            self.requests[f"tried again after {problem}"] += 1
            assert time.monotonic() < until, f"not accepted within {GIVE_UP_SECONDS} s: {problem}"
            time.sleep(0.05)

    def _note(self, events: list[dict[str, Any]]) -> None:
        with self._lock:
            for event in events:
                count, total = self.sent.get(event["customer_id"], (0, Decimal(0)))
                amount = Decimal(event["properties"]["amount"])
                self.sent[event["customer_id"]] = count + 1, total + amount


def _event(transaction_id: str, customer: str, at: datetime, amount: str) -> dict[str, Any]:
    return {
        "transaction_id": transaction_id,
        "customer_id": customer,
        "event_type": "use",
        "timestamp": at,
        "properties": {"amount": amount},
    }


class Killer:
    """Kills, and sees to it that what was killed is back."""

    def __init__(self, winkel: Running) -> None:
        self.winkel = winkel
        self.kills = Counter[str]()
        self.takeovers: list[float] = []
        self.recoveries: list[float] = []
        """Seconds until the database answered again."""

    def run(self) -> None:
        """Kill `KILLS` times: roles most of the time, and whichever of them lives."""
        rng = Random(SEED)
        victims = ["role"] * (KILLS - POSTGRES - 1)
        for victim in ["postgres"] * POSTGRES + ["supervisor"]:
            victims.insert(rng.randrange(4, len(victims)), victim)
        for victim in victims:
            match victim:
                case "role":
                    self._role(rng)
                case "postgres":
                    self._postgres()
                case "supervisor":
                    self._supervisor()
            time.sleep(rng.uniform(0.2, 1.2))

    def _role(self, rng: Random) -> None:
        """Kill a role that lives; every third time that it is a meter, see how long its successor needs."""
        alive: list[str] = []
        while not alive:
            pids = self.winkel.pids
            alive = [name for name in ("gateway", "meter", "meter", "bill") if pids[name] is not None]
            time.sleep(0.01)
        name = rng.choice(alive)
        watched = name == "meter" and self.kills["meter"] % 3 == 0
        before = self._epochs() if watched else {}
        killed = time.monotonic()
        self.winkel.kill(name)
        self.kills[name] += 1
        if watched:
            self.winkel.wait_until(lambda: self._taken_over(before), TAKEOVER_SECONDS)
            self.takeovers.append(time.monotonic() - killed)

    def _taken_over(self, before: dict[int, int]) -> bool:
        now = self._epochs()
        return all(now[partition] > epoch for partition, epoch in before.items())

    def _postgres(self) -> None:
        """Kill the postmaster; its successor recovers from the write-ahead log."""
        killed = time.monotonic()
        old = self.winkel.kill("postgres")
        self.kills["postgres"] += 1
        self.winkel.wait_for_restart("postgres", old, 60)
        self.winkel.wait_until(self.winkel.ready, 60)
        self.recoveries.append(time.monotonic() - killed)

    def _supervisor(self) -> None:
        """Kill the supervisor; then somebody starts Winkel anew."""
        self.winkel.kill("supervisor")
        self.kills["supervisor"] += 1
        self.winkel.start()

    def _epochs(self) -> dict[int, int]:
        with psycopg.connect(self.winkel.database_url) as connection:
            return dict(connection.execute("SELECT partition, epoch FROM log_progress").fetchall())


@pytest.fixture
def winkel(tmp_path: Path) -> Iterator[Running]:
    """Return a Winkel that nobody else uses."""
    with Running(tmp_path / "data") as running:
        yield running


def set_up(winkel: Running) -> tuple[dict[str, str], str, str]:
    """Make customers and two metrics; return customer id by alias, the count's id and the sum's id."""
    with Plain(winkel.url, winkel.token) as plain:
        aliases = [*(f"customer-{number}" for number in range(CUSTOMERS)), "repeated"]
        customers = {alias: plain.make("/v1/customers", name=alias, ingest_aliases=[alias]) for alias in aliases}
        return customers, plain.metric("events", "use", "COUNT"), plain.metric("amount", "use", "SUM", "amount")


def test_no_event_is_lost_or_counted_twice_while_everything_is_killed(winkel: Running) -> None:
    """After 34 kills of every process, usage is exactly what was sent, and an id sent 1,000 times counts once."""
    customers, count_id, sum_id = set_up(winkel)
    traffic, killer = Traffic(winkel), Killer(winkel)
    with ThreadPoolExecutor(SENDERS + 1) as threads:
        sending = [threads.submit(traffic.send_forever, sender) for sender in range(SENDERS)]
        sending.append(threads.submit(traffic.repeat_one, 1000))
        began = time.monotonic()
        try:
            killer.run()
        finally:
            killing = time.monotonic() - began
            traffic.stop.set()
        for each in sending:
            each.result(GIVE_UP_SECONDS + 30)
    winkel.wait_until(winkel.ready, 60)
    expected = {customers[alias]: numbers for alias, numbers in traffic.sent.items()}
    expected[customers["repeated"]] = (1, Decimal(1))
    with Plain(winkel.url, winkel.token) as plain:
        caught_up = eventually(
            lambda: plain.usage(count_id), {customer: count for customer, (count, _) in expected.items()}, 60
        )
        assert plain.usage(sum_id) == {customer: total for customer, (_, total) in expected.items()}
    tell(traffic, killer, killing, caught_up)
    assert_books_balance(winkel, sum(count for count, _ in expected.values()))
    assert sum(killer.kills.values()) >= 30
    assert killing <= KILLING_SECONDS


def assert_books_balance(winkel: Running, unique: int) -> None:
    """Assert that the meter's own books say the same, and that no event went to the dead letters."""
    with psycopg.connect(winkel.database_url) as connection:
        row = connection.execute("SELECT sum(counted), sum(duplicates), sum(dead_letters) FROM event_count").fetchone()
    assert row is not None
    assert row[0] == unique
    assert row[1] >= 999
    assert row[2] == 0


def tell(traffic: Traffic, killer: Killer, killing: float, caught_up: float) -> None:
    """Print what happened."""
    events = sum(count for count, _ in traffic.sent.values())
    print(f"\n{sum(killer.kills.values())} kills in {killing:.0f} s: {dict(killer.kills)}")
    print(f"{events:,} unique events; requests: {dict(sorted(traffic.requests.items()))}")
    print("meter killed → all partitions owned again, s:", ", ".join(f"{each:.2f}" for each in killer.takeovers))
    print("postgres killed → ready again, s:", ", ".join(f"{each:.2f}" for each in killer.recoveries))
    print(f"all metered {caught_up:.2f} s after the last request")
