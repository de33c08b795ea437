"""The disk of the database or of Kafka is full: events are refused, nothing is damaged, and with room all goes on."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from chaos.brokers import Brokers
from chaos.checker import Checker
from chaos.figures import Told, sized
from chaos.small_disk import SmallDisk
from chaos.system import System
from chaos.traffic import Traffic

FULL_SECONDS = sized(3.0, 30.0)
PATIENCE_SECONDS = 180.0
"""How long clients try while Kafka is down: that is also as long as its end and its start take."""
KAFKA_ROOM = 64 * 1024
"""What is left of Kafka's disk: some seconds' events."""
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
                    disk.fill(system.postgres.pid)
                    refused = traffic.refused
                    system.wait_until(lambda refused=refused: traffic.refused > refused + 3, 60)
                    accepted = traffic.accepted
                    time.sleep(FULL_SECONDS)
                    slipped = traffic.accepted - accepted
                    disk.free(system.postgres.pid)
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
    told.note(f"{disk.kind}; answers: {answers}")


def test_a_full_disk_of_kafka_refuses_events_and_loses_none(tells: Callable[[int, str], Told]) -> None:
    """The only broker cannot write and ends; when there is room and it is started again, all goes on."""
    told = tells(8, "disk of Kafka full (one node)")
    refusing, back, slipped = [], [], 0
    with (
        tempfile.TemporaryDirectory(prefix="winkel-chaos-disk-") as folder,
        SmallDisk(Path(folder) / "disk", room=KAFKA_ROOM) as disk,
        Brokers(1, disk.folder / "kafka") as brokers,
        System(gateways=1, meters=1, settings={"WINKEL_LOG": brokers.url}) as system,
    ):
        traffic = Traffic(system, events=100)
        traffic.patience = PATIENCE_SECONDS
        checker = Checker(system, traffic)
        with traffic:
            for _ in range(ROUNDS):
                accepted = traffic.accepted
                system.wait_until(lambda accepted=accepted: traffic.accepted > accepted + 2000, 60)
                refused = traffic.refused
                disk.fill(brokers.pid(1))
                refusing.append(system.wait_until(lambda refused=refused: traffic.refused > refused + 3, 60))
                system.wait_until(lambda: not brokers.lives(1), 60)
                accepted = traffic.accepted
                time.sleep(FULL_SECONDS)
                slipped += traffic.accepted - accepted
                disk.free(None)
                began = time.monotonic()
                brokers.start()
                system.wait_until(lambda accepted=accepted: traffic.accepted > accepted + 200, PATIENCE_SECONDS)
                back.append(time.monotonic() - began)
                traffic.check()
        caught_up = checker.exact()
        chains = checker.chains_equal()
        assert not system.unasked, system.unasked
        answers = dict(sorted(traffic.answers.items()))
    told.tell("times full, each the end of the broker", ROUNDS)
    told.tell("requests refused with 503 or 429", traffic.refused, least=1)
    told.tell("longest until requests were refused", max(refusing), "s")
    told.tell("events accepted without a broker", slipped, most=0)
    told.tell("longest until events were accepted again, with the broker's start", max(back), "s")
    told.tell("unique events", traffic.accepted)
    told.tell("lost or counted twice", checker.wrong, most=0)
    told.tell("SHA-256 chains equal", chains)
    told.tell("caught up after the last request", caught_up, "s")
    told.note(f"{disk.kind}; answers: {answers}")
