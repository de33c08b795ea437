"""Every command: its help, and what it does against a real Winkel."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import click
import httpx
import pytest
import typer.main
from pypdf import PdfReader
from typer.testing import CliRunner

from support.running import Running
from winkel.cli.datafolder import DataFolder
from winkel.cli.doctor import _processes
from winkel.cli.main import app

IN_BERLIN = ("--time-zone", "Europe/Berlin")


def cli(*arguments: str, winkel: "Running | None" = None, token: str = "") -> "subprocess.CompletedProcess[str]":
    """Run a command; with `winkel`, against that one."""
    environment = {**os.environ, "COLUMNS": "200"}
    if winkel is not None:
        environment |= {"WINKEL_URL": winkel.url, "WINKEL_TOKEN": token or winkel.token}
    command = [sys.executable, "-m", "winkel", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def alone(*arguments: str, seconds: float = 60, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a command with these variables of Winkel and no others."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WINKEL_")}
    environment = {**clean, "COLUMNS": "200", **variables}
    command = [sys.executable, "-m", "winkel", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds, check=False)


def commands() -> list[tuple[str, ...]]:
    """Return the names of all commands."""
    found = []
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        found.append((name,))
        found += [(name, each) for each in getattr(command, "commands", {})]
    return found


@pytest.mark.parametrize("names", commands(), ids=" ".join)
def test_every_command_has_help_with_a_summary(names: tuple[str, ...]) -> None:
    """One line that says what it does; commands that do something show an example."""
    command = typer.main.get_command(app)
    for name in names:
        command = command.commands[name]  # type: ignore[attr-defined]
    assert command.help
    first = command.help.splitlines()[0]
    assert len(first) <= 90
    assert first.endswith((".", ":"))
    if not getattr(command, "no_args_is_help", False):
        assert "Example" in command.help


def groups() -> list[tuple[str, "click.Parameter"]]:
    """Return the groups of commands that are commands themselves, with each option that they take then."""
    found = typer.main.get_command(app).commands.items()  # type: ignore[attr-defined]
    return [(name, each) for name, command in found if hasattr(command, "commands") for each in command.params]


@pytest.mark.parametrize(("group", "option"), groups(), ids=lambda each: getattr(each, "name", each))
def test_an_option_before_a_subcommand_is_refused(group: str, option: "click.Parameter") -> None:
    """`winkel bill --database-url A run` would bill what WINKEL_DATABASE_URL names."""
    value = [] if getattr(option, "is_flag", False) else [{"status": "draft", "by": "day"}.get(str(option.name), "1")]
    subcommand = next(iter(typer.main.get_command(app).commands[group].commands))  # type: ignore[attr-defined]
    done = CliRunner().invoke(app, [group, option.opts[0], *value, subcommand])
    assert done.exit_code == 1
    assert f"{option.opts[0]} stands before {subcommand}" in done.stderr


def test_options_of_a_subcommand_come_from_the_environment_as_ever(database_url: str, monkeypatch) -> None:
    """What the group itself reads from there holds nobody up."""
    monkeypatch.setenv("WINKEL_DATABASE_URL", database_url)
    monkeypatch.setenv("WINKEL_METRICS_PORT", "9464")
    done = cli("bill", "run")
    assert (done.returncode, done.stdout) == (0, "0 customers were due; this run made 0 invoices final\n")


def test_help_is_quick_because_it_imports_nothing_heavy() -> None:
    """Neither the database driver nor the web framework nor Polars is needed to show help."""
    heavy = {"psycopg", "litestar", "polars", "httpx", "numpy", "asyncio"}
    code = f"import sys, winkel.cli.main; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_version_is_that_of_the_package() -> None:
    """It comes from the metadata of the installation."""
    from importlib.metadata import version

    assert cli("--version").stdout.strip() == f"winkel {version('winkel')}"


def test_a_token_lives_from_create_to_revoke(winkel: Running) -> None:
    """Its secret is printed once, it opens the API according to its role, and it is listed without its secret."""
    data = ("--data", str(winkel.folder))
    made = cli("token", "create", "checkout", "--role", "reader", *data)
    secret = made.stdout.strip()
    assert secret.startswith("wk_")
    assert cli("usage", "--customer", "nobody", winkel=winkel, token=secret).stderr.startswith(
        "winkel: there is no customer"
    )
    refused = httpx.post(
        winkel.url + "/v1/customers", json={"name": "x"}, headers={"authorization": f"Bearer {secret}"}
    )
    assert refused.status_code == 403

    listed = cli("token", "list", *data).stdout
    assert "checkout" in listed
    assert secret not in listed
    identifier = made.stderr.split()[1]
    assert "revoked checkout" in cli("token", "revoke", identifier, *data).stdout
    assert cli("token", "revoke", "not-an-id", *data).returncode == 1
    winkel.wait_until(lambda: cli("events", winkel=winkel, token=secret).returncode == 1, 10)


def test_a_tenant_is_a_wall(winkel: Running) -> None:
    """A new tenant has tokens of its own, and sees nothing of the first; its name is taken then."""
    data = ("--data", str(winkel.folder))
    assert cli("tenant", "create", "sandbox", *data).returncode == 0
    assert "sandbox" in cli("tenant", "list", *data).stdout
    again = cli("tenant", "create", "sandbox", *data)
    assert again.returncode == 1
    assert "sandbox" in again.stderr
    httpx.post(winkel.url + "/v1/customers", json={"name": "Seen by one"}, headers=winkel.headers).raise_for_status()
    secret = cli("token", "create", "me", "--role", "admin", "--tenant", "sandbox", *data).stdout.strip()
    other = httpx.get(winkel.url + "/v1/customers", headers={"authorization": f"Bearer {secret}"}).json()
    assert other["data"] == []
    assert "no tenant" in cli("token", "list", "--tenant", "nowhere", *data).stderr
    nameless = cli("tenant", "create", " ", *data)
    assert (nameless.returncode, "a tenant has a name" in nameless.stderr) == (1, True)


def test_a_tenants_quota_is_set_and_soon_in_force(winkel: Running) -> None:
    """A number, no limit, or the default of the installation; gateways know within seconds."""
    data = ("--data", str(winkel.folder))
    assert cli("tenant", "create", "small", *data).returncode == 0
    secret = cli("token", "create", "me", "--role", "admin", "--tenant", "small", *data).stdout.strip()
    assert "small: 5" in cli("tenant", "quota", "small", "5", *data).stdout

    headers = {"authorization": f"Bearer {secret}"}
    event = {"customer_id": "c", "event_type": "e", "timestamp": datetime.now(UTC).isoformat()}
    events = [event | {"transaction_id": str(number)} for number in range(500)]

    def send() -> int:
        return httpx.post(f"{winkel.url}/winkel/v1/events", headers=headers, json=events).status_code

    winkel.wait_until(lambda: send() == 429, 30)
    assert "no limit" in cli("tenant", "quota", "small", "0", *data).stdout
    winkel.wait_until(lambda: (send(), send()) == (200, 200), 30)
    assert "default" in cli("tenant", "quota", "small", "default", *data).stdout
    for wrong in ("-1", "many", "1.5", "3000000000"):
        assert "a quota is a whole number" in cli("tenant", "quota", "small", wrong, *data).stderr
    assert "no tenant" in cli("tenant", "quota", "nowhere", "5", *data).stderr


def test_a_command_without_a_database_says_what_to_do(folder: Path) -> None:
    """It names the folder it looked in."""
    done = cli("token", "list", "--data", str(folder))
    assert done.returncode == 1
    assert str(folder) in done.stderr
    assert "winkel up" in done.stderr
    assert cli("meter").returncode == 1


def test_events_shows_what_arrived(winkel: Running) -> None:
    """The newest first, filtered, as a table and as JSON with all digits."""
    import uuid
    from datetime import UTC, datetime

    event = {
        "transaction_id": str(uuid.uuid4()), "customer_id": "shown", "event_type": "call",
        "timestamp": datetime.now(UTC).isoformat(), "properties": {"n": "0.1"},
    }  # fmt: skip
    httpx.post(winkel.url + "/v1/ingest", json=[event], headers=winkel.headers).raise_for_status()
    shown = cli("events", "--customer", "shown", winkel=winkel)
    assert event["transaction_id"] in shown.stdout
    assert "metered so far" in shown.stdout
    found = json.loads(cli("events", "--customer", "shown", "--json", winkel=winkel).stdout, parse_float=Decimal)
    assert found["events"][0]["properties"] == {"n": "0.1"}
    assert cli("events", "--dead-letters", winkel=winkel).returncode == 0
    assert cli("events", "--conflicts", winkel=winkel).returncode == 0


def test_what_senders_write_is_shown_as_it_is_and_does_nothing(winkel: Running) -> None:
    """Brackets are no markup, and an escape sequence is written out: no event breaks or paints what operators see."""
    names = ("one[beta]two", "[/x]", "a:bug:b", "\x1b[2J\x1b[31mred")
    at = datetime.now(UTC).isoformat()
    events = [
        {
            "transaction_id": each,
            "customer_id": "[/c]",
            "event_type": "[red]",
            "timestamp": at,
            "properties": {"m": each},
        }
        for each in names
    ]
    httpx.post(winkel.url + "/v1/ingest", json=events, headers=winkel.headers).raise_for_status()
    shown = cli("events", "--customer", "[/c]", winkel=winkel)
    assert shown.returncode == 0, shown.stderr
    for name in ("one[beta]two", "[/x]", "a:bug:b", r"\u001b[2J\u001b[31mred"):
        assert name in shown.stdout
        assert f'{{"m":"{name}"}}' in shown.stdout
    assert "\x1b" not in shown.stdout
    json_too = cli("events", "--customer", "[/c]", "--json", winkel=winkel).stdout
    assert {each["transaction_id"] for each in json.loads(json_too)["events"]} == set(names)
    strange = httpx.post(winkel.url + "/v1/customers", json={"name": "[/n]\x9b"}, headers=winkel.headers).json()["data"]
    for words in (["usage", "--customer", strange["id"]], ["invoices", "--customer", strange["id"]]):
        assert cli(*words, winkel=winkel).returncode == 0
    assert r"[/n]\u009b has no draft" in cli("invoices", "show", "--customer", strange["id"], winkel=winkel).stderr


def test_an_invoice_is_voided_and_made_anew(winkel: Running) -> None:
    """Each asks first and says what will happen; nobody to answer means no."""

    def post(path: str, **body: object) -> str:
        answer = httpx.post(winkel.url + path, json=body, headers=winkel.headers).raise_for_status()
        return str(answer.json()["data"]["id"])

    def shown(status: str) -> list[dict[str, str]]:
        found = cli("invoices", "--customer", who, "--status", status, "--json", winkel=winkel)
        return list(json.loads(found.stdout))

    who = post("/v1/customers", name="Wronged")
    fee = post("/v1/contract-pricing/products/create", name="Fee", type="FIXED")
    once = {"product_id": fee, "schedule": {"schedule_items": [{"timestamp": "2026-01-01T00:00:00Z", "amount": 12300}]}}
    post("/v1/contracts/create", customer_id=who, starting_at="2026-01-01T00:00:00Z", scheduled_charges=[once])
    winkel.wait_until(lambda: any(each["total"] for each in shown("finalized")), 30)
    (charged,) = [each["id"] for each in shown("finalized") if each["total"]]
    unasked = cli("invoices", "void", charged, "--customer", who, winkel=winkel)
    assert unasked.returncode == 1
    assert "Void the finalized scheduled invoice of Wronged, 2026-01-01, over $123.00?" in unasked.stdout
    assert "get $0.00 back" in unasked.stdout
    assert shown("void") == []
    assert f"voided {charged}" in cli("invoices", "void", charged, "--customer", who, "--yes", winkel=winkel).stdout
    assert [each["id"] for each in shown("void")] == [charged]
    again = cli("invoices", "void", charged, "--customer", who, "--yes", winkel=winkel)
    assert "void already" in again.stderr
    made = cli("invoices", "regenerate", charged, "--customer", who, "--yes", winkel=winkel)
    assert "$123.00" in made.stdout
    assert charged in [each.get("regenerated_from_invoice_id") for each in shown("finalized")]


def test_no_gateway_is_one_sentence() -> None:
    """It says how to start one."""
    done = cli("events", "--url", "http://127.0.0.1:9", "--token", "x")
    assert done.returncode == 1
    assert "winkel up" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "--token" in cli("events", "--url", "http://127.0.0.1:9").stderr


@pytest.mark.parametrize("token", ["wk_é", "wk_a\nb"])
def test_a_token_that_can_be_none_is_one_sentence(token: str) -> None:
    """Before anybody is asked: no header can carry it."""
    done = cli("events", "--url", "http://127.0.0.1:9", "--token", token)
    assert done.returncode == 1
    assert "WINKEL_TOKEN" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_doctor_finds_all_well_and_a_missing_role(winkel: Running, folder: Path) -> None:
    """Exit code 0 and ticks while all runs; without a Winkel a cross that says what to do."""
    well = cli("doctor", "--data", str(winkel.folder))
    assert "✗" not in well.stdout
    assert well.returncode == 0
    for check in (
        "Python",
        "disk",
        "processes",
        "database",
        "schema",
        "clock",
        "metering",
        "merging",
        "events",
        "billing",
        "books",
    ):
        assert check in well.stdout
    ill = cli("doctor", "--data", str(folder))
    assert ill.returncode == 1
    assert "✗" in ill.stdout
    assert "winkel up" in " ".join(ill.stdout.split())


def test_the_doctor_does_not_take_strangers_for_our_processes(winkel: Running, tmp_path: Path) -> None:
    """After a reboot run.json names numbers that others have now; nobody holds the folder's lock."""
    ours, stranger = winkel.pids["gateway"], os.getpid()
    folder = DataFolder(tmp_path)
    folder.note({"pid": stranger, "roles": {"gateway": stranger, "bill": stranger}})
    (finding,) = _processes(tmp_path)
    assert (finding.good, finding.found) == (False, "supervisor, gateway, bill missing")
    with folder.locked():
        folder.note({"pid": stranger, "roles": {"gateway": ours, "bill": None}})
        (finding,) = _processes(tmp_path)
        assert (finding.good, finding.found) == (False, "gateway, bill missing")
    (finding,) = _processes(winkel.folder)
    assert finding.good, finding


