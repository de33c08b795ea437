"""kill -9, again and again, at everything, while clients send: nothing is lost and nothing is counted twice."""

import time
from collections.abc import Callable
from random import Random
from typing import Any

from chaos.checker import Checker
from chaos.figures import Told, sized
from chaos.probe import Probe
from chaos.system import System
from chaos.traffic import SEED, Traffic

KILLS = sized(40, 1000)
LOAD: dict[str, Any] = sized({}, {"senders": 8, "events": 1000, "pause": 0.35})
"""In full size clients aim at 20,000 events a second: each waits, after a request of a thousand, until 0.4 s are over.
What is accepted is less on two cores, of which each start of a process wants one for a second.
To remember and compare ten million events this process needs 7 GB."""
GATEWAYS = sized(2, 3)
"""Under that load one starts for seconds, and another one may die meanwhile."""
TAKEOVER_SECONDS = 10.0
"""All partitions of a killed meter have an owner again within this time (issue 4)."""


def test_no_event_is_lost_or_counted_twice_while_everything_is_killed(
    log_settings: dict[str, str], tells: Callable[[int, str], Told]
) -> None:
    """Every 0.2–1 s a random gateway, meter or biller dies."""
    told = tells(1, f"kill -9 of random processes ({'Kafka' if log_settings else 'Postgres'} log)")
    rng = Random(SEED)
    takeovers: list[float] = []
    with System(gateways=GATEWAYS, meters=3, settings=log_settings) as system:
        traffic, probe = Traffic(system, **LOAD), Probe(system)
        checker = Checker(system, traffic, probe)
        probe.start(checker)
        began = time.monotonic()
        with traffic:
            for number in range(KILLS):
                names = [each for each in system.roles if system.roles[each].lives]
                victim = rng.choice(names)
                if victim.startswith("meter") and number % 4 == 0:
                    takeovers.append(takeover(system, victim))
                else:
                    system.kill(victim)
                time.sleep(rng.uniform(0.2, 1.0))
                system.wait_until(system.takes_events)  # a slow machine needs a while to start a gateway
                traffic.check()
            killing = time.monotonic() - began
            accepted = traffic.accepted
        probe.stop()
        caught_up = checker.exact()
        chains = checker.chains_equal()
        assert not system.unasked, system.unasked
    told.tell("kills", sum(system.kills.values()))
    told.tell("kills took", killing, "s")
    told.tell("unique events", traffic.accepted)
    told.tell("accepted between kills", accepted / killing, "unique events/s")
    told.tell("sent again on purpose", traffic.repeated)
    told.tell("lost or counted twice", checker.wrong, most=0)
    told.tell("SHA-256 chains equal", chains)
    told.tell("slowest takeover", max(takeovers), "s", most=TAKEOVER_SECONDS)
    told.tell("caught up after the last request", caught_up, "s")
    told.note(f"kills: {dict(system.kills)}; answers: {dict(sorted(traffic.answers.items()))}")
    probe.tell(told, [])


def takeover(system: System, meter: str) -> float:
    """Kill a meter; return how long its partitions were without an owner."""
    system.wait_until(lambda: system.owned_by(meter), 60)  # who has only just come back has nothing to take over
    before = system.epochs()
    lost = system.owned_by(meter)
    system.kill(meter)
    return system.wait_until(lambda: all(system.epochs()[each] > before[each] for each in lost), 60)
