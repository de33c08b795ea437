"""Rates of rate cards, and those of a contract (metronome-api.md §4.6).

POST /v1/contract-pricing/rate-cards/{addRate,addRates,getRates,getRateSchedule}, /v1/contracts/getContractRateSchedule.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, post
from msgspec import Meta, Struct, field, structs

from winkel.api import fields, filter_checks, pages, prices, rate_views
from winkel.api.auth import reader, writer
from winkel.api.credit_types import check_units
from winkel.api.prices import PriceIn
from winkel.api.rate_views import AddedRateView, ContractRateRow, Held, RateRow, Selector
from winkel.api.requests import Paging, query
from winkel.api.state import Api
from winkel.api.wire import Data, Id, Page
from winkel.model.contract import Contract
from winkel.model.credit_type import Units, is_custom
from winkel.model.errors import InvalidError
from winkel.model.period import Frequency, Period
from winkel.model.price import Custom, Price, Subscribed
from winkel.model.product import Product, ProductType
from winkel.model.rate_card import Rate, RateCard
from winkel.model.tenant import Caller
from winkel.rate.override import overridden, priced_in
from winkel.rate.use import Use
from winkel.store import contracts, credit_types, products, rate_cards
from winkel.store.database import Connection
from winkel.store.rate_cards import NewRate

RATES_MAX = 1000
"""The most rates that one request adds."""


class RateIn(PriceIn, kw_only=True):
    """One rate of addRates."""

    product_id: UUID
    entitled: bool
    starting_at: fields.Instant
    ending_before: fields.Instant | None = None
    pricing_group_values: dict[str, str] = field(default_factory=dict)
    credit_type_id: UUID | None = None
    commit_rate: PriceIn | None = None
    """What usage costs that a balance with the rate type COMMIT_RATE pays for."""
    billing_frequency: Frequency | None = None
    """Of a SUBSCRIPTION product: for how long the price is."""


class AddRate(RateIn, kw_only=True):
    """The body of addRate."""

    rate_card_id: UUID


class AddRates(Struct, forbid_unknown_fields=True):
    """The body of addRates."""

    rate_card_id: UUID
    rates: Annotated[list[RateIn], Meta(min_length=1, max_length=RATES_MAX)]


class GetRates(Struct, forbid_unknown_fields=True):
    """The body of getRates."""

    rate_card_id: UUID
    at: fields.Instant
    selectors: list[Selector] | None = None


class GetRateSchedule(Struct, forbid_unknown_fields=True):
    """The body of getRateSchedule; without `ending_before`: all that is scheduled."""

    rate_card_id: UUID
    starting_at: fields.Instant
    ending_before: fields.Instant | None = None
    selectors: list[Selector] | None = None


class GetContractRateSchedule(Struct, forbid_unknown_fields=True):
    """The body of getContractRateSchedule; without `at`: now."""

    contract_id: UUID
    customer_id: UUID
    at: fields.Instant | None = None
    selectors: list[Selector] | None = None


@post("/v1/contract-pricing/rate-cards/addRate", guards=[writer], status_code=200)
async def add_rate(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[AddedRateView]:
    """Add one rate; with a later `starting_at` it schedules a change of price for every contract on the card."""
    asked = await fields.body(request, AddRate, ())
    async with api.database.transaction(caller.tenant_id) as tx:
        card = await _open_card(tx, caller.tenant_id, str(asked.rate_card_id))
        units = await check_units(tx, caller.tenant_id, asked)
        (new,) = await _new_rates(tx, caller.tenant_id, card, [asked], ["$"])
        await rate_cards.add_rates(tx, caller.tenant_id, [new])
    return Data(rate_views.added_rate(_shown(new), units))


@post("/v1/contract-pricing/rate-cards/addRates", guards=[writer], status_code=200)
async def add_rates(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Add several rates, all or none."""
    asked = await fields.body(request, AddRates, ())
    places = [f"$.rates[{index}]" for index in range(len(asked.rates))]
    async with api.database.transaction(caller.tenant_id) as tx:
        card = await _open_card(tx, caller.tenant_id, str(asked.rate_card_id))
        await check_units(tx, caller.tenant_id, asked)
        new = await _new_rates(tx, caller.tenant_id, card, asked.rates, places)
        await rate_cards.add_rates(tx, caller.tenant_id, new)
    return Data(Id(card.id))


