"""What subscriptions ask for, and when (metronome-api.md §4.7, Subscriptions; docs/pricing.md)."""

from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter

from msgspec import Struct

from winkel.bill.identity import derived, invoice_id
from winkel.bill.proration import prorated
from winkel.model.account import Account
from winkel.model.contract import Contract
from winkel.model.invoice import InvoiceType
from winkel.model.money import ZERO, multiply
from winkel.model.period import HOUR, Frequency, Period, cycle, cycle_at
from winkel.model.price import Price, Subscribed
from winkel.model.product import ProductType
from winkel.model.rate_card import Rate, in_order
from winkel.model.same import Same
from winkel.model.subscription import (
    CollectionSchedule,
    InvoiceBehavior,
    InvoicePlacement,
    QuantityChange,
    Subscription,
    SubscriptionProration,
)
from winkel.rate.override import agreed_at, unit_at
from winkel.rate.price import Part, priced
from winkel.rate.rate import Charge, Instalment
from winkel.rate.schedule import holding, joined, rated
from winkel.rate.use import Use

ONE = Decimal(1)


class OfRate(Subscription, frozen=True, kw_only=True):
    """What a SUBSCRIPTION rate of the card charges a contract for in one billing period, as if it were subscribed once.

    One of it is as many units as the rate says.
    """

    @property
    def rate_frequency(self) -> Frequency | None:
        """None: the rate is for a billing period, whatever its length."""
        return None


class Term(Struct, frozen=True):
    """One period of a subscription: all of it as its anchor has it, and what lies in the subscription's time."""

    whole: Period
    billed: Period


class Collection(Struct, frozen=True):
    """Units that are charged at one time: all at the start of a period, or an increase within it."""

    item_id: str
    date: datetime
    """When they are charged, unless that waits for a statement."""
    term: Term
    span: Period
    """For which time."""
    before: Decimal
    after: Decimal
    """They are the units between those two."""

    @property
    def paid_during(self) -> Period:
        """The hour in which a balance must be usable to pay for them: the first in advance, or the last before it."""
        start = self.date if self.date == self.span.start else self.date - HOUR
        return Period(start, start + HOUR)


def periods(contract: Contract, subscription: Subscription) -> Iterator[Term]:
    """Yield the billing periods of a subscription, oldest first; without an end there is no last one.

    They are counted from its anchor; the first and the last are parts where it begins or ends within one.
    """
    start = max(contract.starting_at, subscription.starting_at)
    ends = [each for each in (contract.ending_before, subscription.ending_before) if each is not None]
    end = min(ends, default=None)
    number = cycle_at(subscription.anchor, subscription.billing_frequency, start)
    while True:
        low, high = (cycle(subscription.anchor, subscription.billing_frequency, number + each) for each in (0, 1))
        billed = Period(low, high).meet(start, end)
        if billed is None:
            return
        yield Term(Period(low, high), billed)
        number += 1


def next_start(contract: Contract, subscription: Subscription, at: datetime) -> datetime | None:
    """Return when the first billing period begins that has not begun, or None."""
    return next((each.billed.start for each in periods(contract, subscription) if each.billed.start > at), None)


def unpriced(account: Account, contract: Contract, subscription: Subscription, at: datetime) -> bool:
    """Whether a charge whose date has come waits for a rate, or for the customer to be entitled."""
    some = (each for each in _open(account, contract, subscription, at) if each.date <= at)
    return any(not [*_charges(account, contract, subscription, each, each.date)] for each in some)


def on_statement(account: Account, contract: Contract, period: Period) -> list[Charge]:
    """Return what subscriptions ask for on the usage statement of this billing period, an open one.

    Those of the contract, then SUBSCRIPTION rates of its card. What such a rate asks for stands on the statement of its
    time, also where that ends before the billing period does.
    """
    found: list[Charge] = []
    for subscription in contract.subscriptions:
        if subscription.invoice_placement is InvoicePlacement.ON_USAGE_INVOICE:
            for each in _open(account, contract, subscription, period.end):
                if each.date == period.end:
                    found += _charges(account, contract, subscription, each, period.end)
    for of_rate in _of_rates(account, contract, period):
        for each in _open(account, contract, of_rate, period.end):
            found += _charges(account, contract, of_rate, each, period.end)
    return found


def off_statements(account: Account, contract: Contract, at: datetime) -> Iterator[Charge]:
    """Yield what the contract's subscriptions ask for on scheduled invoices, at most a period ahead."""
    return _placed(account, contract, at, on_statements=False)


def on_open_statements(account: Account, contract: Contract, at: datetime) -> Iterator[Charge]:
    """Yield what the contract's subscriptions ask for on usage statements that are open, at most a period ahead."""
    return _placed(account, contract, at, on_statements=True)


