"""winkel invoices: drafts as they stand at this moment, what was finalized, and its corrections."""

from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from winkel.cli.options import URL, Customer, Json, Token, Url, Yes, none_before
from winkel.cli.terminal import ask, console, sentences, table, text

if TYPE_CHECKING:
    from rich.table import Table

    from winkel.cli.client import Client

app = typer.Typer(invoke_without_command=True)
Chosen = Annotated[str, typer.Argument(help="Its id; default: the newest draft.", show_default=False)]

TimeZone = Annotated[
    str, typer.Option(help="Where its times are told, such as Europe/Berlin; nothing else changes.", metavar="ZONE")
]

InvoiceId = Annotated[str, typer.Argument(metavar="INVOICE", help="Its id, from `winkel invoices`.")]


class Status(StrEnum):
    """A state in the life of an invoice."""

    draft = "draft"
    finalized = "finalized"
    void = "void"


class By(StrEnum):
    """How wide the windows of a breakdown are."""

    hour = "hour"
    day = "day"


APPLIED = "applied_commit_or_credit"
"""The type of lines that take off what a balance pays."""
COMPOSITE = "CompositeProductListItem"
"""The product type of lines that ask for a share of what others cost."""
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
    """List, show and correct invoices; drafts are computed at this moment.

    **Example**: `winkel invoices --customer acme --status draft`, or `winkel invoices --customer acme --by day`
    """
    with sentences():
        if context.invoked_subcommand is not None:
            none_before(context)
            return
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
    invoice: Chosen = "",
    time_zone: TimeZone = "UTC",
    url: Url = URL,
    token: Token = "",
    json: Json = False,
) -> None:
    """Show one invoice with its lines.

    **Example**: `winkel invoices show --customer acme`
    """
    with sentences():
        from winkel.cli.client import Client, json_text

        zone = _zone(time_zone)
        if json and zone is not UTC:
            raise ValueError("--json is what the API answers, in UTC: leave --time-zone out")
        with Client(url, token) as client:
            who = client.customer(customer)
            found = _chosen(client, who, invoice)
        typer.echo(json_text(found)) if json else console().print(invoice_table(who["name"], found, zone))


@app.command()
def pdf(
    customer: Customer,
    invoice: Chosen = "",
    out: Annotated[
        Path | None, typer.Option(help="File to write; default: invoice-ID.pdf in this folder.", dir_okay=False)
    ] = None,
    time_zone: TimeZone = "UTC",
    url: Url = URL,
    token: Token = "",
) -> None:
    """Write one invoice as PDF; a draft is marked as one.

    **Example**: `winkel invoices pdf --customer acme --out acme.pdf`, or `… --time-zone Europe/Berlin`
    """
    with sentences():
        from winkel.cli.client import Client

        with Client(url, token) as client:
            who = client.customer(customer)
            wanted = invoice or _chosen(client, who, invoice)["id"]
            content = client.download(f"/v1/customers/{who['id']}/invoices/{wanted}/pdf", time_zone=time_zone)
        path = out or Path(f"invoice-{wanted}.pdf")
        path.write_bytes(content)
        typer.echo(path)


def _zone(name: str) -> tzinfo:
    """Return the time zone that an option names. Raises `ValueError` that names the option."""
    from winkel.model.errors import InvalidError
    from winkel.paper.when import zone

    try:
        return zone(name)
    except InvalidError as error:
        raise ValueError(f"--time-zone {name}: {error}") from None


def _chosen(client: "Client", customer: dict[str, Any], invoice: str) -> dict[str, Any]:
    """Return the invoice with this id, or the newest draft. Raises `ValueError` when there is none."""
    path = f"/v1/customers/{customer['id']}/invoices"
    if invoice:
        return dict(client.get(f"{path}/{invoice}")["data"])
    drafts = list(client.pages(path, status="DRAFT", sort="date_desc"))
    if not drafts:
        raise ValueError(f"{customer['name']} has no draft invoice; `winkel invoices` lists all that there are")
    return dict(drafts[0])


@app.command()
def void(customer: Customer, invoice: InvoiceId, yes: Yes = False, url: Url = URL, token: Token = "") -> None:
    """Void a finalized invoice, for good: what balances paid on it comes back to them.

    **Example**: `winkel invoices void 6a37bb88-8538-48c5-b37b-a41c836328bd --customer acme`
    """
    with sentences():
        from winkel.cli.client import Client

        with Client(url, token) as client:
            who = client.customer(customer)
            found = client.get(f"/v1/customers/{who['id']}/invoices/{invoice}")["data"]
            ask(
                f"Void {_described(who['name'], found)}? Its commits and credits get {_paid(found)} back, for good; "
                "what it asked for is on no invoice until you regenerate it.",
                yes=yes,
            )
            client.post("/v1/invoices/void", {"id": invoice})
        typer.echo(f"voided {invoice}")


