"""Sets a page as PDF, with Typst: work for the processor alone, so a server calls it in a thread."""

import threading
from functools import cache
from importlib import resources

import msgspec
import typst

from winkel.paper.page import Page

TEMPLATE = "invoice.typ"
_one_at_a_time = threading.Lock()
"""A compiler sets one document at a time; a second one would cost its fonts and its memory again."""


def pdf(page: Page) -> bytes:
    """Return the page as PDF; the same page gives the same bytes.

    What is on it reaches the template as JSON in one input, never as markup: a customer may have any name. Typst's own
    fonts come first, for whatever they lack fonts of the system are used.
    """
    inputs = {"page": msgspec.json.encode(page).decode()}
    with _one_at_a_time:
        made = _compiler().compile(_template(), format="pdf", sys_inputs=inputs, timestamp=int(page.dated.timestamp()))
    assert isinstance(made, bytes), "one document is one file"
    return made


@cache
def _compiler() -> typst.Compiler:
    """Return a compiler with its fonts loaded."""
    return typst.Compiler()


@cache
def _template() -> bytes:
    return resources.files(__package__).joinpath(TEMPLATE).read_bytes()