def test_migrate_makes_the_first_token_once(postgres: str) -> None:
    """On an empty database it says which migrations it applied and prints the token; then it has nothing to do."""
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS winkel_cli_migrate")
        connection.execute("CREATE DATABASE winkel_cli_migrate")
    parts = psycopg.conninfo.conninfo_to_dict(postgres)
    url = psycopg.conninfo.make_conninfo(**{**parts, "dbname": "winkel_cli_migrate"})
    first = cli("migrate", "--database-url", url)
    assert "applied" in first.stdout
    assert "wk_" in first.stdout
    assert cli("migrate", "--database-url", url).stdout.strip() == "up to date"


def test_roles_run_one_by_one(database_url: str, folder: Path) -> None:
    """A gateway of two processes, a meter and a biller on one database; each ends cleanly on SIGTERM."""
    import socket
    import time

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    database = ("--database-url", database_url)
    roles = [
        subprocess.Popen([sys.executable, "-m", "winkel", *arguments, *database], stderr=subprocess.PIPE)
        for arguments in (
            ("gateway", "--host", "127.0.0.1", "--port", str(port), "--workers", "2"),
            ("meter",),
            ("bill",),
        )
    ]
    try:
        until = time.monotonic() + 30
        while not answers(str(port)):
            assert time.monotonic() < until, "the gateway does not answer"
            time.sleep(0.05)
    finally:
        for role in roles:
            role.terminate()
        codes = [(role.wait(20), role.communicate()[1]) for role in roles]
    assert [code for code, _ in codes] == [0, 0, 0], codes


