"""Rates as the API shows them: which hold when, which are asked for, and their shape (metronome-api.md §4.6, §10.1)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
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


def contract_rate_row(held: Held, agreed: Price, product: Product, units: Units, at: datetime) -> ContractRateRow:
    """Return one line of a contract's schedule, with the product as it is named at the instant.

    `agreed` is the price under the contract's overrides; the line names it when it is not the list's.
    """
    state = product.at(at)
    changed = None if agreed == held.rate.price else structs.replace(held.rate, price=agreed)
    return ContractRateRow(
        rate_card_id=held.rate.rate_card_id,
        entitled=True,
        override_rate=None if changed is None else rate_view(changed, units),
        product_id=product.id,
        product_name=state.name,
        product_tags=state.tags,
        product_custom_fields=product.custom_fields,
        list_rate=rate_view(held.rate, units),
        starting_at=held.starting_at,
        ending_before=held.ending_before,
        pricing_group_values=held.rate.pricing_group_values or None,
        commit_rate=None if held.rate.commit_price is None else price_view(held.rate.commit_price),
        billing_frequency=held.rate.billing_frequency,
    )


def schedule(rates: Iterable[Rate]) -> list[Held]:
    """Return which rate holds when, in the order of a rate card: products as they were first added, then time.

    Rates of one product for different billing frequencies or pricing group values hold beside each other.
    """
    groups: dict[tuple[int, str, tuple[tuple[str, str], ...]], list[Rate]] = {}
    first: dict[str, int] = {}
    for rate in rates:
        number = first.setdefault(rate.product_id, rate.number)
        values = tuple(sorted(rate.pricing_group_values.items()))
        groups.setdefault((number, rate.billing_frequency or "", values), []).append(rate)
    return [held for key in sorted(groups) for held in _held(groups[key])]


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
