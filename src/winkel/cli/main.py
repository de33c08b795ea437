"""The list of commands."""

import typer

app = typer.Typer(
    name="winkel", help="Usage events in; exact live invoices out.", no_args_is_help=True, rich_markup_mode="rich"
)


@app.callback()
def _root() -> None:
    """Usage events in; exact live invoices out."""


def main() -> None:
    """Run the command that the arguments name."""
    app()
