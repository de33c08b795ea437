"""Usage statements: the open billing periods of a customer, the usage they need, and the charges of each."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache, partial

from msgspec import Struct

from winkel.bill.identity import invoice_id
from winkel.bill.purse import Purse, edges
from winkel.meter.quantities import quantities
from winkel.model.account import Account
from winkel.model.contract import Contract
from winkel.model.credit_type import USD
from winkel.model.errors import InvalidError
from winkel.model.invoice import Invoice, InvoiceType
from winkel.model.metric import BillableMetric
from winkel.model.period import Period, billing_periods, hour_number
from winkel.model.product import Product, ProductState, ProductType
from winkel.model.rate_card import Rate, in_order
from winkel.model.same import Same
from winkel.model.usage import Group, Hours, HourUsage
from winkel.rate.composite import Spend, composite, counts
from winkel.rate.offer import Offer, Term, kept, offer
from winkel.rate.override import Agreed, may_entitle, overridden, priced_in
from winkel.rate.rate import Charge, rate
from winkel.rate.schedule import cut
from winkel.rate.use import Use


class Need(Struct, frozen=True, order=True, gc=False):
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


class Statement(Struct, frozen=True, gc=False):
    """One billing period of one contract that has begun and is not invoiced yet."""

    contract: Contract
    period: Period
    invoice_id: str
    again: frozenset[str] = frozenset()
    """Items of invoice schedules that stood on the void invoice whose place it takes."""


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
            f"{', '.join(wanted)}, by which usage of product {state.name!r} is priced, shown and filtered, must all be "
            f"part of one group key of the billable metric {metric.name!r}"
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
            if its_id not in account.invoiced and when.makes(period):
                found.append(Statement(contract, period, its_id))
    return sorted(found, key=lambda each: (each.period.end, each.contract.created_at, each.contract.id))


class _Card:
    """What a rate card offers in whatever billing period is asked for, prepared once."""

    def __init__(self, rates: Sequence[Rate], products: Mapping[str, Product]) -> None:
        self._rates = in_order(rates)
        self._products = products
        self._known: dict[Period, dict[ProductType, list[Offer]]] = {}

    def offers(self, kind: ProductType, period: Period) -> Sequence[Offer]:
        """Return what has a rate in the period, of a type of product, in the card's order."""
        if period not in self._known:
            self._known[period] = self._prepared(period)
        return self._known[period].get(kind, ())

    def _prepared(self, period: Period) -> dict[ProductType, list[Offer]]:
        found: dict[ProductType, list[Offer]] = defaultdict(list)
        for product_id, rates in self._rates.items():
            made = offer(self._products[product_id], rates, period)
            if any(term.rates for term in made.terms):
                found[made.product.type].append(made)
        return dict(found)


@lru_cache(maxsize=32)
def _card(rates: Same[tuple[Rate, ...]], products: Same[Mapping[str, Product]]) -> _Card:
    """Return a rate card; customers that are read together (`store/accounts.py, load_some`) share it."""
    return _Card(rates.it, products.it)


def offered(account: Account, statement: Statement, kind: ProductType) -> list[Offer]:
    """Return what the contract's rate card offers of a type of product, in the card's order.

    Without what the customer cannot be entitled to in the billing period.
    """
    contract, period = statement.contract, statement.period
    rates = account.rates.get(contract.rate_card_id, ()) if contract.rate_card_id else ()
    found = _card(Same(rates), Same(account.products)).offers(kind, period)
    return [each for each in found if each.entitled or may_entitle(contract, each.product, period)]


def currency_of(account: Account, contract: Contract) -> str:
    """Return the currency in which usage of a contract is to be paid: that of its rate card; USD without a card."""
    return account.cards[contract.rate_card_id].fiat_credit_type_id if contract.rate_card_id else USD.id


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
        filters = statement.contract.filter_names()
        for each in offered(account, statement, ProductType.USAGE):
            for term in each.terms:
                if term.state.billable_metric_id is not None:
                    metric = account.metrics[term.state.billable_metric_id]
                    index, whose = group_key_index(metric, term.state, filters), account.relative_id(statement.contract)
                    spans[metric.id, index, whose].append((low, high))
    return [
        Need(metric_id, index, low, high, whose)
        for metric_id, index, whose in sorted(spans)
        for low, high in _merged(spans[metric_id, index, whose])
    ]


class _Share(Struct, frozen=True):
    """A composite product in one billing period, and the products whose shares it may count."""

    offer: Offer
    charges: list[Charge]
    """Without any spend: where they begin, and of what they ask for a share."""
    before: frozenset[str]
    """Composite products that came to the card before it, by id."""

    def counts_share(self, other: "_Share") -> bool:
        """Whether it asks, at some time, for a share of what another composite product asks for."""
        return other.offer.product.id in self.before and any(
            mine.period.meet(its.period.start, its.period.end) is not None
            and counts(self.offer.product.at(mine.period.start), mine.use, its.use, composite=True)
            for mine in self.charges
            for its in other.charges
        )


