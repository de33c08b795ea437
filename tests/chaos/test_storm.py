"""Meters come and go every few seconds: the partitions change hands all the time, and nobody outside notices."""

import time
from collections.abc import Callable
from random import Random

from chaos import audit
from chaos.checker import Checker
from chaos.figures import Told, log_of, sized
from chaos.probe import Probe
from chaos.system import System
from chaos.throughput import Throughput
from chaos.traffic import SEED, Traffic

STEADY_SECONDS = sized(5.0, 60.0)
STORM_SECONDS = sized(10.0, 600.0)
EVERY_SECONDS = sized(1.5, 3.0)
FEWEST, MOST = 2, 5


def test_a_storm_of_rebalances_slows_metering_down_only_a_little(
    log_settings: dict[str, str], tells: Callable[[int, str], Told]
) -> None:
    """A meter is added or ended in order, or killed, every few seconds."""
    told = tells(4, f"rebalance storm ({log_of(log_settings)})")
    rng = Random(SEED)
    marks: list[tuple[float, str]] = []
    with System(gateways=1, meters=3, partitions=12, settings=log_settings) as system:
        audit.begin(system)
        traffic, probe = Traffic(system, events=100, pause=0.01), Probe(system)
        checker = Checker(system, traffic, probe)
        probe.start(checker)
        with traffic, Throughput(system, probe.began, lambda: traffic.accepted) as metered:
            time.sleep(STEADY_SECONDS)
            storm = probe.now
            while probe.now < storm + STORM_SECONDS:
                marks.append((probe.now, change(system, rng)))
                traffic.check()
                time.sleep(EVERY_SECONDS)
            over = probe.now
        probe.stop()
        checker.exact()
        chains = checker.chains_equal()
        audit.assert_one_after_the_other(system)
        rebalances = sum(system.epochs().values())
    steady, stormy = metered.rate(2, storm), metered.rate(storm, over)
    kept_up = metered.share(storm, over) / metered.share(2, storm)
    told.tell("changes of the fleet", len(marks))
    told.tell("partitions taken", rebalances)
    told.tell("unique events", traffic.accepted)
    told.tell("lost or counted twice", checker.wrong, most=0)
    told.tell("SHA-256 chains equal", chains)
    told.tell("metered before the storm", steady, "events/s")
    told.tell("metered in the storm", stormy, "events/s")
    told.tell("share of it in the storm", 100 * stormy / steady, "%", least=sized(None, 70))
    # Where other tests use the machine too, clients send less at times: metering must keep up with what they send.
    told.tell("metered of what was accepted, against before", 100 * kept_up, "%", least=sized(50, 70))
    told.draw("metered", "events/s", metered.curve(), marks)
    probe.tell(told, marks, least=99.99, fresh=sized(10.0, 5.0))


def change(system: System, rng: Random) -> str:
    """Add a meter, end one in order or kill one; return what was done."""
    meters = system.names("meter")
    if len(meters) <= FEWEST or (len(meters) < MOST and rng.random() < 0.5):
        return f"{system.add('meter')} added"
    victim = rng.choice(meters)
    if rng.random() < 0.5:
        system.remove(victim)
        return f"{victim} ended"
    system.kill(victim, back=False)
    return f"{victim} killed"
