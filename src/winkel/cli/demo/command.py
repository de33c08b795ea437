"""The play: a company is set up, an hour passes in a minute, and the invoices are checked in the open."""

import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from winkel.cli.terminal import console, sentences, table, text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

    from winkel.cli.client import Client
    from winkel.cli.demo.company import Account
    from winkel.cli.demo.stage import Stage
    from winkel.cli.demo.view import Numbers

SECONDS = 60.0
SECONDS_ONCE = 8.0
"""How long the hour takes."""
TICK = 0.1
LOOK_SECONDS = 0.5
"""How often the view asks the API."""
SETTLE_SECONDS = 60.0
EVENTS = 40_000
BATCH = 100
"""Events in one call of POST /v1/ingest, as many as it takes."""


def demo(
    once: Annotated[bool, typer.Option("--once", help="As fast as is comfortable, then end; for scripts.")] = False,
    data: Annotated[
        Path | None, typer.Option(help="Folder for the data; default: a temporary one.", show_default=False)
    ] = None,
) -> None:
    """Watch an AI company's hour: 40,000 events, three customers, live invoices.

    Lumen AI sells tokens of three models, requests in tiers, and images. A startup pays as it goes, a scale-up uses up
    its credits, an enterprise draws on a prepaid commit at prices of its own. About 2 % of the events are sent twice,
    on purpose. In the end every invoice is compared with a second computation from the raw events.

    **Example**: `winkel demo --once`
    """
    with sentences(), ExitStack() as stack:
        import signal

        from winkel.cli.client import Client
        from winkel.cli.demo.stage import stage

        signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C: what was started is stopped
        terminal = console()
        folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="winkel-demo-")))
        place = stack.enter_context(stage(folder))
        terminal.print(f"Winkel started in {place.seconds:.1f} s at {place.url}")
        client = stack.enter_context(Client(place.url, place.token))
        good = Play(client, terminal, SECONDS_ONCE if once else SECONDS).run()
        if not once:
            _stay(terminal, place, data)
        if not good:
            raise typer.Exit(1)


class Play:
    """One hour of Lumen AI."""

    def __init__(self, client: "Client", terminal: "Console", seconds: float, events: int = EVENTS) -> None:
        from winkel.cli.demo import company, traffic

        self.client = client
        self.terminal = terminal
        self.seconds = seconds
        now = datetime.now(UTC)
        self.start = now - timedelta(hours=1)
        whole_hour = self.start.replace(minute=0, second=0, microsecond=0)
        self.accounts: list[Account] = company.set_up(client, whole_hour)
        self.events = traffic.hour(self.accounts, self.start, f"demo-{now:%Y%m%d%H%M%S}", events=events)
        self.sent = 0
        self.before = client.get("/winkel/v1/ingest/summary")["data"]

    def run(self) -> bool:
        """Play; return whether all invoices are right."""
        from rich.live import Live

        numbers = self._look()
        with Live(console=self.terminal, auto_refresh=False, transient=True) as live:
            began = looked = time.monotonic()
            while self.sent < len(self.events):
                passed = time.monotonic() - began
                self._send_until(traffic_second=passed / self.seconds * 3600)
                if time.monotonic() - looked >= LOOK_SECONDS:
                    looked = time.monotonic()
                    numbers = self._look()
                    self._show(live, numbers, looked - began)
                time.sleep(max(0.0, TICK - (time.monotonic() - began - passed)))
            took = time.monotonic() - began
        numbers = self._settle()
        self._tell(took, numbers)
        return self._check(numbers)

    def _send_until(self, traffic_second: float) -> None:
        """Send what has happened by now, in calls of 100 events."""
        due = self.sent
        while due < len(self.events) and self.events[due].second <= traffic_second:
            due += 1
        for first in range(self.sent, due, BATCH):
            bodies = [each.body for each in self.events[first : min(first + BATCH, due)]]
            self.client.post("/v1/ingest", bodies)
        self.sent = due

    def _look(self) -> "Numbers":
        from winkel.cli.demo.view import Numbers

        numbers = Numbers(self.client, self.accounts)
        numbers.summary = {name: count - self.before[name] for name, count in numbers.summary.items()}
        return numbers

    def _settle(self) -> "Numbers":
        """Wait until everything that was sent is metered. Raises `ValueError` when it takes too long."""
        until = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < until:
            numbers = self._look()
            if numbers.metered >= len(self.events):
                return numbers
            time.sleep(0.05)
        raise ValueError(f"after {SETTLE_SECONDS:.0f} s only {numbers.metered:,} of {len(self.events):,} are metered")

    def _show(self, live: "Live", numbers: "Numbers", passed: float) -> None:
        from winkel.cli.demo.view import picture, status

        clock = self.start + timedelta(seconds=min(3600.0, passed / self.seconds * 3600))
        if self.terminal.is_terminal:
            live.update(picture(self.accounts, clock, self.sent, self.sent / passed, numbers), refresh=True)
        else:
            self.terminal.print(status(clock, self.sent, numbers))

    def _tell(self, took: float, numbers: "Numbers") -> None:
        from winkel.cli.invoices import invoice_table

        again = sum(not each.original for each in self.events)
        for account, invoice in zip(self.accounts, numbers.invoices, strict=True):
            self.terminal.print(invoice_table(account.buyer.name, invoice))
        self.terminal.print(
            f"{len(self.events):,} events in {took:.1f} s: {numbers.summary['counted']:,} counted, "
            f"{numbers.summary['duplicates']:,} recognised as duplicates ({again:,} were sent twice on purpose)"
        )

    def _check(self, numbers: "Numbers") -> bool:
        """Compare every invoice and balance with the second computation, in the open."""
        from winkel.cli.demo.check import bill

        shown = table("Checked against the raw events", "customer", "invoice", "recomputed", "balance", "")
        right = [numbers.summary["counted"] == sum(each.original for each in self.events)]
        for index, account in enumerate(self.accounts):
            own = bill(account, index, self.events)
            total, left = Fraction(numbers.invoices[index]["total"]), Fraction(numbers.balances[index])
            right.append(total == own.total and left == own.left)
            words = [_dollars(each) for each in (total, own.total, left)]
            shown.add_row(account.buyer.name, *words, text(("equal", "green") if right[-1] else ("DIFFERENT", "red")))
        self.terminal.print(shown)
        good = all(right)
        self.terminal.print(
            text(
                (
                    "Every event counted exactly once; every invoice equals its recomputation, to the last digit.",
                    "green",
                )
                if good
                else (
                    "The invoices do not equal their recomputation: this is a bug of Winkel, please report it.",
                    "red",
                )
            )
        )
        return good


def _dollars(cents: Fraction) -> str:
    """Return an amount with all its digits."""
    from winkel.cli.amounts import amount
    from winkel.model.credit_type import USD
    from winkel.model.money import EXACT

    return amount(EXACT.divide(Decimal(cents.numerator), Decimal(cents.denominator)), {"id": USD.id, "name": USD.name})


def _stay(terminal: "Console", place: "Stage", data: Path | None) -> None:
    """Let people look around until Ctrl-C."""
    terminal.print(f"\nWinkel still runs. Look around:\n  export WINKEL_URL={place.url} WINKEL_TOKEN={place.token}")
    terminal.print("  winkel events\n  winkel invoices show --customer ferrolane")
    kept = f"the data stays in {data}" if data else "the data goes with it"
    terminal.print(f"Ctrl-C stops ({kept})")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        terminal.print("stopping")
