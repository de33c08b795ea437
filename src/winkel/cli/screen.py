"""The terminal, for text of others: what senders call a customer or an event is shown, and does nothing else."""

from typing import Any

from rich.console import Console
from rich.text import Text

from winkel.cli.visible import visible


class Screen(Console):
    """A Rich console on which a string is text: `[bold]` or `:bug:` in it are no markup. Styles are for `Text`.

    All strings that are printed, those in tables, titles and live views too, become text here.
    """

    def render_str(self, text: str, *, emoji: bool | None = False, markup: bool | None = False, **how: Any) -> Text:  # noqa: ARG002
        """Return a string as text, as it is, with what would command the terminal made visible."""
        return super().render_str(visible(text), emoji=False, markup=False, **how)
