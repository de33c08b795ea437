"""Load grows by 300 % while processes die: an event is accepted, at most after another try."""

import time
from collections.abc import Callable
from random import Random

from chaos.brokers import Brokers
from chaos.checker import Checker
from chaos.figures import Told, sized
from chaos.probe import Probe
from chaos.system import System
from chaos.test_brokers import most_leading
from chaos.throughput import Throughput
from chaos.traffic import SEED, Traffic

STAGES = 4
"""The load grows from one part to four: by 300 %."""
STAGE_SECONDS = sized(7.0, 150.0)
PAUSE_SECONDS = 0.1
"""Between two requests of one sender; each stage adds two senders."""
LEADER_DIES = sized((2,), (1, 3))
"""The stages, from 0, without the broker that led most; it comes back with the next one."""
AVAILABILITY = 99.99


def test_clients_are_served_through_a_ramp_of_300_percent_with_faults(tells: Callable[[int, str], Told]) -> None:
    """At every stage a gateway dies, a meter dies, and another one joins."""
    told = tells(23, "availability through a 300 % ramp with faults (Postgres log)")
    climb(told, {}, lambda _: [])


def test_clients_are_served_through_a_ramp_while_a_leader_of_three_brokers_dies(
    tells: Callable[[int, str], Told],
) -> None:
    """The same, and the broker that leads most is dead through a whole stage, while a gateway and a meter die."""
    told = tells(23, "availability through a 300 % ramp with faults (Kafka log, three brokers)")
    with Brokers(3) as brokers:

        def change(stage: int) -> list[str]:
            if stage in LEADER_DIES:
                leader = most_leading(brokers)
                brokers.kill(leader)
                return [f"leader {leader} killed"]
            if stage - 1 in LEADER_DIES:
                brokers.start()
                return ["all brokers are back"]
            return []

        climb(told, {"WINKEL_LOG": brokers.url}, change)


def climb(told: Told, settings: dict[str, str], change: Callable[[int], list[str]]) -> None:
    """Let the load grow, and tell what clients saw; `change` does more at the beginning of a stage, and says what."""
    rng = Random(SEED)
    marks: list[tuple[float, str]] = []
    with System(gateways=3, meters=2, settings=settings) as system:
        probe = Probe(system, every=sized(0.05, 0.02))
        stages = [Traffic(system, f"stage{n}", senders=2, events=50, pause=PAUSE_SECONDS) for n in range(STAGES)]
        checker = Checker(system, probe, *stages)
        probe.start(checker)
        with Throughput(system, probe.began) as metered:
            for number, traffic in enumerate(stages):
                traffic.start()
                marks.append((probe.now, f"load × {number + 1}"))
                marks += [(probe.now, each) for each in change(number)]
                for role in ("gateway", "meter"):
                    time.sleep(STAGE_SECONDS / 4)
                    victim = rng.choice([each for each in system.names(role) if system.roles[each].lives])
                    system.kill(victim)
                    marks.append((probe.now, f"{victim} killed"))
                if number:
                    marks.append((probe.now, f"{system.add('meter')} added"))
                time.sleep(STAGE_SECONDS / 2)
                system.wait_until(system.takes_events)
                traffic.check()
            for traffic in stages:
                traffic.stop()
        probe.stop()
        caught_up = checker.exact()
        chains = checker.chains_equal()
    told.tell("faults", len([words for _, words in marks if "load" not in words and "back" not in words]))
    told.tell("unique events", sum(each.accepted for each in stages))
    told.tell("lost or counted twice", checker.wrong, most=0)
    told.tell("SHA-256 chains equal", chains)
    told.tell("caught up after the last request", caught_up, "s")
    told.draw("metered", "events/s", metered.curve(), marks)
    probe.tell(told, marks, least=AVAILABILITY)
