"""The demo, shortened, on a real Winkel; and the client commands on what it leaves."""

import json
import os
import subprocess
import sys
import tempfile
from decimal import Decimal
from pathlib import Path

import pytest

from support.running import Running
from winkel.cli.client import Client
from winkel.cli.datafolder import DataFolder
from winkel.cli.demo.command import Play
from winkel.cli.demo.stage import stage
from winkel.cli.terminal import console


@pytest.fixture(scope="module")
def played(winkel: Running) -> Running:
    """Return a Winkel on which a short demo was played."""
    with Client(winkel.url, winkel.token) as client:
        assert Play(client, console(), seconds=1.5, events=3000).run(), "every invoice equals its recomputation"
    return winkel


def cli(winkel: Running, *arguments: str) -> str:
    """Return what a client command prints."""
    environment = {**os.environ, "COLUMNS": "200", "WINKEL_URL": winkel.url, "WINKEL_TOKEN": winkel.token}
    command = [sys.executable, "-m", "winkel", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout


def test_invoices_are_listed_and_shown_with_exact_amounts(played: Running) -> None:
    """By name and by alias; the JSON's lines sum to its total, digit for digit."""
    listed = json.loads(cli(played, "invoices", "--customer", "Ferrolane Robotics", "--json"), parse_float=Decimal)
    assert [each["status"] for each in listed] == ["DRAFT"]
    shown = json.loads(cli(played, "invoices", "show", "--customer", "ferrolane", "--json"), parse_float=Decimal)
    assert sum(Decimal(line["total"]) for line in shown["line_items"]) == Decimal(shown["total"])
    text = cli(played, "invoices", "show", "--customer", "pixel-garden")
    assert "Input tokens (million)" in text
    assert "lumen-pro" in text
    assert "draft" in cli(played, "invoices", "--customer", "meridian", "--status", "draft")


def test_invoices_are_broken_down_by_hour_and_day(played: Running) -> None:
    """The windows sum to the draft, in exact amounts; the table has a row for each in which something was used."""
    invoices = ("invoices", "--customer", "pixel-garden")
    (draft,) = json.loads(cli(played, *invoices, "--json"), parse_float=Decimal)
    rows = json.loads(cli(played, *invoices, "--by", "day", "--json"), parse_float=Decimal)
    assert sum(Decimal(row["total"]) for row in rows) == Decimal(draft["total"]) > 0
    text = cli(played, *invoices, "--by", "hour", "--from", "2026-01-15", "--to", "2026-01-15")
    assert "by hour" in text
    assert "nothing was used in this time" in text
    table = cli(played, *invoices, "--by", "day")
    assert "█" in table
    assert "Total" in table


def test_usage_is_shown_by_metric_window_and_group(played: Running) -> None:
    """Groups sum to the whole."""
    usage = ("usage", "--customer", "pixel-garden", "--metric", "Input tokens", "--window", "none", "--json")
    (whole,) = json.loads(cli(played, *usage), parse_float=Decimal)
    (split,) = json.loads(cli(played, *usage, "--group-by", "model"), parse_float=Decimal)
    assert set(split["groups"]) == {"lumen-nano", "lumen-pro", "lumen-max"}
    assert sum(split["groups"].values()) == whole["value"] > 0
    assert "Requests" in cli(played, "usage", "--customer", "pixel-garden", "--window", "hour")


def test_a_second_demo_on_the_same_data_is_right_too(played: Running) -> None:
    """It makes customers of its own, because the aliases of the first are taken."""
    with Client(played.url, played.token) as client:
        assert Play(client, console(), seconds=0.5, events=500).run()


def test_the_demo_is_played_on_an_installation_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever an operator's shell says: thousands of invented events must not go to production."""
    production = {
        "DATABASE_URL": "postgresql://production",
        "SHARDS": "postgresql://further",
        "LOG": "kafka://production:9092",
        "KAFKA_CONFIG": "/etc/kafka",
        "METRICS_PORT": "1",
        "PARTITIONS": "96",
        "LOG_LEVEL": "error",
    }
    for name, value in production.items():
        monkeypatch.setenv(f"WINKEL_{name}", value)
    with tempfile.TemporaryDirectory(prefix="winkel-demo-test-") as folder, stage(Path(folder) / "data") as place:
        assert place.url.startswith("http://127.0.0.1:")
        state = DataFolder(Path(folder) / "data").noted()
        assert state is not None
        assert (state["log"], state["metrics"], state["postgres"] is not None) == ("", None, True)
