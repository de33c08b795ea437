"""What one sees during the demo: rates, duplicates, usage by model, and three invoices that grow."""

import time
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from winkel.cli.amounts import amount, payable
from winkel.cli.client import Client
from winkel.cli.demo.company import Account
from winkel.cli.terminal import table, text

if TYPE_CHECKING:
    from rich.console import RenderableType

_BAR = 24


class Numbers:
    """What the API says at one moment."""

    def __init__(self, client: Client, accounts: list[Account]) -> None:
        self.at = time.monotonic()
        self.summary: dict[str, int] = client.get("/winkel/v1/ingest/summary")["data"]
        self.invoices = [draft(client, account) for account in accounts]
        self.balances = [balance(client, account) for account in accounts]

    @property
    def metered(self) -> int:
        """How many of the events that were sent have been metered, one way or another."""
        return self.summary["counted"] + self.summary["duplicates"]


def draft(client: Client, account: Account) -> dict[str, Any]:
    """Return the account's live draft invoice."""
    path = f"/v1/customers/{account.customer_id}/invoices"
    found = client.get(path, status="DRAFT", type="USAGE")["data"]
    if len(found) != 1:
        raise ValueError(f"{account.buyer.name} should have one draft invoice, but has {len(found)}")
    invoice: dict[str, Any] = found[0]
    return invoice


def balance(client: Client, account: Account) -> Decimal:
    """Return what is left of the account's credits and commits, in cents, this draft included."""
    body = {"customer_id": account.customer_id, "invoice_inclusion_mode": "FINALIZED_AND_DRAFT"}
    return Decimal(client.post("/v1/contracts/customerBalances/getNetBalance", body)["data"]["balance"])


def picture(accounts: list[Account], clock: datetime, sent: int, rate: float, now: Numbers) -> "RenderableType":
    """Return the whole view. `clock` is the time of the play, `rate` in events per second of real time."""
    from rich.console import Group
    from rich.panel import Panel

    numbers = text(
        (f"{clock:%H:%M}", "bold"), " in Lumen AI's world   ", (f"{sent:,}", "bold"), f" events sent, {rate:,.0f}/s   ",
        (f"{now.summary['counted']:,} counted", "green"), "   ",
        (f"{now.summary['duplicates']:,} duplicates", "yellow"),
    )  # fmt: skip
    return Group(Panel(numbers, title="Lumen AI", title_align="left"), _models(now), _accounts(accounts, now))


def status(clock: datetime, sent: int, now: Numbers) -> str:
    """Return the view as one line, for output that is not a terminal."""
    totals = "  ".join(amount(invoice["total"], invoice["credit_type"]) for invoice in now.invoices)
    counts = f"{now.summary['counted']:,} counted  {now.summary['duplicates']:,} duplicates"
    return f"{clock:%H:%M}  {sent:,} sent  {counts}  drafts: {totals}"


def _models(now: Numbers) -> "RenderableType":
    """Return millions of tokens by model, over all customers."""
    usage: dict[str, Decimal] = {}
    for invoice in now.invoices:
        for line in invoice["line_items"]:
            model = (line.get("pricing_group_values") or {}).get("model")
            if model and line["type"] == "usage":
                usage[model] = usage.get(model, Decimal(0)) + Decimal(line["quantity"])
    shown = table("Tokens by model", "model", "million tokens", "", right=("million tokens",))
    most = max(usage.values(), default=Decimal(1)) or Decimal(1)
    for model, millions in sorted(usage.items(), key=lambda each: -each[1]):
        shown.add_row(model, f"{millions:,.3f}", "█" * int(_BAR * millions / most))
    return shown


def _accounts(accounts: list[Account], now: Numbers) -> "RenderableType":
    shown = table(
        "Live draft invoices", "customer", "", "to pay now", "balance left", "", right=("to pay now", "balance left")
    )
    for account, invoice, left in zip(accounts, now.invoices, now.balances, strict=True):
        whole = account.buyer.balance
        bar = "█" * round(_BAR * left / whole) + "░" * (_BAR - round(_BAR * left / whole)) if whole else ""
        rest = payable(left) if whole else "–"
        shown.add_row(account.buyer.name, account.buyer.kind, payable(invoice["total"]), rest, bar)
    return shown
