"""Upgrades and ways back: events are taken all the time, by gateways of either version, and each of them is counted.

The order is that of docs/guides: end the old meters and billers, migrate, start the new ones, then replace gateway
after gateway. Old gateways go on taking events on the migrated database. Between versions of one schema any order will
do, there and back; from a newer schema there is no way back, and whoever tries it loses nothing.
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
ROUNDS = sized(1, 5)
"""How often all processes go back to the older version, and forth again."""
REFUSED = "a newer Winkel has worked on this database"


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """Return the folder of the package as it was before the newest migration: the version that is upgraded."""
    newest, added = newest_migration()
    source = unpacked(f"{added}^" if added else "HEAD", tmp_path)
    assert not (tmp_path / newest).exists()
    return source


@pytest.fixture
def oldest_alike(tmp_path: Path) -> Path:
    """Return the folder of the package as it was when the newest migration came: the oldest version of our schema."""
    _, added = newest_migration()
    return unpacked(added, tmp_path) if added else ROOT / "src"


def newest_migration() -> tuple[Path, str]:
    """Return the newest migration and the commit that brought it, "" when none has yet."""
    newest = max((ROOT / MIGRATIONS).glob("*.sql")).relative_to(ROOT)
    found = git("log", "-m", "--first-parent", "--diff-filter=A", "--format=%H", "-1", "--", str(newest))
    return newest, found.decode().strip()


def commits_since_migration() -> int:
    """Return how many commits ours is ahead of the one that brought the newest migration."""
    _, added = newest_migration()
    return int(git("rev-list", "--count", f"{added}..HEAD")) if added else 0


def unpacked(version: str, folder: Path) -> Path:
    """Lay the package of a version into a folder; return where it is."""
    with tarfile.open(fileobj=io.BytesIO(git("archive", version, "src"))) as archive:
        archive.extractall(folder, filter="data")
    return folder / "src"


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
    told.tell("lost or counted twice", checker.wrong, most=0)
    told.tell("SHA-256 chains equal", chains)
    told.tell("caught up after the last request", caught_up, "s")
    probe.tell(told, marks, least=99.99)


def test_back_to_an_older_version_of_the_same_schema_and_forth_again(
    oldest_alike: Path, tells: Callable[[int, str], Told]
) -> None:
    """Every process, one after the other, is replaced by one of the oldest version with this schema, and back again."""
    told = tells(25, "rollback and back again, without a migration between the versions")
    marks: list[tuple[float, str]] = []
    with System(gateways=2, meters=2) as system:
        audit.begin(system)
        traffic, probe = Traffic(system), Probe(system)
        checker = Checker(system, traffic, probe)
        probe.start(checker)
        replaced = 0
        with traffic:
            for version, source in (("older", oldest_alike), ("newer", None)) * ROUNDS:
                system.source = source
                for each in [name for name, role in system.roles.items() if role.wanted]:
                    replace(system, each)
                    replaced += 1
                    traffic.check()
                marks.append((probe.now, f"all are {version}"))
                time.sleep(MIXED_SECONDS)
        probe.stop()
        caught_up = checker.exact()
        chains = checker.chains_equal()
        audit.assert_one_after_the_other(system)
        assert not system.unasked, system.unasked
    told.tell("commits between the versions", commits_since_migration())
    told.tell("processes replaced", replaced)
    told.tell("unique events", traffic.accepted)
    told.tell("lost or counted twice", checker.wrong, most=0)
    told.tell("SHA-256 chains equal", chains)
    told.tell("caught up after the last request", caught_up, "s")
    probe.tell(told, marks, least=99.99)


def replace(system: System, name: str) -> None:
    """Start a process of the version that is wanted now, and end the one that it takes the place of."""
    system.add(name.partition("-")[0])
    system.wait_until(system.ready, 60)
    system.remove(name)
    system.wait_until(system.ready, 60)


def test_an_older_version_refuses_a_newer_schema_and_loses_nothing(
    before: Path, tells: Callable[[int, str], Told]
) -> None:
    """Who goes back beyond a migration is told so by every role; events wait in the log until the newer one is back."""
    told = tells(25, "rollback beyond a migration is refused")
    with System(gateways=1, meters=2) as system:
        audit.begin(system)
        traffic, probe = Traffic(system), Probe(system, watches=False)
        checker = Checker(system, traffic, probe)
        probe.start(checker)
        with traffic:
            for each in [*system.names("meter"), *system.names("bill")]:
                system.remove(each)
            refused = [start_and_end(system, role, before) for role in ("meter", "meter", "bill", "gateway")]
            assert all(f"{REFUSED} (it knows {newest_migration()[0].stem})" in said for said in refused), refused
            with pytest.raises(AssertionError, match=REFUSED):
                system.winkel("migrate", source=before)
            waiting = traffic.accepted
            system.wait_until(lambda: traffic.accepted > waiting + 100, 60)
            for role in ("meter", "meter", "bill"):
                system.add(role)
            system.wait_until(system.all_owned, 60)
        probe.stop()
        caught_up = checker.exact()
        chains = checker.chains_equal()
        audit.assert_one_after_the_other(system)
    told.tell("processes that refused", len(refused))
    told.tell("unique events", traffic.accepted)
    told.tell("lost or counted twice", checker.wrong, most=0)
    told.tell("SHA-256 chains equal", chains)
    told.tell("caught up after the last request", caught_up, "s")
    probe.tell(told, [], least=99.99)


def start_and_end(system: System, role: str, source: Path) -> str:
    """Start a role of a version that is to refuse; return what it said before it ended."""
    name = system.add(role, source=source)
    system.wait_for_end(name)
    assert system.roles[name].process.returncode, f"{name} ended as if all were well"
    return system.tail(name)
