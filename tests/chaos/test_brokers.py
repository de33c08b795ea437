"""Kafka's nodes die, hang and come back: what was acknowledged stays, and clients only wait."""

import time
from collections import Counter
from collections.abc import Callable

from chaos.brokers import Brokers
from chaos.checker import Checker
from chaos.figures import Told, sized
from chaos.probe import Probe
from chaos.system import System
from chaos.traffic import Traffic

RESTARTS = sized(2, 20)
LEADERS = sized(1, 20)
CALM_SECONDS = sized(3.0, 10.0)
FROZEN_SECONDS = sized(5.0, 30.0)


def test_a_single_broker_that_dies_and_comes_back_loses_nothing(tells: Callable[[int, str], Told]) -> None:
    """While it is down clients are told to come again; then all goes on."""
    told = tells(6, "broker kill -9 and restart (one node)")
    with Brokers(1) as brokers, System(gateways=1, meters=2, settings={"WINKEL_LOG": brokers.url}) as system:
        traffic = Traffic(system)
        checker = Checker(system, traffic)
        with traffic:
            for _ in range(RESTARTS):
                time.sleep(CALM_SECONDS)
                brokers.kill(1)
                time.sleep(1)
                brokers.start()
                accepted = traffic.accepted
                system.wait_until(lambda accepted=accepted: traffic.accepted > accepted + 20, 60)
                traffic.check()
        caught_up = checker.exact()
        chains = checker.chains_equal()
    told.tell("kills", RESTARTS)
    told.tell("unique events", traffic.accepted)
    told.tell("lost or counted twice", checker.wrong, most=0)
    told.tell("SHA-256 chains equal", chains)
    told.tell("longest wait of a client", max(traffic.waits), "s")
    told.tell("caught up after the last request", caught_up, "s")


def test_the_leader_of_three_brokers_may_die_or_hang(tells: Callable[[int, str], Told]) -> None:
    """Two of three brokers carry on: kill -9 of the node that leads most, then SIGSTOP of another, as a cut network."""
    told = tells(6, "leader kill -9, then SIGSTOP, of three brokers (acks=all, two in sync)")
    marks: list[tuple[float, str]] = []
    back: list[float] = []
    with Brokers(3) as brokers, System(gateways=2, meters=2, settings={"WINKEL_LOG": brokers.url}) as system:
        traffic, probe = Traffic(system), Probe(system, every=0.2)
        checker = Checker(system, traffic, probe)
        probe.start(checker)
        with traffic:
            for _ in range(LEADERS):
                time.sleep(CALM_SECONDS)
                leader = most_leading(brokers)
                marks.append((probe.now, f"leader {leader} killed"))
                brokers.kill(leader)
                time.sleep(CALM_SECONDS)
                brokers.start()
                back.append(system.wait_until(brokers.whole, 60))
                traffic.check()
            leader = most_leading(brokers)
            marks.append((probe.now, f"leader {leader} frozen"))
            brokers.freeze(leader)
            time.sleep(FROZEN_SECONDS)
            brokers.thaw(leader)
            marks.append((probe.now, f"{leader} goes on"))
            time.sleep(CALM_SECONDS)
        probe.stop()
        caught_up = checker.exact()
        chains = checker.chains_equal()
    told.tell("leaders killed", LEADERS)
    told.tell("longest until a node that was started again had all of the log", max(back), "s")
    told.tell("leader frozen for", FROZEN_SECONDS, "s")
    told.tell("unique events", traffic.accepted)
    told.tell("acknowledged events lost, or counted twice", checker.wrong, most=0)
    told.tell("SHA-256 chains equal", chains)
    told.tell("caught up after the last request", caught_up, "s")
    probe.tell(told, marks)


def most_leading(brokers: Brokers) -> int:
    """Return the node that leads the most partitions."""
    counts = Counter(brokers.leaders().values())
    counts.pop(-1, None)
    return counts.most_common(1)[0][0]
