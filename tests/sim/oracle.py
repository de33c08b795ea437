"""A second, slow, obvious metering and billing: plain data, fractions. It knows nothing of Winkel.

Every rule is written down again from metronome-api.md §4 (events) and docs/pricing.md (all that follows) in the most
literal form: nothing is cached, merged or vectorised. If it and Winkel ever differ by the last digit, one of them is
wrong. Here is what happens to events; `oracle_books.py` makes invoices of them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

from msgspec.structs import replace

from sim.oracle_bill import Bill
from sim.oracle_books import Books
from sim.oracle_quantity import reached
from sim.oracle_values import has_long_number, matches, number_of, plain, properties_of, text_of
from sim.world import Counted, Event, Metric, Product, Tenant

WINDOW = timedelta(days=34)
AHEAD = timedelta(hours=24)


class Oracle:
    """Everything of one tenant."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.metrics: list[Metric] = []
        """Those that are known now."""
        self.products: list[Product] = []
        """Those that are sold by now, with all their rates."""
        self.known = replace(tenant, products=self.products)
        self.aliases: dict[str, list[str]] = {each.id: [each.id] for each in tenant.customers}
        """The identifiers of each customer, as far as they are known now."""
        self.seen: dict[tuple[str, str], tuple[date, tuple[Any, ...]]] = {}
        self.kept: dict[str, list[Counted]] = defaultdict(list)
        self.dead: Counter[tuple[str, str | None, str]] = Counter()
        """(transaction id, metric id, reason) → how often."""
        self.counted = self.duplicates = self.conflicts = 0
        self.books = {each.id: Books(self.known, each.id, self.events) for each in tenant.customers}

    # ── what happens ──

    def refuses(self, events: Iterable[Event], at: datetime) -> bool:
        """Whether a request is refused as a whole: an event out of its time, or a JSON number that is too long."""
        return any(
            not at - WINDOW <= event.at <= at + AHEAD or has_long_number(properties_of(event.properties))
            for event in events
        )

    def meter(self, event: Event, arrived_at: datetime) -> None:
        """Count an event once: the first of its (source, transaction id) wins for 34 days by day of arrival."""
        day = arrived_at.date()
        content = (event.customer, event.type, event.at, event.properties)
        identity = (event.source, event.transaction_id)
        first = self.seen.get(identity)
        if first is not None and day - first[0] <= WINDOW:
            self.duplicates += 1
            self.conflicts += content != first[1]
            return
        self.seen[identity] = (day, content)
        self.counted += 1
        properties = properties_of(event.properties)
        for metric in self.metrics:
            if matches(metric, event, properties):
                self._count(metric, event, properties)

    def _count(self, metric: Metric, event: Event, properties: dict[str, Any]) -> None:
        """Count an event for a metric, or write it down as one that could not be counted."""
        value = properties.get(metric.key) if metric.key else None
        said = "1"
        if metric.aggregation == "UNIQUE":
            text = text_of(value)
            if text is None:
                if value is not None:
                    self.dead[event.transaction_id, metric.id, "not_text"] += 1
                return
            said = text
        elif metric.aggregation != "COUNT":
            if value is None:
                return
            number, reason = number_of(value)
            if number is None:
                self.dead[event.transaction_id, metric.id, reason] += 1
                return
            said = plain(number)
        names = dict.fromkeys(name for key in metric.group_keys for name in key)
        values = tuple((name, text_of(properties.get(name))) for name in names)
        counted = Counted(metric.id, event.customer, event.at, event.transaction_id, values, said)
        self.kept[metric.id].append(counted)

    def finalize(self, customer_id: str, until: datetime, grace: timedelta, at: datetime) -> list[Bill]:
        """Make final what is due at `until`."""
        return self.books[customer_id].finalize(self.drafts(customer_id, at), until, grace)

    def drafts(self, customer_id: str, at: datetime) -> list[Bill]:
        """Return all open invoices."""
        return self.books[customer_id].drafts(at)

    # ── usage ──

    def events(self, customer_id: str, metric_id: str) -> list[Counted]:
        """Return what a metric counted of a customer, under any of its identifiers."""
        return [each for each in self.kept[metric_id] if each.customer in self.aliases[customer_id]]

    def usage(self, customer_id: str, metric_id: str) -> dict[datetime, Fraction]:
        """Return the usage of each hour by itself."""
        by_hour: dict[datetime, list[Counted]] = defaultdict(list)
        for each in self.events(customer_id, metric_id):
            by_hour[each.hour].append(each)
        aggregation = next(each.aggregation for each in self.tenant.metrics if each.id == metric_id)
        return {hour: reached(aggregation, some) for hour, some in by_hour.items()}
