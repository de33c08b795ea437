"""README is a promise: its commands run, and print what it says they print."""

import ast
import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.running import Running

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CHANGELOG.md")] + sorted(
    (ROOT / "docs").rglob("*.md")
)


def blocks(language: str) -> list[str]:
    """Return the code blocks of README in one language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def winkel(tmp_path: Path):
    """Return a Winkel that was started as step 1 says."""
    with Running(tmp_path / "winkel-data") as running:
        yield running


def test_the_five_steps_lead_to_the_invoice_that_readme_shows(winkel: Running, monkeypatch) -> None:
    """Run the Python of README as it stands, with only the address replaced, and compare what it prints."""
    assert "winkel up --data ./winkel-data" in blocks("sh")[1]
    monkeypatch.setenv("WINKEL_BOOTSTRAP_TOKEN", winkel.token)
    code = "\n".join(blocks("python"))
    assert "http://127.0.0.1:8080" in code
    printed = io.StringIO()
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(printed):
        exec(code.replace("http://127.0.0.1:8080", winkel.url), names)
    names["client"].close()  # a script leaves that to its end; here a test that comes later would be blamed for it
    promised = re.findall(r"^# (DRAFT .*)$", code, re.MULTILINE)
    assert promised == printed.getvalue().splitlines()
    exports = re.findall(r"^export .*$", blocks("sh")[1], re.MULTILINE)
    assert exports[0].startswith("export WINKEL_BOOTSTRAP_TOKEN=")
    exports[0] = f"export WINKEL_BOOTSTRAP_TOKEN={winkel.token}"
    assert "`winkel invoices --customer acme`" in README
    shown = subprocess.run(
        ["sh", "-ec", "\n".join([*exports, f"exec {sys.executable} -m winkel invoices --customer acme"])],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("WINKEL_")},
            "WINKEL_URL": winkel.url,  # only because the port is not 8080 here
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "$0.30" in shown.stdout


def test_make_demo_ends_with_invoices_that_were_recomputed() -> None:
    """The first of the two commands works and says that every event was counted exactly once."""
    assert "make demo" in blocks("sh")[0]
    demo = subprocess.run(["make", "demo"], cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "Every event counted exactly once; every invoice equals its recomputation" in " ".join(demo.stdout.split())


def test_make_test_is_what_ci_runs() -> None:
    """The second of the two commands is the one that runs this test in CI."""
    assert "make test" in blocks("sh")[0]
    assert "make test" in (ROOT / ".ci" / "run").read_text().splitlines()


MEASURED = (ROOT / "docs" / "measured" / "README.md").read_text()


def measured(name: str) -> str:
    """Return what the page of figures says of one benchmark."""
    return MEASURED.split(f"\n## {name}\n")[1].split("\n## ")[0]


def memory(name: str, what: str) -> dict[str, float]:
    """Return a line of figures by role."""
    found = re.search(rf"{what}: (\{{.*\}})", measured(name))
    assert found is not None
    return dict(ast.literal_eval(found[1]))


@pytest.mark.parametrize(
    ("benchmark", "row"),
    [("sustained", "| over HTTP for 60 s"), ("soak", "| on a timetable"), ("kafka", "| the same with Kafka")],
)
def test_what_was_queryable_is_what_readme_says(benchmark: str, row: str) -> None:
    """Not what was accepted, and rounded by less than half a percent."""
    queryable = re.search(r"queryable, exactly once \| ([\d,]+) events/s", measured(benchmark))
    said = next(re.search(r"\*\*([\d,]+) events/s\*\*", line) for line in README.splitlines() if line.startswith(row))
    assert queryable is not None
    assert said is not None
    exact, rounded = (int(each[1].replace(",", "")) for each in (queryable, said))
    assert abs(exact - rounded) < exact / 200


def test_memory_is_what_was_measured() -> None:
    """What README calls flat grew by less than a MiB a minute, and what grows is said to."""
    roles = ("gateway", "bill", "winkel", "postgres")
    flat = re.search(
        r"is flat \((\d+), (\d+), (\d+) and (\d+) MiB of their own after a minute of `sustained`\)", README
    )
    assert flat is not None
    assert [int(each) for each in flat.groups()] == [
        memory("sustained", "memory at the end, MiB")[each] for each in roles
    ]
    assert all(memory("sustained", "memory growth, MiB a minute")[each] < 1 for each in roles)
    grows = re.search(
        r"PostgreSQL's grows by (\d+) MiB a minute,\s+to (\d+) MiB, and the meter's by (\d+), to (\d+) MiB", README
    )
    assert grows is not None
    end, growth = memory("soak", "memory at the end, MiB"), memory("soak", "memory growth, MiB a minute")
    told = [growth["postgres"], end["postgres"], growth["meter"], end["meter"]]
    assert [int(each) for each in grows.groups()] == [round(each) for each in told]
    assert all(growth[each] < 1 for each in roles[:3])


def test_readme_says_what_chaos_lost() -> None:
    """Each test whose report counts lost events is told of, with their number."""
    lines = (ROOT / "docs" / "reports" / "chaos.md").read_text().splitlines()
    counts = [re.fullmatch(r"\| ([^|]*\blost\b[^|]*)\| ([\d,]+) +\|.*", line) for line in lines]
    lost = [each[2] for each in counts if each is not None and each[2] != "0"]
    assert lost == ["34,380"]
    assert "0 events were lost or counted twice in any but the one that" in README
    assert "there 34,380 acknowledged events went with the primary" in README


def test_every_command_that_the_docs_name_exists() -> None:
    """Each `winkel …` and `make …` in the documentation is a command or a target."""
    help_text = subprocess.run(
        [sys.executable, "-m", "winkel", "--help"], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    makefile = (ROOT / "Makefile").read_text()
    for page in PAGES:
        for code in re.findall(r"`([^`\n]+)`", page.read_text()):
            words = code.split()
            if words[0] == "winkel" and len(words) > 1 and words[1].isalpha():
                assert re.search(rf"\b{words[1]}\b", help_text), f"{page.name}: {code}"
            if words[0] == "make":
                assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE), f"{page.name}: {code}"


def test_every_file_that_the_docs_name_exists() -> None:
    """Links and paths in the documentation lead somewhere."""
    for page in PAGES:
        text = page.read_text()
        for link in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
        for path in re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.(?:py|sql))`", text):
            places = [ROOT / path, ROOT / "src" / "winkel" / path]
            assert any(each.exists() for each in places), f"{page.name}: {path}"
