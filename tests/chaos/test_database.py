"""PostgreSQL is restarted, shut down at once, killed, and replaced by a replica: one that was waited for, one not."""

import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import httpx

from chaos import replica
from chaos.checker import Api, Checker
from chaos.figures import Told, sized
from chaos.probe import Probe
from chaos.system import System
from chaos.traffic import PAUSE_SECONDS, TRY_SECONDS, Traffic
from winkel.store.embedded import Server

ROUNDS = sized(1, 10)
BEHIND_SECONDS = sized(4.0, 30.0)
"""For how long the replica had heard nothing when it had to take over."""
FAILOVERS = sized(1, 5)
DEAF_SECONDS = sized(3.0, 20.0)
"""For how long a replica that is waited for says nothing before the primary dies; gateways give up after 15 s."""
IN_FLIGHT_SECONDS = 0.5
"""What the replica had said goes on to those who wait for it."""


def test_the_database_may_be_restarted_shut_down_at_once_or_killed(tells: Callable[[int, str], Told]) -> None:
    """SIGINT, SIGQUIT and SIGKILL to the postmaster under load: whoever waits gets a 503 and comes again."""
    told = tells(7, "PostgreSQL: fast restart, immediate shutdown, kill -9")
    marks: list[tuple[float, str]] = []
    away = []
    with System(gateways=2, meters=2) as system:
        traffic, probe = Traffic(system), Probe(system)
        checker = Checker(system, traffic, probe)
        probe.start(checker)
        with traffic:
            for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL) * ROUNDS:
                time.sleep(2)
                began = probe.now
                marks.append((began, number.name))
                system.kill_postgres(number)
                system.wait_until(system.ready, 60)
                away.append(probe.now - began)
                traffic.check()
        probe.stop()
        caught_up = checker.exact()
        chains = checker.chains_equal()
    told.tell("ends of the database", len(away))
    told.tell("longest until all was ready again", max(away), "s")
    told.tell("unique events", traffic.accepted)
    told.tell("lost or counted twice", checker.wrong, most=0)
    told.tell("SHA-256 chains equal", chains)
    told.tell("caught up after the last request", caught_up, "s")
    probe.tell(told, marks)


def test_after_failover_to_a_lagging_replica_kafka_heals_what_is_lost(
    kafka_url: str, tells: Callable[[int, str], Told]
) -> None:
    """Results and positions go back together; what the log has is metered again, and counts once."""
    told = tells(7, "failover to a lagging asynchronous replica, Kafka log")
    with failed_over({"WINKEL_LOG": kafka_url}, told) as (_, traffic, checker):
        checker.exact()
        told.tell("SHA-256 chains equal", checker.chains_equal())
    told.tell("unique events", traffic.accepted)
    told.tell("acknowledged events lost, or counted twice", checker.wrong, most=0)


def test_after_failover_to_a_lagging_replica_the_postgres_log_says_the_same_as_usage(
    tells: Callable[[int, str], Told],
) -> None:
    """The log itself is in the database that was lost: what the replica had not received is gone, the rest is exact."""
    told = tells(7, "failover to a lagging asynchronous replica, Postgres log")
    with failed_over({}, told) as (system, traffic, checker):
        in_log = checker.in_log()
        with Api(system) as api:
            system.wait_until(lambda: not checker.measure(checker.usage(api, "COUNT"), in_log), 90)
    counts = {alias: Decimal(each.count) for alias, each in traffic.sent.items()}
    lost = sum(counts.values()) - sum(in_log.values())
    assert all(in_log[alias] <= count for alias, count in counts.items())
    told.tell("unique events", traffic.accepted)
    told.tell("acknowledged events lost with the primary", float(lost), least=1)
    told.tell("events in the log and in usage that differ", checker.wrong, most=0)
    told.note("With the log in PostgreSQL, use a synchronous replica (synchronous_standby_names), or Kafka.")


class Office:
    """A clerk who makes customers over the API without a pause, and remembers those that were acknowledged."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.made: dict[str, str] = {}
        """Ingest aliases by the customers' ids."""
        self._stop = threading.Event()
        self._thread = ThreadPoolExecutor(1)

    def __enter__(self) -> "Office":
        self._running = self._thread.submit(self._work)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._running.result(60)
        self._thread.shutdown()

    def missing(self) -> list[str]:
        """Return the aliases of customers that were acknowledged and are not there, or not as they were made."""
        with httpx.Client(timeout=TRY_SECONDS, trust_env=False) as client:
            return [alias for its_id, alias in self.made.items() if self._aliases(client, its_id) != [alias]]

    def _aliases(self, client: httpx.Client, its_id: str) -> Any:
        answer = client.get(f"{self.system.urls[0]}/v1/customers/{its_id}", headers=self.system.headers)
        return answer.json()["data"]["ingest_aliases"] if answer.status_code == 200 else answer.text

    def _work(self) -> None:
        with httpx.Client(timeout=TRY_SECONDS, trust_env=False) as client:
            for number in itertools.count():
                if self._stop.wait(PAUSE_SECONDS):
                    return
                self._make(client, f"made-{number}")

    def _make(self, client: httpx.Client, alias: str) -> None:
        """Try once; who gets no answer does not know whether the customer is there, and makes another one."""
        body = {"name": alias, "ingest_aliases": [alias]}
        try:
            answer = client.post(f"{self.system.urls[0]}/v1/customers", json=body, headers=self.system.headers)
        except httpx.TransportError:
            return
        assert answer.status_code in {200, 503}, f"{answer.status_code} {answer.text}"
        if answer.status_code == 200:
            self.made[answer.json()["data"]["id"]] = alias


