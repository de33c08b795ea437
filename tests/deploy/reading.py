"""What the files in deploy/ refer to: commands, settings, figures."""

import re
from pathlib import Path
from typing import Any

import click
import typer.main
import yaml

from support.figures import names
from winkel.cli.main import app
from winkel.config import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
ROLES = ("gateway", "meter", "bill")


def read(path: str) -> Any:
    """Return a YAML file of deploy/, whose variables are left as they are."""
    return yaml.safe_load((DEPLOY / path).read_text())


def command(words: list[str]) -> click.Command:
    """Return the command that these words run. Raises when there is none, or one that does not take their options."""
    found: Any = typer.main.get_command(app)
    rest = list(words)
    while hasattr(found, "commands") and not (
        found.invoke_without_command and set(rest[:1]).isdisjoint(found.commands)
    ):
        found = found.commands[rest.pop(0)]
    options = {name for each in found.params for name in each.opts}
    assert {word for word in rest if word.startswith("--")} <= options, words
    return found


def variables(words: list[str]) -> set[str]:
    """Return the WINKEL_ variables that a command reads: every setting, and those that stand for an option of it."""
    settings = {f"WINKEL_{name.upper()}" for name in Settings.__struct_fields__}
    return settings | {each.envvar for each in command(words).params if isinstance(each.envvar, str)}


def unknown_figures(text: str) -> set[str]:
    """Return the figures that PromQL asks for and that nobody shows."""
    return set(re.findall(r"\b(?:winkel|process)_[a-z_]+", text)) - names()
