"""winkel invoices: drafts as they stand at this moment, and what was finalized."""

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from winkel.cli.options import URL, Customer, Json, Token, Url
from winkel.cli.terminal import console, sentences, table

if TYPE_CHECKING:
    from rich.table import Table

app = typer.Typer(invoke_without_command=True)


class Status(StrEnum):
    """A state in the life of an invoice."""

    draft = "draft"
    finalized = "finalized"
    void = "void"


class By(StrEnum):
    """How wide the windows of a breakdown are."""

    hour = "hour"
    day = "day"


BAR = Decimal(24)
"""The width of the longest bar, in characters."""


@app.callback()
def invoices(
    context: typer.Context,
    customer: Annotated[str, typer.Option(help="A customer: its id, an ingest alias, or its name.")] = "",
    status: Annotated[Status | None, typer.Option(help="Only these; default: all.")] = None,
    by: Annotated[By | None, typer.Option(help="Show what each hour or day has of usage invoices.")] = None,
    start: Annotated[str, typer.Option("--from", help="With --by: first day, UTC; default: as much as is usual.")] = "",
    end: Annotated[str, typer.Option("--to", help="With --by: last day, UTC, included; default: today.")] = "",
    url: Url = URL,
    token: Token = "",
    json: Json = False,
) -> None:
    """List and show invoices; drafts are computed at this moment.

    **Example**: `winkel invoices --customer acme --status draft`, or `winkel invoices --customer acme --by day`
    """
    if context.invoked_subcommand is not None:
        return
    with sentences():
        from winkel.cli.client import Client, json_text

        if not customer:
            raise ValueError("whose invoices? Give --customer with an id, an alias or a name")
        if by is None and (start or end):
            raise ValueError("--from and --to choose the windows of --by hour or --by day: give that too")
        with Client(url, token) as client:
            identifier = client.customer(customer)["id"]
            path, wanted = f"/v1/customers/{identifier}/invoices", status.upper() if status else None
            if by is None:
                found = list(client.pages(path, status=wanted))
            else:
                times = _times(by, start, end)
                found = list(client.pages(f"{path}/breakdowns", status=wanted, window_size=by.upper(), **times))
        if json:
            typer.echo(json_text(found))
        else:
            console().print(_list(customer, found) if by is None else windows_table(customer, by, found))


@app.command()
def show(
    customer: Customer,
    invoice: Annotated[str, typer.Argument(help="Its id; default: the newest draft.", show_default=False)] = "",
    url: Url = URL,
    token: Token = "",
    json: Json = False,
) -> None:
    """Show one invoice with its lines.

    **Example**: `winkel invoices show --customer acme`
    """
    with sentences():
        from winkel.cli.client import Client, json_text

        with Client(url, token) as client:
            who = client.customer(customer)
            path = f"/v1/customers/{who['id']}/invoices"
            if invoice:
                found = client.get(f"{path}/{invoice}")["data"]
            else:
                drafts = list(client.pages(path, status="DRAFT", sort="date_desc"))
                if not drafts:
                    raise ValueError(f"{who['name']} has no draft invoice; `winkel invoices` lists all that there are")
                found = drafts[0]
        typer.echo(json_text(found)) if json else console().print(invoice_table(who["name"], found))


def invoice_table(name: str, invoice: dict[str, Any]) -> "Table":
    """Return an invoice with its lines as a table."""
    from winkel.cli.amounts import amount, payable, quantity
    from winkel.model.credit_type import USD

    period = f"{invoice.get('start_timestamp', '')[:10]} – {invoice.get('end_timestamp', '')[:10]}"
    title = f"{name}: {invoice['type'].lower()} invoice, {invoice['status'].lower()}, {period}"
    shown = table(title, "line", "of", "quantity", "unit price", "total", right=("quantity", "unit price", "total"))
    unit = invoice["credit_type"]
    for line in invoice["line_items"]:
        price = amount(line["unit_price"], unit) if line.get("unit_price") is not None else ""
        many = quantity(line["quantity"]) if line.get("quantity") is not None else ""
        shown.add_row(line["name"], detail(line), many, price, amount(line["total"], unit))
    shown.add_section()
    shown.add_row("[bold]Total[/]", "", "", "", f"[bold]{amount(invoice['total'], unit)}[/]")
    if unit["id"] == USD.id and invoice["total"] != int(invoice["total"]):
        shown.caption = f"payable: {payable(invoice['total'])}"
    return shown


