"""winkel usage: what a customer used."""

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from winkel.cli.options import URL, Customer, Json, Token, Url
from winkel.cli.terminal import console, sentences, table

if TYPE_CHECKING:
    from winkel.cli.client import Client

DAYS = 30


class Window(StrEnum):
    """How wide one row is."""

    hour = "hour"
    day = "day"
    none = "none"


def usage(
    customer: Customer,
    metric: Annotated[list[str] | None, typer.Option(help="A billable metric, id or name; may be repeated.")] = None,
    group_by: Annotated[str, typer.Option(help="Split by this property; the metric must have it as a group key.")] = "",
    window: Annotated[Window, typer.Option(help="One row for each hour or day, or one for all.")] = Window.day,
    start: Annotated[str, typer.Option("--from", help="First day, UTC; default: 30 days ago.")] = "",
    end: Annotated[str, typer.Option("--to", help="Last day, UTC, included; default: today.")] = "",
    url: Url = URL,
    token: Token = "",
    json: Json = False,
) -> None:
    """Show what a customer used.

    **Example**: `winkel usage --customer acme --metric "Input tokens" --window hour --from 2026-01-15`
    """
    with sentences():
        from winkel.cli.client import Client, json_text

        with Client(url, token) as client:
            rows = list(
                _rows(client, client.customer(customer)["id"], metric or [], group_by, window, days(start, end))
            )
        if json:
            typer.echo(json_text(rows))
            return
        console().print(_table(customer, rows, window, group_by))


def days(start: str, end: str) -> tuple[datetime, datetime]:
    """Return the midnights between which to look. Raises `ValueError`."""
    today = datetime.now(UTC).date()
    try:
        last = date.fromisoformat(end) if end else today
        first = date.fromisoformat(start) if start else last - timedelta(days=DAYS)
    except ValueError as error:
        raise ValueError(f"--from and --to take a day like 2026-01-15: {error}") from None
    if last < first:
        raise ValueError(f"--from {first} lies after --to {last}")
    midnight = datetime.min.time().replace(tzinfo=UTC)
    return datetime.combine(first, midnight), datetime.combine(last + timedelta(days=1), midnight)


def _rows(
    client: "Client",
    customer_id: str,
    metrics: list[str],
    group_by: str,
    window: Window,
    days: tuple[datetime, datetime],
) -> Any:
    """Yield the rows of POST /v1/usage that hold something."""
    body: dict[str, Any] = {
        "starting_on": days[0],
        "ending_before": days[1],
        "window_size": window.upper(),
        "customer_ids": [customer_id],
    }
    if metrics or group_by:
        group = {"group_by": {"key": group_by}} if group_by else {}
        body["billable_metrics"] = [{"id": identifier, **group} for identifier in _metric_ids(client, metrics)]
    for row in client.pages("/v1/usage", body=body):
        if row.get("value") or row.get("groups"):
            yield row


def _metric_ids(client: "Client", wanted: list[str]) -> list[str]:
    """Return the ids of the metrics with these ids or names; of all, when none is wanted."""
    known = list(client.pages("/v1/billable-metrics"))
    if not wanted:
        return [metric["id"] for metric in known]
    found = []
    for text in wanted:
        matching = [each["id"] for each in known if text in {each["id"], each["name"]}]
        if not matching:
            raise ValueError(f"there is no billable metric {text!r}; there are: {', '.join(m['name'] for m in known)}")
        found += matching
    return found


def _table(customer: str, rows: list[Any], window: Window, group_by: str) -> Any:
    from winkel.cli.amounts import quantity

    columns = ["metric", "from", *([group_by] if group_by else []), "quantity"]
    shown = table(f"Usage of {customer}", *columns, right=("quantity",))
    for row in rows:
        at = row["start_timestamp"][: 16 if window is Window.hour else 10].replace("T", " ")
        for group, value in (row.get("groups") or {None: row.get("value")}).items():
            middle = [str(group)] if group_by else []
            shown.add_row(row["billable_metric_name"], at, *middle, quantity(value))
    if not rows:
        shown.caption = "nothing was used in this time"
    return shown
