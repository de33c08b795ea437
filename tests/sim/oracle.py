"""A second, slow, obvious billing: one event at a time, plain dictionaries, fractions. It knows nothing of Winkel.

Every rule is written down again from metronome-api.md §4 and from the conventions in the READMEs of `rate/` and
`bill/`, in the most literal form: nothing is cached, merged or vectorised. If it and Winkel ever differ by the last
digit, one of them is wrong.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

from sim.oracle_prices import (
    Bill,
    Charge,
    Group,
    applies,
    line_start,
    payable,
    periods,
    rate_at,
    sold,
    terms_at,
    tier_parts,
)
from sim.oracle_values import has_long_number, matches, number_of, properties_of, text_of
from sim.world import Balance, Contract, Event, Metric, Product, Rate, Segment, Specifier, Tenant, Terms

WINDOW = timedelta(days=34)
AHEAD = timedelta(hours=24)
INFINITE = float("inf")


@dataclass(frozen=True)
class Kept:
    """An event that a metric counted."""

    customer: str
    at: datetime
    transaction_id: str
    properties: dict[str, Any]
    number: Fraction | None
    text: str | None

    @property
    def hour(self) -> datetime:
        return self.at.replace(minute=0, second=0, microsecond=0)


class Oracle:
    """Everything of one tenant."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.metrics: list[Metric] = []
        """Those that are known now."""
        self.products: list[Product] = []
        """Those that are sold by now, with all their rates."""
        self.aliases: dict[str, list[str]] = {each.id: [each.id] for each in tenant.customers}
        """The identifiers of each customer, as far as they are known now."""
        self.seen: dict[tuple[str, str], tuple[date, tuple[Any, ...]]] = {}
        self.kept: dict[str, list[Kept]] = defaultdict(list)
        self.dead: Counter[tuple[str, str | None, str]] = Counter()
        """(transaction id, metric id, reason) → how often."""
        self.counted = self.duplicates = self.conflicts = 0
        self.final: dict[tuple[str, str, datetime], Bill] = {}
        """Finalized invoices by (contract, type, start)."""

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
        number, text = None, None
        if metric.aggregation == "UNIQUE":
            value = properties.get(metric.key)
            text = text_of(value)
            if text is None:
                if value is not None:
                    self.dead[event.transaction_id, metric.id, "not_text"] += 1
                return
        elif metric.aggregation != "COUNT":
            value = properties.get(metric.key)
            if value is None:
                return
            number, reason = number_of(value)
            if number is None:
                self.dead[event.transaction_id, metric.id, reason] += 1
                return
        self.kept[metric.id].append(Kept(event.customer, event.at, event.transaction_id, properties, number, text))

    def finalize(self, customer_id: str, until: datetime, grace: timedelta, at: datetime) -> list[Bill]:
        """Make final what is due at `until`: usage statements after their grace, scheduled invoices on their date."""
        found = []
        for bill in self.drafts(customer_id, at):
            due = bill.end + grace if bill.type == "USAGE" else bill.start
            if due <= until:
                self.final[bill.contract_id, bill.type, bill.start] = bill
                found.append(bill)
        return found

    # ── usage ──

    def events(self, customer_id: str, metric_id: str) -> list[Kept]:
        """Return what a metric counted of a customer, under any of its identifiers."""
        return [each for each in self.kept[metric_id] if each.customer in self.aliases[customer_id]]

    def usage(self, customer_id: str, metric_id: str) -> dict[datetime, Fraction]:
        """Return the usage of each hour by itself."""
        by_hour: dict[datetime, list[Kept]] = defaultdict(list)
        for each in self.events(customer_id, metric_id):
            by_hour[each.hour].append(each)
        return {hour: reached(self._metric(metric_id).aggregation, some, some) for hour, some in by_hour.items()}

    def _metric(self, metric_id: str) -> Metric:
        return next(each for each in self.tenant.metrics if each.id == metric_id)

    # ── rating ──

    def quantities(
        self, customer_id: str, terms: Terms, start: datetime, end: datetime
    ) -> dict[Group, dict[datetime, Fraction]]:
        """Return group → hour → quantity: what each hour adds to what the period had reached."""
        groups: dict[Group, list[Kept]] = defaultdict(list)
        names = list(dict.fromkeys((*terms.pricing_keys, *terms.presentation_keys)))
        for each in self.events(customer_id, terms.metric_id):
            if start <= each.at < end:
                groups[tuple((name, text_of(each.properties.get(name))) for name in names)].append(each)
        aggregation = self._metric(terms.metric_id).aggregation
        return {group: increments(aggregation, some) for group, some in groups.items()}

    def charges(
        self, contract: Contract, start: datetime, end: datetime, payers: list[tuple[Balance, Segment]]
    ) -> list[Charge]:
        """Return the charges of a billing period."""
        found = []
        on_card = {each.product_id for each in self.tenant.rates if each.card_id == contract.card_id}
        for product in self.products:
            if product.id in on_card:
                found += self._charges_of(product, contract, start, end, payers)
        return found

    def _charges_of(
        self,
        product: Product,
        contract: Contract,
        start: datetime,
        end: datetime,
        payers: list[tuple[Balance, Segment]],
    ) -> list[Charge]:
        """Return the charges of one product, group by group and hour by hour."""
        rates = [
            each for each in self.tenant.rates if (each.card_id, each.product_id) == (contract.card_id, product.id)
        ]
        instants = {start, *(at for at, _ in product.later)}
        for rate in rates:
            instants |= {rate.starting_at, *([rate.ending_before] if rate.ending_before else [])}
        keys = {
            (terms.pricing_keys, terms.presentation_keys) for terms in (product.first, *(t for _, t in product.later))
        }
        assert len(keys) == 1, "worlds do not change group keys of a product"
        found = []
        hourly: dict[Group, dict[datetime, dict[str, Fraction]]] = defaultdict(lambda: defaultdict(dict))
        for metric_id in {terms.metric_id for terms in (product.first, *(t for _, t in product.later))}:
            of_metric = next(t for t in (product.first, *(t for _, t in product.later)) if t.metric_id == metric_id)
            for group, hours in self.quantities(contract.customer_id, of_metric, start, end).items():
                for hour, quantity in hours.items():
                    hourly[group][hour][metric_id] = quantity
        for group, hours in hourly.items():
            values = dict(group)
            pricing = tuple((name, values[name]) for name in product.first.pricing_keys)
            if any(value is None for _, value in pricing):
                continue
            fitting = [rate for rate in rates if sorted(rate.values) == sorted(pricing)]
            found += self._charges_of_group(product, group, hours, fitting, sorted(instants), start, payers)
        return found

    def _charges_of_group(
        self,
        product: Product,
        group: Group,
        hours: dict[datetime, dict[str, Fraction]],
        rates: list[Rate],
        instants: list[datetime],
        period_start: datetime,
        payers: list[tuple[Balance, Segment]],
    ) -> list[Charge]:
        """Return the charges of one group: each hour moves a counter, which lies in tiers."""
        values = dict(group)
        pricing = tuple((name, values[name]) for name in product.first.pricing_keys)
        presentation = tuple((name, values[name]) for name in product.first.presentation_keys)
        lines: dict[tuple[Any, ...], Charge] = {}
        rule: Any = None
        base = metered = position = Fraction(0)
        for hour in sorted(hours):
            rate = rate_at(rates, hour)
            terms = terms_at(product, hour)
            if rate is None or terms.metric_id not in hours[hour]:
                continue
            edges = {
                edge
                for balance, segment in payers
                if applies(balance, product, terms, pricing, presentation)
                for edge in (segment.starting_at, segment.ending_before)
            }
            begin = line_start(product, rates, {*instants, *edges}, edges, period_start, hour)
            if (terms.conversion, terms.rounding) != rule:
                rule, base, metered = (terms.conversion, terms.rounding), position, Fraction(0)
            metered += hours[hour][terms.metric_id]
            before, position = position, base + sold(terms, metered)
            for level, unit_price, quantity in tier_parts(rate, before, position):
                line = Charge(product, terms, pricing, presentation, begin, level, unit_price)
                lines.setdefault(line.key, line).quantity += quantity
        return [line for line in lines.values() if line.quantity]

    # ── drawing down ──

    def payers(self, contract: Contract, start: datetime, end: datetime) -> list[tuple[Balance, Segment]]:
        """Return the segments that may pay in a period, the first to pay first."""
        found = []
        for balance in self.tenant.balances:
            if balance.customer_id != contract.customer_id:
                continue
            if balance.contract_id not in {None, contract.id}:
                continue
            if balance.contract_id is None and balance.contract_ids and contract.id not in balance.contract_ids:
                continue
            found += [
                (balance, each) for each in balance.segments if each.starting_at < end and each.ending_before > start
            ]
        return sorted(found, key=lambda each: self._precedence(*each, start))

    def _precedence(self, balance: Balance, segment: Segment, at: datetime) -> tuple[Any, ...]:
        contracts = 1 if balance.contract_id else len(balance.contract_ids) or INFINITE
        return (
            Fraction(balance.priority),
            any(Fraction(amount) > 0 for _, _, amount in balance.invoice_items),
            self._product_count(balance, at),
            len([each for each in balance.specifiers if each.pricing or each.presentation]),
            segment.ending_before,
            segment.starting_at,
            contracts,
            balance.contract_id is None,
            balance.id,
            segment.id,
        )

    def _product_count(self, balance: Balance, at: datetime) -> float:
        """Return to how many products a balance applies; all: infinitely many."""
        ways = balance.specifiers or (
            *(Specifier(product_id=each) for each in balance.product_ids),
            *(Specifier(tags=(each,)) for each in balance.tags),
        )
        if not ways or any(each.product_id is None and not each.tags for each in ways):
            return INFINITE
        named = {each.product_id for each in ways if each.product_id}
        for way in ways:
            if not way.product_id:
                named |= {each.id for each in self.products if set(way.tags) <= set(terms_at(each, at).tags)}
        return len(named)

    def left(self, segment: Segment) -> Fraction:
        """Return what finalized invoices have left of a segment."""
        return Fraction(segment.amount) - sum(bill.paid.get(segment.id, 0) for bill in self.final.values())

    # ── invoices ──

    def drafts(self, customer_id: str, at: datetime) -> list[Bill]:
        """Return all open invoices: usage statements in the order in which they draw down, then scheduled ones."""
        open_periods = []
        for contract in self.tenant.contracts:
            if contract.customer_id == customer_id and contract.starting_at <= at:
                for start, end in periods(contract, at):
                    if (contract.id, "USAGE", start) not in self.final:
                        open_periods.append((end, contract.created_at, contract.id, start, contract))
        left = {segment.id: self.left(segment) for balance in self.tenant.balances for segment in balance.segments}
        found = []
        for end, _, _, start, contract in sorted(open_periods, key=lambda each: each[:3]):
            found.append(self._statement(contract, start, end, left))
        return found + self._scheduled(customer_id)

    def _statement(self, contract: Contract, start: datetime, end: datetime, left: dict[str, Fraction]) -> Bill:
        """Return the usage statement of a period, and take from `left` what it draws."""
        payers = self.payers(contract, start, end)
        charges = self.charges(contract, start, end, payers)
        bill = Bill(contract.id, "USAGE", start, end)
        for charge in charges:
            assert charge.key not in bill.lines
            bill.lines[charge.key] = (charge.quantity, charge.total)
        for charge, owed in payable(charges):
            amount = owed
            for balance, segment in payers:
                if not segment.starting_at <= charge.starting_at < segment.ending_before:
                    continue
                if applies(balance, charge.product, charge.terms, charge.pricing, charge.presentation):
                    part = min(amount, left[segment.id])
                    if part > 0:
                        left[segment.id] -= part
                        amount -= part
                        bill.covered[charge.key, segment.id] = part
        return bill

    def _scheduled(self, customer_id: str) -> list[Bill]:
        """Return what commits ask for, by contract and date."""
        found: dict[tuple[str, str, datetime], Bill] = {}
        for balance in self.tenant.balances:
            if balance.customer_id != customer_id or balance.do_not_invoice or balance.contract_id is None:
                continue
            for _, date_, amount in balance.invoice_items:
                key = (balance.contract_id, "SCHEDULED", date_)
                if key not in self.final:
                    found.setdefault(key, Bill(balance.contract_id, "SCHEDULED", date_, None)).asked += Fraction(amount)
        return list(found.values())


def reached(aggregation: str, so_far: list[Kept], this_hour: list[Kept]) -> Fraction:
    """Return the value of a metric: its absolute value after all events so far, or the sum of this hour."""
    match aggregation:
        case "COUNT":
            return Fraction(len(this_hour))
        case "SUM":
            return sum((each.number for each in this_hour), Fraction(0))
        case "MAX":
            return max(each.number for each in so_far)
        case "LATEST":
            return max(this_hour, key=lambda each: (each.at, each.transaction_id, each.number)).number
        case "UNIQUE":
            return Fraction(len({each.text for each in so_far}))
    raise AssertionError(aggregation)


def increments(aggregation: str, events: list[Kept]) -> dict[datetime, Fraction]:
    """Return hour → what it adds. A period begins at zero."""
    found = {}
    before = Fraction(0)
    for hour in sorted({each.hour for each in events}):
        so_far = [each for each in events if each.hour <= hour]
        value = reached(aggregation, so_far, [each for each in events if each.hour == hour])
        if aggregation in {"COUNT", "SUM"}:
            found[hour] = value
        else:
            found[hour], before = value - before, value
    return found
