"""The database's disk is full: events are refused, nothing is damaged, and when there is room all goes on."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from chaos.checker import Checker
from chaos.figures import Told, sized
from chaos.small_disk import SmallDisk
from chaos.system import System
from chaos.traffic import Traffic

FULL_SECONDS = sized(3.0, 30.0)
ROUNDS = sized(1, 5)


def test_a_full_disk_refuses_events_and_damages_nothing(tells: Callable[[int, str], Told]) -> None:
    """Clients get 503 or 429 until there is room; what was accepted before and after is all there."""
    told = tells(8, "disk of PostgreSQL full")
    with tempfile.TemporaryDirectory(prefix="winkel-chaos-disk-") as folder, SmallDisk(Path(folder) / "disk") as disk:
        Path(folder).chmod(0o755)
        # The reserve is off: a gateway refuses events long before the disk is full, and this is about what comes then.
        settings = {"WINKEL_DISK_RESERVE_BYTES": "0"}
        with System(gateways=1, meters=1, settings=settings, folder=disk.folder / "winkel") as system:
            traffic = Traffic(system, events=100)
            checker = Checker(system, traffic)
            back = []
            with traffic:
                for _ in range(ROUNDS):
                    time.sleep(2)
                    disk.fill(system)
                    refused = traffic.refused
                    system.wait_until(lambda refused=refused: traffic.refused > refused + 3, 60)
                    accepted = traffic.accepted
                    time.sleep(FULL_SECONDS)
                    slipped = traffic.accepted - accepted
                    disk.free(system)
                    began = time.monotonic()
                    system.start_postgres()  # it may have ended: without room for its log it cannot go on
                    accepted = traffic.accepted
                    system.wait_until(lambda accepted=accepted: traffic.accepted > accepted + 200, 90)
                    back.append(time.monotonic() - began)
                    traffic.check()
            caught_up = checker.exact()
            chains = checker.chains_equal()
            corrupt = system.ask("SELECT coalesce(sum(checksum_failures), 0) FROM pg_stat_database")[0][0]
            answers = dict(sorted(traffic.answers.items()))
    told.tell("times full", ROUNDS)
    told.tell("requests refused with 503 or 429", traffic.refused, least=1)
    told.tell("events accepted while it was full", slipped)
    told.tell("longest until events were accepted again", max(back), "s")
    told.tell("checksum failures", float(corrupt), most=0)
    told.tell("unique events", traffic.accepted)
    told.tell("lost or counted twice", checker.wrong, most=0)
    told.tell("SHA-256 chains equal", chains)
    told.tell("caught up after the last request", caught_up, "s")
    told.note(f"{'a file system of its own' if disk.mounted else 'a bound on the size of files'}; answers: {answers}")