NEWER = "INSERT INTO migration (name) VALUES ('9999_tomorrow')"


@pytest.mark.parametrize("role", ["meter", "bill", "gateway"])
def test_no_role_starts_on_the_schema_of_another_version(database_url: str, role: str) -> None:
    """Neither on a newer one nor on an older one; a sentence says what to do."""
    import psycopg

    command = (role, "--database-url", database_url, *(("--port", "0") if role == "gateway" else ()))
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(NEWER)
        newer = cli(*command)
        connection.execute("DELETE FROM migration WHERE name >= '0023'")
        older = cli(*command)
    for done, words in ((newer, "it knows 9999_tomorrow): start that version"), (older, "run `winkel migrate`")):
        assert (done.returncode, words in done.stderr) == (1, True), done.stderr
        assert "Traceback" not in done.stderr


def test_old_meters_and_billing_end_when_the_schema_becomes_newer(database_url: str) -> None:
    """They say why; the old gateway goes on taking events until its turn comes."""
    import socket
    import time

    import psycopg

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    roles = {
        name: subprocess.Popen(
            [sys.executable, "-m", "winkel", name, *more, "--database-url", database_url],
            stderr=subprocess.PIPE, text=True,
        )
        for name, more in (("meter", ()), ("bill", ()), ("gateway", ("--host", "127.0.0.1", "--port", port)))
    }  # fmt: skip
    try:
        with psycopg.connect(database_url, autocommit=True) as connection:
            at_work = "SELECT (SELECT count(*) FROM meter_status) > 0 AND (SELECT count(*) FROM autoscale) > 0"
            until = time.monotonic() + 60
            while connection.execute(at_work).fetchone() != (True,) or not answers(port):
                assert time.monotonic() < until, "they do not come to work"
                time.sleep(0.1)
            connection.execute(NEWER)
        for name in ("meter", "bill"):
            _, said = roles[name].communicate(timeout=60)
            assert (roles[name].returncode, "it knows 9999_tomorrow" in said) == (1, True), said
            assert "Traceback" not in said
        assert answers(port)
    finally:
        for each in roles.values():
            each.kill()
            each.communicate()


