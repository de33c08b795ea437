"""Previews: the invoices that events would give (metronome-api.md §4.10; docs/pricing.md, Previews). Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from winkel.bill.draft import Draft, drafts
from winkel.bill.statement import usage_key
from winkel.model.account import Account
from winkel.model.invoice import Invoice, InvoiceType
from winkel.model.usage import HourUsage


def preview(
    account: Account,
    usage: Mapping[str, Sequence[HourUsage]],
    more: Mapping[tuple[str, int], Sequence[HourUsage]],
    at: datetime,
) -> list[Draft]:
    """Return the drafts of the periods in which `at` lies, as they would be if `more` had been used too.

    `usage` is what `drafts` takes, with empty lists where only `more` shall count; `more` is by metric and index of
    its group key (meter/preview.py). Drafts of other open periods draw balances down before them, with what of `more`
    falls into those.
    """
    added = {usage_key(*key): rows for key, rows in more.items()}
    both = {key: [*rows, *added.get(key, ())] for key, rows in usage.items()}
    found = drafts(account, both, at)
    return [each for each in found if each.invoice.type is InvoiceType.USAGE and _covers(each.invoice, at)]


def _covers(invoice: Invoice, at: datetime) -> bool:
    """Whether an instant lies in the billing period of a usage statement."""
    return invoice.period.start <= at < invoice.period.end