def _placed(account: Account, contract: Contract, at: datetime, *, on_statements: bool) -> Iterator[Charge]:
    """Yield what the contract's subscriptions ask for in one of the two places."""
    for subscription in contract.subscriptions:
        for each in _open(account, contract, subscription, at):
            if _is_on_statement(account, contract, subscription, each.date) is on_statements:
                yield from _charges(account, contract, subscription, each, each.date)


def _of_rates(account: Account, contract: Contract, period: Period) -> Iterator[OfRate]:
    """Yield what the SUBSCRIPTION rates of the contract's card charge for a billing period: in arrears, and prorated.

    One for each product and time for which it has such rates, one after the other.
    """
    if contract.rate_card_id is None:
        return
    when = contract.usage_statement_schedule
    for product_id, rates in _subscribed(Same(account.rates.get(contract.rate_card_id, ()))).items():
        times = joined(((span, product_id) for span, _ in rated(rates, period)), str.__eq__)
        for span, _ in times:
            yield OfRate(
                id=derived(contract.id, product_id),
                product_id=product_id,
                billing_frequency=when.frequency,
                collection_schedule=CollectionSchedule.ARREARS,
                starting_at=span.start,
                ending_before=span.end,
                anchor=when.billing_anchor_date,
                created_at=contract.created_at,
                changes=(QuantityChange(starting_at=span.start, quantity=ONE),),
                proration=SubscriptionProration(is_prorated=True),
            )


@lru_cache(maxsize=32)
def _subscribed(rates: Same[tuple[Rate, ...]]) -> dict[str, tuple[Rate, ...]]:
    """Return the SUBSCRIPTION rates of a card by product."""
    return in_order(each for each in rates.it if isinstance(each.price, Subscribed))


class Worth(Struct, frozen=True):
    """What the quantity of a subscription costs for a whole period, from an instant on."""

    starting_at: datetime
    parts: tuple[Part, ...]
    """One for each unit price; none where the customer is not entitled."""


def worths(account: Account, contract: Contract, subscription: Subscription, at: datetime) -> list[Worth]:
    """Return what a subscription's quantity has cost, a period, each time that it or its price changed by `at`."""
    quantities, found = list(subscription.quantities()), list[Worth]()
    for term in periods(contract, subscription):
        if term.billed.start > at:
            break
        agreed = _agreed(account, contract, subscription, term.billed.start)
        low = bisect_right(quantities, term.billed.start, key=itemgetter(0))
        within = [each for each in quantities[low:] if each[0] < term.billed.end and each[0] <= at]
        for moment, quantity in [(term.billed.start, quantities[low - 1][1] if low else ZERO), *within]:
            parts = () if agreed is None else tuple(priced(agreed.price, ZERO, quantity))
            if not found or found[-1].parts != parts:
                found.append(Worth(moment, parts))
    return found


def charged_last(
    contract: Contract, subscription: Subscription, charged: Container[str], at: datetime
) -> datetime | None:
    """Return the latest instant from which units are charged by a final invoice; `charged` are the ids of its items.

    None: nothing is. What is charged at most a period ahead of `at` is looked at.
    """
    quantities, last = list(subscription.quantities()), None
    for term in periods(contract, subscription):
        for each in _collections(subscription, quantities, term):
            if each.item_id in charged:
                last = each.span.start
        if term.billed.start > at:
            break
    return last


def outgrown(contract: Contract, parts: Mapping[str, datetime], at: datetime) -> datetime | None:
    """Return from when a final invoice has charged a part of a period that would be a longer one now; None: none has.

    `parts` says until when they are charged, by item. What is charged once is not charged again, so the rest of such a
    period would cost nothing. What is charged at most a period ahead of `at` is looked at.
    """
    for subscription in contract.subscriptions if parts else ():
        quantities = list(subscription.quantities())
        for term in periods(contract, subscription):
            for each in _collections(subscription, quantities, term):
                if each.item_id in parts and each.span.end > parts[each.item_id]:
                    return each.span.start
            if term.billed.start > at:
                break
    return None


def _is_on_statement(account: Account, contract: Contract, subscription: Subscription, date: datetime) -> bool:
    """Whether a charge of this date stands on a usage statement: one that ends then and is not final."""
    if subscription.invoice_placement is InvoicePlacement.ON_SCHEDULED_INVOICE:
        return False
    period = contract.period_at(date - HOUR)
    if period is None or period.end != date or not contract.usage_statement_schedule.makes(period):
        return False
    return invoice_id(contract.id, InvoiceType.USAGE, period.start) not in account.invoiced


def _open(account: Account, contract: Contract, subscription: Subscription, at: datetime) -> Iterator[Collection]:
    """Yield what `is_open`: of the periods that have begun at the instant, and of the next one."""
    quantities = list(subscription.quantities())
    for term in periods(contract, subscription):
        for each in _collections(subscription, quantities, term):
            if account.is_open(each.item_id):
                yield each
        if term.billed.start > at:
            return


