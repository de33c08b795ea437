"""Usage statements: the open billing periods of a customer, the usage they need, and the charges of each."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache, partial
from itertools import chain
from typing import TypeAlias

from msgspec import Struct

from winkel.bill.identity import invoice_id
from winkel.bill.purse import Purse, edges
from winkel.meter.quantities import quantities
from winkel.model.account import Account
from winkel.model.contract import Contract
from winkel.model.errors import InvalidError
from winkel.model.invoice import Invoice, InvoiceType
from winkel.model.metric import BillableMetric
from winkel.model.period import Period, billing_periods, hour_number
from winkel.model.product import Product, ProductState, ProductType
from winkel.model.rate_card import Rate, in_order
from winkel.model.same import Same
from winkel.model.usage import HourUsage, Quantity
from winkel.rate.composite import Spend, composite, names
from winkel.rate.override import Agreed, may_entitle, overridden
from winkel.rate.rate import Charge, Combination, kept, rate, schedules
from winkel.rate.schedule import Spans, cut, terms
from winkel.rate.use import Use

Rates: TypeAlias = tuple[Rate, ...]
"""The rates of one product on one card, in the order in which they were added."""


class Need(Struct, frozen=True, order=True):
    """Usage that `drafts` must be given: one metric under one of its group keys, in the hours [start, end)."""

    metric_id: str
    group_key: int
    start_hour: int
    end_hour: int
    relative_id: str = ""
    """Whose usage it is, if not the account's own customer's."""

    @property
    def key(self) -> str:
        """The name under which `drafts` looks for this usage."""
        return usage_key(self.metric_id, self.group_key, self.relative_id)


class Statement(Struct, frozen=True):
    """One billing period of one contract that has begun and is not invoiced yet."""

    contract: Contract
    period: Period
    invoice_id: str


def usage_key(metric_id: str, group_key: int, relative_id: str = "") -> str:
    """Return the metric's id, followed by the group key index unless that is 0; of a relative its id stands before.

    Two products, or two versions of one, may use the same metric under different group keys.
    """
    key = f"{metric_id}/{group_key}" if group_key else metric_id
    return f"{relative_id} {key}" if relative_id else key


def group_key_index(metric: BillableMetric, state: ProductState, filters: Collection[str] = ()) -> int:
    """Return the index of the metric's group key that holds all that matters to a contract.

    That is the pricing and presentation keys of the product, and the names by which the contract filters usage. Where
    several hold it, the shortest is meant, then the first. Without any the index is 0. Raises `InvalidError` when no
    single key of the metric holds them all (metronome-api.md §4.2).
    """
    wanted = *kept(state), *filters
    if not wanted:
        return 0
    holding = [index for index, key in enumerate(metric.keys) if set(wanted) <= set(key)]
    if not holding:
        raise InvalidError(
            f"the pricing and presentation group keys {', '.join(wanted)} of product {state.name!r} must all be part "
            f"of one group key of the billable metric {metric.name!r}; a usage filter's group_key too"
        )
    return min(holding, key=lambda index: len(metric.keys[index]))


def statements(account: Account, at: datetime) -> list[Statement]:
    """Return the open billing periods that have started at `at`, in the order in which they draw balances down.

    That order is: the end of the period, the age of the contract, its id.
    """
    found = []
    for contract in account.contracts:
        if contract.archived_at is not None or contract.starting_at > at:
            continue
        when = contract.usage_statement_schedule
        for period in billing_periods(
            contract.starting_at, contract.ending_before, when.billing_anchor_date, when.frequency, at
        ):
            its_id = invoice_id(contract.id, InvoiceType.USAGE, period.start)
            if its_id not in account.invoiced:
                found.append(Statement(contract, period, its_id))
    return sorted(found, key=lambda each: (each.period.end, each.contract.created_at, each.contract.id))


@lru_cache(maxsize=32)
def _by_product(card: Same[tuple[Rate, ...]]) -> dict[str, Rates]:
    """Return the rates of a card by product; customers read together share it."""
    return in_order(card.it)


@lru_cache(maxsize=1024)
def _schedules(rates: Same[Rates], period: Period) -> dict[Combination, Spans[Rate]]:
    return schedules(rates.it, period)


def on_card(account: Account, contract: Contract, kind: ProductType) -> list[tuple[Product, Rates]]:
    """Return the products of a kind on the contract's rate card with their rates, in the card's order."""
    card = account.rates.get(contract.rate_card_id, ()) if contract.rate_card_id else ()
    by_product = _by_product(Same(card))
    products = ((account.products[product_id], rates) for product_id, rates in by_product.items())
    return [(product, rates) for product, rates in products if product.type is kind]


def statement_of(account: Account, invoice: Invoice) -> Statement:
    """Return the billing period of a usage invoice, kept or not, to be rated once more; its contract must be there."""
    contract = next(each for each in account.contracts if each.id == invoice.contract_id)
    return Statement(contract, invoice.period, invoice.id)


def needs(account: Account, at: datetime) -> list[Need]:
    """Return the usage that `drafts` needs for this account at this time: per metric and group key, without overlap."""
    return needs_of(account, statements(account, at))


def needs_of(account: Account, some: Iterable[Statement]) -> list[Need]:
    """Return the usage that rating these billing periods needs: per metric and group key, without overlap."""
    spans: dict[tuple[str, int, str], list[tuple[int, int]]] = defaultdict(list)
    for statement in some:
        low, high = hour_number(statement.period.start), hour_number(statement.period.end)
        filters = _filtered_by(statement.contract)
        for product, rates in on_card(account, statement.contract, ProductType.USAGE):
            if not _billed_rates(statement, product, rates):
                continue
            for _, state in terms(product, statement.period):
                if state.billable_metric_id is not None:
                    metric = account.metrics[state.billable_metric_id]
                    index, whose = group_key_index(metric, state, filters), account.relative_id(statement.contract)
                    spans[metric.id, index, whose].append((low, high))
    return [
        Need(metric_id, index, low, high, whose)
        for metric_id, index, whose in sorted(spans)
        for low, high in _merged(spans[metric_id, index, whose])
    ]


def _billed_rates(statement: Statement, product: Product, rates: Rates) -> dict[Combination, Spans[Rate]]:
    """Return when which rate of a product holds; nothing when the customer cannot be entitled to any of it."""
    found = _schedules(Same(rates), statement.period)
    entitled = any(rate.entitled for spans in found.values() for _, rate in spans)
    return found if entitled or may_entitle(statement.contract, product, statement.period) else {}


class Pricing:
    """Makes the charges of one billing period.

    `payers(use)` gives the segments that may pay for a use: where one of them begins or ends, so does a charge.
    """

    def __init__(self, account: Account, statement: Statement, payers: Callable[[Use], Sequence[Purse]]) -> None:
        self._account = account
        self._statement = statement
        self._payers = payers
        self._shares: list[tuple[Product, Mapping[Combination, Spans[Rate]], list[Charge]]] = []
        """Composite products, when which rate of them holds, and their charges without any spend: where they begin."""
        # The last first: an earlier one is cut where a later one begins that counts it.
        for product, when in reversed(list(self._billed(ProductType.COMPOSITE))):
            self._shares.insert(0, (product, when, self._share(product, when, [])))

    def usage(self, usage: Mapping[str, Sequence[HourUsage]], instants: Collection[datetime] = ()) -> list[Charge]:
        """Return the charges for usage, products in the order of the rate card; cut at these instants, too."""
        metered = _Metered(self._account, self._statement, usage)
        found: list[Charge] = []
        for product, when in self._billed(ProductType.USAGE):
            found += rate(
                product,
                when,
                self._statement.period,
                metered,
                self._agreed,
                lambda use: chain(self._cuts(use), instants),
            )
        return found

    def composites(self) -> Iterator[Callable[[Sequence[Spend]], list[Charge]]]:
        """Yield for each composite product, in the order of the rate card, what gives its charges for some spend."""
        for product, when, _ in self._shares:
            yield partial(self._share, product, when)

    def _share(
        self, product: Product, when: Mapping[Combination, Spans[Rate]], spends: Sequence[Spend]
    ) -> list[Charge]:
        return composite(product, when, self._statement.period, spends, self._agreed, self._cuts)

    def _billed(self, kind: ProductType) -> Iterator[tuple[Product, dict[Combination, Spans[Rate]]]]:
        for product, rates in on_card(self._account, self._statement.contract, kind):
            if when := _billed_rates(self._statement, product, rates):
                yield product, when

    def _agreed(self, rate: Rate, use: Use, period: Period) -> Spans[Agreed]:
        able = self._payers(use)
        found: Spans[Agreed] = []
        for piece in cut(period, edges(able)):  # what a balance would pay matters only while it may
            among = {each.balance.id: each.balance for each in able if each.may_pay(use, piece)}
            found += overridden(self._statement.contract, rate, use, piece, list(among.values()))
        return found

    def _cuts(self, use: Use) -> Iterator[datetime]:
        """Yield where charges for a use begin: with balances, and with the charges of composites that ask a share."""
        yield from edges(self._payers(use))
        for product, _, charged in self._shares:
            for each in charged:
                if names(product.at(each.period.start), use):
                    yield each.period.start
                    yield each.period.end


class _Metered:
    """Hourly quantities of one billing period, computed once for each metric and choice of keys."""

    def __init__(self, account: Account, statement: Statement, usage: Mapping[str, Sequence[HourUsage]]) -> None:
        self._account = account
        self._usage = usage
        self._relative_id = account.relative_id(statement.contract)
        self._hours = hour_number(statement.period.start), hour_number(statement.period.end)
        self._filters = statement.contract.filters()
        self._filtered_by = _filtered_by(statement.contract)
        self._known: dict[tuple[str, tuple[str, ...]], list[Quantity]] = {}

    def __call__(self, state: ProductState) -> list[Quantity]:
        """Return the quantities of the whole period for the metric and keys of these terms."""
        if state.billable_metric_id is None:
            return []
        wanted = state.billable_metric_id, kept(state)
        if wanted not in self._known:
            metric = self._account.metrics[state.billable_metric_id]
            index = group_key_index(metric, state, self._filtered_by)
            low, high = self._hours
            rows = [
                row for row in self._usage[usage_key(metric.id, index, self._relative_id)] if low <= row.hour < high
            ]
            counted = self._passing(rows, metric.keys[index]) if self._filters else rows
            self._known[wanted] = quantities(metric.aggregation_type, counted, metric.keys[index], kept(state))
        return self._known[wanted]

    def _passing(self, rows: Sequence[HourUsage], names: Sequence[str]) -> list[HourUsage]:
        """Return the rows that pass the filter of their hour; before the first one all do."""
        starts = [hour_number(each.starting_at) for each in self._filters]
        found = []
        for row in rows:
            number = bisect_right(starts, row.hour)
            its = self._filters[number - 1] if number else None
            if its is None or row.group_values[names.index(its.group_key)] in its.group_values:
                found.append(row)
        return found


def _filtered_by(contract: Contract) -> list[str]:
    """Return the names by whose values the contract filters usage, at whatever time."""
    return sorted({each.group_key for each in contract.usage_filters})


def _merged(spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the same hours as spans that neither overlap nor touch, in order."""
    spans.sort()
    low, high = spans[0]
    for start, end in spans[1:]:
        if start > high:
            yield low, high
            low, high = start, end
        high = max(high, end)
    yield low, high