def test_failover_to_a_synchronous_replica_loses_nothing_acknowledged(tells: Callable[[int, str], Told]) -> None:
    """With `synchronous_standby_names` nothing is acknowledged that the replica has not: neither events nor API writes.

    The replica is cut off first, and the primary dies while all wait for it: whatever the primary kept to itself by
    then was promised to nobody.
    """
    told = tells(7, "failover to a synchronous replica, Postgres log")
    unheard, away = [], []
    with System(gateways=2, meters=2) as system:
        system.postgres = replica.let_follow(system.postgres)
        system.wait_until(system.ready, 60)
        traffic = Traffic(system)
        checker = Checker(system, traffic)
        with traffic, Office(system) as office:
            for number in range(FAILOVERS):
                heir = replica.follow(system.postgres, system.folder / f"replica-{number}")
                replica.wait_for(system.postgres)
                system.wait_until(lambda: replica.is_waited_for(system.postgres), 30)
                at_work = traffic.accepted, len(office.made)
                system.wait_until(lambda was=at_work: _beyond(traffic, office, was), 60)
                sender = replica.cut_off(system.postgres)
                time.sleep(IN_FLIGHT_SECONDS)
                acknowledged = traffic.accepted + len(office.made)
                time.sleep(DEAF_SECONDS)
                unheard.append(traffic.accepted + len(office.made) - acknowledged)
                began = time.monotonic()
                system.replace_postgres(lambda heir=heir, sender=sender: _take_over(heir, sender), heir)
                system.wait_until(system.ready, 90)
                away.append(time.monotonic() - began)
                at_work = traffic.accepted, len(office.made)
                system.wait_until(lambda was=at_work: _beyond(traffic, office, was), 60)
                traffic.check()
        caught_up = checker.exact()
        chains = checker.chains_equal()
        lost = office.missing()
        assert not lost, f"{len(lost)} of {len(office.made)} customers are not there, such as {lost[0]}"
    told.tell("failovers", FAILOVERS)
    told.tell("acknowledged while the replica was cut off", sum(unheard), most=0)
    told.tell("primary killed → ready on the replica, at most", max(away), "s")
    told.tell("unique events", traffic.accepted)
    told.tell("acknowledged events lost, or counted twice", checker.wrong, most=0)
    told.tell("SHA-256 chains equal", chains)
    told.tell("customers acknowledged over the API", len(office.made))
    told.tell("of them lost", len(lost), most=0)
    told.tell("caught up after the last request", caught_up, "s")


def _beyond(traffic: Traffic, office: Office, was: tuple[int, int]) -> bool:
    """Whether more events and more customers were acknowledged than then."""
    return traffic.accepted > was[0] + 200 and len(office.made) > was[1] + 5


def _take_over(heir: Server, sender: int) -> None:
    """Make a replica the primary, once the one that sent to it, stopped in its tracks, is dead like the others."""
    os.kill(sender, signal.SIGKILL)
    replica.promote(heir)


@contextmanager
def failed_over(settings: dict[str, str], told: Told) -> Iterator[tuple[System, Traffic, Checker]]:
    """Send, let the replica fall behind, kill the primary and go on with the replica; nobody sends any more then."""
    with System(gateways=1, meters=2, settings=settings) as system:
        system.postgres = replica.let_follow(system.postgres)
        follower = replica.follow(system.postgres, system.folder / "replica")
        system.wait_until(system.ready, 60)
        traffic = Traffic(system)
        checker = Checker(system, traffic)
        with traffic:
            time.sleep(2)
            before = traffic.accepted
            follower.stop()
            time.sleep(BEHIND_SECONDS)
            system.wait_until(lambda: traffic.accepted > before + 40, 60)
            behind = traffic.accepted - before
            began = time.monotonic()
            heir = Server(follower.folder)
            system.replace_postgres(lambda: replica.promote(heir), heir)
            system.wait_until(system.ready, 90)
            told.tell("events that the replica had not heard of, about", behind)
            told.tell("primary killed → ready on the replica", time.monotonic() - began, "s")
            accepted = traffic.accepted
            system.wait_until(lambda: traffic.accepted > accepted + 20, 60)
        yield system, traffic, checker