def detail(line: dict[str, Any]) -> str:
    """Return what a line is split by: group values and tier."""
    values = {**(line.get("pricing_group_values") or {}), **(line.get("presentation_group_values") or {})}
    parts = [str(value) for value in values.values()]
    if line.get("tier"):
        parts.append(f"tier {line['tier']['level']}")
    return ", ".join(parts)


def _times(by: By, start: str, end: str) -> dict[str, Any]:
    """Return the query for these days, included: by default the last 30, or today's hours. Raises `ValueError`."""
    from winkel.cli.usage import days

    if by is By.hour and not start:
        start = end or datetime.now(UTC).date().isoformat()
    first, after = days(start, end)
    return {"starting_on": first.isoformat(), "ending_before": after.isoformat()}


class Sums(NamedTuple):
    """What a window has of all usage invoices of one currency."""

    at: str
    unit: dict[str, str]
    used: Decimal
    left: Decimal
    """What balances did not pay."""


def windows_table(customer: str, by: By, found: list[dict[str, Any]]) -> "Table":
    """Return the windows that have usage: what it costs, what balances paid of it, and what is left to pay."""
    from winkel.cli.amounts import amount
    from winkel.model.money import ZERO, divide, multiply, subtract, total

    numbers = ("usage", "paid by balances", "to pay")
    shown = table(f"Invoices of {customer} by {by}", by, numbers[0], "", *numbers[1:], right=numbers)
    rows = _sums(found)
    for unit in {each.unit["id"]: each.unit for each in rows}.values():
        some = [each for each in rows if each.unit == unit]
        most = max(each.used for each in some)
        for each in some:
            when = each.at[: 16 if by is By.hour else 10].replace("T", " ")
            bar = "█" * int(multiply(divide(each.used, most), BAR)) if each.used > ZERO else ""
            paid = amount(subtract(each.used, each.left), unit)
            shown.add_row(when, amount(each.used, unit), bar, paid, amount(each.left, unit))
        used, left = total([each.used for each in some]), total([each.left for each in some])
        shown.add_section()
        shown.add_row("Total", amount(used, unit), "", amount(subtract(used, left), unit), amount(left, unit))
        shown.add_section()
    if not rows:
        shown.caption = "nothing was used in this time"
    return shown


def _sums(found: list[dict[str, Any]]) -> list[Sums]:
    """Return the sums of each window that has usage, by currency."""
    from winkel.model.money import total

    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for each in found:
        rows.setdefault((each["breakdown_start_timestamp"], each["credit_type"]["id"]), []).append(each)
    sums = []
    for (at, _), some in rows.items():
        lines = [line for each in some for line in each["line_items"] if line["type"] == "usage"]
        used = total([Decimal(line["total"]) for line in lines])
        left = total([Decimal(each["total"]) for each in some])
        if used or left:
            sums.append(Sums(at, some[0]["credit_type"], used, left))
    return sums


def _list(customer: str, found: list[dict[str, Any]]) -> "Table":
    from winkel.cli.amounts import amount

    shown = table(f"Invoices of {customer}", "id", "type", "status", "from", "until", "total", right=("total",))
    for each in found:
        period = [(each.get(name) or "")[:10] for name in ("start_timestamp", "end_timestamp")]
        total = amount(each["total"], each["credit_type"])
        shown.add_row(each["id"], each["type"].lower(), each["status"].lower(), *period, total)
    if not found:
        shown.caption = "none"
    return shown
