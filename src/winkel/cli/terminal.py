"""How commands talk: tables on standard output, one sentence on standard error when something is wrong."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer

from winkel.cli.visible import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text


def text(*parts: str | tuple[str, str]) -> "Text":
    """Return text for a table or a console, of strings and of (string, style)."""
    from rich.text import Text

    return Text.assemble(*(visible(part) if isinstance(part, str) else (visible(part[0]), part[1]) for part in parts))


def console(*, stderr: bool = False) -> "Console":
    """Return a Rich console; plain text when the output goes to a file or a pipe. Strings on it are no markup."""
    from winkel.cli.screen import Screen

    return Screen(stderr=stderr, highlight=False, soft_wrap=not (sys.stderr if stderr else sys.stdout).isatty())


def table(title: str, *columns: str, right: tuple[str, ...] = ()) -> "Table":
    """Return an empty table in the house style; `right` names the columns of numbers."""
    from rich import box
    from rich.table import Table

    made = Table(title=title or None, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False)
    for name in columns:
        made.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return made


def say(message: str, *, err: bool = False, colour: str | None = None) -> None:
    """Print a sentence, on standard output or standard error."""
    typer.secho(visible(message), err=err, fg=colour)


def fail(message: str, code: int = 1) -> NoReturn:
    """End the command with one sentence that says what is wrong and what to do."""
    say(f"winkel: {message}", err=True, colour=typer.colors.RED)
    raise typer.Exit(code)


def ask(question: str, *, yes: bool) -> None:
    """Let somebody confirm; end the command if they do not. `yes`: they have."""
    if not yes and not typer.confirm(visible(question)):
        fail("nothing was done")


@contextmanager
def sentences() -> Iterator[None]:
    """Turn the errors that a user can act on into one sentence and exit code 1; let bugs keep their traceback."""
    from winkel.model.errors import WinkelError

    try:
        yield
    except (WinkelError, ValueError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
    except KeyboardInterrupt:
        fail("stopped", 130)
    except Exception as error:
        said = _of_database(error)
        if not said:
            raise
        fail(said)


def _of_database(error: Exception) -> str:
    """Return what a user should know of a database's error; empty for any other, and for what is a bug of ours."""
    psycopg = sys.modules.get("psycopg")  # who never used a database does not load its driver for this
    if psycopg is None:
        return ""
    reason = " ".join(str(error).split())
    if isinstance(error, psycopg.OperationalError):
        return f"the database gave up: {reason}"
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return f"the database user must be the one who ran `winkel migrate`: {reason}"
    return ""
