"""Overrides of request bodies → overrides of a contract, and back (metronome-api.md §4.7, §10.1)."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from msgspec import Struct, structs

from winkel.api import fields, prices
from winkel.api.parse import text_of
from winkel.api.prices import PriceIn
from winkel.api.rate_views import PriceView, price_view
from winkel.api.rates import check_unit
from winkel.api.wire import Ref, credit_type_ref
from winkel.model.commit import RateSide
from winkel.model.credit_type import Units
from winkel.model.errors import InvalidError
from winkel.model.money import plain
from winkel.model.override import MultiplierTier, Override, OverrideSpecifier, OverrideType, Prioritization
from winkel.model.period import Frequency
from winkel.model.price import Price
from winkel.model.product import Product, ProductType
from winkel.store import rate_cards
from winkel.store.database import Connection

NOT_YET = frozenset({"recurring_commit_ids"})
"""Fields of overrides that the Metronome API has and that Winkel does not know yet."""


class OverrideSpecIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """One way to be meant by an override: all of its parts must match."""

    product_id: UUID | None = None
    product_tags: list[fields.Text] = []
    pricing_group_values: dict[str, str] = {}
    presentation_group_values: dict[str, str] = {}
    commit_ids: list[UUID] = []
    any_commit_or_credit_ids: list[UUID] = []
    billing_frequency: Frequency | None = None


class OverwriteIn(PriceIn, kw_only=True):
    """The price of an OVERWRITE, in the pricing unit of the rate if it names no other."""

    credit_type_id: UUID | None = None


class OverrideIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """One override of a contract."""

    starting_at: fields.Instant
    ending_before: fields.Instant | None = None
    type: OverrideType | None = None
    entitled: bool | None = None
    product_id: UUID | None = None
    applicable_product_tags: list[fields.Text] = []
    override_specifiers: list[OverrideSpecIn] = []
    overwrite_rate: OverwriteIn | None = None
    multiplier: Decimal | None = None
    tiers: list[MultiplierTier] = []
    priority: Decimal | None = None
    is_commit_specific: bool = False
    target: RateSide | None = None


class OverwriteView(PriceView, omit_defaults=True, kw_only=True):
    """The price of an OVERWRITE, and its pricing unit if it has one of its own."""

    credit_type: Ref | None = None


class OverrideView(Struct, omit_defaults=True, kw_only=True):
    """An override on the wire."""

    id: str
    created_at: datetime
    starting_at: datetime
    is_commit_specific: bool | None = None
    target: RateSide | None = None
    ending_before: datetime | None = None
    type: OverrideType | None = None
    entitled: bool | None = None
    product: Ref | None = None
    applicable_product_tags: tuple[str, ...] | None = None
    override_specifiers: tuple[OverrideSpecifier, ...] | None = None
    overwrite_rate: OverwriteView | None = None
    multiplier: Decimal | None = None
    override_tiers: list[MultiplierTier] | None = None
    priority: Decimal | None = None


def product_ids(asked: Sequence[OverrideIn]) -> set[str]:
    """Return the ids of the products that overrides name."""
    named = {each.product_id for each in asked} | {
        spec.product_id for each in asked for spec in each.override_specifiers
    }
    return {str(each) for each in named if each is not None}


def override(
    asked: OverrideIn, prioritization: Prioritization, at: datetime, known: Mapping[str, Product], place: str
) -> Override:
    """Return the override. Raises `InvalidError` where it contradicts itself or names unknown products."""
    start, end = fields.term(asked.starting_at, asked.ending_before, place)
    if len(asked.tiers) > prices.TIERS_MAX:
        fields.refuse(f"an override has at most {prices.TIERS_MAX:,} tiers", f"{place}.tiers")
    made = Override(
        id=str(uuid.uuid4()),
        created_at=at,
        starting_at=start,
        ending_before=end,
        type=asked.type,
        entitled=asked.entitled,
        product_id=_product(asked.product_id, known, f"{place}.product_id"),
        applicable_product_tags=tuple(asked.applicable_product_tags),
        specifiers=tuple(
            _specifier(each, known, f"{place}.override_specifiers[{index}]")
            for index, each in enumerate(asked.override_specifiers)
        ),
        price=None if asked.overwrite_rate is None else prices.price(asked.overwrite_rate, f"{place}.overwrite_rate"),
        credit_type_id=None if asked.overwrite_rate is None else text_of(asked.overwrite_rate.credit_type_id),
        multiplier=fields.number_or_none(asked.multiplier, f"{place}.multiplier"),
        tiers=tuple(_tier(each, f"{place}.tiers[{index}]") for index, each in enumerate(asked.tiers)),
        priority=None if asked.priority is None else fields.finite(asked.priority, f"{place}.priority"),
        is_commit_specific=asked.is_commit_specific,
        target=asked.target or RateSide.LIST_RATE,
    )
    try:
        made.check(prioritization)
    except InvalidError as error:
        fields.refuse(str(error), place)
    _check_overwrite(made, known, place)
    return made


async def check_units(
    tx: Connection, tenant_id: int, rate_card_id: str | None, asked: Sequence[OverrideIn], prefix: str
) -> None:
    """Raise `InvalidError` unless the rate card can turn the pricing units of overwrites into its currency."""
    named = {
        f"{prefix}[{index}].overwrite_rate.credit_type_id": each.overwrite_rate.credit_type_id
        for index, each in enumerate(asked)
        if each.overwrite_rate is not None and each.overwrite_rate.credit_type_id is not None
    }
    if rate_card_id is None or not named:
        return
    card = await rate_cards.get(tx, tenant_id, rate_card_id)
    for place, unit in named.items():
        check_unit(card, str(unit), place)


def override_view(made: Override, known: Mapping[str, Product], units: Units) -> OverrideView:
    """Return an override for the wire; `known` has the products that overrides name."""
    product = made.product_id and known[made.product_id]
    return OverrideView(
        id=made.id,
        created_at=made.created_at,
        starting_at=made.starting_at,
        ending_before=made.ending_before,
        type=made.type,
        entitled=made.entitled,
        is_commit_specific=made.is_commit_specific if made.type else None,
        target=made.target if made.is_commit_specific else None,
        product=Ref(product.id, product.at(made.starting_at).name) if product else None,
        applicable_product_tags=made.applicable_product_tags or None,
        override_specifiers=made.specifiers or None,
        overwrite_rate=None if made.price is None else _overwrite_view(made.price, made.credit_type_id, units),
        multiplier=None if made.multiplier is None else plain(made.multiplier),
        override_tiers=[MultiplierTier(plain(each.multiplier), each.size and plain(each.size)) for each in made.tiers]
        or None,
        priority=None if made.priority is None else plain(made.priority),
    )


def _overwrite_view(price: Price, credit_type_id: str | None, units: Units) -> OverwriteView:
    unit = None if credit_type_id is None else credit_type_ref(credit_type_id, units)
    return OverwriteView(**structs.asdict(price_view(price)), credit_type=unit)


def _product(asked: UUID | None, known: Mapping[str, Product], place: str) -> str | None:
    if asked is not None and str(asked) not in known:
        fields.refuse(f"there is no product {asked}", place)
    return None if asked is None else str(asked)


def _specifier(asked: OverrideSpecIn, known: Mapping[str, Product], place: str) -> OverrideSpecifier:
    made = OverrideSpecifier(
        product_id=_product(asked.product_id, known, f"{place}.product_id"),
        product_tags=tuple(asked.product_tags),
        pricing_group_values=asked.pricing_group_values,
        presentation_group_values=asked.presentation_group_values,
        commit_ids=tuple(str(each) for each in asked.commit_ids),
        any_commit_or_credit_ids=tuple(str(each) for each in asked.any_commit_or_credit_ids),
        billing_frequency=asked.billing_frequency,
    )
    if made == OverrideSpecifier():
        fields.refuse("names no condition", place)
    if made.commit_ids and made.any_commit_or_credit_ids:
        fields.refuse("give commit_ids or any_commit_or_credit_ids, not both", place)
    return made


def _tier(asked: MultiplierTier, place: str) -> MultiplierTier:
    return MultiplierTier(
        fields.number(asked.multiplier, f"{place}.multiplier"), fields.number_or_none(asked.size, f"{place}.size")
    )


def _check_overwrite(made: Override, known: Mapping[str, Product], place: str) -> None:
    """Raise `InvalidError` unless an OVERWRITE fits its product and names all its pricing group values (§4.7)."""
    if made.type is not OverrideType.OVERWRITE:
        return
    assert made.price is not None, "Override.check"
    meant = [(f"{place}.override_specifiers[{index}]", each) for index, each in enumerate(made.specifiers)]
    for where, each in meant or [(f"{place}.product_id", OverrideSpecifier(made.product_id))]:
        assert each.product_id is not None, "Override.check"
        prices.check_kind(made.price, known[each.product_id], f"{place}.overwrite_rate")
        _check_own_unit(made, known[each.product_id], f"{place}.overwrite_rate.credit_type_id")
        key = known[each.product_id].at(made.starting_at).pricing_group_key or ()
        if set(each.pricing_group_values) != set(key):
            wanted = f"name exactly {', '.join(key)}" if key else "be left out: the product has no pricing_group_key"
            fields.refuse(f"the pricing_group_values of an OVERWRITE must {wanted}", where)


def _check_own_unit(made: Override, product: Product, place: str) -> None:
    """Raise `InvalidError` where an OVERWRITE cannot be in a pricing unit of its own."""
    if made.credit_type_id is None:
        return
    if made.is_commit_specific:
        fields.refuse("what is specific to commits is in the unit of the rate: leave it out", place)
    if product.type is ProductType.COMPOSITE:
        fields.refuse(
            "a COMPOSITE product asks for a share of what is spent in the unit of its rate: leave it out", place
        )
