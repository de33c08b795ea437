"""What a use costs under the overrides of its contract (metronome-api.md §4.7, Overrides; docs/pricing.md)."""

import operator
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from winkel.model.commit import Balance, RateSide
from winkel.model.contract import Contract
from winkel.model.money import ZERO, add, multiply, subtract
from winkel.model.override import MultiplierTier, Override, OverrideSpecifier, OverrideType, Prioritization
from winkel.model.period import Period
from winkel.model.price import (
    OF_SPEND,
    Custom,
    Flat,
    Percentage,
    Price,
    Subscribed,
    Tier,
    Tiered,
    TieredPercentage,
    tiers_of,
)
from winkel.model.product import Product
from winkel.model.rate_card import Rate
from winkel.rate.schedule import Spans, cut, joined
from winkel.rate.use import Use, matches


class Agreed(Struct, frozen=True, gc=False):
    """What a use costs: the price that holds, and that of units which certain balances pay for, where it differs."""

    price: Price
    credit_type_id: str
    """The pricing unit of all of them."""
    by_balance: tuple[tuple[str, Price], ...] = ()
    """(balance id, price)"""


def overridden(
    contract: Contract, rate: Rate, use: Use, period: Period, payers: Sequence[Balance] = ()
) -> Spans[Agreed]:
    """Return what the use costs at each time of the period, in which this rate of its card holds.

    The use must be in the unit in which it is priced at all of these times (`priced_in`). `payers` are the balances
    that may pay for it. Times at which the customer is not entitled to it are left out. Where neighbours cost the same
    they are one span.
    """
    near = [each for each in contract.overrides if _reaches(each, period) and concerns(each, use)]
    if not near and rate.commit_price is None:
        return [(period, Agreed(rate.price, rate.credit_type_id))] if rate.entitled else []
    edges = [instant for each in near for instant in (each.starting_at, each.ending_before) if instant is not None]
    pieces = ((piece, _agreed(contract, rate, use, near, payers, piece.start)) for piece in cut(period, edges))
    return joined(pieces, operator.eq)


def priced_in(contract: Contract, rate: Rate, use: Use, period: Period) -> Spans[str]:
    """Return the pricing unit of the use at each time of the period: the rate's, or that of an overwrite."""
    near = [each for each in _overwrites(contract, use) if _reaches(each, period)]
    if all(each.credit_type_id is None for each in near):
        return [(period, rate.credit_type_id)]
    edges = [instant for each in near for instant in (each.starting_at, each.ending_before) if instant is not None]
    pieces = ((piece, unit_at(contract, rate, use, piece.start)) for piece in cut(period, edges))
    return joined(pieces, operator.eq)


def unit_at(contract: Contract, rate: Rate, use: Use, instant: datetime) -> str:
    """Return the pricing unit of the use at an instant at which this rate of its card holds."""
    now = [each for each in _overwrites(contract, use) if each.covers(instant)]
    return (now[-1].credit_type_id if now else None) or rate.credit_type_id


def _overwrites(contract: Contract, use: Use) -> list[Override]:
    """Return the overwrites for this use, whoever pays, in the order in which they were added: the last one counts."""
    some = (each for each in contract.overrides if each.type is OverrideType.OVERWRITE and not each.is_commit_specific)
    return [each for each in some if concerns(each, use)]


def agreed_at(contract: Contract, rate: Rate, use: Use, instant: datetime) -> Price | None:
    """Return what the use costs at an instant at which this rate of its card holds; None: not entitled to it.

    In the unit that `unit_at` says.
    """
    near = [each for each in contract.overrides if concerns(each, use)]
    found = _agreed(contract, rate, use, near, (), instant)
    return None if found is None else found.price


def _agreed(
    contract: Contract,
    rate: Rate,
    use: Use,
    near: Sequence[Override],
    payers: Sequence[Balance],
    instant: datetime,
) -> Agreed | None:
    now = [each for each in near if each.covers(instant)]
    if not _entitled(rate, now):
        return None
    order = contract.multiplier_override_prioritization
    price = _price(rate.price, [each for each in now if not each.is_commit_specific], order) or rate.price
    specific = rate.commit_price is not None or any(each.is_commit_specific for each in now)
    if not specific or use.credit_type_id != rate.credit_type_id:  # what is specific to commits is in the rate's unit
        return Agreed(price, use.credit_type_id)
    paid = ((each.id, _paid_price(rate, use, price, now, each, order)) for each in payers)
    special_prices = tuple((balance_id, special) for balance_id, special in paid if special != price)
    return Agreed(price, use.credit_type_id, special_prices)


