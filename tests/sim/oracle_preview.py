"""The oracle's previews (docs/pricing.md, section 12)."""

from collections.abc import Iterable
from copy import copy

from sim.oracle_bill import Bill
from sim.oracle_books import Books
from sim.world import Counted, Preview


def preview(books: Books, asked: Preview) -> list[Bill]:
    """Return the statements of the customer's current periods, as they would be with these events."""

    def events(customer_id: str, metric_id: str) -> Iterable[Counted]:
        used = books.events(customer_id, metric_id)
        if customer_id != asked.customer_id:
            return used
        return [*(used if asked.merge else ()), *(each for each in asked.events if each.metric_id == metric_id)]

    supposed = copy(books)
    supposed.events = events
    return [
        each
        for each in supposed.drafts(asked.at)
        if each.type == "USAGE" and each.customer_id == asked.customer_id
        if each.end is not None and each.start <= asked.at < each.end
    ]