@app.command()
def regenerate(
    customer: Customer, invoice: InvoiceId, yes: Yes = False, url: Url = URL, token: Token = "", json: Json = False
) -> None:
    """Make a void invoice anew, with today's terms and usage, and show the new one.

    **Example**: `winkel invoices regenerate 6a37bb88-8538-48c5-b37b-a41c836328bd --customer acme`
    """
    with sentences():
        from winkel.cli.client import Client, json_text

        with Client(url, token) as client:
            who = client.customer(customer)
            path = f"/v1/customers/{who['id']}/invoices"
            old = client.get(f"{path}/{invoice}")["data"]
            ask(
                f"Make {_described(who['name'], old)} anew? The new one is final at once, with the terms of today and "
                "all usage that is metered by now, and commits and credits pay for it.",
                yes=yes,
            )
            made = client.post("/v1/invoices/regenerate", {"id": invoice})["data"]["id"]
            new = client.get(f"{path}/{made}")["data"]
        typer.echo(json_text(new)) if json else console().print(invoice_table(who["name"], new))


def _described(name: str, invoice: dict[str, Any]) -> str:
    """Return what an invoice is, for a sentence."""
    from winkel.cli.amounts import amount

    what = f"the {invoice['status'].lower()} {invoice['type'].lower()} invoice of {name}"
    return f"{what}, {_when(invoice)}, over {amount(invoice['total'], invoice['credit_type'])}"


def _paid(invoice: dict[str, Any]) -> str:
    """Return what balances paid on an invoice, each pricing unit apart."""
    from winkel.cli.amounts import amount
    from winkel.model.money import negated, total

    applied: dict[str, list[dict[str, Any]]] = {}
    for line in invoice["line_items"]:
        if line["type"] == APPLIED:
            applied.setdefault(line["credit_type"]["id"], []).append(line)
    some = [(total([line["total"] for line in lines]), lines[0]["credit_type"]) for lines in applied.values()]
    return " and ".join(amount(negated(paid), unit) for paid, unit in some) or amount(0, invoice["credit_type"])


def _when(invoice: dict[str, Any], zone: tzinfo = UTC) -> str:
    """Return the period of an invoice, or when it was issued, as they are told on paper."""
    from winkel.paper.when import moment, span

    if invoice.get("start_timestamp"):
        start, end = (datetime.fromisoformat(invoice[f"{edge}_timestamp"]) for edge in ("start", "end"))
        return span(start, end, zone)
    return moment(datetime.fromisoformat(invoice["issued_at"]), zone)


def invoice_table(name: str, invoice: dict[str, Any], zone: tzinfo = UTC) -> "Table":
    """Return an invoice with its lines as a table."""
    from winkel.cli.amounts import amount, payable
    from winkel.model.credit_type import USD

    title = f"{name}: {invoice['type'].lower()} invoice, {invoice['status'].lower()}, {_when(invoice, zone)}"
    shown = table(title, "line", "of", "quantity", "unit price", "total", right=("quantity", "unit price", "total"))
    unit = invoice["credit_type"]
    for line in invoice["line_items"]:
        shown.add_row(line["name"], detail(line), *_factors(line), amount(line["total"], line["credit_type"]))
    shown.add_section()
    shown.add_row(text(("Total", "bold")), "", "", "", text((amount(invoice["total"], unit), "bold")))
    if unit["id"] == USD.id and invoice["total"] != int(invoice["total"]):
        shown.caption = f"payable: {payable(invoice['total'])}"
    return shown


def _factors(line: dict[str, Any]) -> tuple[str, str]:
    """Return the quantity and the unit price of a line, each empty if it has none; of a composite, spend and share."""
    from winkel.cli.amounts import amount, percentage, quantity

    many, price, unit = line.get("quantity"), line.get("unit_price"), line["credit_type"]
    if line.get("product_type") == COMPOSITE and many is not None and price is not None:
        return amount(many, unit), percentage(price)
    return "" if many is None else quantity(many), "" if price is None else amount(price, unit)


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
    """What a window has of usage invoices in one pricing unit."""

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
    """Return the sums of each window in which anything is charged, by pricing unit."""
    from winkel.model.money import total

    rows: dict[tuple[str, str], list[Sums]] = {}
    for each in found:
        for part in _parts(each):
            rows.setdefault((part.at, part.unit["id"]), []).append(part)
    sums = [
        Sums(at, some[0].unit, total([each.used for each in some]), total([each.left for each in some]))
        for (at, _), some in rows.items()
    ]
    return [each for each in sums if each.used or each.left]


def _parts(invoice: dict[str, Any]) -> Iterator[Sums]:
    """Yield what a window has of one invoice: in its currency, and in each custom pricing unit.

    What is left in a custom unit is asked for by a conversion, which is money.
    """
    from winkel.model.money import total

    units = {line["credit_type"]["id"]: line["credit_type"] for line in invoice["line_items"]}
    for unit in {invoice["credit_type"]["id"]: invoice["credit_type"], **units}.values():
        lines = [line for line in invoice["line_items"] if line["credit_type"] == unit]
        used = total([Decimal(line["total"]) for line in lines if line["type"] != APPLIED])
        every = total([Decimal(line["total"]) for line in lines])
        left = Decimal(invoice["total"]) if unit == invoice["credit_type"] else every
        yield Sums(invoice["breakdown_start_timestamp"], unit, used, left)


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
