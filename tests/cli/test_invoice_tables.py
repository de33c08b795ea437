"""Invoices as tables of `winkel invoices`: every amount in its own pricing unit."""

import io
from datetime import UTC
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

from winkel.cli.invoices import By, _paid, invoice_table, windows_table
from winkel.model.credit_type import USD
from winkel.paper.when import zone

DOLLARS = {"id": USD.id, "name": USD.name}
CREDITS = {"id": "3d2c1b0a-aaaa-4bbb-8ccc-9dddeeeeffff", "name": "AI Credits"}


def line(kind: str, name: str, total: str, unit: dict[str, str], **more: str) -> dict[str, Any]:
    numbers = {key: Decimal(value) for key, value in more.items()}
    return {"type": kind, "name": name, "total": Decimal(total), "credit_type": unit, **numbers}


INVOICE = {
    "type": "USAGE",
    "status": "DRAFT",
    "credit_type": DOLLARS,
    "total": Decimal(3000),
    "start_timestamp": "2026-01-01T00:00:00Z",
    "end_timestamp": "2026-02-01T00:00:00Z",
    "breakdown_start_timestamp": "2026-01-31T00:00:00Z",
    "line_items": [
        line("usage", "Tokens", "650", CREDITS, quantity="1300", unit_price="0.5"),
        line("applied_commit_or_credit", "Pack applied", "-650", CREDITS),
        line("usage", "Tokens", "350", CREDITS, quantity="700", unit_price="0.5"),
        line("cpu_conversion", "AI Credits conversion", "500", DOLLARS, quantity="50", unit_price="10"),
        line("applied_commit_or_credit", "Gift applied", "-500", DOLLARS),
        line("cpu_conversion", "AI Credits conversion", "3000", DOLLARS, quantity="300", unit_price="10"),
    ],
}


def rows(table: Table) -> list[list[str]]:
    """Return the words of a table, row by row."""
    file = io.StringIO()
    Console(file=file, width=200).print(table)
    return [each.split() for each in file.getvalue().splitlines() if each.strip()]


def test_an_invoice_names_the_unit_of_each_line() -> None:
    """Units stand beside what is in them; the total is money."""
    shown = [" ".join(each) for each in rows(invoice_table("Acme", INVOICE))]
    assert any("1,300 0.50 AI Credits 650.00 AI Credits" in each for each in shown)
    assert any("−650.00 AI Credits" in each for each in shown)
    assert any("300 $0.10 $30.00" in each for each in shown)
    assert any(each.endswith("Total $30.00") for each in shown)


def test_a_share_of_spend_is_a_percentage_of_money() -> None:
    """7.5 % of 100.00 dollars, which are kept in cents, and of 100 units."""
    lines = [
        line("usage", "Support", "750", DOLLARS, quantity="10000", unit_price="0.075"),
        line("usage", "Care", "7.5", CREDITS, quantity="100", unit_price="0.075"),
    ]
    composite = [{**each, "product_type": "CompositeProductListItem"} for each in lines]
    shown = [" ".join(each) for each in rows(invoice_table("Acme", {**INVOICE, "line_items": composite}))]
    assert any("Support $100.00 7.5% $7.50" in each for each in shown)
    assert any("Care 100.00 AI Credits 7.5% 7.50 AI Credits" in each for each in shown)


def test_an_invoice_is_headed_by_its_time_as_on_paper() -> None:
    """By days, and in another time zone by what its clocks show, on both sides of their change; no amount changes."""
    autumn = {**INVOICE, "start_timestamp": "2026-10-01T00:00:00Z", "end_timestamp": "2026-11-01T00:00:00Z"}
    usual, there = (rows(invoice_table("Acme", autumn, where)) for where in (UTC, zone("Europe/Berlin")))
    assert " ".join(usual[0]) == "Acme: usage invoice, draft, 2026-10-01 – 2026-10-31"
    assert " ".join(there[0]) == "Acme: usage invoice, draft, 2026-10-01 02:00 CEST – 2026-11-01 01:00 CET"
    assert usual[1:] == there[1:]
    on_a_date = {**INVOICE, "start_timestamp": None, "issued_at": "2028-03-01T00:00:00Z", "type": "SCHEDULED"}
    (head, *_) = rows(invoice_table("Acme", on_a_date, zone("America/New_York")))
    assert " ".join(head).endswith("2028-02-29 19:00 EST")


def test_what_was_paid_is_told_by_unit() -> None:
    """Amounts in different units are never added; of nothing it is nothing in the invoice's currency."""
    assert _paid(INVOICE) == "650.00 AI Credits and $5.00"
    assert _paid({**INVOICE, "line_items": []}) == "$0.00"


def test_windows_have_sums_by_unit() -> None:
    """Usage, what balances paid of it and what is left, in money and in each unit."""
    shown = [" ".join(each).replace("█", "").split() for each in rows(windows_table("Acme", By.day, [INVOICE]))]
    lines = [" ".join(each) for each in shown if each and each[0] == "2026-01-31"]
    assert lines == [
        "2026-01-31 $35.00 $5.00 $30.00",
        "2026-01-31 1,000.00 AI Credits 650.00 AI Credits 350.00 AI Credits",
    ]