def _collections(
    subscription: Subscription, quantities: Sequence[tuple[datetime, Decimal]], term: Term
) -> Iterator[Collection]:
    """Yield what is charged for one period: the quantity at its start, then what goes above the most so far.

    What was charged once counts until the period ends: decreases take effect with the next one (§4.7).
    """
    low = bisect_right(quantities, term.billed.start, key=itemgetter(0))
    high = bisect_left(quantities, term.billed.end, key=itemgetter(0))
    most, at_start = ZERO, quantities[low - 1][1] if low else ZERO
    for moment, quantity in [(term.billed.start, at_start), *quantities[low:high]]:
        if quantity > most:
            yield Collection(
                item_id=derived(subscription.id, moment.astimezone(UTC).isoformat()),
                date=_date(subscription, term, moment),
                term=term,
                span=Period(moment, term.billed.end),
                before=most,
                after=quantity,
            )
            most = quantity


def _date(subscription: Subscription, term: Term, moment: datetime) -> datetime:
    """Return when units are charged that count from this moment of a period on."""
    at_once = subscription.proration.invoice_behavior is InvoiceBehavior.BILL_IMMEDIATELY
    in_advance = subscription.collection_schedule is CollectionSchedule.ADVANCE
    return moment if in_advance and (at_once or moment == term.billed.start) else term.billed.end


def _charges(
    account: Account, contract: Contract, subscription: Subscription, collection: Collection, date: datetime
) -> Iterator[Charge]:
    """Yield the charges of a collection, one for each unit price; none of no units, or where nobody is entitled.

    `date` is that of the invoice on which they stand: its end, or when it is due. The rate, the overrides and the
    product's terms are those of the period's start (§4.7: one rate per period).
    """
    start, whole = collection.term.billed.start, collection.term.whole
    agreed = _agreed(account, contract, subscription, start)
    if agreed is None or not agreed.units:
        return
    is_prorated = subscription.proration.is_prorated and collection.span != whole
    its_id = None if isinstance(subscription, OfRate) else subscription.id
    instalment = Instalment(collection.item_id, its_id, is_prorated, date, collection.paid_during)
    before, after = multiply(collection.before, agreed.units), multiply(collection.after, agreed.units)
    for part in priced(agreed.price, before, after):
        unit_price = part.unit_price
        if is_prorated:
            unit_price = prorated(unit_price, collection.span, whole, subscription.proration.rounding)
        yield Charge(
            kind=ProductType.SUBSCRIPTION,
            use=agreed.use,
            name=subscription.name or account.products[subscription.product_id].at(start).name,
            period=collection.span,
            quantity=part.quantity,
            unit_price=unit_price,
            total=multiply(part.quantity, unit_price),
            list_price=agreed.rate.price,
            list_credit_type_id=agreed.list_unit,
            tier=part.tier,
            instalment=instalment,
        )


class _Agreed(Struct, frozen=True):
    """What was agreed of a subscription for one of its periods."""

    rate: Rate
    use: Use
    price: Price
    units: Decimal
    """How many one of the subscription is: the quantity of a SUBSCRIPTION rate, or one."""

    @property
    def list_unit(self) -> str | None:
        """The pricing unit of the rate, where an override has another one."""
        return None if self.rate.credit_type_id == self.use.credit_type_id else self.rate.credit_type_id


def _agreed(account: Account, contract: Contract, subscription: Subscription, start: datetime) -> _Agreed | None:
    """Return what holds for the period that begins then; None where the customer is not entitled."""
    rate = _rate(account, contract, subscription, start)
    if rate is None:
        return None
    tags = account.products[subscription.product_id].at(start).tags
    use = Use(subscription.product_id, tags, {}, {}, rate.credit_type_id, subscription.rate_frequency)
    use = use.in_unit(unit_at(contract, rate, use, start))
    price = agreed_at(contract, rate, use, start)
    return None if price is None else _Agreed(rate, use, price, _units(subscription, rate.price, price))


def _units(subscription: Subscription, listed: Price, agreed: Price) -> Decimal:
    """Return how many units one of a subscription is; an overwrite that names no quantity leaves that of the rate."""
    named = (each.quantity for each in (agreed, listed) if isinstance(each, Subscribed))
    return next(named) if isinstance(subscription, OfRate) else ONE


def _rate(account: Account, contract: Contract, subscription: Subscription, at: datetime) -> Rate | None:
    """Return the rate of the contract's card that holds for a subscription at the instant, or None."""
    card = account.rates.get(contract.rate_card_id or "", ())
    wanted = subscription.product_id, subscription.rate_frequency
    return holding((each for each in card if (each.product_id, each.billing_frequency) == wanted), at)