def answers(port: str) -> bool:
    """Whether a gateway on this machine is ready."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_help_of_pdf_says_the_name_of_the_file() -> None:
    """Help is Markdown: what stands in angle brackets would be a tag, and vanish."""
    assert "invoice-ID.pdf" in cli("invoices", "pdf", "--help").stdout


def test_an_invoice_is_written_as_pdf(winkel: Running, folder: Path) -> None:
    """The newest draft by default, under its id or a name of one's own; without one it is a sentence."""
    made = httpx.post(winkel.url + "/v1/customers", json={"name": "Paper"}, headers=winkel.headers).json()["data"]["id"]
    none = cli("invoices", "pdf", "--customer", "Paper", winkel=winkel)
    assert (none.returncode, "no draft invoice" in none.stderr) == (1, True)
    contract = {"customer_id": made, "starting_at": datetime.now(UTC).date().isoformat() + "T00:00:00Z"}
    httpx.post(winkel.url + "/v1/contracts/create", json=contract, headers=winkel.headers).raise_for_status()
    done = cli("invoices", "pdf", "--customer", "Paper", "--out", str(folder / "paper.pdf"), winkel=winkel)
    assert done.stdout.strip() == str(folder / "paper.pdf"), done.stderr
    assert (folder / "paper.pdf").read_bytes().startswith(b"%PDF-")
    wrong = cli("invoices", "pdf", made, "--customer", "Paper", winkel=winkel)
    assert (wrong.returncode, "404" in wrong.stderr) == (1, True)
    there = cli("invoices", "pdf", "--customer", "Paper", "--out", str(folder / "there.pdf"), *IN_BERLIN, winkel=winkel)
    assert there.returncode == 0, there.stderr
    assert "Europe/Berlin" in PdfReader(folder / "there.pdf").pages[0].extract_text()