@post("/v1/contract-pricing/rate-cards/getRates", guards=[reader], status_code=200)
async def get_rates(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Page[RateRow]:
    """List the rates that hold on a card at an instant."""
    asked, paging = await fields.body(request, GetRates, ()), query(request, Paging)
    at = fields.instant(asked.at, "$.at")
    rates, sold, units = await _rates_of_card(api, caller, str(asked.rate_card_id))
    spans = rate_views.selected(rate_views.at_instant(rates, at), asked.selectors, sold, at)
    shown, cursor = _page(spans, paging)
    return Page([rate_views.rate_row(held, sold[held.rate.product_id], units, at) for held in shown], cursor)


@post("/v1/contract-pricing/rate-cards/getRateSchedule", guards=[reader], status_code=200)
async def get_rate_schedule(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Page[RateRow]:
    """List the rates that hold on a card at some time in a range, with the time for which each of them holds."""
    asked, paging = await fields.body(request, GetRateSchedule, ()), query(request, Paging)
    start = fields.instant(asked.starting_at, "$.starting_at")
    end = asked.ending_before and fields.instant(asked.ending_before, "$.ending_before")
    if end is not None and end <= start:
        fields.refuse("ending_before must lie after starting_at", "$.ending_before")
    now = api.clock()
    rates, sold, units = await _rates_of_card(api, caller, str(asked.rate_card_id))
    spans = rate_views.selected(rate_views.between(rates, start, end), asked.selectors, sold, now)
    shown, cursor = _page(spans, paging)
    return Page([rate_views.rate_row(held, sold[held.rate.product_id], units, now) for held in shown], cursor)


@post("/v1/contracts/getContractRateSchedule", guards=[reader], status_code=200)
async def get_contract_rate_schedule(
    request: Request[Any, Any, Any], api: Api, caller: Caller
) -> Page[ContractRateRow]:
    """List the rates that hold for a contract at an instant: those of its card, with its overrides, and how long.

    Only what the customer is entitled to. Overrides for presentation group values are left out: no rate has those.
    """
    asked, paging = await fields.body(request, GetContractRateSchedule, ()), query(request, Paging)
    at = fields.instant(asked.at, "$.at") if asked.at else api.clock()
    async with api.database.transaction(caller.tenant_id) as tx:
        contract = await contracts.get(tx, caller.tenant_id, str(asked.customer_id), str(asked.contract_id))
    if contract.rate_card_id is None:
        return Page([])
    rates, sold, units = await _rates_of_card(api, caller, contract.rate_card_id)
    holding = rate_views.selected(rate_views.at_instant(rates, at), asked.selectors, sold, at)
    agreed = {held.rate.id: _agreed(contract, held, sold[held.rate.product_id], at) for held in holding}
    shown, cursor = _page([held for held in holding if agreed[held.rate.id] is not None], paging)
    rows = [
        rate_views.contract_rate_row(its, held.rate, sold[held.rate.product_id], units, at)
        for held in shown
        if (its := agreed[held.rate.id]) is not None
    ]
    return Page(rows, cursor)


def _agreed(contract: Contract, held: Held, product: Product, at: datetime) -> Held | None:
    """Return a rate with the price and the pricing unit that a contract has at an instant, and as long as it has them.

    None: it does not entitle to it then.
    """
    rate, for_ever = held.rate, datetime(fields.LAST_YEAR, 1, 1, tzinfo=UTC)
    use = Use(
        product.id, product.at(at).tags, rate.pricing_group_values, {}, rate.credit_type_id, rate.billing_frequency
    )
    for span, unit in priced_in(contract, rate, use, Period(held.starting_at, held.ending_before or for_ever)):
        if span.covers(at):
            for piece, its in overridden(contract, rate, use.in_unit(unit), span):
                if piece.covers(at):
                    agreed = structs.replace(rate, price=its.price, credit_type_id=unit)
                    return Held(agreed, piece.start, None if piece.end == for_ever else piece.end)
    return None


async def _open_card(tx: Connection, tenant_id: int, rate_card_id: str) -> RateCard:
    """Return a rate card to add rates to, locked. Raises `NotFoundError`, and `InvalidError` for an archived one."""
    card = await rate_cards.lock(tx, tenant_id, rate_card_id)
    if card.archived_at is not None:
        fields.refuse("this rate card is archived: it takes no new rates", "$.rate_card_id")
    return card


async def _new_rates(
    tx: Connection, tenant_id: int, card: RateCard, asked: Sequence[RateIn], places: Sequence[str]
) -> list[NewRate]:
    """Return the rates to be kept. Raises `InvalidError` for the first that cannot be."""
    named = sorted({str(each.product_id) for each in asked})
    sold = await products.by_ids(tx, tenant_id, named)
    units = await rate_cards.units_of_products(tx, tenant_id, card.id, named)
    found = []
    for each, place in zip(asked, places, strict=True):
        unit = _unit(card, each, units, f"{place}.credit_type_id")
        found.append(_new_rate(card, each, sold.get(str(each.product_id)), unit, place))
    for place, product_id, since in _sold_anew(found, places):
        try:
            await filter_checks.check_sold(tx, tenant_id, sold[product_id], [card.id], since)
        except InvalidError as error:
            fields.refuse(f"contracts on this rate card filter usage: {error}", f"{place}.product_id")
    return found


def _sold_anew(new: Sequence[NewRate], places: Sequence[str]) -> Iterator[tuple[str, str, datetime]]:
    """Yield each product of new rates once, with the place of the first and since when it is sold."""
    since: dict[str, datetime] = {}
    for each in new:
        since[each.product_id] = min(each.starting_at, since.get(each.product_id, each.starting_at))
    for each, place in zip(new, places, strict=True):
        if each.product_id in since:
            yield place, each.product_id, since.pop(each.product_id)


def _unit(card: RateCard, asked: RateIn, units: dict[str, str], place: str) -> str:
    """Return the pricing unit of a rate. Raises `InvalidError` for one without a conversion (metronome-api.md §4.6).

    `units` are those of the products that have rates on the card, and get this one: a product's unit never changes.
    """
    unit = card.fiat_credit_type_id if asked.credit_type_id is None else str(asked.credit_type_id)
    check_unit(card, unit, place)
    if units.setdefault(str(asked.product_id), unit) != unit:
        fields.refuse("the rates of this product on this card are in another pricing unit, which cannot change", place)
    return unit


def check_unit(card: RateCard, unit: str, place: str) -> None:
    """Raise `InvalidError` unless it is the card's currency or a unit that the card turns into it."""
    if unit not in {card.fiat_credit_type_id, *(each.custom_credit_type_id for each in card.credit_type_conversions)}:
        if not is_custom(unit):
            fields.refuse("must be the rate card's currency, or a custom pricing unit that it converts", place)
        fields.refuse("the rate card has no conversion for this pricing unit: add it to the card first", place)


def _new_rate(card: RateCard, asked: RateIn, product: Product | None, unit: str, place: str) -> NewRate:
    """Return one rate. Raises `InvalidError` where it breaks a rule of metronome-api.md §4.6."""
    start, end = fields.term(asked.starting_at, asked.ending_before, place)
    if product is None:
        fields.refuse(f"there is no product {asked.product_id}", f"{place}.product_id")
    _check_product(product, asked.pricing_group_values, start, place)
    price = prices.price(asked, place)
    prices.check_kind(price, product, place)
    _check_frequency(product, price, asked.billing_frequency, f"{place}.billing_frequency")
    return NewRate(
        id=str(uuid.uuid4()),
        rate_card_id=card.id,
        product_id=product.id,
        price=price,
        entitled=asked.entitled,
        starting_at=start,
        ending_before=end,
        credit_type_id=unit,
        pricing_group_values=asked.pricing_group_values,
        commit_price=None if asked.commit_rate is None else _commit_price(asked.commit_rate, product, place),
        billing_frequency=asked.billing_frequency,
    )


def _commit_price(asked: PriceIn, product: Product, place: str) -> Price:
    """Return a commit rate. Raises `InvalidError` where it cannot stand beside the product's list rate (§4.6)."""
    if product.type is not ProductType.USAGE:
        fields.refuse("only USAGE products have commit rates", f"{place}.commit_rate")
    price = prices.price(asked, f"{place}.commit_rate")
    if isinstance(price, Custom):
        fields.refuse("a commit rate has a price that is known here", f"{place}.commit_rate.rate_type")
    prices.check_kind(price, product, f"{place}.commit_rate")
    return price


def _check_frequency(product: Product, price: Price, frequency: Frequency | None, place: str) -> None:
    """Raise `InvalidError` unless a rate says for how long its price is, if the product is a subscription's (§4.6).

    SUBSCRIPTION rates do not: their price is for a billing period of the contract.
    """
    if isinstance(price, Subscribed):
        if frequency is not None:
            fields.refuse("a SUBSCRIPTION rate is for the billing periods of each contract", place)
    elif product.type is ProductType.SUBSCRIPTION and frequency is None:
        fields.refuse("a FLAT rate of a SUBSCRIPTION product needs a billing_frequency", place)
    if product.type is not ProductType.SUBSCRIPTION and frequency is not None:
        fields.refuse("only rates of SUBSCRIPTION products have a billing_frequency", place)


def _check_product(product: Product, values: Mapping[str, str], start: datetime, place: str) -> None:
    """Raise `InvalidError` unless the product can have a rate for these pricing group values."""
    if product.type not in {ProductType.USAGE, ProductType.SUBSCRIPTION, ProductType.COMPOSITE}:
        fields.refuse(f"a {product.type} product has no rate", f"{place}.product_id")
    if product.archived_at is not None:
        fields.refuse("this product is archived", f"{place}.product_id")
    key = product.at(start).pricing_group_key or ()
    if set(values) != set(key):
        wanted = f"name exactly {', '.join(key)}" if key else "be left out: the product has no pricing_group_key"
        fields.refuse(f"pricing_group_values must {wanted}", f"{place}.pricing_group_values")


def _shown(new: NewRate) -> Rate:
    """Return a rate that was just added, to be shown; its number is not."""
    return Rate(**{name: getattr(new, name) for name in new.__struct_fields__}, number=0)


async def _rates_of_card(
    api: Api, caller: Caller, rate_card_id: str
) -> tuple[list[Held], Mapping[str, Product], Units]:
    """Return when which rate of a card holds, the products and the pricing units. Raises `NotFoundError`."""
    async with api.database.transaction(caller.tenant_id, snapshot=True) as tx:
        card = await rate_cards.get(tx, caller.tenant_id, rate_card_id)
        rates = (await rate_cards.rates(tx, caller.tenant_id, [card.id]))[card.id]
        sold = await products.by_ids(tx, caller.tenant_id, sorted({rate.product_id for rate in rates}))
        units = await credit_types.units(tx, caller.tenant_id)
    return rate_views.schedule(rates, sold), sold, units


def _page(spans: Sequence[Held], paging: Paging) -> tuple[list[Held], str | None]:
    """Return one page and the cursor to the next."""
    size, after = pages.limit_of(paging.limit), fields.position(paging.next_page)
    keys = [(held.starting_at, held.rate.id) for held in spans]
    if after is not None and after not in keys:
        raise InvalidError("next_page: the rate at which the last page ended is not in this list any more")
    start = 0 if after is None else keys.index(after) + 1
    shown, more = pages.cut(spans[start:], size)
    return shown, pages.encode(pages.Position(*keys[start + len(shown) - 1])) if more else None


routes = [add_rate, add_rates, get_rates, get_rate_schedule, get_contract_rate_schedule]
