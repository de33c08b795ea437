"""Clocks that are wrong and step backwards: leases and arrival go by the database's clock, usage by the events' own."""

import time
from collections.abc import Callable
from datetime import timedelta

from chaos import audit, database_clock
from chaos.checker import Checker
from chaos.figures import Told, sized
from chaos.probe import Probe
from chaos.system import System
from chaos.traffic import Traffic

SKEWS = "0,3600,-3600,0,-1800,3600"
"""Seconds; the clock steps from one to the next, and begins again."""
STEP_SECONDS = sized(1.0, 10.0)
SECONDS = sized(10.0, 300.0)
DATABASE_SKEWS = (3600, -3600, 0, -30 * 3600, 30 * 3600, 0)
"""Seconds; over midnight, too, and a day and more back at once."""
DATABASE_ROUNDS = sized(1, 10)
CALM_SECONDS = sized(2.0, 5.0)


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
    told.tell("lost or counted twice", checker.wrong, most=0)
    told.tell("SHA-256 chains equal", chains)


def test_steps_of_the_databases_clock_lose_and_double_nothing(tells: Callable[[int, str], Told]) -> None:
    """Leases end early, or seem to last for hours, and records arrive on days that were over; nothing depends on it.

    The chains of the log are not compared: who puts its partitions side by side goes by the instants of arrival.
    """
    told = tells(9, "the database's clock steps by 1 and 30 hours, forwards and back")
    marks: list[tuple[float, str]] = []
    with System(gateways=0, meters=0, bills=0) as system:
        database_clock.install(system)
        audit.begin(system)
        for role in ("gateway", "gateway", "meter", "meter", "bill"):
            system.add(role)
        system.wait_until(system.ready, 60)
        traffic, probe = Traffic(system), Probe(system)
        checker = Checker(system, traffic, probe)
        probe.start(checker)
        before = system.epochs()
        with traffic:
            for skew in DATABASE_SKEWS * DATABASE_ROUNDS:
                time.sleep(CALM_SECONDS)
                database_clock.step(system, timedelta(seconds=skew))
                marks.append((probe.now, f"{skew / 3600:+g} h"))
                accepted = traffic.accepted
                system.wait_until(lambda accepted=accepted: traffic.accepted > accepted + 40, 60)
                traffic.check()
            system.kill("meter-1")
            time.sleep(CALM_SECONDS)
        probe.stop()
        caught_up = checker.exact()
        batches = audit.assert_one_after_the_other(system)
        taken = sum(system.epochs().values()) - sum(before.values())
        ((apart,),) = system.ask("SELECT extract(epoch FROM max(appended_at) - min(appended_at)) FROM log_record")
        assert not system.unasked, system.unasked
    told.tell("clock steps", len(marks))
    told.tell("earliest to latest arrival by that clock", float(apart) / 3600, "h", least=59)
    told.tell("partitions that changed hands", taken)
    told.tell("batches", batches)
    told.tell("unique events", traffic.accepted)
    told.tell("lost or counted twice", checker.wrong, most=0)
    told.tell("caught up after the last request", caught_up, "s")
    probe.tell(told, marks, least=99.99)
