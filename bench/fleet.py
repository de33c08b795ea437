"""What a fleet does when it loses a meter, and when its partitions change in number, while events come in."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from bench import catalog
from bench.bench import Bench, folder
from bench.generator import Drive, Generator
from bench.load import Load
from bench.report import Baseline
from bench.sustained import BATCH, CONNECTIONS, exact
from bench.system import System
from winkel.cli.datafolder import DataFolder
from winkel.store import embedded

RATE = 30_000.0
"""Events a second that come in meanwhile."""
BEFORE, AFTER = 32, 96
TAKEOVER_SECONDS = 10.0
REPARTITION_SECONDS = 60.0
LOOK_SECONDS = 0.02
_OWNED = "SELECT owner, count(*) FROM log_progress WHERE topic = 'events' GROUP BY owner"
_LEFT = """
SELECT count(*)
FROM log_progress JOIN unnest(%s::integer[], %s::bigint[]) AS lost (partition, stood) USING (partition)
WHERE topic = 'events' AND (owner IS NULL OR owner LIKE %s OR next_offset <= stood)
"""


def run(bench: Bench) -> None:
    """Kill one of two meters, then go from 32 to 96 partitions; compare every sum after both."""
    seconds = bench.seconds(40, 20)
    with folder() as place:
        system = System(place / "data", settings={"WINKEL_PARTITIONS": str(BEFORE)})
        with system, Generator() as generator:
            with bench.step("fleet: making 1,100 customers"):
                load = Load(system, catalog.make(system), generator)
            took = _during(bench, load, seconds, lambda: _takeover(system))
            commit = bench.baselines.commit
            name = "kill -9 of a meter → all its partitions go on"
            bench.figure("fleet", name, took, "s", _seconds(commit), most=TAKEOVER_SECONDS)
            exact(bench, "fleet", load)
            took = _during(bench, load, seconds, lambda: _repartition(system))
            name = f"{BEFORE} → {AFTER} partitions, the old ones drained"
            bench.figure("fleet", name, took, "s", _seconds(commit), most=REPARTITION_SECONDS)
            exact(bench, "fleet", load)


def _seconds(commit: Baseline) -> Baseline:
    return Baseline(commit.name, commit.value / 1000, "s")


def _during(bench: Bench, load: Load, seconds: float, work: Callable[[], float]) -> float:
    """Do something in the middle of a load; return what it returns."""
    found: list[float] = []
    failed: list[BaseException] = []

    def later() -> None:
        time.sleep(seconds / 4)
        try:
            found.append(work())
        except BaseException as error:  # noqa: BLE001 (raised below, in the other thread)
            failed.append(error)

    with bench.step("fleet: making events"):
        load.prepare(count=int(RATE * seconds), per_second=RATE, batch=BATCH)
    with bench.step(f"fleet: {RATE:,.0f} events/s for {seconds:.0f} s"):
        thread = threading.Thread(target=later)
        thread.start()
        load.run(Drive(connections=CONNECTIONS, seconds=seconds, rate=RATE))
        thread.join()
    if failed:
        raise failed[0]
    return found[0]


def _takeover(system: System) -> float:
    """Add a meter, wait until it has its share, kill it; return after how long all that it had goes on."""
    url = embedded.running(DataFolder(system.folder).postgres)
    assert url is not None, "the system runs"
    log = (Path(system.folder).parent / "second.log").open("ab")
    second = subprocess.Popen(
        [sys.executable, "-m", "winkel", "meter"], env=os.environ | {"WINKEL_DATABASE_URL": url}, stdout=log, stderr=log
    )
    log.close()
    try:
        with system.database() as side:
            _until(lambda: _share(side, second.pid) >= BEFORE // 2, "the second meter got no share")
            second.kill()
            began = time.perf_counter()
            rows = side.execute("SELECT partition, next_offset, owner FROM log_progress WHERE topic = 'events'")
            lost = {row[0]: row[1] for row in rows.fetchall() if _is(row[2], second.pid)}
            dead = f"%:{second.pid}:%"
            _until(lambda: _left(side, lost, dead) == 0, "nobody took the partitions over")
            return time.perf_counter() - began
    finally:
        second.kill()
        second.wait()


def _is(owner: str | None, pid: int) -> bool:
    """Whether a meter's name says that it is this process: host:pid:random."""
    return owner is not None and owner.rsplit(":", 2)[1:2] == [str(pid)]


def _share(side: psycopg.Connection[tuple[object, ...]], pid: int) -> int:
    return sum(int(str(count)) for owner, count in side.execute(_OWNED).fetchall() if _is(str(owner), pid))


def _left(side: psycopg.Connection[tuple[object, ...]], lost: dict[int, int], dead: str) -> int:
    """Return how many partitions have not moved on from where the dead meter left them."""
    row = side.execute(_LEFT, (list(lost), list(lost.values()), dead)).fetchone()
    return int(str(row[0])) if row else 0


def _until(reached: Callable[[], bool], otherwise: str) -> None:
    until = time.monotonic() + 60
    while not reached():
        if time.monotonic() > until:
            raise RuntimeError(otherwise)
        time.sleep(LOOK_SECONDS)


def _repartition(system: System) -> float:
    """Return the seconds that the command takes, which waits until the old routing is drained."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "winkel", "fleet", "repartition", str(AFTER), "--data", str(system.folder)],
        check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    return time.perf_counter() - began
