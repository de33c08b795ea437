"""32 → 96 → 32 partitions under load: with deaths in the middle, a gateway that sleeps, and a change of mind."""

import time
from collections.abc import Callable

from chaos.checker import Checker
from chaos.figures import Told, log_of, sized
from chaos.probe import Probe
from chaos.system import System, is_stopped
from chaos.traffic import Traffic

FEW, MANY = 32, 96
CHANGE_SECONDS = 60.0
"""From the command until everything that was routed before is metered."""
ROUNDS = sized(1, 5)


def test_partitions_change_in_number_under_load_with_deaths_in_the_middle(
    log_settings: dict[str, str], tells: Callable[[int, str], Told]
) -> None:
    """A gateway and a meter are killed while it changes; requests are at most delayed, and all is counted."""
    told = tells(5, f"32 → 96 → 32 under load with kills ({log_of(log_settings)})")
    marks: list[tuple[float, str]] = []
    sleepy = {}
    with System(gateways=2, meters=3, partitions=FEW, settings=log_settings) as system:
        file = system.folder / "sleep"
        sleepy = {"CHAOS_SLEEP_BEFORE_APPEND": str(file)}
        straggler = system.add("gateway", **sleepy)
        system.wait_until(system.ready)
        traffic, probe = Traffic(system), Probe(system)
        checker = Checker(system, traffic, probe)
        probe.start(checker)
        with traffic:
            time.sleep(2)
            for number in range(2 * ROUNDS):
                target = FEW if number % 2 else MANY
                marks.append((probe.now, f"→ {target}"))
                took = change_with_deaths(system, target, ("gateway-1", "meter-1"))
                told.tell(f"to {target} partitions", took, "s", most=CHANGE_SECONDS)
                system.settings["WINKEL_PARTITIONS"] = str(target)
                system.wait_until(system.ready, 60)
                traffic.check()
            marks.append((probe.now, "straggler"))
            change_with_straggler(system, straggler, file, MANY)
            forwarded = system.wait_until(lambda: system.said("records of an old routing sent on", "meter") > 0, 60)
            marks.append((probe.now, "abort"))
            change_of_mind(system)
        probe.stop()
        caught_up = checker.exact()
        chains = checker.chains_equal()
        assert not system.unasked, system.unasked
    told.tell("unique events", traffic.accepted)
    told.tell("lost or counted twice", checker.wrong, most=0)
    told.tell("SHA-256 chains equal", chains)
    told.tell("records of a straggler sent on within", forwarded, "s")
    told.tell("caught up after the last request", caught_up, "s")
    probe.tell(told, marks, fresh=sized(20.0, 5.0))


def change_with_deaths(system: System, target: int, victims: tuple[str, ...]) -> float:
    """Repartition, killing some processes meanwhile; return the seconds it took."""
    began = time.monotonic()
    command = system.begin("fleet", "repartition", str(target))
    system.wait_until(lambda: routing(system, "preparing") or command.poll() is not None, 60)
    for each in victims:
        system.kill(each)
    said, _ = command.communicate(timeout=120)
    assert command.returncode == 0, said
    return time.monotonic() - began


def change_with_straggler(system: System, straggler: str, file: object, target: int) -> None:
    """Let a gateway fall asleep with an append in its hands, change the routing without it, and wake it."""
    from pathlib import Path

    Path(str(file)).touch()
    pid = system.roles[straggler].pid
    system.wait_until(lambda: is_stopped(pid), 60)
    try:
        system.winkel("fleet", "repartition", str(target), seconds=120)
    finally:
        system.thaw(straggler)


def change_of_mind(system: System) -> None:
    """Kill the command while gateways hold their events back, then abort: everything goes on as before."""
    before = routing(system, "active")
    frozen = system.names("gateway")[0]
    system.freeze(frozen)  # its lease has to end first, so that the change takes its time, however slow the command is
    system.ask("UPDATE gateway_lease SET expires_at = clock_timestamp() + interval '1 minute'")
    command = system.begin("fleet", "repartition", "48")
    try:
        system.wait_until(lambda: routing(system, "preparing"), 60)
        command.kill()
        command.wait(10)
        system.winkel("fleet", "abort")
    finally:
        system.thaw(frozen)
    assert not routing(system, "preparing")
    assert routing(system, "active") == before


def routing(system: System, state: str) -> list[int]:
    """Return the versions of the routing in a state."""
    return [row[0] for row in system.ask("SELECT version FROM routing WHERE state = %s ORDER BY version", state)]
