"""Real deaths at every step of the protocol, answers to COMMIT that never come, and zombies that wake up again."""

import asyncio
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx

from chaos import audit
from chaos.checker import Checker, drain
from chaos.figures import Told, log_of, sized
from chaos.system import System, is_stopped
from chaos.traffic import Clients, Event, Traffic
from support.line import Line
from winkel.meter.decide import CRASHED

STEPS = [
    *("assign", "assigned", "crossing", "decided", "begun", "claimed", "run", "series", "deltas", "counted"),
    *("before_commit", "after_commit", "merge_decided", "merge_inserted", "merge_deleted", "merge_committed"),
]
LATE_EVENTS = 100
DEATHS = sized(1, 20)
"""How often a meter dies at each step."""
CUTS = sized(6, 40)
ASLEEP_SECONDS = sized(7.0, 60.0)
"""How long a zombie sleeps: longer than its lease of 5 s."""
TAKEOVER_SECONDS = 10.0


def test_a_meter_that_dies_at_any_step_loses_and_doubles_nothing(
    log_settings: dict[str, str], tells: Callable[[int, str], Told]
) -> None:
    """One meter after the other kills itself in the middle of its work, and is all that there is."""
    told = tells(2, f"kill at every step of the protocol, COMMIT without an answer ({log_of(log_settings)})")
    with System(gateways=1, meters=0, partitions=4, settings=log_settings) as system:
        audit.begin(system)
        traffic = Traffic(system, senders=2)
        checker = Checker(system, traffic)
        with traffic:
            for death in range(DEATHS):
                for step in STEPS:
                    died = system.add("meter", CHAOS_AT=f"{step}:{1 + death % 3}:SIGKILL")
                    system.wait_for_end(died)
                    traffic.check()
            cuts = cut_commits(system)
            system.add("meter")
        aside = retry_suspects(system)
        checker.exact(aside=aside)
        chains = checker.chains_equal()
        batches = audit.assert_one_after_the_other(system)
    told.tell("steps", len(STEPS))
    told.tell("deaths", DEATHS * len(STEPS))
    told.tell("COMMITs whose fate the meter never heard", cuts)
    told.tell("events set aside as the cause of so many deaths, and retried", aside)
    told.tell("batches", batches)
    told.tell("unique events", traffic.accepted)
    told.tell("lost or counted twice", checker.wrong, most=0)
    told.tell("SHA-256 chains equal", chains)


def test_a_meter_that_dies_while_it_sends_records_on_loses_and_doubles_nothing(
    log_settings: dict[str, str], tells: Callable[[int, str], Told]
) -> None:
    """A gateway sleeps through a change of the routing: its events stand where nobody would look for their repeats.

    Whoever meters them there appends them anew to where they belong, and dies: before that, and when it is done but
    nothing is committed, so that it is done twice. Nobody else was sent these events.
    """
    told = tells(2, f"kill where records of an old routing are sent on ({log_of(log_settings)})")
    with System(gateways=1, meters=0, partitions=4, settings=log_settings) as system:
        file = system.folder / "sleep"
        straggler = system.add("gateway", CHAOS_SLEEP_BEFORE_APPEND=str(file))
        system.wait_until(system.ready)
        audit.begin(system)
        # One sender never gives up its gateway, so it does not come to the straggler, where the other is alone.
        traffic, late = Traffic(system, senders=1, repeats=0), Clients(system, ["late"])
        checker = Checker(system, traffic, late)
        with traffic:
            for death in range(DEATHS):
                died = system.add("meter", CHAOS_AT="forward:1:SIGKILL")
                leave_behind(system, late, straggler, file, death)
                system.wait_for_end(died)
                system.wait_for_end(system.add("meter", CHAOS_AT="forwarded:1:SIGKILL"))
                traffic.check()
                whole = system.add("meter")
                drain(system)
                system.kill(whole, back=False)
            system.add("meter")
        checker.exact()
        chains = checker.chains_equal()
        batches = audit.assert_one_after_the_other(system)
        sent_on = system.said("records of an old routing sent on", "meter")
    assert set(late.answers) == {"accepted"}, "only the straggler was sent its events, and once"
    told.tell("deaths", 2 * DEATHS)
    told.tell("times that a partition's records were sent on", sent_on, least=2 * DEATHS)
    told.tell("batches", batches)
    told.tell("unique events", traffic.accepted + late.accepted)
    told.tell("of these, events of the straggler", late.accepted)
    told.tell("lost or counted twice", checker.wrong, most=0)
    told.tell("SHA-256 chains equal", chains)


