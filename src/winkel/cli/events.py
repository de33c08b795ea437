"""winkel events: what arrives, and what became of it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from winkel.cli.options import URL, Json, Token, Url
from winkel.cli.terminal import console, sentences, table

if TYPE_CHECKING:
    from rich.table import Table

    from winkel.cli.client import Client

PAGE = 100
SUMMARY = ("counted", "duplicates", "conflicts", "dead_letters")


def events(
    customer: Annotated[str, typer.Option(help="Only events that carry this customer identifier.")] = "",
    event_type: Annotated[str, typer.Option(help="Only events of this type.")] = "",
    transaction_id: Annotated[str, typer.Option(help="Only events with this id.")] = "",
    dead_letters: Annotated[bool, typer.Option("--dead-letters", help="Events that could not be counted.")] = False,
    conflicts: Annotated[bool, typer.Option("--conflicts", help="Ids that came again with other content.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 20,
    url: Url = URL,
    token: Token = "",
    json: Json = False,
) -> None:
    """Show the newest events, and how many were counted.

    **Example**: `winkel events --customer acme --limit 50`
    """
    with sentences():
        from winkel.cli.client import Client, json_text

        filters = {"customer_id": customer, "event_type": event_type, "transaction_id": transaction_id}
        wanted = {name: value for name, value in filters.items() if value}
        if dead_letters and conflicts:
            raise ValueError("choose one of --dead-letters and --conflicts")
        if wanted and (dead_letters or conflicts):
            raise ValueError("--dead-letters and --conflicts show all events: leave the filters out")
        path, draw = "/winkel/v1/events", _events
        if dead_letters:
            path, draw = "/winkel/v1/dead-letters", _dead_letters
        if conflicts:
            path, draw = "/winkel/v1/conflicting-duplicates", _conflicts
        with Client(url, token) as client:
            found = _newest(client, path, limit, wanted)
            summary = client.get("/winkel/v1/ingest/summary")["data"]
        if json:
            typer.echo(json_text({"summary": summary, "events": found}))
            return
        terminal = console()
        terminal.print(draw(found))
        counts = ", ".join(f"{summary[name]:,} {name.replace('_', ' ')}" for name in SUMMARY)
        terminal.print(f"metered so far: {counts}")


def _newest(client: "Client", path: str, limit: int, filters: dict[str, str]) -> list[Any]:
    found: list[Any] = []
    for each in client.pages(path, limit=min(limit, PAGE), **filters):
        found.append(each)
        if len(found) == limit:
            break
    return found


def _events(found: list[Any]) -> "Table":
    from winkel.cli.client import json_line

    shown = table("Newest events", "received", "happened", "customer", "type", "transaction id", "properties")
    for each in found:
        instants = _instant(each["received_at"]), _instant(each["timestamp"])
        shown.add_row(
            *instants, each["customer_id"], each["event_type"], each["transaction_id"], json_line(each["properties"])
        )
    return shown


def _dead_letters(found: list[Any]) -> "Table":
    shown = table("Dead letters", "received", "reason", "detail", "transaction id", "place")
    for each in found:
        place = f"{each['topic']}/{each['partition']}@{each['offset']}:{each['index']}"
        shown.add_row(_instant(each["at"]), each["reason"], each["detail"], each["transaction_id"] or "", place)
    return shown


def _conflicts(found: list[Any]) -> "Table":
    columns = ("last seen", "times", "transaction id", "customer", "type", "properties of the newest")
    shown = table("Conflicting duplicates: the first content counts", *columns, right=("times",))
    for each in found:
        words = each["transaction_id"], each["customer_id"], each["event_type"], each["properties"]
        shown.add_row(_instant(each["last_at"]), f"{each['times']:,}", *words)
    return shown


def _instant(text: str) -> str:
    return text[:19].replace("T", " ")