class Pricing:
    """Makes the charges of one billing period.

    `payers(use)` gives the segments that may pay for a use: where one of them begins or ends, so does a charge.
    """

    def __init__(self, account: Account, statement: Statement, payers: Callable[[Use], Sequence[Purse]]) -> None:
        self._account = account
        self._statement = statement
        self._payers = payers
        shown = offered(account, statement, ProductType.COMPOSITE)
        self._places = {each.product.id: place for place, each in enumerate(shown)}
        self._shares: list[_Share] = []
        """In the order in which they came to the rate card, which nobody can change."""
        # The last first: an earlier one is cut where a later one begins that counts it.
        for each in sorted(shown, key=lambda each: each.number, reverse=True):
            before = frozenset(other.product.id for other in shown if other.number < each.number)
            self._shares.insert(0, _Share(each, self._share(each, self._shares, []), before))

    def usage(self, usage: Mapping[str, Sequence[HourUsage]], instants: Collection[datetime] = ()) -> list[Charge]:
        """Return the charges for usage, products in the order of the rate card; cut at these instants, too."""
        metered = _Metered(self._account, self._statement, usage)
        prices = partial(self._prices, shares=self._shares, instants=instants)
        found: list[Charge] = []
        for each in offered(self._account, self._statement, ProductType.USAGE):
            found += rate(each, metered, prices)
        return found

    def composites(self) -> Iterator[Callable[[Sequence[Spend]], list[Charge]]]:
        """Yield what gives the charges of composite products for all spend so far, step by step.

        Balances pay for those of one step together: of the first step count no others, those of the next ones some of
        earlier steps (docs/pricing.md §5).
        """
        steps: list[list[int]] = []
        step_of: dict[str, int] = {}
        for index, each in enumerate(self._shares):
            counted = [step_of[other.offer.product.id] for other in self._shares[:index] if each.counts_share(other)]
            step = step_of[each.offer.product.id] = max(counted, default=-1) + 1
            if step == len(steps):
                steps.append([])
            steps[step].append(index)
        for some in steps:
            yield partial(self._together, some)

    def place(self, charge: Charge) -> int:
        """Return where on the statement the charge of a composite product stands among those of others."""
        return self._places[charge.use.product_id]

    def _together(self, indexes: Sequence[int], spends: Sequence[Spend]) -> list[Charge]:
        """Return the charges of some composite products, each of what it may count."""
        found: list[Charge] = []
        for index in indexes:
            its = self._shares[index]
            own = [each for each in spends if not each.composite or each.use.product_id in its.before]
            found += self._share(its.offer, self._shares[index + 1 :], own)
        return found

    def _share(self, of: Offer, later: Sequence[_Share], spends: Sequence[Spend]) -> list[Charge]:
        """Return the charges of a composite product; `later` are those behind it on the card, which may count it."""
        return composite(of, spends, partial(self._prices, shares=later, of_composite=True))

    def _prices(
        self,
        rate: Rate,
        use: Use,
        period: Period,
        *,
        shares: Sequence[_Share],
        instants: Collection[datetime] = (),
        of_composite: bool = False,
    ) -> Iterator[tuple[Period, Agreed]]:
        """Yield what a use costs, in pieces that lie on one side of each instant where charges for it must begin.

        Those are where balances that may pay for it begin and end, and where charges of composites do that ask a share
        of it (`shares`).
        """
        kind, contract = ProductType.COMPOSITE if of_composite else ProductType.USAGE, self._statement.contract
        for span, unit in priced_in(contract, rate, use, period):
            own = use.in_unit(unit)
            asking = _asking(own, shares, of_composite=of_composite)
            able = [each for each in self._payers(own) if each.pays_for(kind)]
            for piece in cut(span, [*edges(able), *asking, *instants]):
                among = {each.balance.id: each.balance for each in able if each.is_open(piece)}
                yield from overridden(contract, rate, own, piece, list(among.values()))


def _asking(use: Use, shares: Iterable[_Share], *, of_composite: bool) -> Iterator[datetime]:
    """Yield where charges of composites that ask for a share of what a use costs begin and end."""
    for each in shares:
        for charge in each.charges:
            if counts(each.offer.product.at(charge.period.start), charge.use, use, composite=of_composite):
                yield charge.period.start
                yield charge.period.end


class _Metered:
    """Hourly quantities of one billing period, computed once for each metric and choice of keys."""

    def __init__(self, account: Account, statement: Statement, usage: Mapping[str, Sequence[HourUsage]]) -> None:
        self._account = account
        self._usage = usage
        self._relative_id = account.relative_id(statement.contract)
        self._hours = hour_number(statement.period.start), hour_number(statement.period.end)
        self._filters = statement.contract.filters()
        self._filtered_by = statement.contract.filter_names()
        self._known: dict[tuple[str, tuple[str, ...]], dict[Group, Hours]] = {}

    def __call__(self, term: Term) -> dict[Group, Hours]:
        """Return the quantities of the whole period for the metric and keys of these terms."""
        if term.state.billable_metric_id is None:
            return {}
        wanted = term.state.billable_metric_id, term.kept
        if wanted not in self._known:
            metric = self._account.metrics[term.state.billable_metric_id]
            index = group_key_index(metric, term.state, self._filtered_by)
            low, high = self._hours
            rows = [
                row for row in self._usage[usage_key(metric.id, index, self._relative_id)] if low <= row.hour < high
            ]
            counted = self._passing(rows, metric.keys[index]) if self._filters else rows
            self._known[wanted] = quantities(metric.aggregation_type, counted, metric.keys[index], term.kept)
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