def leave_behind(system: System, late: Clients, straggler: str, file: Path, number: int) -> None:
    """Have a gateway append by an old routing, which it takes for the one in force because it slept."""
    file.touch()
    at = datetime.now(UTC)
    events = [Event(f"late {number}-{each}", "late", at, {"amount": f"{each}.5"}) for each in range(LATE_EVENTS)]
    place = system.urls.index(system.url(straggler))
    with ThreadPoolExecutor(1) as thread, httpx.Client(timeout=60, trust_env=False) as client:
        sending = thread.submit(late.send, client, events, first=place)
        pid = system.roles[straggler].pid
        try:
            system.wait_until(lambda: is_stopped(pid), 60)
            system.winkel("fleet", "repartition", "4" if number % 2 else "6", seconds=120)
        finally:
            system.thaw(straggler)
        sending.result(60)


def retry_suspects(system: System) -> int:
    """Have records counted that were blamed for the deaths, as an operator would; return how many events they had.

    Where meters die eight times in a row of nothing that they could know of, the only record that waits is suspected.
    """
    drain(system)
    ((aside,),) = system.ask("SELECT coalesce(sum(events), 0) FROM dead_letter WHERE reason = %s", CRASHED)
    if aside:
        system.winkel("dead-letters", "retry", "--all", "--reason", CRASHED, "--yes")
    return int(aside)


def cut_commits(system: System) -> int:
    """Let a meter work over a line that breaks while COMMITs are under way; return how often it broke."""
    with lines(system.postgres.url) as (line, url):
        name = system.add("meter", WINKEL_DATABASE_URL=url)
        for number in range(CUTS):
            line.cut = "request" if number % 2 else "answer"
            system.wait_until(lambda: line.cut is None, 30)
        system.kill(name, back=False)
    return line.cuts


@contextmanager
def lines(url: str) -> Iterator[tuple[Line, str]]:
    """Yield a line to the database that can be cut, and its address."""
    loop, line, over = asyncio.new_event_loop(), Line(), asyncio.Event()
    address: list[str] = []
    there = threading.Event()

    async def serve(folder: Path) -> None:
        async with line.at(url, folder) as here:
            address.append(here)
            there.set()
            await over.wait()

    with tempfile.TemporaryDirectory(prefix="winkel-line-") as folder:
        thread = threading.Thread(target=lambda: loop.run_until_complete(serve(Path(folder))))
        thread.start()
        assert there.wait(10)
        try:
            yield line, address[0]
        finally:
            loop.call_soon_threadsafe(over.set)
            thread.join(10)
            loop.close()


def test_a_zombie_commits_nothing(log_settings: dict[str, str], tells: Callable[[int, str], Told]) -> None:
    """A meter sleeps for longer than its lease, in the middle of a transaction, and then wants to go on."""
    told = tells(3, f"SIGSTOP zombie, longer than its lease ({log_of(log_settings)})")
    takeovers = []
    with System(gateways=1, meters=2, partitions=6, settings=log_settings) as system:
        audit.begin(system)
        traffic = Traffic(system, senders=2)
        checker = Checker(system, traffic)
        with traffic:
            for step in ("claimed", "decided", "after_commit"):
                zombie = system.add("meter", CHAOS_AT=f"{step}:20:SIGSTOP")
                pid = system.roles[zombie].pid
                system.wait_until(lambda pid=pid: is_stopped(pid), 60)
                before = system.epochs()
                held = system.owned_by(zombie)
                assert held
                took = system.wait_until(lambda held=held, before=before: changed(system, held, before), 60)
                takeovers.append(took)
                at_takeover = audit.commits(system, {each: before[each] for each in held})
                time.sleep(max(0.0, ASLEEP_SECONDS - took))
                system.thaw(zombie)
                system.wait_until(lambda zombie=zombie: system.owned_by(zombie), 30)  # it is back, with new epochs
                woken = audit.commits(system, {each: before[each] for each in held}) - at_takeover
                told.tell(f"commits of the zombie that slept at {step!r}", woken, most=0)
                system.remove(zombie)
        checker.exact()
        chains = checker.chains_equal()
        audit.assert_one_after_the_other(system)
    told.tell("slept", ASLEEP_SECONDS, "s")
    told.tell("slowest takeover", max(takeovers), "s", most=TAKEOVER_SECONDS)
    told.tell("lost or counted twice", checker.wrong, most=0)
    told.tell("SHA-256 chains equal", chains)


def changed(system: System, partitions: list[int], before: dict[int, int]) -> bool:
    """Whether all these partitions have another owner."""
    now = system.epochs()
    return all(now[each] > before[each] for each in partitions)
