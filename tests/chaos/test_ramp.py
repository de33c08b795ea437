"""Load grows by 300 % while processes die: an event is accepted, at most after another try."""

import time
from collections.abc import Callable
from random import Random

from chaos.checker import Checker
from chaos.figures import Told, sized
from chaos.probe import Probe
from chaos.system import System
from chaos.throughput import Throughput
from chaos.traffic import SEED, Traffic

STAGES = 4
"""The load grows from one part to four: by 300 %."""
STAGE_SECONDS = sized(7.0, 150.0)
PAUSE_SECONDS = 0.1
"""Between two requests of one sender; each stage adds two senders."""
AVAILABILITY = 99.99


def test_clients_are_served_through_a_ramp_of_300_percent_with_faults(
    log_settings: dict[str, str], tells: Callable[[int, str], Told]
) -> None:
    """At every stage a gateway dies, a meter dies, and another one joins."""
    told = tells(23, f"availability through a 300 % ramp with faults ({'Kafka' if log_settings else 'Postgres'} log)")
    rng = Random(SEED)
    marks: list[tuple[float, str]] = []
    with System(gateways=3, meters=2, settings=log_settings) as system:
        probe = Probe(system, every=sized(0.05, 0.02))
        stages = [Traffic(system, f"stage{n}", senders=2, events=50, pause=PAUSE_SECONDS) for n in range(STAGES)]
        checker = Checker(system, probe, *stages)
        probe.start(checker)
        with Throughput(system, probe.began) as metered:
            for number, traffic in enumerate(stages):
                traffic.start()
                marks.append((probe.now, f"load × {number + 1}"))
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
    told.tell("faults", len(marks) - STAGES)
    told.tell("unique events", sum(each.accepted for each in stages))
    told.tell("lost or counted twice", 0)
    told.tell("SHA-256 chains equal", chains)
    told.tell("caught up after the last request", caught_up, "s")
    told.draw("metered", "events/s", metered.curve(), marks)
    probe.tell(told, marks, least=AVAILABILITY)
