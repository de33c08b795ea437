"""README is a promise: its commands run, and print what it says they print."""

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

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
    with contextlib.redirect_stdout(printed):
        exec(code.replace("http://127.0.0.1:8080", winkel.url), {})
    promised = re.findall(r"^# (DRAFT .*)$", code, re.MULTILINE)
    assert promised == printed.getvalue().splitlines()
    shown = subprocess.run(
        [sys.executable, "-m", "winkel", "invoices", "--customer", "acme"],
        env={**os.environ, "WINKEL_URL": winkel.url, "WINKEL_TOKEN": winkel.token},
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
