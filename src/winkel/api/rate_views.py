"""Rates as the API shows them: which hold when, which are asked for, and their shape (metronome-api.md §4.6, §10.1)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any, assert_never
from uuid import UUID

from msgspec import Struct, structs

from winkel.api.wire import Ref, credit_type_ref
from winkel.model.credit_type import Units
from winkel.model.money import plain
from winkel.model.period import Frequency
from winkel.model.price import Custom, Flat, Percentage, Price, Subscribed, Tier, Tiered, TieredPercentage
from winkel.model.product import Product
from winkel.model.rate_card import Rate
from winkel.rate.schedule import holding


class Selector(Struct, forbid_unknown_fields=True):
    """Which rates are wanted: all conditions of one selector must hold, of at least one selector."""

    product_id: UUID | None = None
    product_tags: list[str] | None = None
    pricing_group_values: dict[str, str] | None = None
    partial_pricing_group_values: dict[str, str] | None = None
    billing_frequency: Frequency | None = None


class PriceView(Struct, omit_defaults=True, kw_only=True):
    """A price."""

    rate_type: str
    price: Decimal | None = None
    tiers: list[Tier] | None = None
    custom_rate: dict[str, Any] | None = None
    quantity: Decimal | None = None
    is_prorated: bool | None = None


class RateView(PriceView, omit_defaults=True, kw_only=True):
    """A price with its pricing unit."""

    credit_type: Ref
    pricing_group_values: dict[str, str] | None = None


class AddedRateView(RateView, omit_defaults=True, kw_only=True):
    """A rate that was just added, with what units cost that commits pay for."""

    commit_rate: PriceView | None = None


class Held(Struct, frozen=True):
    """A rate and when it holds: later rates may cut it short (`model/rate_card.py`, Rate)."""

    rate: Rate
    starting_at: datetime
    ending_before: datetime | None


class RateRow(Struct, omit_defaults=True, kw_only=True):
    """One line of a rate schedule."""

    entitled: bool
    product_id: str
    product_name: str
    product_tags: tuple[str, ...]
    product_custom_fields: dict[str, str]
    rate: RateView
    starting_at: datetime
    ending_before: datetime | None = None
    pricing_group_values: dict[str, str] | None = None
    commit_rate: PriceView | None = None
    billing_frequency: Frequency | None = None


class ContractRateRow(Struct, omit_defaults=True, kw_only=True):
    """One line of the rate schedule of a contract."""

    rate_card_id: str
    entitled: bool
    product_id: str
    product_name: str
    product_tags: tuple[str, ...]
    product_custom_fields: dict[str, str]
    list_rate: RateView
    override_rate: RateView | None = None
    starting_at: datetime
    ending_before: datetime | None = None
    pricing_group_values: dict[str, str] | None = None
    commit_rate: PriceView | None = None
    billing_frequency: Frequency | None = None


def rate_view(rate: Rate, units: Units) -> RateView:
    """Return the price of a rate for the wire."""
    return list_rate(rate.price, credit_type_ref(rate.credit_type_id, units), rate.pricing_group_values)


def added_rate(rate: Rate, units: Units) -> AddedRateView:
    """Return a rate that was just added, for the wire."""
    shown = structs.asdict(rate_view(rate, units))
    return AddedRateView(**shown, commit_rate=None if rate.commit_price is None else price_view(rate.commit_price))


def list_rate(price: Price, credit_type: Ref, pricing_group_values: Mapping[str, str] | None = None) -> RateView:
    """Return a price with its pricing unit for the wire."""
    shown = price_view(price)
    return RateView(
        rate_type=shown.rate_type,
        price=shown.price,
        tiers=shown.tiers,
        custom_rate=shown.custom_rate,
        quantity=shown.quantity,
        is_prorated=shown.is_prorated,
        credit_type=credit_type,
        pricing_group_values=dict(pricing_group_values or {}) or None,
    )


def price_view(price: Price) -> PriceView:
    """Return a price for the wire."""
    match price:
        case Flat(price=amount):
            return PriceView(rate_type="FLAT", price=plain(amount))
        case Tiered(tiers=tiers):
            return PriceView(rate_type="TIERED", tiers=[_tier(tier) for tier in tiers])
        case Percentage(price=share):
            return PriceView(rate_type="PERCENTAGE", price=plain(share))
        case TieredPercentage(tiers=tiers):
            return PriceView(rate_type="TIERED_PERCENTAGE", tiers=[_tier(tier) for tier in tiers])
        case Custom(custom_rate=custom_rate):
            return PriceView(rate_type="CUSTOM", custom_rate=custom_rate)
        case Subscribed(quantity=quantity, each=each):
            shown = price_view(each)
            shown.rate_type, shown.quantity, shown.is_prorated = "SUBSCRIPTION", plain(quantity), True
            return shown
        case _:
            assert_never(price)


def _tier(tier: Tier) -> Tier:
    return Tier(plain(tier.price), None if tier.size is None else plain(tier.size))


def rate_row(held: Held, product: Product, units: Units, at: datetime) -> RateRow:
    """Return one line of a rate card's schedule, with the product as it is named at the instant."""
    state = product.at(at)
    return RateRow(
        entitled=held.rate.entitled,
        product_id=product.id,
        product_name=state.name,
        product_tags=state.tags,
        product_custom_fields=product.custom_fields,
        rate=rate_view(held.rate, units),
        starting_at=held.starting_at,
        ending_before=held.ending_before,
        pricing_group_values=held.rate.pricing_group_values or None,
        commit_rate=None if held.rate.commit_price is None else price_view(held.rate.commit_price),
        billing_frequency=held.rate.billing_frequency,
    )