def test_a_time_zone_of_an_invoice_is_one_that_there_is(winkel: Running, folder: Path) -> None:
    """The answer names it and how one looks; JSON is in UTC, and whoever asks for both is told."""
    made = httpx.post(winkel.url + "/v1/customers", json={"name": "Zone"}, headers=winkel.headers).json()["data"]["id"]
    contract = {"customer_id": made, "starting_at": datetime.now(UTC).date().isoformat() + "T00:00:00Z"}
    httpx.post(winkel.url + "/v1/contracts/create", json=contract, headers=winkel.headers).raise_for_status()
    shown = cli("invoices", "show", "--customer", "Zone", *IN_BERLIN, winkel=winkel)
    assert (shown.returncode, "CE" in shown.stdout) == (0, True), shown.stderr
    for command in ("show", "pdf"):
        wrong = cli("invoices", command, "--customer", "Zone", "--time-zone", "Berlin", winkel=winkel)
        said = " ".join(wrong.stderr.split())
        assert (wrong.returncode, "such as Europe/Berlin" in said) == (1, True), said
        assert "time-zone Berlin" in said or "`time_zone`" in said
    both = cli("invoices", "show", "--customer", "Zone", "--json", *IN_BERLIN, winkel=winkel)
    assert (both.returncode, "leave --time-zone out" in " ".join(both.stderr.split())) == (1, True), both.stderr
