"""PostgreSQL is restarted, shut down at once, killed, and replaced by a replica that had fallen behind."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal

from chaos import replica
from chaos.checker import Api, Checker
from chaos.figures import Told, sized
from chaos.probe import Probe
from chaos.system import System
from chaos.traffic import Traffic
from winkel.store.embedded import Server

ROUNDS = sized(1, 10)
BEHIND_SECONDS = sized(4.0, 30.0)
"""For how long the replica had heard nothing when it had to take over."""


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
    told.tell("lost or counted twice", 0)
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
    told.tell("acknowledged events lost, or counted twice", 0)


def test_after_failover_to_a_lagging_replica_the_postgres_log_says_the_same_as_usage(
    tells: Callable[[int, str], Told],
) -> None:
    """The log itself is in the database that was lost: what the replica had not received is gone, the rest is exact."""
    told = tells(7, "failover to a lagging asynchronous replica, Postgres log")
    with failed_over({}, told) as (system, traffic, checker):
        in_log = checker.in_log()
        with Api(system) as api:
            system.wait_until(lambda: checker.usage(api, "COUNT") == in_log, 90)
    counts = {alias: Decimal(each.count) for alias, each in traffic.sent.items()}
    lost = sum(counts.values()) - sum(in_log.values())
    assert all(in_log[alias] <= count for alias, count in counts.items())
    told.tell("unique events", traffic.accepted)
    told.tell("acknowledged events lost with the primary", float(lost), least=1)
    told.tell("events in the log and in usage that differ", 0)
    told.note("With the log in PostgreSQL, use a synchronous replica (synchronous_standby_names), or Kafka.")


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