def contract_rate_row(agreed: Held, listed: Rate, product: Product, units: Units, at: datetime) -> ContractRateRow:
    """Return one line of a contract's schedule, with the product as it is named at the instant.

    `agreed` is the rate under the contract's overrides; the line names it when it is not the list's.
    """
    state = product.at(at)
    return ContractRateRow(
        rate_card_id=listed.rate_card_id,
        entitled=True,
        override_rate=None if agreed.rate == listed else rate_view(agreed.rate, units),
        product_id=product.id,
        product_name=state.name,
        product_tags=state.tags,
        product_custom_fields=product.custom_fields,
        list_rate=rate_view(listed, units),
        starting_at=agreed.starting_at,
        ending_before=agreed.ending_before,
        pricing_group_values=listed.pricing_group_values or None,
        commit_rate=None if listed.commit_price is None else price_view(listed.commit_price),
        billing_frequency=listed.billing_frequency,
    )


def schedule(rates: Iterable[Rate], products: Mapping[str, Product]) -> list[Held]:
    """Return which rate holds when, in the order of a rate card: products as they were first added, then time.

    Rates of one product for different billing frequencies or pricing group values hold beside each other. While a
    product's pricing group key has other names than a rate, that prices nothing, and is left out.
    """
    groups: dict[tuple[int, str, tuple[tuple[str, str], ...]], list[Rate]] = {}
    first: dict[str, int] = {}
    for rate in rates:
        number = first.setdefault(rate.product_id, rate.number)
        values = tuple(sorted(rate.pricing_group_values.items()))
        groups.setdefault((number, rate.billing_frequency or "", values), []).append(rate)
    spans = (held for key in sorted(groups) for held in _held(groups[key]))
    return [piece for held in spans for piece in _pricing(held, products[held.rate.product_id])]


def _pricing(held: Held, product: Product) -> Iterator[Held]:
    """Yield when the rate names exactly what its product is priced by."""
    names = set(held.rate.pricing_group_values)
    changes = {each.starting_at for each in product.updates}
    inside = [
        each for each in changes if each > held.starting_at and _covers(held.starting_at, held.ending_before, each)
    ]
    edges = sorted({held.starting_at, *inside})
    fitting = [names == set(product.at(each).pricing_group_key or ()) for each in edges]
    ends = [*edges[1:], held.ending_before]
    for fits, run in groupby(zip(fitting, edges, ends, strict=True), key=itemgetter(0)):
        together = list(run)
        if fits:
            yield Held(held.rate, together[0][1], together[-1][2])


def _held(rates: Sequence[Rate]) -> list[Held]:
    """Return which of the rates of one product, billing frequency and pricing group values holds when."""
    starts = {rate.starting_at for rate in rates} | {rate.ending_before for rate in rates if rate.ending_before}
    spans: list[Held] = []
    edges = sorted(starts)
    for low, high in zip(edges, [*edges[1:], None], strict=True):
        rate = holding(rates, low)
        if rate is None:
            continue
        if spans and spans[-1].rate.id == rate.id and spans[-1].ending_before == low:
            spans[-1] = Held(rate, spans[-1].starting_at, high)
        else:
            spans.append(Held(rate, low, high))
    return spans


def _covers(start: datetime, end: datetime | None, instant: datetime) -> bool:
    return start <= instant and (end is None or instant < end)


def at_instant(spans: Iterable[Held], instant: datetime) -> list[Held]:
    """Return those that hold at the instant."""
    return [held for held in spans if _covers(held.starting_at, held.ending_before, instant)]


def between(spans: Iterable[Held], start: datetime, end: datetime | None) -> list[Held]:
    """Return those that hold at some time in [start, end); `end` None means for ever."""
    return [
        held
        for held in spans
        if (held.ending_before is None or held.ending_before > start) and (end is None or held.starting_at < end)
    ]


def selected(
    spans: Iterable[Held], selectors: Sequence[Selector] | None, products: Mapping[str, Product], at: datetime
) -> list[Held]:
    """Return those that a selector matches, with the tags that products have at the instant; no selectors: all."""
    if not selectors:
        return list(spans)
    return [held for held in spans if any(_matches(each, held.rate, products, at) for each in selectors)]


def _matches(selector: Selector, rate: Rate, products: Mapping[str, Product], at: datetime) -> bool:
    values = rate.pricing_group_values
    partial = selector.partial_pricing_group_values or {}
    if selector.product_id is not None and str(selector.product_id) != rate.product_id:
        return False
    if selector.billing_frequency not in {None, rate.billing_frequency}:
        return False
    if selector.product_tags and not set(selector.product_tags) & set(products[rate.product_id].at(at).tags):
        return False
    if selector.pricing_group_values is not None and selector.pricing_group_values != values:
        return False
    return all(values.get(name) == value for name, value in partial.items())
