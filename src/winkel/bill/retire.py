"""Retirement: which commits are used up for good, so that billing need not read them any more. Pure.

A retired commit is kept with its ledger, and shown where archived ones are. It takes no part in drafts: nothing is left
in it, so only lines that it would cut are whole. Voiding an invoice that names it brings it back.
"""

from collections.abc import Collection, Iterable

from winkel.bill.balance import remaining
from winkel.model.commit import Balance
from winkel.model.ledger import EntryKind, LedgerEntry


def why_not(commit: Balance, entries: Iterable[LedgerEntry], invoiced: Collection[str]) -> str | None:
    """Return why a commit cannot be retired, in words; None: it can.

    `entries` are the posted ones of its customer; `invoiced` are the ids of dates of invoicing on finalized invoices.
    """
    its = [each for each in entries if each.balance_id == commit.id]
    schedule = commit.invoice_schedule
    dates = () if schedule is None or schedule.do_not_invoice else schedule.schedule_items
    reasons = (
        (commit.retired_at is not None, "it is retired"),
        (commit.archived_at is not None, "it is archived"),
        (commit.allocation is not None, "its amount follows the seats of a subscription"),
        (_has_rolled_over(commit, its), "corrections of a contract may change what rolled over"),
        (any(each.id not in invoiced for each in dates), "a date of its invoice_schedule is on no finalized invoice"),
        (any(remaining(each, its) for each in commit.segments), "finalized invoices have not used up all of it"),
    )
    return next((reason for holds, reason in reasons if holds), None)


def _has_rolled_over(commit: Balance, entries: Iterable[LedgerEntry]) -> bool:
    return commit.rolled_over_from is not None or any(each.kind is EntryKind.ROLLOVER for each in entries)
