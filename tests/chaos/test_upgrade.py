"""A rolling upgrade: events are taken all the time, by gateways of either version, and every one of them is counted.

The order is that of docs/guides: end the old meters and billers, migrate, start the new ones, then replace gateway
after gateway. Old gateways go on taking events on the migrated database.
"""

import io
import subprocess
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chaos import audit
from chaos.checker import Checker
from chaos.figures import Told, sized
from chaos.probe import Probe
from chaos.system import System
from chaos.traffic import Traffic

ROOT = Path(__file__).parents[2]
MIGRATIONS = "src/winkel/store/migrations"
MIXED_SECONDS = sized(3.0, 30.0)


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """Return the folder of the package as it was before the newest migration: the version that is upgraded."""
    newest = max((ROOT / MIGRATIONS).glob("*.sql")).relative_to(ROOT)
    added = (
        git("log", "-m", "--first-parent", "--diff-filter=A", "--format=%H", "-1", "--", str(newest)).decode().strip()
    )
    version = f"{added}^" if added else "HEAD"
    with tarfile.open(fileobj=io.BytesIO(git("archive", version, "src"))) as archive:
        archive.extractall(tmp_path, filter="data")
    assert not (tmp_path / newest).exists()
    return tmp_path / "src"


def git(*arguments: str) -> bytes:
    """Return what a git command prints."""
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=False)
    assert done.returncode == 0, f"this test needs the project's history: {done.stderr.decode()}"
    return done.stdout


def test_events_are_taken_and_counted_through_an_upgrade(before: Path, tells: Callable[[int, str], Told]) -> None:
    """Old gateways on the new schema, new meters on what old gateways wrote and old meters remember: all exact."""
    told = tells(25, "rolling upgrade: processes of two versions on one database")
    marks: list[tuple[float, str]] = []
    with System(gateways=2, meters=2, source=before) as system:
        audit.begin(system)
        traffic, probe = Traffic(system), Probe(system, watches=False)
        checker = Checker(system, traffic, probe)
        probe.start(checker)
        with traffic:
            time.sleep(MIXED_SECONDS)
            old = list(system.roles)
            for each in old:
                if not each.startswith("gateway"):
                    system.remove(each)
            marks.append((probe.now, "old meters ended"))
            system.source = None
            system.migrate()
            marks.append((probe.now, "migrated"))
            for role in ("meter", "meter", "bill"):
                system.add(role)
            system.wait_until(system.all_owned, 60)
            marks.append((probe.now, "new meters at work"))
            time.sleep(MIXED_SECONDS)
            for each in old:
                if each.startswith("gateway"):
                    system.add("gateway")
                    system.wait_until(system.ready, 60)
                    system.remove(each)
                    marks.append((probe.now, f"{each} replaced"))
                    traffic.check()
            time.sleep(MIXED_SECONDS)
        probe.stop()
        caught_up = checker.exact()
        chains = checker.chains_equal()
        audit.assert_one_after_the_other(system)
        assert not system.unasked, system.unasked
    told.tell("processes replaced", len(old))
    told.tell("metering paused for", marks[2][0] - marks[0][0], "s")
    told.tell("unique events", traffic.accepted)
    told.tell("lost or counted twice", 0)
    told.tell("SHA-256 chains equal", chains)
    told.tell("caught up after the last request", caught_up, "s")
    probe.tell(told, marks, least=99.99)
