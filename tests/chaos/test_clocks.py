"""Clocks that are wrong and step backwards: leases and arrival go by the database's clock, usage by the events' own."""

import time
from collections.abc import Callable

from chaos import audit
from chaos.checker import Checker
from chaos.figures import Told, sized
from chaos.system import System
from chaos.traffic import Traffic

SKEWS = "0,3600,-3600,0,-1800,3600"
"""Seconds; the clock steps from one to the next, and begins again."""
STEP_SECONDS = sized(1.0, 10.0)
SECONDS = sized(10.0, 300.0)


def test_wrong_clocks_change_neither_leases_nor_usage(
    log_settings: dict[str, str], tells: Callable[[int, str], Told]
) -> None:
    """A gateway, a meter and the biller have clocks that step by an hour forwards and by two back."""
    told = tells(9, f"clocks ± 1 h, stepping backwards ({'Kafka' if log_settings else 'Postgres'} log)")
    wrong = {"CHAOS_CLOCK": f"{STEP_SECONDS},{SKEWS}"}
    with System(gateways=1, meters=1, bills=0, settings=log_settings) as system:
        audit.begin(system)
        for role in ("gateway", "meter", "bill"):
            system.add(role, **wrong)
        system.wait_until(lambda: all(system.owned_by(each) for each in system.names("meter")), 60)
        system.wait_until(system.ready, 60)
        before = system.epochs()
        traffic = Traffic(system)
        checker = Checker(system, traffic)
        with traffic:
            time.sleep(SECONDS)
        checker.exact()
        chains = checker.chains_equal()
        audit.assert_one_after_the_other(system)
        taken = sum(system.epochs().values()) - sum(before.values())
        assert not system.unasked, system.unasked
    told.tell("clock steps", SECONDS / STEP_SECONDS)
    told.tell("partitions that changed hands", taken, most=0)
    told.tell("unique events", traffic.accepted)
    told.tell("lost or counted twice", 0)
    told.tell("SHA-256 chains equal", chains)
