"""What others wrote is shown as it is, and does nothing to the terminal."""

import io
import json

import pytest
import typer

from winkel.cli.client import json_line, json_text
from winkel.cli.screen import Screen
from winkel.cli.terminal import ask, fail, say, table, text
from winkel.cli.visible import visible

ODD = "one[beta]two [/x] :bug: \x1b[2J\x9b31m\x07\r \u202eabc \ud800"
SHOWN = r"one[beta]two [/x] :bug: \u001b[2J\u009b31m\u0007\u000d \u202eabc \ud800"


@pytest.mark.parametrize("terminal", [True, False])
def test_in_tables_titles_and_messages_it_is_text(terminal: bool) -> None:
    """Brackets are no markup and words between colons no emoji; control characters are written out."""
    file = io.StringIO()
    screen = Screen(file=file, width=250, force_terminal=terminal, highlight=False)
    shown = table(ODD, ODD, "b")
    shown.add_row(ODD, text((ODD, "bold")))
    shown.caption = ODD
    for each in (shown, ODD, text("a ", (ODD, "red"))):
        screen.print(each)
    said = file.getvalue()
    assert said.count(SHOWN) == 7, said
    assert ("\x1b[31m" in said) is terminal, "our own styles are there where there is a terminal"
    assert not set(said) & set("\x07\r\x9b\u202e\ud800")
    assert "\x1b[2J" not in said


def test_sentences_and_questions_are_text_too(capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    """Also those that Typer prints."""
    monkeypatch.setattr("typer.confirm", lambda question: print(question) or True)
    say(ODD)
    ask(ODD, yes=False)
    with pytest.raises(typer.Exit):
        fail(ODD)
    said = capsys.readouterr()
    assert said.out.splitlines() == [SHOWN, SHOWN]
    assert said.err == f"winkel: {SHOWN}\n"


def test_tabs_newlines_and_all_that_can_be_read_stay() -> None:
    """Other scripts, emoji that are several characters, and lines of ours."""
    for words in ("a\tb\nc", "ünïcödé", "日本", "👩‍🚀", "عربي\u200f", "x\u00a0y"):
        assert visible(words) == words


def test_json_for_the_terminal_is_the_same_json() -> None:
    """What would command the terminal is escaped, as JSON allows it anyway."""
    odd = ODD[:-1]
    for write in (json_text, json_line):
        written = write({odd: [odd]})
        assert json.loads(written) == {odd: [odd]}
        assert not set(written) & set("\x1b\x9b\u202e")
