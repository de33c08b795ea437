"""Which dates of invoicing stay when a contract ends. Pure."""

from collections.abc import Collection, Iterable
from datetime import datetime

from msgspec import Struct


class Invoiced(Struct, frozen=True):
    """What invoices ask for by now, by the ids of its items."""

    now: datetime
    final: Collection[str]
    """On final invoices: those may have been issued before their dates (`bill/issue.py`)."""
    freed: Collection[str]
    """On void invoices only, to be made anew: they are asked for again then if they are still agreed."""

    def keeps(self, date: datetime, item_ids: Iterable[str], end: datetime) -> bool:
        """Whether what is agreed for a date stays when its contract ends (docs/pricing.md, section 8).

        What lies before the end does, what is on a final invoice, and what has come and is on no void one.
        """
        return date < end or any(
            each in self.final or (date <= self.now and each not in self.freed) for each in item_ids
        )