def _paid_price(
    rate: Rate, use: Use, agreed: Price, now: Sequence[Override], balance: Balance, order: Prioritization
) -> Price:
    """Return what units cost that the balance pays for (metronome-api.md §4.6, commit_rate; §4.7, Overrides).

    Overrides that are specific to commits come before all others. The commit rate counts for balances that ask for it;
    without one it is the list rate, with its overrides.
    """
    by_commit_rate = balance.rate_type is RateSide.COMMIT_RATE and rate.commit_price is not None
    side = RateSide.COMMIT_RATE if by_commit_rate else RateSide.LIST_RATE
    base = rate.commit_price if by_commit_rate else rate.price
    assert base is not None, "looked at above"
    specific = [each for each in now if each.target is side and _is_for(each, use, balance)]
    return _price(base, specific, order) or (base if by_commit_rate else agreed)


def _is_for(override: Override, use: Use, balance: Balance) -> bool:
    """Whether an override, which concerns the use, is specific to commits and for what this balance pays."""
    if not override.is_commit_specific:
        return False
    meant = [each.balance_ids for each in override.specifiers if _means(each, use)]
    return not meant or any(not ids or balance.id in ids for ids in meant)


def concerns(override: Override, use: Use) -> bool:
    """Whether an override is for this use; one that names nothing is for all."""
    if override.product_id is not None:
        return override.product_id == use.product_id
    if override.applicable_product_tags:
        return any(tag in use.tags for tag in override.applicable_product_tags)
    return not override.specifiers or any(_means(each, use) for each in override.specifiers)


def _means(specifier: OverrideSpecifier, use: Use) -> bool:
    """Whether all parts of a specifier hold for the use; which balance pays is not looked at."""
    return matches(specifier, use) and specifier.billing_frequency in {None, use.billing_frequency}


def may_entitle(contract: Contract, product: Product, period: Period) -> bool:
    """Whether an override may entitle the customer to a product that its rate card withholds, within the period."""
    return any(each.entitled and _reaches(each, period) and _may_name(each, product) for each in contract.overrides)


def _may_name(override: Override, product: Product) -> bool:
    """Whether some use of the product could be meant; its tags and groups are not looked at."""
    named = {override.product_id} if override.product_id else {each.product_id for each in override.specifiers}
    return not named or None in named or product.id in named


def _reaches(override: Override, period: Period) -> bool:
    return period.meet(override.starting_at, override.ending_before) is not None


def _entitled(rate: Rate, now: Sequence[Override]) -> bool:
    """Whether the customer may use it: the override that was added last says so, or else the rate."""
    said = [each.entitled for each in now if each.entitled is not None]
    return said[-1] if said else rate.entitled


def _price(listed: Price, now: Sequence[Override], prioritization: Prioritization) -> Price | None:
    """Return the price under these overrides, in the order in which they were added; None: none of them changes it.

    One counts; they never add up.
    """
    overwrites = [each.price for each in now if each.type is OverrideType.OVERWRITE]
    if overwrites:
        assert overwrites[-1] is not None, "Override.check"
        return overwrites[-1]
    some = [each for each in now if each.type in {OverrideType.MULTIPLIER, OverrideType.TIERED}]
    if not some or isinstance(listed, Custom):  # somebody else works it out: there is nothing to multiply
        return None
    if prioritization is Prioritization.EXPLICIT:
        return _times(listed, min(some, key=lambda each: each.priority or ZERO))
    return _times(listed, min(some, key=lambda each: each.multiplier or ZERO))


def _times(listed: Price, override: Override) -> Price:
    """Return the list price, multiplied: units of each tier of multipliers at theirs, tiers of both cut into one."""
    if isinstance(listed, Subscribed):
        each = _times(listed.each, override)
        assert isinstance(each, Flat | Tiered), "of prices for units"
        return Subscribed(listed.quantity, each)
    factors = override.tiers if override.multiplier is None else (MultiplierTier(override.multiplier),)
    if isinstance(listed, Flat | Percentage) and len(factors) == 1:
        return type(listed)(multiply(listed.price, factors[0].multiplier))
    prices = tiers_of(listed)
    price_bounds, factor_bounds = _bounds(prices), _bounds(factors)
    found = []
    low = ZERO
    for high in [*sorted({*price_bounds, *factor_bounds}), None]:
        listed_price = prices[bisect_right(price_bounds, low)].price
        price = multiply(listed_price, factors[bisect_right(factor_bounds, low)].multiplier)
        found.append(Tier(price, None if high is None else subtract(high, low)))
        low = high or low
    return TieredPercentage(tuple(found)) if isinstance(listed, OF_SPEND) else Tiered(tuple(found))


def _bounds(tiers: Sequence[Tier] | Sequence[MultiplierTier]) -> list[Decimal]:
    """Return where tiers end, but for the last, which is open."""
    found = [ZERO]
    for tier in tiers[:-1]:
        assert tier.size is not None, "only the last tier is open: check_sizes"
        found.append(add(found[-1], tier.size))
    return found[1:]
